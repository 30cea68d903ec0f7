//! Early stopping. Owns what counts as better and for how long to wait; restoring the best weights is the run's.

use rekindle_head::TaskKind;
use serde::{Deserialize, Serialize};

use crate::metrics::TaskReport;
use rekindle_settings::{SettingError, non_negative};

/// The value of an epoch that early stopping and the best checkpoint look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// The validation loss: mean cross-entropy, mean binary cross-entropy, or mean squared error of standardised numbers; lower is
    /// better.
    #[default]
    ValidationLoss,
    /// Share of validation images whose best class is the right one; higher is better.
    ValidationAccuracy,
    /// Mean of the classes' recalls; higher is better. For classes of very different sizes.
    ValidationBalancedAccuracy,
    /// Mean of the classes' or labels' F1; higher is better. For classes of very different sizes.
    ValidationMacroF1,
    /// F1 over all labels of all images together; higher is better.
    ValidationMicroF1,
    /// Mean average precision of the labels; higher is better. Needs no threshold.
    ValidationMap,
    /// Share of images whose labels are all right; higher is better.
    ValidationSubsetAccuracy,
    /// R² of the numbers; higher is better.
    ValidationR2,
    /// Mean absolute error of the numbers; lower is better.
    ValidationMae,
    /// Root of the mean squared error of the numbers; lower is better.
    ValidationRmse,
}

impl Monitor {
    /// The name in recipes and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidationLoss => "validation_loss",
            Self::ValidationAccuracy => "validation_accuracy",
            Self::ValidationBalancedAccuracy => "validation_balanced_accuracy",
            Self::ValidationMacroF1 => "validation_macro_f1",
            Self::ValidationMicroF1 => "validation_micro_f1",
            Self::ValidationMap => "validation_map",
            Self::ValidationSubsetAccuracy => "validation_subset_accuracy",
            Self::ValidationR2 => "validation_r2",
            Self::ValidationMae => "validation_mae",
            Self::ValidationRmse => "validation_rmse",
        }
    }

    /// The name of the figure in reports.
    pub fn figure(self) -> &'static str {
        self.name().trim_start_matches("validation_")
    }

    /// Whether a lower value is a better one.
    pub fn lower_is_better(self) -> bool {
        matches!(
            self,
            Self::ValidationLoss | Self::ValidationMae | Self::ValidationRmse
        )
    }

    /// What a task's best epoch is chosen by where nothing is said: accuracy, mean average precision, or R², which is the only one that
    /// weighs numbers of different units alike.
    pub fn default_for(task: TaskKind) -> Self {
        match task {
            TaskKind::Classification => Self::ValidationAccuracy,
            TaskKind::Multilabel => Self::ValidationMap,
            TaskKind::Regression => Self::ValidationR2,
        }
    }
}

/// When a run stops before its last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoppingSpec {
    /// The value looked at. Default by the task: `validation_accuracy` of classes, `validation_map` of several labels, `validation_r2` of
    /// numbers. A plan has it written out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitor>,
    /// Epochs without improvement after which the run stops, at least 1. Default 5.
    pub patience: usize,
    /// Change that counts as an improvement if it is exceeded. Default 0: any change for the better.
    pub min_change: f64,
}

impl Default for StoppingSpec {
    fn default() -> Self {
        Self {
            monitor: None,
            patience: 5,
            min_change: 0.0,
        }
    }
}

impl StoppingSpec {
    /// Checks every setting; has no side effects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for a patience of 0, or a change that is negative or not finite.
    pub fn check(&self) -> Result<(), SettingError> {
        if self.patience == 0 {
            return Err(SettingError::new(
                "stopping.patience",
                0,
                "at least 1 epoch",
            ));
        }
        non_negative("stopping.min_change", self.min_change)
    }

