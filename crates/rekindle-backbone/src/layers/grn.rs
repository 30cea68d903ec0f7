//! Global response normalisation: channels that answer strongly in an image are made stronger.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rekindle_kernels::ops;

use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use crate::walk::{Custom, Step, Value, Walker};

/// `x + beta + gamma * x * n`, where `n` is the norm of a channel over the image's pixels, divided by the mean of those of all channels
/// (Woo et al. 2023, ConvNeXt V2). Checked against timm 1.0.31's `GlobalResponseNorm`.
#[derive(Module, Debug)]
pub struct Grn {
    /// Scale, `[channels]`; timm's `weight`.
    pub gamma: Param<Tensor<1>>,
    /// Shift, `[channels]`; timm's `bias`.
    pub beta: Param<Tensor<1>>,
    #[module(skip)]
    keys: [String; 2],
}

/// Added to the mean of the norms.
const EPSILON: f64 = 1e-6;

impl Grn {
    /// Builds the layer with scale and shift 0, so that it changes nothing; `key` is timm's name, `stages.0.blocks.0.mlp.grn`.
    pub fn new(key: &str, channels: usize, device: &Device) -> Self {
        let zeros = || Param::from_tensor(Tensor::zeros([channels], device));
        Self {
            gamma: zeros(),
            beta: zeros(),
            keys: ["weight", "bias"].map(|name| format!("{key}.{name}")),
        }
    }

    /// Normalises a map.
    pub(super) fn normalise(&self, x: FeatureMap) -> FeatureMap {
        if !x.is_channels_last() {
            return x.map(|x| Custom::forward(self, vec![x]));
        }
        x.map(|x| ops::response_norm(x, self.gamma.val(), self.beta.val(), EPSILON))
    }

    /// What is added to the mean of the norms.
    pub fn epsilon(&self) -> f64 {
        EPSILON
    }
}

impl Custom for Grn {
    fn name(&self) -> &str {
        "global response norm"
    }

    fn forward(&self, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let x = ops::channels_last(inputs.swap_remove(0));
        let out = ops::response_norm(x, self.gamma.val(), self.beta.val(), EPSILON);
        ops::channels_first(out)
    }
}

impl Layer for Grn {
    const KIND: &'static str = "Grn";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        walker.response_norm(x, self)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        let [weight, bias] = &self.keys;
        each(Part::Vector(weight, &mut self.gamma));
        each(Part::Vector(bias, &mut self.beta));
    }
}
