//! Settings of Adafactor; the update is Burn's.

use burn::optim::{Adafactor, AdafactorConfig};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, non_negative, positive};

/// Adam without a mean of the gradients, and with that of their squares as a row and a column of each matrix: an optimiser with hardly any
/// memory of its own.
///
/// The step of a tensor is `rate / max(1, rms(u) / clip_threshold) * u` with `u = g / sqrt(v)`. As PyTorch's, the rate is
/// `min(lr, 1 / sqrt(t)) * max(1e-3, rms(w))`, relative to the size of the weights, so that 0.01 is the usual `lr`. Equal to
/// `torch.optim.Adafactor`.
///
/// Source: [Shazeer and Stern 2018](https://arxiv.org/abs/1804.04235).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdafactorSpec {
    /// Largest root mean square of a step before the rate. Default 1.
    pub clip_threshold: f64,
    /// The mean of squares keeps `1 - t^-decay` of itself in step `t`. Default 0.8.
    pub decay: f64,
    /// Weight decay, times the learning rate. Default 0.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for AdafactorSpec {
    fn default() -> Self {
        Self {
            clip_threshold: 1.0,
            decay: 0.8,
            weight_decay: 0.0,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for AdafactorSpec {
    type Update = Adafactor;

    fn check(&self) -> Result<(), SettingError> {
        positive("optim.clip_threshold", self.clip_threshold)?;
        positive("optim.decay", self.decay)?;
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> Adafactor {
        AdafactorConfig::new()
            .with_clip_threshold(self.clip_threshold as f32)
            .with_decay_rate(-self.decay)
            .with_weight_decay(weight_decay as f32)
            .build()
    }
}
