//! The settings of one phase: what it trains, for how long and how.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use rekindle_settings::{SettingError, Within, below_one, non_negative, positive};

use crate::clip::ClipSpec;
use crate::optim::{AdamWSpec, OptimizerSpec};
use crate::schedule::ScheduleSpec;
use crate::stopping::StoppingSpec;

/// One phase of training.
///
/// In a recipe: `[[phase]]`, with those settings that differ from the defaults. What is not said is as in `phase1` where the head alone is
/// trained, and else as in `phase2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseRecipe {
    /// Its name in metrics, logs and overrides: `--set NAME.lr=1e-4`. Default `phase` and its number.
    pub name: String,
    /// What it trains: `head`, the head alone; a number of last stages, or the name of the first of them, or `all`, and the head.
    pub unfreeze: Unfreeze,
    /// Parameters that stay frozen although their stage is trained, by name: `["*.bn?.*", "*.bias"]`, with `*` for any letters and `?` for
    /// one. Names are timm's, and `head.weight`, `head.hidden.0.linear.weight` and so on; `--dry-run --json` lists them. Default none.
    #[serde(default)]
    pub freeze: Vec<String>,
    /// Most epochs; 0 leaves the phase out.
    pub epochs: usize,
    /// Images per step; `"auto"`, on the CPU, for the largest power of two that fits into memory as far as can be told, leaves eight steps an
    /// epoch and is at most 256: plan.toml has the number. The rate stays as it is.
    #[serde(with = "super::batch_size")]
    pub batch_size: usize,
    /// The most images of a step that go forward and backward at once, so that memory does not grow with `batch_size` (gradient
    /// accumulation): gradients of the parts add up to that of the whole batch's mean. 0 for all at once. Default 16 where
    /// stages are trained, and 0 for the head alone.
    #[serde(default)]
    pub micro_batch: usize,
    /// Whether each epoch augments the training images anew, in place of drawing from the `augment.views` whose features are kept. Default
    /// off for the head alone: no frozen stage computes twice then. On where stages are trained, which learn kept views by heart.
    pub fresh_views: bool,
    /// Learning rate of the head.
    pub lr: f64,
    /// Factor on the learning rate of the last stage against the head's. Default 1.
    pub lr_ratio: f64,
    /// Factor on the learning rate for each stage further from the head. Default 1: all are trained alike.
    pub lr_decay: f64,
    /// Factors on the learning rate of parameters by name, `{ "*.bias" = 2.0 }`, times that of their stage; patterns as in `freeze`. The
    /// longest one that names a parameter counts. Default none.
    #[serde(default)]
    pub lr_of: BTreeMap<String, f64>,
    /// Whether unfrozen batch norms use and track batch statistics. Default off: small folders and batches give poor ones.
    pub track_statistics: bool,
    /// The optimiser.
    pub optim: OptimizerSpec,
    /// The learning rate over the phase.
    pub schedule: ScheduleSpec,
    /// Gradient clipping.
    pub clip: ClipSpec,
    /// Decay of the moving average of the weights (EMA), which is measured and kept in place of the weights: each step takes `1 - ema` of it
    /// from the new weights. 0 for none. Default 0.99 where stages are trained, and 0 for the head alone.
    pub ema: f64,
    /// The last epochs whose weights are averaged, all alike, and measured and kept in place of the weights: stochastic weight averaging
    /// (SWA), which takes the place of `ema`. Worth trying with a rate that stays high: `schedule = { name = "constant" }`. Early stopping then
    /// does not end the phase, though the best epoch is kept all the same. Default 0, off.
    #[serde(default)]
    pub swa_epochs: usize,
    /// Lookahead: every so many steps, such as 6, slow weights go `lookahead_alpha` of the way to the trained ones, which begin anew from
    /// there. Worth trying where the loss jumps from step to step. Default 0, off.
    #[serde(default)]
    pub lookahead: usize,
    /// How far the slow weights go, from above 0 to 1. Default 0.5.
    #[serde(default = "half")]
    pub lookahead_alpha: f64,
    /// Every so many epochs the model of the epoch is written to `epochs/` in the run, to be joined by `rekindle soup` or `rekindle ensemble`:
    /// with `schedule = { name = "restarts" }` at the ends of its cycles, a snapshot ensemble. Default 0, none.
    #[serde(default)]
    pub keep_every: usize,
    /// Radius of sharpness-aware minimisation (SAM), which looks for weights whose surroundings are good too: each step takes the gradient
    /// where the weights, moved this far along the gradient, are worst. Twice the time. Worth trying where training and validation differ
    /// much: 0.05. Default 0, off.
    #[serde(default)]
    pub sam: f64,
    /// Drop path (stochastic depth): of each image, the trained stages' residual blocks are left out in training with a probability that
    /// grows from block to block of the whole network up to this, as timm's `drop_path_rate`. Worth trying where training and validation
    /// differ much and many stages are trained: 0.1 to 0.3. For ResNets, RegNets, ConvNeXts, and EfficientNets and MobileNets from V2 on.
    /// Default 0, off.
    #[serde(default)]
    pub drop_path: f64,
    /// Strength of L1 regularisation of the weights (L2 is the optimiser's `weight_decay`). Default 0.
    pub l1: f64,
    /// Early stopping; its monitor also chooses the best epoch.
    pub stopping: StoppingSpec,
}

