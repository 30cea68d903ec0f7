//! Optimisers by name. Owns their settings and defaults, and which parameters get weight decay; the update of one
//! tensor is Burn's, where it is PyTorch's too, and this module's otherwise.
//!
//! | name | update | weight decay |
//! |---|---|---|
//! | `sgd` | Burn's, without dampening | added to the gradient |
//! | `adam` | Burn's | added to the gradient |
//! | `adamw` | Burn's | taken from the weight, times the learning rate |
//! | `nadam` | [`NAdam`], which Burn lacks | added to the gradient |
//! | `radam` | [`RAdam`], which Burn lacks | added to the gradient |
//! | `lion` | Burn's | taken from the weight, times the learning rate |
//! | `lamb` | Burn's | part of the step |
//! | `muon` | Burn's for matrices, [`Muon`] for tensors of any rank | taken from the weight, times the learning rate |
//! | `rmsprop` | Burn's | added to the gradient |
//! | `adagrad` | Burn's | added to the gradient |
//! | `adadelta` | [`AdaDelta`], which Burn lacks | added to the gradient |
//! | `adafactor` | Burn's | taken from the weight, times the learning rate |
//! | `lbfgs` | [`LBfgs`], of a whole set | part of the loss |
//!
//! Each was compared with PyTorch, or timm where PyTorch has none, over several steps (`tests/data/optim.py`). The learning rate is not a setting of
//! an optimiser: the run gives it at every step.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamw;
mod lamb;
mod lbfgs;
mod lion;
mod muon;
mod nadam;
pub mod penalty;
mod placed;
mod radam;
mod rmsprop;
mod sgd;
mod wolfe;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::{ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use placed::Placed;
use rekindle_settings::SettingError;

pub use adadelta::{AdaDelta, AdaDeltaState};
pub use lbfgs::{Found, LBfgs};
pub use muon::{Muon, MuonState};
pub use nadam::{NAdam, NAdamState};
pub use radam::{RAdam, RAdamState};

/// What an optimiser's settings provide, whatever it needs for a step.
pub trait OptimizerSettings {
    /// Checks every setting; has no side effects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] names the first setting out of range, `optim.beta_1`.
    fn check(&self) -> Result<(), SettingError>;

    /// The weight decay of what gets any.
    fn weight_decay(&self) -> f64;

    /// Whether normalisation weights and biases get weight decay too.
    fn decay_norm_and_bias(&self) -> bool;

    /// Burn's optimiser of modules; the parameters of `no_decay` get no weight decay. A state that it restores is made on `device`.
    ///
    /// # Errors
    ///
    /// One gradient is not enough for a step.
    fn build(&self, no_decay: ParamGroup, device: &Device)
    -> Result<ModuleOptimizer, SettingError>;
}

impl<R: UpdateRule> OptimizerSettings for R {
    fn check(&self) -> Result<(), SettingError> {
        UpdateRule::check(self)
    }

    fn weight_decay(&self) -> f64 {
        UpdateRule::weight_decay(self)
    }

    fn decay_norm_and_bias(&self) -> bool {
        UpdateRule::decay_norm_and_bias(self)
    }

    fn build(
        &self,
        no_decay: ParamGroup,
        device: &Device,
    ) -> Result<ModuleOptimizer, SettingError> {
        Ok(groups(no_decay, device, self))
    }
}

/// What the file of an optimiser provides of its settings, where a gradient is enough for a step.
pub trait UpdateRule {
    /// Burn's optimiser, or an own one.
    type Update: Optimizer;

    /// Checks every setting; has no side effects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] names the first setting out of range, `optim.beta_1`.
    fn check(&self) -> Result<(), SettingError>;

    /// The weight decay of what gets any.
    fn weight_decay(&self) -> f64;

    /// Whether normalisation weights and biases get weight decay too.
    fn decay_norm_and_bias(&self) -> bool;

