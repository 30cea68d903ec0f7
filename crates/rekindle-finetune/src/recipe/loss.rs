//! The settings under `loss`: which loss, or settings of the one that the data calls for.

use rekindle_head::{BinaryCrossEntropy, CrossEntropy, LossConfig, MeanSquaredError, TaskKind};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::merge;
use super::words::explained;
use crate::FinetuneError;

/// The loss, as far as it was written down. Without a `name` the settings are those of the task's own loss: `cross_entropy` with
/// `label_smoothing = 0.1` for one class of several, `binary_cross_entropy` for labels, `mean_squared_error` for numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LossRecipe(Table);

impl LossRecipe {
    /// The loss for a task: what was written, over the task's own where it is the same.
    ///
    /// # Errors
    ///
    /// A name or a setting that there is not; the nearest is suggested.
    pub fn for_task(&self, task: TaskKind) -> Result<LossConfig, FinetuneError> {
        let mut table = Self::from(own(task)).0;
        match self.0.get("name") {
            Some(name) if table.get("name") != Some(name) => table = self.0.clone(),
            _ => merge(&mut table, self.0.clone()),
        }
        parse(table)
    }

    /// Checks what can be known without the data: a loss that is named.
    ///
    /// # Errors
    ///
    /// As [`for_task`](Self::for_task).
    pub fn check(&self) -> Result<(), FinetuneError> {
        match self.0.contains_key("name") {
            true => parse(self.0.clone()).map(drop),
            false => Ok(()),
        }
    }
}

impl From<LossConfig> for LossRecipe {
    fn from(loss: LossConfig) -> Self {
        Self(Table::try_from(loss).unwrap_or_default())
    }
}

/// The loss that a task has where none is named.
fn own(task: TaskKind) -> LossConfig {
    match task {
        TaskKind::Classification => LossConfig::CrossEntropy(CrossEntropy {
            label_smoothing: 0.1,
            ..CrossEntropy::default()
        }),
        TaskKind::Multilabel => LossConfig::BinaryCrossEntropy(BinaryCrossEntropy::default()),
        TaskKind::Regression => LossConfig::MeanSquaredError(MeanSquaredError::default()),
    }
}

fn parse(table: Table) -> Result<LossConfig, FinetuneError> {
    Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| FinetuneError::Recipe {
            origin: "`loss`".into(),
            reason: explained(error.to_string().trim_end()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;

    fn loss(settings: &[&str], task: TaskKind) -> Result<LossConfig, String> {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        let recipe = Recipe::load(None, &settings).map_err(|error| error.to_string())?;
        recipe
            .loss
            .for_task(task)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_task_has_its_own_loss_and_settings_go_over_it() {
        let name = |task| loss(&[], task).unwrap().name();
        assert_eq!(name(TaskKind::Classification), "cross_entropy");
        assert_eq!(name(TaskKind::Multilabel), "binary_cross_entropy");
        assert_eq!(name(TaskKind::Regression), "mean_squared_error");
        let smoothed = |label_smoothing, class_weights| {
            Ok(LossConfig::CrossEntropy(CrossEntropy {
                label_smoothing,
                class_weights,
            }))
        };
        let classes = TaskKind::Classification;
        let weights = "loss.class_weights=[1.0, 2.0]";
        assert_eq!(
            loss(&[weights], classes),
            smoothed(0.1, Some(vec![1.0, 2.0]))
        );
        assert_eq!(
            loss(&["loss.name=cross_entropy"], classes),
            smoothed(0.1, None)
        );
        assert_eq!(
            loss(&["loss.label_smoothing=0"], classes),
            smoothed(0.0, None)
        );
        let positive = loss(&["loss.positive_weights=[3.0]"], TaskKind::Multilabel).unwrap();
        assert_eq!(positive.name(), "binary_cross_entropy");
    }

    #[test]
    fn a_named_loss_is_taken_whatever_the_task_and_checked_at_once() {
        let huber = loss(&["loss.name=huber", "loss.delta=2.0"], TaskKind::Multilabel).unwrap();
        assert_eq!(huber.name(), "huber");
        let error = loss(&["loss.name=hubert"], TaskKind::Regression).unwrap_err();
        assert!(error.contains("did you mean `huber`"), "{error}");
        let error = loss(&["loss={name='focal', gama=1}"], TaskKind::Classification).unwrap_err();
        assert!(error.contains("did you mean `gamma`"), "{error}");
        let error = loss(&["loss.label_smothing=0"], TaskKind::Classification).unwrap_err();
        assert!(error.contains("did you mean `label_smoothing`"), "{error}");
        // What was written for another loss goes with it.
        let changed = ["loss.gamma=1", "loss.name=focal", "loss.name=cross_entropy"];
        assert!(loss(&changed[1..], TaskKind::Classification).is_ok());
    }
}