/// What a phase trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Unfreeze {
    /// This many last stages, and the head.
    Last(usize),
    /// `head`, the head alone; `all` stages, or those from the one of this name on, and the head.
    From(String),
}

impl Unfreeze {
    /// The head alone.
    pub const HEAD: &str = "head";
    /// Every stage and the head.
    pub const ALL: &str = "all";

    /// Whether the head alone is trained.
    pub fn is_head(&self) -> bool {
        matches!(self, Self::From(name) if name == Self::HEAD)
    }

    /// The first stage that is trained, of a backbone with these; the number of stages where the head alone is.
    ///
    /// # Errors
    ///
    /// [`SettingError`] with the key `unfreeze`: no such stage, or more stages than there are.
    pub fn first_stage(&self, stages: &[String]) -> Result<usize, SettingError> {
        let expected = || {
            format!(
                "`head`, `all`, a stage ({}), or a number of last stages, from 1 to {}",
                stages.join(", "),
                stages.len()
            )
        };
        match self {
            Self::Last(count) if (1..=stages.len()).contains(count) => Ok(stages.len() - count),
            Self::Last(count) => Err(SettingError::new("unfreeze", count, expected())),
            Self::From(name) if name == Self::HEAD => Ok(stages.len()),
            Self::From(name) if name == Self::ALL => Ok(0),
            Self::From(name) => {
                let place = stages.iter().position(|stage| stage == name);
                place.ok_or_else(|| {
                    let known = stages.iter().cloned();
                    SettingError::UnknownChoice {
                        key: "unfreeze".into(),
                        found: name.clone(),
                        known: known
                            .chain([Self::HEAD, Self::ALL].map(String::from))
                            .collect(),
                    }
                })
            }
        }
    }
}

impl PhaseRecipe {
    /// The [`batch_size`](Self::batch_size) of a recipe that leaves it to the plan.
    pub const AUTO: usize = usize::MAX;

    /// The default of a phase that trains the head alone.
    pub fn of_head() -> Self {
        Self {
            name: "phase1".into(),
            unfreeze: Unfreeze::From(Unfreeze::HEAD.into()),
            freeze: Vec::new(),
            epochs: 30,
            batch_size: 16,
            micro_batch: 0,
            fresh_views: false,
            lr: 7e-4,
            lr_ratio: 1.0,
            lr_decay: 1.0,
            lr_of: BTreeMap::new(),
            track_statistics: false,
            optim: adamw(),
            schedule: ScheduleSpec::Cosine {
                min_ratio: 0.0,
                warmup_epochs: 0.0,
            },
            clip: ClipSpec::None,
            ema: 0.0,
            swa_epochs: 0,
            lookahead: 0,
            lookahead_alpha: half(),
            keep_every: 0,
            sam: 0.0,
            drop_path: 0.0,
            l1: 0.0,
            stopping: StoppingSpec {
                patience: 10,
                ..StoppingSpec::default()
            },
        }
    }

