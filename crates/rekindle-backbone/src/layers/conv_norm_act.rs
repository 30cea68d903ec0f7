//! The block that every architecture is built from: convolution, batch norm, activation.

use burn::module::Module;
use burn::tensor::Device;
use rekindle_kernels::Activation;
use rekindle_kernels::ops::{Carries, Carry};

use super::conv_norm::conv_norm;
use super::layer::Layer;
use super::part::Part;
use super::{BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, FeatureMap};
use crate::walk::{ConvStep, Step, Value, Walker};

/// Shape of a [`ConvNormAct`].
#[derive(Debug, Clone)]
pub struct ConvNormActConfig {
    /// The convolution.
    pub conv: Conv2dConfig,
    /// The batch norm behind it, if any.
    pub norm: Option<BatchNormConfig>,
    /// The activation behind that.
    pub activation: Activation,
}

impl ConvNormActConfig {
    /// Builds the block.
    pub fn init(&self, device: &Device) -> ConvNormAct {
        ConvNormAct {
            conv: self.conv.init(device),
            norm: self.norm.as_ref().map(|norm| norm.init(device)),
            activation: self.activation,
        }
    }
}

/// Convolution, then batch norm (unless folded), then activation.
#[derive(Module, Debug)]
pub struct ConvNormAct {
    /// The convolution.
    pub conv: Conv2d,
    /// The batch norm; none once it is folded into the convolution.
    pub norm: Option<BatchNorm>,
    #[module(skip)]
    activation: Activation,
}

impl ConvNormAct {
    /// The same as the first of a residual block, whose other path shares the gradient of `x`.
    pub(super) fn apply_taking(&self, x: FeatureMap, other: Carry) -> FeatureMap {
        let carries = Carries {
            takes: Some(other),
            gives: None,
        };
        self.apply_as(x, None, self.activation, carries)
    }

    /// `activation(block + residual)` for a block without an activation of its own; the carry is given the residual's gradient.
    pub(super) fn apply_adding(
        &self,
        x: FeatureMap,
        residual: FeatureMap,
        activation: Activation,
        gives: Option<Carry>,
    ) -> FeatureMap {
        debug_assert!(self.ends_linearly());
        let carries = Carries { takes: None, gives };
        self.apply_as(x, Some(residual), activation, carries)
    }

    /// Whether nothing follows the norm, so that a sum can be joined to it.
    pub(super) fn ends_linearly(&self) -> bool {
        self.activation == Activation::Identity
    }

    fn apply_as(
        &self,
        x: FeatureMap,
        residual: Option<FeatureMap>,
        activation: Activation,
        carries: Carries,
    ) -> FeatureMap {
        let norm = self.norm.as_ref();
        conv_norm(&self.conv, norm, x, residual, activation, carries)
    }

    /// Describes the block; with a residual, as [`apply_adding`](Self::apply_adding).
    pub(super) fn walk_adding(
        &self,
        walker: &mut dyn Walker,
        x: Value,
        adding: Option<(Value, Activation)>,
    ) -> Step {
        let (residual, activation) = adding.unzip();
        let step = ConvStep {
            conv: &self.conv,
            norm: self.norm.as_ref(),
            residual,
            activation: activation.unwrap_or(self.activation),
        };
        walker.conv(x, step)
    }

    /// The block for inference, its batch norm folded into the convolution.
    pub fn fold_norm(&self) -> Self {
        let mut folded = self.clone();
        folded.parts(&mut |part| part.fold());
        folded
    }
}

impl Layer for ConvNormAct {
    const KIND: &'static str = "Conv";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        self.walk_adding(walker, x, None)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        each(Part::ConvNorm(&mut self.conv, &mut self.norm));
    }

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        self.apply_as(x, None, self.activation, Carries::default())
    }
}
