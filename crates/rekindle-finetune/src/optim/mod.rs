//! Optimisers by name. Owns their settings and defaults, and which parameters get weight decay; the update of one
//! tensor is Burn's, where it is PyTorch's too, and this module's otherwise.
//!
//! | name | update | weight decay |
//! |---|---|---|
//! | `sgd` | Burn's, without dampening | added to the gradient |
//! | `adam` | Burn's | added to the gradient |
//! | `adamw` | Burn's | taken from the weight, times the learning rate |
//! | `nadam` | [`NAdam`], which Burn lacks | added to the gradient |
//! | `rmsprop` | Burn's | added to the gradient |
//!
//! Each was compared with PyTorch over several steps (`tests/data/optim.py`). The learning rate is not a setting of
//! an optimiser: the run gives it at every step.

mod adam;
mod adamw;
mod nadam;
pub mod penalty;
mod placed;
mod rmsprop;
mod sgd;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::{ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use placed::Placed;
use rekindle_settings::SettingError;

pub use adam::AdamSpec;
pub use adamw::AdamWSpec;
pub use nadam::{NAdam, NAdamSpec, NAdamState};
pub use rmsprop::RmsPropSpec;
pub use sgd::SgdSpec;

/// An optimiser and its settings.
///
/// In a recipe: `optim = { name = "sgd", momentum = 0.9, nesterov = true }`. The default is AdamW.
///
/// Normalisation weights and biases, the parameters of rank 1, get no weight decay unless `decay_norm_and_bias` is
/// set: shrinking them changes the scale of activations rather than the size of the model
/// ([Goyal et al. 2017](https://arxiv.org/abs/1706.02677), section 5.3, and
/// [He et al. 2018](https://arxiv.org/abs/1812.01187), section 3.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum OptimizerSpec {
    /// Stochastic gradient descent with momentum.
    Sgd(SgdSpec),
    /// Adam.
    Adam(AdamSpec),
    /// Adam with decoupled weight decay.
    AdamW(AdamWSpec),
    /// Adam with Nesterov momentum.
    NAdam(NAdamSpec),
    /// RMSprop.
    RmsProp(RmsPropSpec),
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        Self::AdamW(AdamWSpec::default())
    }
}

impl OptimizerSpec {
    /// The name in recipes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd(_) => "sgd",
            Self::Adam(_) => "adam",
            Self::AdamW(_) => "adamw",
            Self::NAdam(_) => "nadam",
            Self::RmsProp(_) => "rmsprop",
        }
    }

    /// Checks every setting; has no side effects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] names the first setting out of range.
    pub fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::Sgd(spec) => spec.check(),
            Self::Adam(spec) => spec.check(),
            Self::AdamW(spec) => spec.check(),
            Self::NAdam(spec) => spec.check(),
            Self::RmsProp(spec) => spec.check(),
        }
    }

    /// Whether normalisation weights and biases get weight decay too.
    pub fn decay_norm_and_bias(&self) -> bool {
        match self {
            Self::Sgd(spec) => spec.decay_norm_and_bias,
            Self::Adam(spec) => spec.decay_norm_and_bias,
            Self::AdamW(spec) => spec.decay_norm_and_bias,
            Self::NAdam(spec) => spec.decay_norm_and_bias,
            Self::RmsProp(spec) => spec.decay_norm_and_bias,
        }
    }

    /// Builds the optimiser; the parameters of `no_decay` get no weight decay. A state that it restores is made on `device`.
    pub fn build(&self, no_decay: ParamGroup, device: &Device) -> ModuleOptimizer {
        match self {
            Self::Sgd(spec) => groups(no_decay, device, spec.weight_decay, |it| spec.update(it)),
            Self::Adam(spec) => groups(no_decay, device, spec.weight_decay, |it| spec.update(it)),
            Self::AdamW(spec) => groups(no_decay, device, spec.weight_decay, |it| spec.update(it)),
            Self::NAdam(spec) => groups(no_decay, device, spec.weight_decay, |it| spec.update(it)),
            Self::RmsProp(spec) => {
                groups(no_decay, device, spec.weight_decay, |it| spec.update(it))
            }
        }
    }

    /// Builds the optimiser for this module: [`build`](Self::build) with its norm weights and biases as `no_decay`,
    /// unless [`decay_norm_and_bias`](Self::decay_norm_and_bias) is set.
    pub fn build_for<M: Module>(&self, module: &M, device: &Device) -> ModuleOptimizer {
        match self.decay_norm_and_bias() {
            true => self.build(ParamGroup::from_ids(Vec::new()), device),
            false => self.build(norms_and_biases(module), device),
        }
    }
}

/// An update with this weight decay, and one without for the parameters of `no_decay`.
fn groups<O: Optimizer>(
    no_decay: ParamGroup,
    device: &Device,
    weight_decay: f64,
    update: impl Fn(f64) -> O,
) -> ModuleOptimizer {
    let placed = |weight_decay| Placed {
        update: update(weight_decay),
        device: device.clone(),
    };
    // Burn wants a bare update to begin with; the last group that matches is the one that counts.
    ModuleOptimizer::from(update(weight_decay))
        .with_group(ParamGroup::all(), placed(weight_decay), None)
        .with_group(no_decay, placed(0.0), None)
}

/// The parameters of rank 1: weights and biases of norms, biases of convolutions and linear layers.
pub fn norms_and_biases<M: Module>(module: &M) -> ParamGroup {
    struct RankOne(Vec<ParamId>);
    impl ModuleVisitor for RankOne {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D <= 1 {
                self.0.push(param.id);
            }
        }
    }
    let mut visitor = RankOne(Vec::new());
    module.visit(&mut visitor);
    ParamGroup::from_ids(visitor.0)
}

#[cfg(test)]
mod tests;