    /// The default of a phase that trains stages too.
    pub fn of_stages() -> Self {
        Self {
            name: "phase2".into(),
            unfreeze: Unfreeze::Last(4),
            epochs: 8,
            batch_size: 32,
            micro_batch: 16,
            fresh_views: true,
            lr: 3e-4,
            // A slow rise: photographs like those of ImageNet are at their best while the rate is low, drawings once it was high, and the best
            // epoch is kept.
            schedule: ScheduleSpec::OneCycle {
                peak_at: 0.5,
                start_ratio: 0.05,
                end_ratio: 0.0,
            },
            clip: ClipSpec::GlobalNorm { limit: 1.0 },
            ema: 0.99,
            stopping: StoppingSpec::default(),
            ..Self::of_head()
        }
    }

    /// Whether an average of the weights is kept in their place.
    pub fn averages(&self) -> bool {
        self.ema > 0.0 || self.swa_epochs > 0
    }

    /// The name as people read it: `phase 2` for `phase2`.
    pub fn title(&self) -> String {
        title(&self.name)
    }

    /// Checks every setting by itself.
    ///
    /// # Errors
    ///
    /// [`SettingError`] with the whole key, the phase's name first.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_own().within(&self.name)
    }

    fn check_own(&self) -> Result<(), SettingError> {
        if self.batch_size == 0 {
            let expected = "at least 1 image per step";
            return Err(SettingError::new("batch_size", 0, expected));
        }
        positive("lr", self.lr)?;
        positive("lr_ratio", self.lr_ratio)?;
        positive("lr_decay", self.lr_decay)?;
        below_one("ema", self.ema)?;
        for (glob, factor) in &self.lr_of {
            positive(&format!("lr_of.\"{glob}\""), *factor)?;
        }
        if self.epochs > 0 && self.swa_epochs > self.epochs {
            let expected = format!("no more than the phase's {} epochs", self.epochs);
            return Err(SettingError::new("swa_epochs", self.swa_epochs, expected));
        }
        if !(self.lookahead_alpha > 0.0 && self.lookahead_alpha <= 1.0) {
            let expected = "above 0, up to 1";
            return Err(SettingError::new(
                "lookahead_alpha",
                self.lookahead_alpha,
                expected,
            ));
        }
        non_negative("sam", self.sam)?;
        below_one("drop_path", self.drop_path)?;
        non_negative("l1", self.l1)?;
        self.optim.check()?;
        self.clip.check()?;
        self.stopping.check()?;
        match self.epochs {
            0 => Ok(()),
            epochs => self.schedule.check(epochs),
        }
    }
}

/// A phase's name as people read it: `phase 1` for `phase1`.
pub fn title(name: &str) -> String {
    match name.strip_prefix("phase") {
        Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("phase {number}")
        }
        _ => name.to_owned(),
    }
}

fn half() -> f64 {
    0.5
}

fn adamw() -> OptimizerSpec {
    OptimizerSpec::AdamW(AdamWSpec {
        weight_decay: 0.01,
        ..AdamWSpec::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_phases_are_told_in_two_words() {
        assert_eq!(title("phase2"), "phase 2");
        assert_eq!(title("phased"), "phased");
        assert_eq!(title("warmup"), "warmup");
    }

    #[test]
    fn what_is_unfrozen_is_told_by_number_stage_or_word() {
        let stages = ["stem", "layer1", "layer2"].map(String::from);
        let first = |unfreeze: &str| {
            let value = toml::Value::from(unfreeze);
            let unfreeze: Unfreeze = value.try_into().unwrap();
            unfreeze.first_stage(&stages)
        };
        assert_eq!(first("head"), Ok(3));
        assert_eq!(first("all"), Ok(0));
        assert_eq!(first("layer1"), Ok(1));
        assert_eq!(Unfreeze::Last(3).first_stage(&stages), Ok(0));
        let error = first("layr1").unwrap_err().to_string();
        assert!(error.contains("did you mean `layer1`"), "{error}");
        for count in [0, 4] {
            let error = Unfreeze::Last(count).first_stage(&stages).unwrap_err();
            assert!(error.to_string().contains("from 1 to 3"), "{error}");
        }
    }

    #[test]
    fn a_wrong_setting_is_told_with_its_phase() {
        let mut phase = PhaseRecipe::of_stages();
        phase.optim = OptimizerSpec::AdamW(AdamWSpec {
            beta_1: 1.5,
            ..AdamWSpec::default()
        });
        assert_eq!(phase.check().unwrap_err().key(), "phase2.optim.beta_1");
    }
}
