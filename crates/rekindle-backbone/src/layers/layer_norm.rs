//! Normalisation of each pixel over its channels.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rekindle_kernels::ops;

use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use crate::walk::{Custom, Step, Value, Walker};

/// Shape of a [`LayerNorm`].
#[derive(Debug, Clone)]
pub struct LayerNormConfig {
    /// timm's name of the layer, `stages.0.blocks.0.norm`.
    pub key: String,
    /// Number of channels.
    pub channels: usize,
    /// Added to the variance before its root is taken; timm's default is 1e-6, PyTorch's 1e-5.
    pub epsilon: f64,
}

impl LayerNormConfig {
    /// A layer norm with timm's epsilon.
    pub fn new(key: impl Into<String>, channels: usize) -> Self {
        Self {
            key: key.into(),
            channels,
            epsilon: 1e-6,
        }
    }

    /// Builds the layer with scale 1 and shift 0.
    pub fn init(&self, device: &Device) -> LayerNorm {
        LayerNorm {
            gamma: Param::from_tensor(Tensor::ones([self.channels], device)),
            beta: Param::from_tensor(Tensor::zeros([self.channels], device)),
            epsilon: self.epsilon,
            keys: ["weight", "bias"].map(|name| format!("{}.{name}", self.key)),
        }
    }
}

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and biased variance over the channels of each pixel (Ba et al. 2016; Liu et
/// al. 2022 in convolutional networks; timm's `LayerNorm2d`).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale, `[channels]`; timm's `weight`.
    pub gamma: Param<Tensor<1>>,
    /// Shift, `[channels]`; timm's `bias`.
    pub beta: Param<Tensor<1>>,
    epsilon: f64,
    #[module(skip)]
    keys: [String; 2],
}

impl LayerNorm {
    /// What is added to the variance.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Normalises a map.
    pub(super) fn normalise(&self, x: FeatureMap) -> FeatureMap {
        if !x.is_channels_last() {
            return x.map(|x| Custom::forward(self, vec![x]));
        }
        let norm = |x| ops::layer_norm(x, self.gamma.val(), self.beta.val(), self.epsilon);
        x.map(norm)
    }
}

impl Custom for LayerNorm {
    fn name(&self) -> &str {
        "layer norm"
    }

    fn forward(&self, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let x = ops::channels_last(inputs.swap_remove(0));
        let out = ops::layer_norm(x, self.gamma.val(), self.beta.val(), self.epsilon);
        ops::channels_first(out)
    }
}

impl Layer for LayerNorm {
    const KIND: &'static str = "LayerNorm";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        walker.layer_norm(x, self)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        let [weight, bias] = &self.keys;
        each(Part::Vector(weight, &mut self.gamma));
        each(Part::Vector(bias, &mut self.beta));
    }
}
