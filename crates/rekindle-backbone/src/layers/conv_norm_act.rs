//! The block that every architecture is built from: convolution, batch norm, activation.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rekindle_kernels::ops::{Carries, Carry, conv_norm_act};
use rekindle_kernels::plan::{PlanBuilder, Value};

use super::{Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, FeatureMap};
use crate::{Named, StateVisitor};

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
    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height', width']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x)).into_images()
    }

    pub(super) fn apply(&self, x: FeatureMap) -> FeatureMap {
        self.apply_as(x, None, self.activation, Carries::default())
    }

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
        let Some(norm) = &self.norm else {
            return self.conv.apply(x, residual, activation);
        };
        if !x.is_channels_last() {
            let out = norm.forward(self.conv.forward(x.into_tensor()));
            let out = match residual {
                Some(residual) => out + residual.into_tensor(),
                None => out,
            };
            return FeatureMap::channels_first(activation.forward(out));
        }
        let map = x.into_map();
        if norm.uses_batch_statistics_of(&map) && self.conv.bias.is_none() {
            let options = self.conv.options(map.dims(), true);
            let weight = self.conv.weight.val();
            let residual = residual.map(FeatureMap::into_tensor);
            let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
            let result = conv_norm_act(
                map,
                weight,
                gamma,
                beta,
                residual,
                options,
                norm.options(),
                activation,
                carries,
            );
            let [batch, height, width, _] = result.output.dims();
            norm.track(result.mean, result.variance, batch * height * width);
            return FeatureMap::channels_last(result.output);
        }
        let tensor = map.into_tensor();
        // Constant statistics scale the weights instead of the result; gradients of scale and shift come with those of the weights.
        let (scale, shift) = norm.scale_and_shift_tracked(&tensor.device());
        let bias = match &self.conv.bias {
            Some(bias) => bias.val() * scale.clone() + shift,
            None => shift,
        };
        let weight = self.conv.weight.val() * scale.reshape([-1, 1, 1, 1]);
        self.conv.apply_with(
            FeatureMap::channels_last(tensor),
            weight,
            Some(bias),
            residual,
            activation,
        )
    }

    /// Adds the block, whose norm is folded, to a plan for inference; with a residual, as [`apply_adding`](Self::apply_adding).
    pub(super) fn plan(
        &self,
        plan: &mut PlanBuilder,
        x: Value,
        adding: Option<(Value, Activation)>,
    ) -> Value {
        debug_assert!(self.norm.is_none());
        let (residual, activation) = adding.unzip();
        self.conv
            .plan(plan, x, residual, activation.unwrap_or(self.activation))
    }

    /// The block for inference, its batch norm folded into the convolution.
    pub fn fold_norm(&self) -> Self {
        let Some(norm) = &self.norm else {
            return self.clone();
        };
        let (scale, shift) = norm.scale_and_shift();
        Self {
            conv: self.conv.scaled(scale, shift),
            norm: None,
            activation: self.activation,
        }
    }

    pub(super) fn track_statistics(mut self, track: bool) -> Self {
        self.norm = self.norm.map(|norm| norm.track_statistics(track));
        self
    }
}

impl Named for ConvNormAct {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        self.conv.visit_state(visitor);
        if let Some(norm) = &mut self.norm {
            norm.visit_state(visitor);
        }
    }
}
