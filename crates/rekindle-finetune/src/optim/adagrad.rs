//! Settings of AdaGrad; the update is Burn's.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdaGrad, AdaGradConfig};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, non_negative, positive};

/// Rates that fall with what a weight has seen: `s = s + g^2`, `w = w - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + epsilon)`.
///
/// For a head alone, at rates of about 0.01; over many steps its rates fall to nothing. Equal to `torch.optim.Adagrad`.
///
/// Source: [Duchi et al. 2011](https://jmlr.org/papers/v12/duchi11a.html).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaGradSpec {
    /// How fast the rate itself falls with the steps. Default 0.
    pub lr_decay: f64,
    /// Added to the denominator. Default 1e-10, PyTorch's (Burn's is 1e-5).
    pub epsilon: f64,
    /// Weight decay, added to the gradient as `weight_decay * w`. Default 0.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for AdaGradSpec {
    fn default() -> Self {
        Self {
            lr_decay: 0.0,
            epsilon: 1e-10,
            weight_decay: 0.0,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for AdaGradSpec {
    type Update = AdaGrad;

    fn check(&self) -> Result<(), SettingError> {
        non_negative("optim.lr_decay", self.lr_decay)?;
        positive("optim.epsilon", self.epsilon)?;
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> AdaGrad {
        let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
        AdaGradConfig::new()
            .with_lr_decay(self.lr_decay)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(decay)
            .build()
    }
}
