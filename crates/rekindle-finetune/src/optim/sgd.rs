//! Settings of stochastic gradient descent; the update is Burn's.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{Sgd, SgdConfig};
use serde::{Deserialize, Serialize};

use super::UpdateRule;
use rekindle_settings::{SettingError, below_one, non_negative};

/// Stochastic gradient descent: `v = momentum * v + g`, `w = w - lr * v`; the first `v` is `g`.
///
/// With `nesterov` the step is `g + momentum * v`. Equal to `torch.optim.SGD` with dampening 0.
///
/// Source: [Sutskever et al. 2013](https://proceedings.mlr.press/v28/sutskever13.html).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdSpec {
    /// Share of the last step that the next one keeps. Default 0.9, as in most fine-tuning recipes.
    pub momentum: f64,
    /// Look ahead along the momentum. Default off.
    pub nesterov: bool,
    /// Weight decay, added to the gradient as `weight_decay * w`. Default 1e-4, as ResNets were trained with.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for SgdSpec {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 1e-4,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for SgdSpec {
    type Update = Sgd;

    fn check(&self) -> Result<(), SettingError> {
        below_one("optim.momentum", self.momentum)?;
        non_negative("optim.weight_decay", self.weight_decay)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(SettingError::new(
                "optim.nesterov",
                "true with a momentum of 0",
                "a momentum above 0",
            ));
        }
        Ok(())
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> Sgd {
        let mut config = SgdConfig::new();
        if self.momentum > 0.0 {
            let momentum = MomentumConfig::new()
                .with_momentum(self.momentum)
                .with_dampening(0.0);
            config = config.with_momentum(Some(momentum.with_nesterov(self.nesterov)));
        }
        if weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(weight_decay as f32)));
        }
        config.build()
    }
}
