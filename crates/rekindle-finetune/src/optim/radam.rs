//! RAdam: settings and the update, which Burn lacks.

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative, positive};

/// Settings of rectified Adam, see [`RAdam`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RAdamSpec {
    /// Decay of the mean of the gradients. Default 0.9.
    pub beta_1: f64,
    /// Decay of the mean of their squares. Default 0.999.
    pub beta_2: f64,
    /// Added to the denominator. Default 1e-8.
    pub epsilon: f64,
    /// Weight decay, added to the gradient as `weight_decay * w`. Default 0.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for RAdamSpec {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for RAdamSpec {
    type Update = RAdam;

    fn check(&self) -> Result<(), SettingError> {
        below_one("optim.beta_1", self.beta_1)?;
        below_one("optim.beta_2", self.beta_2)?;
        positive("optim.epsilon", self.epsilon)?;
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> RAdam {
        RAdam {
            spec: self.clone(),
            weight_decay,
        }
    }
}

/// Adam whose adaptive rate waits until its variance is known, so that it needs no warm-up.
///
/// With `p = 2 / (1 - beta_2) - 1` and `p_t = p - 2 * t * beta_2^t / (1 - beta_2^t)`: where `p_t > 5`, Adam's step times
/// `sqrt((p_t - 4) * (p_t - 2) * p / ((p - 4) * (p - 2) * p_t))`, and before that the step of momentum alone. Equal to
/// `torch.optim.RAdam` with coupled weight decay.
///
/// Source: [Liu et al. 2019](https://arxiv.org/abs/1908.03265).
#[derive(Debug, Clone)]
pub struct RAdam {
    spec: RAdamSpec,
    weight_decay: f64,
}

/// What [`RAdam`] keeps between the steps of one parameter.
#[derive(Debug, Clone)]
pub struct RAdamState<const D: usize> {
    /// Steps so far.
    pub time: usize,
    /// Mean of the gradients.
    pub moment_1: Tensor<D>,
    /// Mean of their squares.
    pub moment_2: Tensor<D>,
}

/// Written out: Burn's derive names items of its own crate.
impl<const D: usize> RecordState for RAdamState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_scalar(prefix, "time", self.time.into());
        out.push_tensor(prefix, "moment_1", self.moment_1.to_data());
        out.push_tensor(prefix, "moment_2", self.moment_2.to_data());
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        Some(Self {
            time: source.take_scalar(prefix, "time")?.try_into().ok()?,
            moment_1: Tensor::from_data(source.take_tensor(prefix, "moment_1")?, device),
            moment_2: Tensor::from_data(source.take_tensor(prefix, "moment_2")?, device),
        })
    }
}

impl Optimizer for RAdam {
    type State<const D: usize> = RAdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let RAdamSpec {
            beta_1,
            beta_2,
            epsilon,
            ..
        } = self.spec;
        let grad = match self.weight_decay {
            0.0 => grad,
            decay => grad.add(tensor.clone().mul_scalar(decay)),
        };
        let new_1 = grad.clone().mul_scalar(1.0 - beta_1);
        let new_2 = grad.square().mul_scalar(1.0 - beta_2);
        let (time, moment_1, moment_2) = match state {
            None => (1, new_1, new_2),
            Some(state) => (
                state.time + 1,
                state.moment_1.mul_scalar(beta_1).add(new_1),
                state.moment_2.mul_scalar(beta_2).add(new_2),
            ),
        };
        let steps = time as f64;
        let mean = moment_1.clone().div_scalar(1.0 - beta_1.powf(steps));
        let correction = 1.0 - beta_2.powf(steps);
        let step = match rectification(beta_2, steps) {
            Some(factor) => mean
                .mul_scalar(factor * correction.sqrt())
                .div(moment_2.clone().sqrt().add_scalar(epsilon)),
            None => mean,
        };
        let state = RAdamState {
            time,
            moment_1,
            moment_2,
        };
        (tensor.sub(step.mul_scalar(lr)), Some(state))
    }

    fn to_device<const D: usize>(mut state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.moment_1 = state.moment_1.to_device(device);
        state.moment_2 = state.moment_2.to_device(device);
        state
    }
}

/// The factor on Adam's step; none while the variance of its rate is not known.
fn rectification(beta_2: f64, steps: f64) -> Option<f64> {
    let last = 2.0 / (1.0 - beta_2) - 1.0;
    let power = beta_2.powf(steps);
    let length = last - 2.0 * steps * power / (1.0 - power);
    let ratio = |length: f64| (length - 4.0) * (length - 2.0) / length;
    (length > 5.0).then(|| (ratio(length) / ratio(last)).sqrt())
}
