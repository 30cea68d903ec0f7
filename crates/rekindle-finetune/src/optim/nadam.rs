//! NAdam: settings and the update, which Burn lacks.

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative, positive};

/// Settings of Adam with Nesterov momentum, see [`NAdam`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NAdamSpec {
    /// Decay of the mean of the gradients, once it is warm. Default 0.9.
    pub beta_1: f64,
    /// Decay of the mean of their squares. Default 0.999.
    pub beta_2: f64,
    /// Added to the denominator. Default 1e-8.
    pub epsilon: f64,
    /// How fast the momentum warms up. Default 4e-3, as in the paper.
    pub momentum_decay: f64,
    /// Weight decay, added to the gradient as `weight_decay * w`. Default 0.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for NAdamSpec {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            momentum_decay: 4e-3,
            weight_decay: 0.0,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for NAdamSpec {
    type Update = NAdam;

    fn check(&self) -> Result<(), SettingError> {
        below_one("optim.beta_1", self.beta_1)?;
        below_one("optim.beta_2", self.beta_2)?;
        positive("optim.epsilon", self.epsilon)?;
        non_negative("optim.momentum_decay", self.momentum_decay)?;
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> NAdam {
        NAdam {
            spec: self.clone(),
            weight_decay,
        }
    }
}

/// Adam with Nesterov momentum and a momentum that warms up.
///
/// With `mu_t = beta_1 * (1 - 0.5 * 0.96^(t * momentum_decay))` and `P_t` the product of `mu_1` to `mu_t`,
/// `w = w - lr * ((1 - mu_t) / (1 - P_t) * g + mu_(t+1) / (1 - P_(t+1)) * m) / (sqrt(v / (1 - beta_2^t)) + epsilon)`.
/// Equal to `torch.optim.NAdam` with coupled weight decay.
///
/// Source: [Dozat 2016](https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ).
#[derive(Debug, Clone)]
pub struct NAdam {
    spec: NAdamSpec,
    weight_decay: f64,
}

/// What [`NAdam`] keeps between the steps of one parameter.
#[derive(Debug, Clone)]
pub struct NAdamState<const D: usize> {
    /// Steps so far.
    pub time: usize,
    /// Product of the momenta so far.
    pub momentum_product: f64,
    /// Mean of the gradients.
    pub moment_1: Tensor<D>,
    /// Mean of their squares.
    pub moment_2: Tensor<D>,
}

/// Written out: Burn's derive names items of its own crate.
impl<const D: usize> RecordState for NAdamState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_scalar(prefix, "time", self.time.into());
        out.push_scalar(prefix, "momentum_product", self.momentum_product.into());
        out.push_tensor(prefix, "moment_1", self.moment_1.to_data());
        out.push_tensor(prefix, "moment_2", self.moment_2.to_data());
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        Some(Self {
            time: source.take_scalar(prefix, "time")?.try_into().ok()?,
            momentum_product: source
                .take_scalar(prefix, "momentum_product")?
                .try_into()
                .ok()?,
            moment_1: Tensor::from_data(source.take_tensor(prefix, "moment_1")?, device),
            moment_2: Tensor::from_data(source.take_tensor(prefix, "moment_2")?, device),
        })
    }
}

impl Optimizer for NAdam {
    type State<const D: usize> = NAdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let NAdamSpec {
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
        let new_2 = grad.clone().square().mul_scalar(1.0 - beta_2);
        let (time, product, moment_1, moment_2) = match state {
            None => (1, 1.0, new_1, new_2),
            Some(state) => (
                state.time + 1,
                state.momentum_product,
                state.moment_1.mul_scalar(beta_1).add(new_1),
                state.moment_2.mul_scalar(beta_2).add(new_2),
            ),
        };
        let momentum = self.momentum(time);
        let next = self.momentum(time + 1);
        let product = product * momentum;
        let correction = 1.0 - beta_2.powf(time as f64);
        let denominator = moment_2
            .clone()
            .div_scalar(correction)
            .sqrt()
            .add_scalar(epsilon);
        let along_gradient = grad.mul_scalar((1.0 - momentum) / (1.0 - product));
        let along_mean = moment_1.clone().mul_scalar(next / (1.0 - product * next));
        let step = along_gradient.add(along_mean).div(denominator);
        let state = NAdamState {
            time,
            momentum_product: product,
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

impl NAdam {
    fn momentum(&self, time: usize) -> f64 {
        self.spec.beta_1 * (1.0 - 0.5 * 0.96f64.powf(time as f64 * self.spec.momentum_decay))
    }
}
