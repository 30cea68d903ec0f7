//! AdaDelta: settings and the update, which Burn lacks.

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative, positive};

/// Settings of AdaDelta, see [`AdaDelta`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaDeltaSpec {
    /// Decay of the means of squared gradients and steps. Default 0.9.
    pub rho: f64,
    /// Added to both means before their roots are taken. Default 1e-6.
    pub epsilon: f64,
    /// Weight decay, added to the gradient as `weight_decay * w`. Default 0.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for AdaDeltaSpec {
    fn default() -> Self {
        Self {
            rho: 0.9,
            epsilon: 1e-6,
            weight_decay: 0.0,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for AdaDeltaSpec {
    type Update = AdaDelta;

    fn check(&self) -> Result<(), SettingError> {
        below_one("optim.rho", self.rho)?;
        positive("optim.epsilon", self.epsilon)?;
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> AdaDelta {
        AdaDelta {
            spec: self.clone(),
            weight_decay,
        }
    }
}

/// Steps in the units of the weights themselves: `s = rho * s + (1 - rho) * g^2`, `d = sqrt(a + epsilon) / sqrt(s + epsilon) * g`,
/// `a = rho * a + (1 - rho) * d^2`, `w = w - lr * d`.
///
/// A learning rate of 1 is the paper's. Its first steps are tiny whatever the rate, of the size of `sqrt(epsilon)`. Equal to
/// `torch.optim.Adadelta`.
///
/// Source: [Zeiler 2012](https://arxiv.org/abs/1212.5701).
#[derive(Debug, Clone)]
pub struct AdaDelta {
    spec: AdaDeltaSpec,
    weight_decay: f64,
}

/// What [`AdaDelta`] keeps between the steps of one parameter.
#[derive(Debug, Clone)]
pub struct AdaDeltaState<const D: usize> {
    /// Mean of the squares of the gradients.
    pub gradients: Tensor<D>,
    /// Mean of the squares of the steps.
    pub steps: Tensor<D>,
}

/// Written out: Burn's derive names items of its own crate.
impl<const D: usize> RecordState for AdaDeltaState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(prefix, "gradients", self.gradients.to_data());
        out.push_tensor(prefix, "steps", self.steps.to_data());
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        Some(Self {
            gradients: Tensor::from_data(source.take_tensor(prefix, "gradients")?, device),
            steps: Tensor::from_data(source.take_tensor(prefix, "steps")?, device),
        })
    }
}

impl Optimizer for AdaDelta {
    type State<const D: usize> = AdaDeltaState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let AdaDeltaSpec { rho, epsilon, .. } = self.spec;
        let grad = match self.weight_decay {
            0.0 => grad,
            decay => grad.add(tensor.clone().mul_scalar(decay)),
        };
        let state = state.unwrap_or_else(|| AdaDeltaState {
            gradients: grad.zeros_like(),
            steps: grad.zeros_like(),
        });
        let mean = |mean: Tensor<D>, new: Tensor<D>| {
            mean.mul_scalar(rho).add(new.square().mul_scalar(1.0 - rho))
        };
        let root = |mean: Tensor<D>| mean.add_scalar(epsilon).sqrt();
        let gradients = mean(state.gradients, grad.clone());
        let step = root(state.steps.clone())
            .div(root(gradients.clone()))
            .mul(grad);
        let steps = mean(state.steps, step.clone());
        let state = AdaDeltaState { gradients, steps };
        (tensor.sub(step.mul_scalar(lr)), Some(state))
    }

    fn to_device<const D: usize>(mut state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.gradients = state.gradients.to_device(device);
        state.steps = state.steps.to_device(device);
        state
    }
}
