//! The settings under `loss`: which loss, or settings of the one that the data calls for.

use rekindle_data::TaskKind;
use rekindle_head::LossConfig;
use rekindle_settings::{NamedTable, SettingError, Within, merge, read, write};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// The loss, as far as it was written down. Without a `name` the settings are those of the task's own loss: `cross_entropy` with
/// `label_smoothing = 0.1` for one class of several, `binary_cross_entropy` for labels, `mean_squared_error` for numbers, `corn` for levels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LossRecipe(NamedTable);

impl LossRecipe {
    /// The loss for a task with so many outputs: what was written, over the task's own where it is the same.
    ///
    /// # Errors
    ///
    /// A name or a setting that there is not (the nearest is suggested), a value out of range, or a loss of another task, which is told
    /// with those that fit.
    pub fn for_task(&self, task: TaskKind, outputs: usize) -> Result<LossConfig, SettingError> {
        let said = &self.0.0;
        let mut table = own(task);
        match said.get("name") {
            Some(name) if table.get("name") != Some(name) => table = said.clone(),
            _ => merge(&mut table, said.clone()),
        }
        let loss = parse(table)?;
        if !task.losses().contains(&loss.name()) {
            let fit: Vec<String> = task
                .losses()
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            let expected = format!("{}, since {}", fit.join(" or "), task.words().because);
            let found = format!("\"{}\"", loss.name());
            return Err(SettingError::new("loss.name", found, expected));
        }
        loss.check(outputs).within("loss")?;
        Ok(loss)
    }

    /// Checks what can be known without the data: a loss that is named.
    ///
    /// # Errors
    ///
    /// As [`for_task`](Self::for_task).
    pub fn check(&self) -> Result<(), SettingError> {
        match self.0.0.contains_key("name") {
            true => parse(self.0.0.clone()).map(drop),
            false => Ok(()),
        }
    }

    /// The recipe of this loss, every setting written out.
    ///
    /// # Errors
    ///
    /// A setting has no form in TOML.
    pub fn of(loss: &LossConfig) -> Result<Self, SettingError> {
        write(loss)
            .map(|table| Self(NamedTable(table)))
            .within("loss")
    }
}

/// The loss that a task has where none is named.
fn own(task: TaskKind) -> Table {
    let (name, settings) = task.own_loss();
    let settings = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()));
    std::iter::once(("name".to_owned(), Value::from(name)))
        .chain(settings)
        .collect()
}

fn parse(table: Table) -> Result<LossConfig, SettingError> {
    read(Value::Table(table)).within("loss")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;
    use rekindle_head::CrossEntropy;

    fn loss(settings: &[&str], task: TaskKind) -> Result<LossConfig, String> {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        let recipe = Recipe::load(None, &settings).map_err(|error| error.to_string())?;
        recipe
            .loss
            .for_task(task, 2)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_task_has_its_own_loss_and_settings_go_over_it() {
        let name = |task| loss(&[], task).unwrap().name();
        assert_eq!(name(TaskKind::Classification), "cross_entropy");
        assert_eq!(name(TaskKind::Multilabel), "binary_cross_entropy");
        assert_eq!(name(TaskKind::Regression), "mean_squared_error");
        assert_eq!(name(TaskKind::Ordinal), "corn");
        let smoothed = |label_smoothing, class_weights| {
            Ok(LossConfig::CrossEntropy(CrossEntropy {
                label_smoothing,
                class_weights,
                ..CrossEntropy::default()
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
        let positive = loss(&["loss.positive_weights=[3.0, 1.0]"], TaskKind::Multilabel).unwrap();
        assert_eq!(positive.name(), "binary_cross_entropy");
    }

    #[test]
    fn a_named_loss_is_checked_at_once_and_has_to_suit_the_task() {
        let huber = ["loss.name=huber", "loss.delta=2.0"];
        assert_eq!(loss(&huber, TaskKind::Regression).unwrap().name(), "huber");
        let error = loss(&huber, TaskKind::Multilabel).unwrap_err();
        assert!(
            error.contains(
                "`binary_cross_entropy` or `binary_focal`, since images have several labels"
            ),
            "{error}"
        );
        let error = loss(&["loss.name=hubert"], TaskKind::Regression).unwrap_err();
        assert!(error.contains("did you mean `huber`"), "{error}");
        let error = loss(&["loss={name='focal', gama=1}"], TaskKind::Classification).unwrap_err();
        assert!(error.contains("did you mean `loss.gamma`"), "{error}");
        let error = loss(&["loss.label_smothing=0"], TaskKind::Classification).unwrap_err();
        assert!(
            error.contains("did you mean `loss.label_smoothing`"),
            "{error}"
        );
        // What was written for another loss goes with it.
        let changed = ["loss.gamma=1", "loss.name=focal", "loss.name=cross_entropy"];
        assert!(loss(&changed[1..], TaskKind::Classification).is_ok());
    }
}
