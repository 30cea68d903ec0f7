//! The learning rate over a run. Owns the factors on the base rate; the base rate, and the rates of a backbone's
//! stages, are the run's.
//!
//! A schedule is a pure function of the step, or of the figures of the epochs so far, without state: a resumed run goes on with the factor of its step.

mod plateau;

use std::f64::consts::PI;

use rekindle_data::Better;

use serde::{Deserialize, Serialize};

use rekindle_settings::{SettingError, below_one, non_negative, positive, ratio};

/// How the learning rate changes over a run.
///
/// In a recipe: `schedule = { name = "cosine", warmup_epochs = 1 }`. The default is a cosine without warm-up.
///
/// `warmup_epochs` raises the factor linearly from one part to the whole over the first steps (`1/w, 2/w, .., 1` for
/// `w` steps); fractions of an epoch are rounded to steps. The numbers were compared with PyTorch's schedulers
/// (`tests/data/schedule.py`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleSpec {
    /// The base rate throughout.
    Constant {
        /// Length of the linear warm-up, in epochs. Default 0.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// Times `gamma` every `every_epochs` epochs, counted from the start of the run (`StepLR`).
    Step {
        /// Epochs between two drops. Default 10.
        #[serde(default = "default_every_epochs")]
        every_epochs: usize,
        /// The factor of a drop. Default 0.1.
        #[serde(default = "default_drop")]
        gamma: f64,
        /// Length of the linear warm-up, in epochs. Default 0.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// Times `gamma` at the start of each of these epochs, counted from 0 (`MultiStepLR`).
    MultiStep {
        /// The epochs, ascending.
        milestones: Vec<usize>,
        /// The factor of a drop. Default 0.1.
        #[serde(default = "default_drop")]
        gamma: f64,
        /// Length of the linear warm-up, in epochs. Default 0.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// Times `gamma` every epoch (`ExponentialLR`).
    Exponential {
        /// The factor of an epoch. Default 0.95.
        #[serde(default = "default_decay")]
        gamma: f64,
        /// Length of the linear warm-up, in epochs. Default 0.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// Half a cosine from the base rate to `min_ratio` of it, over the steps after the warm-up
    /// (`CosineAnnealingLR`, step by step). [Loshchilov and Hutter 2016](https://arxiv.org/abs/1608.03983).
    Cosine {
        /// Share of the base rate at the end of the run. Default 0.
        #[serde(default)]
        min_ratio: f64,
        /// Length of the linear warm-up, in epochs. Default 0.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// `(1 - t)^power` with the share `t` of the steps after the warm-up that are done (`PolynomialLR`).
    Polynomial {
        /// The power; 1 is a straight line. Default 1.
        #[serde(default = "default_power")]
        power: f64,
        /// Length of the linear warm-up, in epochs. Default 0.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// Half a cosine from the base rate to `min_ratio` of it, again and again (`CosineAnnealingWarmRestarts`, step by step); each end is a
    /// network for a snapshot ensemble. [Loshchilov and Hutter 2016](https://arxiv.org/abs/1608.03983).
    Restarts {
        /// Epochs of the first cosine. Default 5.
        #[serde(default = "default_first_epochs")]
        first_epochs: usize,
        /// How many times as long as the one before each further one is, 1 or more. Default 2.
        #[serde(default = "default_times")]
        times: usize,
        /// Share of the base rate at the end of each. Default 0.
        #[serde(default)]
        min_ratio: f64,
    },
    /// Times `factor` when the figure that early stopping watches has not got better for more than `patience` epochs (`ReduceLROnPlateau`).
    Plateau {
        /// The factor of a drop, below 1. Default 0.1.
        #[serde(default = "default_drop")]
        factor: f64,
        /// Epochs without anything better that are borne. Default 2.
        #[serde(default = "default_patience")]
        patience: usize,
        /// The share of the best value by which a better one must differ. Default 1e-4.
        #[serde(default = "default_threshold")]
        threshold: f64,
        /// The smallest share of the base rate. Default 0.
        #[serde(default)]
        min_ratio: f64,
        /// Length of the linear warm-up, in epochs. Default 0.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// Half a cosine up to the base rate, then one down (`OneCycleLR`); its rise is its warm-up.
    /// [Smith and Topin 2017](https://arxiv.org/abs/1708.07120).
    OneCycle {
        /// Share of the run before the base rate is reached. Default 0.3.
        #[serde(default = "default_peak_at")]
        peak_at: f64,
        /// Share of the base rate at the first step. Default 0.04.
        #[serde(default = "default_start_ratio")]
        start_ratio: f64,
        /// Share of the base rate at the last step. Default 4e-6.
        #[serde(default = "default_end_ratio")]
        end_ratio: f64,
    },
}

fn default_every_epochs() -> usize {
    10
}

fn default_drop() -> f64 {
    0.1
}

fn default_decay() -> f64 {
    0.95
}

fn default_patience() -> usize {
    2
}

fn default_threshold() -> f64 {
    1e-4
}

fn default_power() -> f64 {
    1.0
}

fn default_first_epochs() -> usize {
    5
}

fn default_times() -> usize {
    2
}

fn default_peak_at() -> f64 {
    0.3
}

fn default_start_ratio() -> f64 {
    0.04
}

fn default_end_ratio() -> f64 {
    4e-6
}

impl Default for ScheduleSpec {
    fn default() -> Self {
        Self::Cosine {
            min_ratio: 0.0,
            warmup_epochs: 0.0,
        }
    }
}

impl ScheduleSpec {
    /// Length of the linear warm-up, in epochs.
    pub fn warmup_epochs(&self) -> f64 {
        match *self {
            Self::Constant { warmup_epochs }
            | Self::Step { warmup_epochs, .. }
            | Self::MultiStep { warmup_epochs, .. }
            | Self::Exponential { warmup_epochs, .. }
            | Self::Cosine { warmup_epochs, .. }
            | Self::Plateau { warmup_epochs, .. }
            | Self::Polynomial { warmup_epochs, .. } => warmup_epochs,
            Self::Restarts { .. } | Self::OneCycle { .. } => 0.0,
        }
    }

    /// Checks every setting against the length of the run; has no side effects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] names the first setting out of range: a negative warm-up or one longer than the run, drops
    /// every 0 epochs, factors that are not above 0, or shares outside 0 to 1.
    pub fn check(&self, epochs: usize) -> Result<(), SettingError> {
        non_negative("schedule.warmup_epochs", self.warmup_epochs())?;
        if self.warmup_epochs() > epochs as f64 {
            let found = format!("{} in a run of {epochs} epochs", self.warmup_epochs());
            return Err(SettingError::new(
                "schedule.warmup_epochs",
                found,
                "a warm-up no longer than the run",
            ));
        }
        match *self {
            Self::Constant { .. } => Ok(()),
            Self::Step {
                every_epochs: 0, ..
            } => Err(SettingError::new(
                "schedule.every_epochs",
                0,
                "at least 1 epoch between two drops",
            )),
            Self::MultiStep { ref milestones, .. } if !milestones.is_sorted() => {
                let found = format!("{milestones:?}");
                let expected = "epochs in ascending order";
                Err(SettingError::new("schedule.milestones", found, expected))
            }
            Self::Step { gamma, .. }
            | Self::MultiStep { gamma, .. }
            | Self::Exponential { gamma, .. } => positive("schedule.gamma", gamma),
            Self::Plateau {
                factor,
                threshold,
                min_ratio,
                ..
            } => {
                positive("schedule.factor", factor)?;
                below_one("schedule.factor", factor)?;
                below_one("schedule.threshold", threshold)?;
                ratio("schedule.min_ratio", min_ratio)
            }
            Self::Polynomial { power, .. } => positive("schedule.power", power),
            Self::Restarts {
                first_epochs: 0, ..
            } => Err(SettingError::new(
                "schedule.first_epochs",
                0,
                "at least 1 epoch",
            )),
            Self::Restarts { times: 0, .. } => {
                Err(SettingError::new("schedule.times", 0, "at least 1"))
            }
            Self::Restarts { min_ratio, .. } => ratio("schedule.min_ratio", min_ratio),
            Self::Cosine { min_ratio, .. } => ratio("schedule.min_ratio", min_ratio),
            Self::OneCycle {
                peak_at,
                start_ratio,
                end_ratio,
            } => {
                ratio("schedule.peak_at", peak_at)?;
                ratio("schedule.start_ratio", start_ratio)?;
                ratio("schedule.end_ratio", end_ratio)
            }
        }
    }

    /// The factor on the base rate, beside that of the step, after epochs with these values of the figure that early stopping watches: 1
    /// for all but [`Plateau`](Self::Plateau).
    pub fn after(&self, values: impl IntoIterator<Item = f64>, better: Better) -> f64 {
        match *self {
            Self::Plateau {
                factor,
                patience,
                threshold,
                min_ratio,
                ..
            } => plateau::plateau_factor(values, better, factor, patience, threshold, min_ratio),
            _ => 1.0,
        }
    }

    /// The factor on the base rate at step `step`, counted from 0, of a run of `total_steps`.
    ///
    /// Steps beyond the run have the factor of its end. `steps_per_epoch` of 0 counts as 1.
    pub fn factor(&self, step: usize, steps_per_epoch: usize, total_steps: usize) -> f64 {
        let steps_per_epoch = steps_per_epoch.max(1);
        let warmup_steps = (self.warmup_epochs() * steps_per_epoch as f64).round() as usize;
        let warm = match step < warmup_steps {
            true => (step + 1) as f64 / warmup_steps as f64,
            false => 1.0,
        };
        let epoch = (step / steps_per_epoch) as i32;
        warm * match *self {
            Self::Constant { .. } | Self::Plateau { .. } => 1.0,
            Self::Step {
                every_epochs,
                gamma,
                ..
            } => gamma.powi(epoch / every_epochs.max(1) as i32),
            Self::MultiStep {
                ref milestones,
                gamma,
                ..
            } => {
                let passed = milestones.iter().filter(|at| **at as i32 <= epoch);
                gamma.powi(passed.count() as i32)
            }
            Self::Exponential { gamma, .. } => gamma.powi(epoch),
            Self::Polynomial { .. } if step < warmup_steps => 1.0,
            Self::Polynomial { power, .. } => {
                let length = total_steps.saturating_sub(warmup_steps);
                let done = step.saturating_sub(warmup_steps);
                (1.0 - share(done as f64, length as f64)).powf(power)
            }
            Self::Restarts {
                first_epochs,
                times,
                min_ratio,
            } => {
                let (mut begin, mut length) = (0, first_epochs.max(1) * steps_per_epoch);
                while step >= begin + length {
                    begin += length;
                    length = length.saturating_mul(times.max(1));
                }
                half_cosine(1.0, min_ratio, share((step - begin) as f64, length as f64))
            }
            // Before its first step behind the warm-up a cosine is whole, also where the warm-up is all there is.
            Self::Cosine { .. } if step < warmup_steps => 1.0,
            Self::Cosine { min_ratio, .. } => {
                let length = total_steps.saturating_sub(warmup_steps);
                let done = step.saturating_sub(warmup_steps);
                half_cosine(1.0, min_ratio, share(done as f64, length as f64))
            }
            Self::OneCycle {
                peak_at,
                start_ratio,
                end_ratio,
            } => {
                let peak = (peak_at * total_steps as f64 - 1.0).max(0.0);
                let last = total_steps.saturating_sub(1) as f64;
                let step = step as f64;
                match step < peak {
                    true => half_cosine(start_ratio, 1.0, share(step, peak)),
                    false => half_cosine(1.0, end_ratio, share(step - peak, last - peak)),
                }
            }
        }
    }
}

/// `part / whole`, at most 1; the whole of nothing is 1.
fn share(part: f64, whole: f64) -> f64 {
    match whole > 0.0 {
        true => (part / whole).min(1.0),
        false => 1.0,
    }
}

/// From `start` at 0 to `end` at 1 along half a cosine.
fn half_cosine(start: f64, end: f64, at: f64) -> f64 {
    end + (start - end) * (1.0 + (PI * at).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn a_cosine_that_is_all_warm_up_still_trains() {
        let spec = ScheduleSpec::Cosine {
            min_ratio: 0.0,
            warmup_epochs: 1.0,
        };
        let factors: Vec<f64> = (0..4).map(|step| spec.factor(step, 4, 4)).collect();
        assert_eq!(factors, [0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn every_schedule_follows_pytorch() {
        let fixture: Value =
            serde_json::from_str(include_str!("../tests/data/schedule.json")).unwrap();
        let steps_per_epoch = fixture["steps_per_epoch"].as_u64().unwrap() as usize;
        let total_steps = fixture["total_steps"].as_u64().unwrap() as usize;
        let cases = fixture["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 13);
        for case in cases {
            let spec: ScheduleSpec = serde_json::from_value(case["spec"].clone()).unwrap();
            assert_eq!(spec.check(6), Ok(()));
            let factors = case["factors"].as_array().unwrap();
            assert_eq!(factors.len(), total_steps);
            for (step, expected) in factors.iter().enumerate() {
                let found = spec.factor(step, steps_per_epoch, total_steps);
                let expected = expected.as_f64().unwrap();
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{spec:?} at {step}: {found} against {expected}"
                );
            }
        }
    }

    #[test]
    fn the_defaults_of_one_cycle_are_those_of_pytorch() {
        let spec: ScheduleSpec = serde_json::from_value(json!({"name": "one_cycle"})).unwrap();
        assert!((spec.factor(0, 1, 100) - 0.04).abs() < 1e-12);
        assert_eq!(spec.factor(29, 1, 100), 1.0);
        assert!((spec.factor(99, 1, 100) - 4e-6).abs() < 1e-12);
    }

    #[test]
    fn a_warm_up_of_the_whole_run_ends_at_the_base_rate() {
        let spec = ScheduleSpec::Constant { warmup_epochs: 2.0 };
        assert_eq!(spec.factor(0, 5, 10), 0.1);
        assert_eq!(spec.factor(9, 5, 10), 1.0);
    }

    #[test]
    fn settings_out_of_range_name_their_key() {
        for (spec, key) in [
            (
                json!({"name": "constant", "warmup_epochs": -1.0}),
                "schedule.warmup_epochs",
            ),
            (
                json!({"name": "cosine", "warmup_epochs": 11.0}),
                "schedule.warmup_epochs",
            ),
            (
                json!({"name": "step", "every_epochs": 0}),
                "schedule.every_epochs",
            ),
            (
                json!({"name": "exponential", "gamma": 0.0}),
                "schedule.gamma",
            ),
            (
                json!({"name": "multi_step", "milestones": [4, 2]}),
                "schedule.milestones",
            ),
            (
                json!({"name": "polynomial", "power": 0.0}),
                "schedule.power",
            ),
            (
                json!({"name": "restarts", "first_epochs": 0}),
                "schedule.first_epochs",
            ),
            (json!({"name": "restarts", "times": 0}), "schedule.times"),
            (
                json!({"name": "cosine", "min_ratio": 1.1}),
                "schedule.min_ratio",
            ),
            (
                json!({"name": "one_cycle", "peak_at": -0.1}),
                "schedule.peak_at",
            ),
        ] {
            let spec: ScheduleSpec = serde_json::from_value(spec).unwrap();
            assert_eq!(spec.check(10).unwrap_err().key(), key);
        }
    }

    #[test]
    fn a_key_of_another_schedule_is_refused() {
        assert!(
            serde_json::from_value::<ScheduleSpec>(json!({"name": "cosine", "gamma": 0.5}))
                .is_err()
        );
        assert!(
            serde_json::from_value::<ScheduleSpec>(json!({"name": "constant", "gamma": 0.5}))
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn factors_stay_between_zero_and_one_and_never_rise_after_the_warm_up(
            warmup_epochs in 0.0f64..3.0,
            steps_per_epoch in 0usize..7,
            epochs in 0usize..9,
            which in 0usize..4,
        ) {
            let spec = match which {
                0 => ScheduleSpec::Constant { warmup_epochs },
                1 => ScheduleSpec::Step { every_epochs: 2, gamma: 0.5, warmup_epochs },
                2 => ScheduleSpec::Exponential { gamma: 0.9, warmup_epochs },
                _ => ScheduleSpec::Cosine { min_ratio: 0.1, warmup_epochs },
            };
            let total = steps_per_epoch * epochs;
            let factors: Vec<f64> = (0..total + 3).map(|step| spec.factor(step, steps_per_epoch, total)).collect();
            prop_assert!(factors.iter().all(|factor| (0.0..=1.0).contains(factor)));
            let warmup = (warmup_epochs * steps_per_epoch.max(1) as f64).round() as usize;
            for pair in factors[warmup.min(factors.len())..].windows(2) {
                prop_assert!(pair[1] <= pair[0] + 1e-12);
            }
        }
    }
}
