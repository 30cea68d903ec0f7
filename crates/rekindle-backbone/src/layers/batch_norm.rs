//! Batch normalisation with PyTorch's running statistics.

use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor};
use rekindle_kernels::Activation;
use rekindle_kernels::ops::{self, Factors, Grown, Map, NormAct, Normed};

use super::feature_map::FeatureMap;
use crate::{Named, StateVisitor};

/// Shape of a [`BatchNorm`].
#[derive(Debug, Clone)]
pub struct BatchNormConfig {
    /// timm's name of the layer, `layer1.0.bn1`.
    pub key: String,
    /// Number of channels.
    pub channels: usize,
    /// Added to the variance before its root is taken; PyTorch's default is 1e-5, TensorFlow's 1e-3.
    pub epsilon: f64,
    /// Weight of the new batch in the running statistics, 0.1 as in PyTorch.
    pub momentum: f64,
}

impl BatchNormConfig {
    /// A batch norm with PyTorch's defaults.
    pub fn new(key: impl Into<String>, channels: usize) -> Self {
        Self {
            key: key.into(),
            channels,
            epsilon: 1e-5,
            momentum: 0.1,
        }
    }

    /// Builds the layer with scale 1, shift 0, running mean 0 and running variance 1.
    pub fn init(&self, device: &Device) -> BatchNorm {
        BatchNorm {
            gamma: Param::from_tensor(Tensor::ones([self.channels], device)),
            beta: Param::from_tensor(Tensor::zeros([self.channels], device)),
            training: Param::from_bool(true),
            running_mean: RunningState::new(Tensor::zeros([self.channels], device)),
            running_var: RunningState::new(Tensor::ones([self.channels], device)),
            momentum: self.momentum,
            epsilon: self.epsilon,
            key: self.key.clone(),
        }
    }
}

/// Batch normalisation over `[batch, channels, height, width]` (Ioffe & Szegedy 2015).
///
/// `y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`, with the batch's mean and biased variance in training and the running
/// ones otherwise. It trains only on an autodiff device and with its training flag on, so a frozen layer keeps its statistics.
///
/// Burn's own layer keeps the biased variance as its running variance; this one keeps the unbiased variance, `n / (n - 1)` times
/// that, as PyTorch does, so that a network fine-tuned here evaluates as it would there.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale, `[channels]`; timm's `weight`.
    pub gamma: Param<Tensor<1>>,
    /// Shift, `[channels]`; timm's `bias`.
    pub beta: Param<Tensor<1>>,
    /// Whether batch statistics are used and tracked.
    pub training: Param<Flag>,
    /// Running mean, `[channels]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// Running unbiased variance, `[channels]`.
    pub running_var: RunningState<Tensor<1>>,
    momentum: f64,
    epsilon: f64,
    #[module(skip)]
    key: String,
}

