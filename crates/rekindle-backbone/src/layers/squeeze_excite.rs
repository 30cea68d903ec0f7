//! Squeeze-and-excitation: channels weighted by what the whole map holds.

use burn::module::Module;
use burn::tensor::Device;
use rekindle_kernels::{Activation, ops};

use super::conv2d::{Conv2d, Conv2dConfig};
use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use super::pool_config::PoolConfig;
use crate::walk::{ConvStep, Step, Value, Walker};

/// Shape of a [`SqueezeExcite`].
#[derive(Debug, Clone)]
pub struct SqueezeExciteConfig {
    /// timm's name of the layer, `blocks.2.0.se`; its convolutions are [`names`](Self::names) below it.
    pub key: String,
    /// Channels of the map.
    pub channels: usize,
    /// Channels between the two convolutions.
    pub reduced: usize,
    /// Function between the two convolutions.
    pub activation: Activation,
    /// Function that makes the factors.
    pub gate: Activation,
    /// timm's names of the two convolutions: `conv_reduce` and `conv_expand`, `fc1` and `fc2`.
    pub names: [&'static str; 2],
}

impl SqueezeExciteConfig {
    /// The layer as MobileNetV3 has it: ReLU between the convolutions and a hard sigmoid behind them.
    pub fn new(key: impl Into<String>, channels: usize, reduced: usize) -> Self {
        Self {
            key: key.into(),
            channels,
            reduced,
            activation: Activation::Relu,
            gate: Activation::HardSigmoid,
            names: ["conv_reduce", "conv_expand"],
        }
    }

    /// Builds the layer with random weights and biases of 0.
    pub fn init(&self, device: &Device) -> SqueezeExcite {
        let conv = |name: &str, channels| {
            let conv = Conv2dConfig::new(format!("{}.{name}", self.key), channels, 1);
            Conv2dConfig { bias: true, ..conv }.init(device)
        };
        SqueezeExcite {
            reduce: conv(self.names[0], [self.channels, self.reduced]),
            expand: conv(self.names[1], [self.reduced, self.channels]),
            activation: self.activation,
            gate: self.gate,
        }
    }
}

/// `x gate(expand(activation(reduce(mean(x)))))`, the mean over height and width (Hu et al. 2018; Howard et al. 2019 for the hard
/// sigmoid as the gate). Checked against timm 1.0.31's `SqueezeExcite` of its EfficientNet blocks.
#[derive(Module, Debug)]
pub struct SqueezeExcite {
    /// 1x1 convolution to fewer channels, with a bias.
    pub reduce: Conv2d,
    /// 1x1 convolution back to all channels, with a bias.
    pub expand: Conv2d,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    gate: Activation,
}

impl Layer for SqueezeExcite {
    const KIND: &'static str = "SqueezeExcite";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        let step = |conv, activation| ConvStep {
            conv,
            norm: None,
            residual: None,
            activation,
        };
        let [x, squeezed] = walker.fork(x);
        let squeezed = walker.pool(squeezed, &PoolConfig::global_average())?;
        let reduced = walker.conv(squeezed, step(&self.reduce, self.activation))?;
        let gate = walker.conv(reduced, step(&self.expand, self.gate))?;
        walker.gate(x, gate)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        each(Part::Conv(&mut self.reduce));
        each(Part::Conv(&mut self.expand));
    }

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        let gate_of = |squeezed: FeatureMap| {
            let reduced = self.reduce.apply(squeezed, None, self.activation);
            self.expand.apply(reduced, None, self.gate).into_tensor()
        };
        if !x.is_channels_last() {
            let [x, squeezed] = x.twice();
            let gate = gate_of(PoolConfig::global_average().apply(squeezed));
            return FeatureMap::channels_first(x.into_tensor() * gate);
        }
        // The map is read twice; the gate hands its gradient to the mean.
        let (x, carry) = (x.into_tensor(), ops::Carry::default());
        let squeezed = ops::global_average(x.clone(), Some(carry.clone()));
        let gate = gate_of(FeatureMap::channels_last(squeezed));
        FeatureMap::channels_last(ops::gate(x, gate, Some(carry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::tensor::{Tensor, Tolerance};

    #[test]
    fn each_channel_is_multiplied_by_its_own_factor() {
        let device = Device::flex();
        let mut layer = SqueezeExciteConfig::new("se", 2, 1).init(&device);
        // The reduced value is 2 mean_0 - 1 mean_1 + 0.5.
        layer.reduce.weight =
            Param::from_tensor(Tensor::from_floats([[[[2.0]], [[-1.0]]]], &device));
        layer.reduce.bias = Some(Param::from_tensor(Tensor::from_floats([0.5], &device)));
        layer.expand.weight =
            Param::from_tensor(Tensor::from_floats([[[[1.0]]], [[[-2.0]]]], &device));
        layer.expand.bias = Some(Param::from_tensor(Tensor::from_floats([0.0, 1.0], &device)));
        // Means 1 and 2: reduced 0.5, factors (0.5 + 3) / 6 and (1 - 1 + 3) / 6.
        let x = Tensor::<4>::from_floats([[[[0.0, 2.0]], [[4.0, 0.0]]]], &device);
        let expected = Tensor::<4>::from_floats([[[[0.0, 7.0 / 6.0]], [[2.0, 0.0]]]], &device);
        layer
            .forward(x)
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-6));
    }
}
