//! A convolution whose output channels have learned factors.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rekindle_kernels::Activation;

use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use super::{Conv2d, Conv2dConfig};
use crate::walk::{ConvStep, Custom, Step, Value, Walker};

/// `scale * convolution(x)`, the last step of a residual path with layer scale (Touvron et al. 2021, CaiT; Liu et al. 2022, ConvNeXt).
///
/// The factors go to the weights, not to the result: the same numbers up to rounding, and no pass over the map.
#[derive(Module, Debug)]
pub struct ScaledConv {
    /// The convolution.
    pub conv: Conv2d,
    /// The factors, `[channels_out]`; none once they are folded into the convolution.
    pub scale: Option<Param<Tensor<1>>>,
    #[module(skip)]
    key: String,
}

/// What the factors start as in timm's networks.
const INITIAL: f32 = 1e-6;

impl ScaledConv {
    /// Builds the layer; `key` is timm's name of the factors, `stages.0.blocks.0.gamma`.
    pub fn new(conv: &Conv2dConfig, key: impl Into<String>, device: &Device) -> Self {
        let scale = Tensor::full([conv.channels[1]], INITIAL, device);
        Self {
            conv: conv.init(device),
            scale: Some(Param::from_tensor(scale)),
            key: key.into(),
        }
    }

    /// `activation(scale * convolution(x) + residual)`.
    pub(super) fn apply_adding(
        &self,
        x: FeatureMap,
        residual: Option<FeatureMap>,
        activation: Activation,
    ) -> FeatureMap {
        let Some(scale) = &self.scale else {
            return self.conv.apply(x, residual, activation);
        };
        let scale = scale.val();
        let bias = self.conv.bias.as_ref();
        let bias = bias.map(|bias| bias.val() * scale.clone());
        let weight = self.conv.weight.val() * scale.reshape([-1, 1, 1, 1]);
        self.conv.apply_with(x, weight, bias, residual, activation)
    }

    /// Describes the layer; with a residual, as [`apply_adding`](Self::apply_adding).
    pub(super) fn walk_adding(
        &self,
        walker: &mut dyn Walker,
        x: Value,
        adding: Option<(Value, Activation)>,
    ) -> Step {
        let (residual, activation) = adding.unzip();
        let activation = activation.unwrap_or_default();
        let step = |residual, activation| ConvStep {
            conv: &self.conv,
            norm: None,
            residual,
            activation,
        };
        let Some(scale) = &self.scale else {
            return walker.conv(x, step(residual, activation));
        };
        let x = walker.conv(x, step(None, Activation::Identity))?;
        let x = walker.scale(x, scale)?;
        match residual {
            Some(residual) => walker.add(x, residual, activation),
            None => Ok(x),
        }
    }
}

/// The product with one factor for each channel.
pub(crate) struct Scale<'a>(pub(crate) &'a Param<Tensor<1>>);

impl Custom for Scale<'_> {
    fn name(&self) -> &str {
        "scale"
    }

    fn forward(&self, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        inputs.swap_remove(0) * self.0.val().reshape([1, -1, 1, 1])
    }
}

impl Layer for ScaledConv {
    const KIND: &'static str = "ScaledConv";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        self.walk_adding(walker, x, None)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        each(Part::ScaledConv(&mut self.conv, &self.key, &mut self.scale));
    }

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        self.apply_adding(x, None, Activation::Identity)
    }
}