    /// The same for a task, with the monitor written out.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for a monitor that the task has not.
    pub fn for_task(self, task: TaskKind, key: &'static str) -> Result<Self, SettingError> {
        let monitor = self.monitor.unwrap_or(Monitor::default_for(task));
        if !TaskReport::figure_names(task).contains(&monitor.figure()) {
            let expected = match task {
                TaskKind::Classification => {
                    "`validation_loss`, `_accuracy`, `_balanced_accuracy` or `_macro_f1`, since each image has one class"
                }
                TaskKind::Multilabel => {
                    "`validation_loss`, `_map`, `_macro_f1`, `_micro_f1` or `_subset_accuracy`, since images have several labels"
                }
                TaskKind::Regression => {
                    "`validation_loss`, `_r2`, `_mae` or `_rmse`, since images have numbers"
                }
            };
            return Err(SettingError::new(key, monitor.name(), expected));
        }
        Ok(Self {
            monitor: Some(monitor),
            ..self
        })
    }
}

/// What to do after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The best epoch so far: keep its weights.
    Improved,
    /// No improvement, but patience is left.
    Continue,
    /// Patience is used up: end the run and restore the best epoch.
    Stop,
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// Number of the epoch, as given to [`EarlyStopping::update`].
    pub epoch: usize,
    /// The monitored value after it.
    pub value: f64,
}

/// Watches the epochs of a run; saved with a checkpoint, so that a resumed run keeps its patience and its best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    spec: StoppingSpec,
    best: Option<BestEpoch>,
    epochs_without_improvement: usize,
}

impl EarlyStopping {
    /// A watch that has seen no epoch. Without a monitor in the settings, lower values are better.
    pub fn new(spec: StoppingSpec) -> Self {
        Self {
            spec,
            best: None,
            epochs_without_improvement: 0,
        }
    }

    /// Takes the monitored value after an epoch.
    ///
    /// The first finite value is an improvement, and so is one that beats the best by more than `min_change`. A value
    /// that is not a number, or infinite, never is.
    pub fn update(&mut self, epoch: usize, value: f64) -> Decision {
        if self.improves(value) {
            self.best = Some(BestEpoch { epoch, value });
            self.epochs_without_improvement = 0;
            return Decision::Improved;
        }
        self.epochs_without_improvement += 1;
        match self.epochs_without_improvement >= self.spec.patience {
            true => Decision::Stop,
            false => Decision::Continue,
        }
    }

    /// The best epoch so far; none before the first finite value.
    pub fn best(&self) -> Option<BestEpoch> {
        self.best
    }

    /// Epochs since the best one.
    pub fn epochs_without_improvement(&self) -> usize {
        self.epochs_without_improvement
    }

    /// The settings.
    pub fn spec(&self) -> &StoppingSpec {
        &self.spec
    }

