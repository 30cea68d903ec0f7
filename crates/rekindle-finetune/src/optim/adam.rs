//! Settings of Adam; the update is Burn's.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::{Adam, AdamConfig};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative, positive};

/// Adam: steps along the mean of the gradients, divided by the root of the mean of their squares.
///
/// `w = w - lr * m' / (sqrt(v') + epsilon)` with `m' = m / (1 - beta_1^t)` and `v' = v / (1 - beta_2^t)`. Equal to
/// `torch.optim.Adam`; weight decay is added to the gradient, for the decoupled kind take `adamw`.
///
/// Source: [Kingma and Ba 2014](https://arxiv.org/abs/1412.6980).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamSpec {
    /// Decay of the mean of the gradients. Default 0.9.
    pub beta_1: f64,
    /// Decay of the mean of their squares. Default 0.999.
    pub beta_2: f64,
    /// Added to the denominator. Default 1e-8, PyTorch's (Burn's is 1e-5).
    pub epsilon: f64,
    /// Weight decay, added to the gradient as `weight_decay * w`. Default 0.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for AdamSpec {
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

impl UpdateRule for AdamSpec {
    type Update = Adam;

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

    fn update(&self, weight_decay: f64) -> Adam {
        let mut config = AdamConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_epsilon(self.epsilon as f32);
        if weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(weight_decay as f32)));
        }
        config.build()
    }
}
