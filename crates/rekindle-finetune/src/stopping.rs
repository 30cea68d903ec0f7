//! Early stopping. Owns what counts as better and for how long to wait; restoring the best weights is the run's.

use rekindle_data::{Better, Figure, TaskKind, TaskReport};
use rekindle_settings::{SettingError, non_negative};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The figure of the validation images that early stopping and the best checkpoint look at, by its name in recipes: `validation_loss`,
/// `validation_accuracy` and so on, those of [`Task::figures`](rekindle_data::Task::figures).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Monitor(&'static Figure);

/// How far a loss moves another figure: only enough to break ties, which small validation sets are full of.
const TIE_BREAK: f64 = 1e-9;

impl Monitor {
    /// The one of this name; none where no task has such a figure.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix(Figure::OF_VALIDATION)?;
        TaskKind::ALL
            .iter()
            .find_map(|task| task.figure(name))
            .map(Self)
    }

    /// What a task's best epoch is chosen by where nothing is said.
    pub fn of_task(task: TaskKind) -> Self {
        Self(task.own_figure())
    }

    /// The name in recipes and reports.
    pub fn name(self) -> String {
        self.0.monitor()
    }

    /// Which way is better.
    pub fn better(self) -> Better {
        self.0.better
    }

    /// Its value in a report, which may be no number. Of epochs with the same figure, such as the share of right images, the one with the
    /// lower loss is better.
    pub fn value(self, report: &TaskReport) -> f64 {
        let value = report.figure(self.0.name).unwrap_or(f64::NAN);
        let tie_break = TIE_BREAK * report.loss().clamp(0.0, 1e3);
        match self.0.better {
            _ if self.0.name == "loss" => value,
            Better::Lower => value + tie_break,
            Better::Higher => value - tie_break,
        }
    }

    /// Every name, for messages.
    fn names() -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for figure in TaskKind::ALL.iter().flat_map(|task| task.figures()) {
            let name = figure.monitor();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Default for Monitor {
    /// The loss, which every task has.
    fn default() -> Self {
        Self(&TaskKind::default().figures()[0])
    }
}

impl Serialize for Monitor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for Monitor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            let names = Self::names();
            let near = rekindle_settings::did_you_mean(&name, names.iter());
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            serde::de::Error::custom(format!(
                "there is no such figure{near}; there are {}",
                names.join(", ")
            ))
        })
    }
}

/// When a run stops before its last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoppingSpec {
    /// The value looked at. Default by the task: `validation_accuracy` of classes, `validation_map` of several labels, `validation_r2` of
    /// numbers, `validation_mae` of levels. A plan has it written out.
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
    /// [`SettingError`] with the key `stopping.monitor` for one that the task has not.
    pub fn for_task(self, task: TaskKind) -> Result<Self, SettingError> {
        let monitor = self.monitor.unwrap_or(Monitor::of_task(task));
        if task.figure(monitor.0.name).is_none() {
            let fit: Vec<String> = task
                .figures()
                .iter()
                .map(|figure| format!("`{}`", figure.monitor()))
                .collect();
            let expected = format!("{}, since {}", fit.join(" or "), task.words().because);
            let key = "stopping.monitor";
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
        match self.is_over() {
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

    /// Whether the patience is used up, as the last [`Decision`] said.
    pub fn is_over(&self) -> bool {
        self.epochs_without_improvement >= self.spec.patience
    }

    /// The settings.
    pub fn spec(&self) -> &StoppingSpec {
        &self.spec
    }

    fn improves(&self, value: f64) -> bool {
        if !value.is_finite() {
            return false;
        }
        let better = self.spec.monitor.unwrap_or_default().better();
        self.best
            .is_none_or(|best| better.improves(best.value, value, self.spec.min_change))
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
        for name in [
            "validation_accuracy",
            "validation_balanced_accuracy",
            "validation_macro_f1",
        ] {
            let spec = StoppingSpec {
                monitor: Monitor::from_name(name),
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
            monitor: Monitor::from_name("validation_accuracy"),
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
    fn monitor_names_are_those_of_recipes_and_one_name_has_one_direction() {
        for task in TaskKind::ALL {
            for figure in task.figures() {
                let monitor = Monitor::from_name(&figure.monitor()).unwrap();
                assert_eq!(monitor.0.better, figure.better);
                let text = serde_json::to_value(monitor).unwrap();
                assert_eq!(text, monitor.name());
                assert_eq!(serde_json::from_value::<Monitor>(text).unwrap(), monitor);
            }
        }
        let error = serde_json::from_str::<Monitor>("\"validation_acuracy\"").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("did you mean `validation_accuracy`"),
            "{error}"
        );
        assert_eq!(Monitor::from_name("accuracy"), None);
    }

    #[test]
    fn a_monitor_of_another_task_is_refused_with_those_that_fit() {
        let spec = |name| StoppingSpec {
            monitor: Monitor::from_name(name),
            ..StoppingSpec::default()
        };
        let error = spec("validation_accuracy").for_task(TaskKind::Regression);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("stopping.monitor") && error.contains("`validation_rmse`"),
            "{error}"
        );
        for task in TaskKind::ALL {
            let chosen = StoppingSpec::default().for_task(*task).unwrap().monitor;
            assert_eq!(chosen, Some(Monitor::of_task(*task)));
            spec("validation_loss").for_task(*task).unwrap();
        }
        spec("validation_macro_f1")
            .for_task(TaskKind::Multilabel)
            .unwrap();
    }
}
