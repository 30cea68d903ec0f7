//! The block that every architecture is built from: convolution, batch norm, activation.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig};
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
        let x = self.conv.forward(x);
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        self.activation.forward(x)
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
