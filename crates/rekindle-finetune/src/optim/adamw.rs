//! Settings of AdamW; the update is Burn's.

use burn::optim::{AdamW, AdamWConfig};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative, positive};

/// Adam with weight decay apart from the gradient: `w = w - lr * weight_decay * w`, then Adam's step.
///
/// Equal to `torch.optim.AdamW`.
///
/// Source: [Loshchilov and Hutter 2017](https://arxiv.org/abs/1711.05101).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWSpec {
    /// Decay of the mean of the gradients. Default 0.9.
    pub beta_1: f64,
    /// Decay of the mean of their squares. Default 0.999.
    pub beta_2: f64,
    /// Added to the denominator. Default 1e-8, PyTorch's (Burn's is 1e-5).
    pub epsilon: f64,
    /// Weight decay, times the learning rate. Default 0.01, PyTorch's.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for AdamWSpec {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for AdamWSpec {
    type Update = AdamW;

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

    fn update(&self, weight_decay: f64) -> AdamW {
        AdamWConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(weight_decay as f32)
            .build()
    }
}