    /// The update with this weight decay, and else these settings.
    fn update(&self, weight_decay: f64) -> Self::Update;
}

macro_rules! optimisers {
    ($($(#[$doc:meta])* $file:ident::$kind:ident($spec:ident),)+) => {
        $(pub use $file::$spec;)+

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
            $($(#[$doc])* $kind($spec),)+
        }

        impl OptimizerSpec {
            /// Every optimiser with its default settings, in the order of the list.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$kind($spec::default()),)+]
            }

            /// The name in recipes.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => stringify!($file),)+
                }
            }

            /// Checks every setting; has no side effects.
            ///
            /// # Errors
            ///
            /// [`SettingError`] names the first setting out of range.
            pub fn check(&self) -> Result<(), SettingError> {
                match self {
                    $(Self::$kind(spec) => OptimizerSettings::check(spec),)+
                }
            }

            /// Whether normalisation weights and biases get weight decay too.
            pub fn decay_norm_and_bias(&self) -> bool {
                match self {
                    $(Self::$kind(spec) => OptimizerSettings::decay_norm_and_bias(spec),)+
                }
            }

            /// The weight decay of what gets any.
            pub fn weight_decay(&self) -> f64 {
                match self {
                    $(Self::$kind(spec) => OptimizerSettings::weight_decay(spec),)+
                }
            }

            /// Builds the optimiser; the parameters of `no_decay` get no weight decay. A state that it restores is made on `device`.
            ///
            /// # Errors
            ///
            /// [`SettingError`] for one that cannot make a step of one gradient, [`LBfgs`].
            pub fn build(
                &self,
                no_decay: ParamGroup,
                device: &Device,
            ) -> Result<ModuleOptimizer, SettingError> {
                match self {
                    $(Self::$kind(spec) => OptimizerSettings::build(spec, no_decay, device),)+
                }
            }
        }
    };
}

// The file's name is the name in recipes.
optimisers! {
    /// Stochastic gradient descent with momentum.
    sgd::Sgd(SgdSpec),
    /// Adam.
    adam::Adam(AdamSpec),
    /// Adam with decoupled weight decay.
    adamw::AdamW(AdamWSpec),
    /// Adam with Nesterov momentum.
    nadam::NAdam(NAdamSpec),
    /// Adam that needs no warm-up.
    radam::RAdam(RAdamSpec),
    /// The sign of a mean of gradients.
    lion::Lion(LionSpec),
    /// Adam for very large batches.
    lamb::Lamb(LambSpec),
    /// Orthogonal steps of matrices.
    muon::Muon(MuonSpec),
    /// RMSprop.
    rmsprop::RmsProp(RmsPropSpec),
    /// AdaGrad.
    adagrad::AdaGrad(AdaGradSpec),
    /// AdaDelta.
    adadelta::AdaDelta(AdaDeltaSpec),
    /// Adam with hardly any memory.
    adafactor::Adafactor(AdafactorSpec),
    /// Curvature of a loss that is always the same, for a head alone.
    lbfgs::LBfgs(LBfgsSpec),
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        Self::AdamW(AdamWSpec::default())
    }
}

impl OptimizerSpec {
    /// Builds the optimiser for this module: [`build`](Self::build) with its norm weights and biases as `no_decay`,
    /// unless [`decay_norm_and_bias`](Self::decay_norm_and_bias) is set.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_for<M: Module>(
        &self,
        module: &M,
        device: &Device,
    ) -> Result<ModuleOptimizer, SettingError> {
        match self.decay_norm_and_bias() {
            true => self.build(ParamGroup::from_ids(Vec::new()), device),
            false => self.build(norms_and_biases(module), device),
        }
    }

    /// The settings of the one whose steps see every training image.
    pub fn whole_set(&self) -> Option<&LBfgsSpec> {
        match self {
            Self::LBfgs(spec) => Some(spec),
            _ => None,
        }
    }
}

/// An update with this weight decay, and one without for the parameters of `no_decay`.
fn groups<R: UpdateRule>(no_decay: ParamGroup, device: &Device, rule: &R) -> ModuleOptimizer {
    let placed = |weight_decay| Placed {
        update: rule.update(weight_decay),
        device: device.clone(),
    };
    let weight_decay = rule.weight_decay();
    // Burn wants a bare update to begin with; the last group that matches is the one that counts.
    ModuleOptimizer::from(rule.update(weight_decay))
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
