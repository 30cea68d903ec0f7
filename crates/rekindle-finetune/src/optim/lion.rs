//! Settings of Lion; the update is Burn's.

use burn::optim::{Lion, LionConfig};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative};

/// The sign of a mean of gradients: `w = w - lr * weight_decay * w`, then `w = w - lr * sign(beta_1 * m + (1 - beta_1) * g)`, and
/// `m = beta_2 * m + (1 - beta_2) * g`.
///
/// Each weight moves by the learning rate in every step, so it wants a third to a tenth of AdamW's rate, and as much more decay. It keeps
/// one mean where Adam keeps two. Equal to timm's `Lion`.
///
/// Source: [Chen et al. 2023](https://arxiv.org/abs/2302.06675).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LionSpec {
    /// Share of the mean in the step. Default 0.9.
    pub beta_1: f64,
    /// Decay of the mean of the gradients. Default 0.99.
    pub beta_2: f64,
    /// Weight decay, times the learning rate. Default 0.03, three times AdamW's.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for LionSpec {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.99,
            weight_decay: 0.03,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for LionSpec {
    type Update = Lion;

    fn check(&self) -> Result<(), SettingError> {
        below_one("optim.beta_1", self.beta_1)?;
        below_one("optim.beta_2", self.beta_2)?;
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> Lion {
        LionConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_weight_decay(weight_decay as f32)
            .build()
    }
}