    fn improves(&self, value: f64) -> bool {
        if !value.is_finite() {
            return false;
        }
        match self.best {
            None => true,
            Some(best) if self.spec.monitor.unwrap_or_default().lower_is_better() => {
                best.value - value > self.spec.min_change
            }
            Some(best) => value - best.value > self.spec.min_change,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{Continue, Improved, Stop};

    fn decisions(spec: StoppingSpec, values: &[f64]) -> Vec<Decision> {
        let mut stopping = EarlyStopping::new(spec);
        values
            .iter()
            .enumerate()
            .map(|(epoch, &value)| stopping.update(epoch, value))
            .collect()
    }

    #[test]
    fn a_loss_that_stops_falling_uses_up_the_patience() {
        let spec = StoppingSpec {
            patience: 2,
            ..StoppingSpec::default()
        };
        assert_eq!(
            decisions(spec, &[1.0, 0.8, 0.9, 0.7, 0.7, 0.71]),
            [Improved, Improved, Continue, Improved, Continue, Stop]
        );
    }

    #[test]
    fn an_accuracy_must_rise() {
        for monitor in [
            Monitor::ValidationAccuracy,
            Monitor::ValidationBalancedAccuracy,
            Monitor::ValidationMacroF1,
        ] {
            let spec = StoppingSpec {
                monitor: Some(monitor),
                patience: 3,
                min_change: 0.0,
            };
            assert_eq!(
                decisions(spec, &[0.5, 0.6, 0.6, 0.4]),
                [Improved, Improved, Continue, Continue]
            );
        }
    }

    #[test]
    fn a_change_must_exceed_the_smallest_that_counts() {
        let spec = StoppingSpec {
            monitor: Some(Monitor::ValidationAccuracy),
            patience: 9,
            min_change: 0.125,
        };
        assert_eq!(
            decisions(spec, &[0.5, 0.625, 0.75]),
            [Improved, Continue, Improved]
        );
    }

    #[test]
    fn values_that_are_not_finite_never_improve() {
        let spec = StoppingSpec {
            patience: 2,
            ..StoppingSpec::default()
        };
        assert_eq!(
            decisions(spec, &[f64::NAN, 0.9, f64::NEG_INFINITY, f64::NAN]),
            [Continue, Improved, Continue, Stop]
        );
    }

    #[test]
    fn a_resumed_watch_decides_like_an_uninterrupted_one() {
        let values = [0.9, 0.8, 0.85, 0.86, 0.87, 0.5];
        let spec = StoppingSpec {
            patience: 3,
            ..StoppingSpec::default()
        };
        let expected = decisions(spec, &values);
        for cut in 0..values.len() {
            let mut stopping = EarlyStopping::new(spec);
            let mut found = Vec::new();
            for (epoch, &value) in values.iter().enumerate() {
                if epoch == cut {
                    let text = serde_json::to_string(&stopping).unwrap();
                    stopping = serde_json::from_str(&text).unwrap();
                }
                found.push(stopping.update(epoch, value));
            }
            assert_eq!(found, expected);
            assert_eq!(
                stopping.best(),
                Some(BestEpoch {
                    epoch: 5,
                    value: 0.5
                })
            );
        }
    }

    #[test]
    fn a_patience_of_zero_is_refused() {
        let spec = StoppingSpec {
            patience: 0,
            ..StoppingSpec::default()
        };
        assert_eq!(spec.check().unwrap_err().key(), "stopping.patience");
        let spec = StoppingSpec {
            min_change: f64::NAN,
            ..StoppingSpec::default()
        };
        assert_eq!(spec.check().unwrap_err().key(), "stopping.min_change");
    }

    #[test]
    fn monitor_names_are_those_of_recipes() {
        for monitor in [
            Monitor::ValidationLoss,
            Monitor::ValidationMacroF1,
            Monitor::ValidationBalancedAccuracy,
            Monitor::ValidationMicroF1,
            Monitor::ValidationMap,
            Monitor::ValidationSubsetAccuracy,
            Monitor::ValidationR2,
            Monitor::ValidationMae,
            Monitor::ValidationRmse,
        ] {
            assert_eq!(serde_json::to_value(monitor).unwrap(), monitor.name());
        }
    }

    #[test]
    fn a_monitor_of_another_task_is_refused_with_those_that_fit() {
        let spec = |monitor| StoppingSpec {
            monitor: Some(monitor),
            ..StoppingSpec::default()
        };
        let key = "phase1.stopping.monitor";
        let error = spec(Monitor::ValidationAccuracy).for_task(TaskKind::Regression, key);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(key) && error.contains("`_rmse`"), "{error}");
        for task in [
            TaskKind::Classification,
            TaskKind::Multilabel,
            TaskKind::Regression,
        ] {
            let chosen = StoppingSpec::default().for_task(task, key).unwrap().monitor;
            assert_eq!(chosen, Some(Monitor::default_for(task)));
            spec(Monitor::ValidationLoss).for_task(task, key).unwrap();
        }
        spec(Monitor::ValidationMacroF1)
            .for_task(TaskKind::Multilabel, key)
            .unwrap();
    }
}
