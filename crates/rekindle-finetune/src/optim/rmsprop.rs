//! Settings of RMSprop; the update is Burn's.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::{RmsProp, RmsPropConfig};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative, positive};

/// RMSprop: `s = alpha * s + (1 - alpha) * g^2`, `b = momentum * b + g / (sqrt(s) + epsilon)`, `w = w - lr * b`.
///
/// Equal to `torch.optim.RMSprop`, not centred.
///
/// Source: Tieleman and Hinton, *Lecture 6.5*, Coursera, 2012.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RmsPropSpec {
    /// Decay of the mean of the squared gradients. Default 0.99.
    pub alpha: f64,
    /// Share of the last step that the next one keeps. Default 0.9, as EfficientNets and MobileNets were trained with.
    pub momentum: f64,
    /// Added to the denominator. Default 1e-8, PyTorch's (Burn's is 1e-5).
    pub epsilon: f64,
    /// Weight decay, added to the gradient as `weight_decay * w`. Default 1e-5, as EfficientNets were trained with.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for RmsPropSpec {
    fn default() -> Self {
        Self {
            alpha: 0.99,
            momentum: 0.9,
            epsilon: 1e-8,
            weight_decay: 1e-5,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for RmsPropSpec {
    type Update = RmsProp;

    fn check(&self) -> Result<(), SettingError> {
        below_one("optim.alpha", self.alpha)?;
        below_one("optim.momentum", self.momentum)?;
        positive("optim.epsilon", self.epsilon)?;
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> RmsProp {
        let mut config = RmsPropConfig::new()
            .with_alpha(self.alpha as f32)
            .with_momentum(self.momentum as f32)
            .with_epsilon(self.epsilon as f32);
        if weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(weight_decay as f32)));
        }
        config.build()
    }
}
