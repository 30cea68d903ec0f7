//! Settings of LAMB; the update is Burn's.

use burn::optim::{Lamb, LambConfig};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative, positive};

/// Adam's step, weight decay included, scaled to the norm of each tensor: `u = m / (sqrt(v) + epsilon) + weight_decay * w`,
/// `w = w - lr * |w| / |u| * u`.
///
/// For batches of a thousand images and more, which Adam trains badly. Equal to timm's `Lamb` without its clipping
/// (`max_grad_norm=None`) and with every tensor adapted (`always_adapt=True`).
///
/// Source: [You et al. 2019](https://arxiv.org/abs/1904.00962).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LambSpec {
    /// Decay of the mean of the gradients. Default 0.9.
    pub beta_1: f64,
    /// Decay of the mean of their squares. Default 0.999.
    pub beta_2: f64,
    /// Added to the denominator. Default 1e-6, the paper's.
    pub epsilon: f64,
    /// Weight decay, part of the step that is scaled. Default 0.01.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for LambSpec {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-6,
            weight_decay: 0.01,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for LambSpec {
    type Update = Lamb;

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

    fn update(&self, weight_decay: f64) -> Lamb {
        LambConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(weight_decay as f32)
            .build()
    }
}