impl BatchNorm {
    /// Normalises `x`.
    ///
    /// # Shapes
    ///
    /// `[batch, channels, height, width]` to the same.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        if self.uses_batch_statistics(&x) {
            self.forward_train(x)
        } else {
            self.forward_inference(x)
        }
    }

    /// Whether `x` is normalised by its own statistics, not the running ones.
    pub(super) fn uses_batch_statistics(&self, x: &Tensor<4>) -> bool {
        x.is_autodiff() && self.training.is_enabled()
    }

    /// The same for a map of the kernels.
    pub(super) fn uses_batch_statistics_of(&self, x: &Map) -> bool {
        x.is_autodiff() && self.training.is_enabled()
    }

    /// `activation(norm(x))`.
    pub(super) fn normalise(&self, x: FeatureMap, activation: Activation) -> FeatureMap {
        if !x.is_channels_last() {
            return x.map(|x| activation.forward(self.forward(x)));
        }
        let map = x.into_map();
        let [batch, height, width, _] = map.dims();
        let norm = self.of_map(&map, activation);
        let Normed { output, moments } = ops::norm_act(map, norm);
        self.track_some(moments, batch * height * width);
        FeatureMap::channels_last(output)
    }

    /// `x` with the channels of `add(activation(norm(x)))` behind its own, for maps of the kernels.
    pub(super) fn grow(
        &self,
        x: FeatureMap,
        activation: Activation,
        add: impl FnOnce(FeatureMap) -> FeatureMap,
    ) -> FeatureMap {
        debug_assert!(x.is_channels_last());
        let map = x.into_map();
        let [batch, height, width, _] = map.dims();
        let norm = self.of_map(&map, activation);
        let add = |x: Tensor<4>| add(FeatureMap::channels_last(x)).into_tensor();
        let Grown { output, moments } = ops::grow(map, norm, add);
        self.track_some(moments, batch * height * width);
        FeatureMap::channels_last(output)
    }

    /// The normalisation of this map.
    fn of_map(&self, map: &Map, activation: Activation) -> NormAct {
        let factors = match self.uses_batch_statistics_of(map) {
            true => Factors::Batch {
                gamma: self.gamma.val(),
                beta: self.beta.val(),
                epsilon: self.epsilon,
            },
            false => {
                let (scale, shift) = self.scale_and_shift_tracked(&self.gamma.val().device());
                Factors::Constant { scale, shift }
            }
        };
        NormAct {
            factors,
            activation,
        }
    }

    fn track_some(&self, moments: Option<[Tensor<1>; 2]>, count: usize) {
        if let Some([mean, variance]) = moments {
            self.track(mean, variance, count);
        }
    }

    /// What is added to the variance.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// timm's name of the layer.
    pub fn key(&self) -> &str {
        &self.key
    }

    fn forward_inference(&self, x: Tensor<4>) -> Tensor<4> {
        let device = x.device();
        let mean = self.running_mean.value().to_device(&device);
        let variance = self.running_var.value().to_device(&device);
        batch_norm(
            x,
            self.gamma.val(),
            self.beta.val(),
            mean,
            variance,
            self.epsilon,
        )
    }

    fn forward_train(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, _, height, width] = x.dims();
        let result = batch_norm_train(x, self.gamma.val(), self.beta.val(), self.epsilon);
        self.track(
            result.mean.detach(),
            result.variance.detach(),
            batch * height * width,
        );
        result.output
    }

    /// Moves the running statistics towards those of a batch: its mean and biased variance over `count` numbers per channel.
    pub(super) fn track(&self, mean: Tensor<1>, variance: Tensor<1>, count: usize) {
        let count = count as f64;
        // A single value per channel has no unbiased variance; PyTorch refuses it, here the biased one (0) is kept.
        let unbiased = variance.mul_scalar(count / (count - 1.0).max(1.0));
        let keep = 1.0 - self.momentum;
        let running_mean = self.running_mean.value_sync();
        let running_var = self.running_var.value_sync();
        // Onto the device of the state, which may record gradients.
        let mean = mean.to_device(&running_mean.device());
        let unbiased = unbiased.to_device(&running_var.device());
        let mean = running_mean.mul_scalar(keep) + mean.mul_scalar(self.momentum);
        let variance = running_var.mul_scalar(keep) + unbiased.mul_scalar(self.momentum);
        self.running_mean.update(mean.detach());
        self.running_var.update(variance.detach());
    }

    /// As [`scale_and_shift`](Self::scale_and_shift), with gradients to gamma and beta.
    pub(super) fn scale_and_shift_tracked(&self, device: &Device) -> (Tensor<1>, Tensor<1>) {
        let mean = self.running_mean.value().to_device(device);
        let variance = self.running_var.value().to_device(device);
        let scale = self.gamma.val() / variance.add_scalar(self.epsilon).sqrt();
        let shift = self.beta.val() - mean * scale.clone();
        (scale, shift)
    }

    /// The same normalisation with running statistics as `x * scale + shift`, both `[channels]`.
    pub fn scale_and_shift(&self) -> (Tensor<1>, Tensor<1>) {
        let mean = self.running_mean.value_sync().without_autodiff();
        let variance = self.running_var.value_sync().without_autodiff();
        let gamma = self.gamma.val().without_autodiff();
        let beta = self.beta.val().without_autodiff();
        let scale = gamma / variance.add_scalar(self.epsilon).sqrt();
        let shift = beta - mean * scale.clone();
        (scale, shift)
    }

    /// Stops (or restarts) the use of batch statistics, leaving gradients as they are.
    pub fn track_statistics(mut self, track: bool) -> Self {
        self.training = self.training.with_value(track);
        self
    }
}

impl Named for BatchNorm {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        let key = &self.key;
        visitor.parameter(&format!("{key}.weight"), &mut self.gamma);
        visitor.parameter(&format!("{key}.bias"), &mut self.beta);
        visitor.buffer(&format!("{key}.running_mean"), &mut self.running_mean);
        visitor.buffer(&format!("{key}.running_var"), &mut self.running_var);
    }
}
