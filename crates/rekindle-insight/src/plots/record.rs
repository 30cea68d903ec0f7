//! What plots need of a run, as its directory says it.

use std::path::Path;

use rekindle_data::{Figure, TaskKind, TaskReport};
use rekindle_finetune::EpochRecord;
use serde::Deserialize;

use crate::InsightError;

/// What a run has come to, read from its run.json.
#[derive(Debug, Clone, Deserialize)]
pub struct RunRecord {
    /// What it learns.
    #[serde(default)]
    pub task: TaskKind,
    /// Names of the classes, labels or numbers.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Every epoch.
    #[serde(default)]
    pub history: Vec<EpochRecord>,
    /// Phase and epoch of the best one.
    #[serde(default)]
    pub best: Option<(String, usize)>,
    /// The best one's figures on the validation images.
    #[serde(default)]
    pub validation: Option<TaskReport>,
    /// The figures by which epochs are chosen, besides the loss.
    #[serde(skip)]
    pub monitored: Vec<String>,
}

impl RunRecord {
    /// Reads the run in a directory; it need not be finished.
    ///
    /// # Errors
    ///
    /// [`InsightError::NoRecord`] where no run.json can be read.
    pub fn load(directory: &Path) -> Result<Self, InsightError> {
        let path = directory.join("run.json");
        let failed = |reason: String| InsightError::NoRecord {
            path: path.clone(),
            reason,
        };
        let bytes = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
        let mut record: Self =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        record.monitored = monitored(directory, record.task);
        Ok(record)
    }

    /// The place of the best epoch in the history.
    pub(super) fn best_place(&self) -> Option<usize> {
        let (phase, epoch) = self.best.as_ref()?;
        let is_best = |record: &EpochRecord| record.phase == *phase && record.epoch == *epoch;
        self.history.iter().position(is_best)
    }

    /// The figures to draw: those that are monitored, but for the loss, which has a plot of its own; or else the task's own one.
    pub(super) fn figures(&self) -> Vec<&'static Figure> {
        let named = self.monitored.iter();
        let named = named.filter_map(|name| self.task.figure(name));
        let mut figures: Vec<&Figure> = Vec::new();
        for figure in named.chain([self.task.own_figure()]) {
            if figure.name != "loss" && !figures.contains(&figure) {
                figures.push(figure);
            }
        }
        figures
    }
}

/// The monitors of a run's phases; none where its plan cannot be read, since plots do without.
fn monitored(directory: &Path, task: TaskKind) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("plan.toml"));
    let plan = text.ok().and_then(|text| text.parse::<toml::Table>().ok());
    let phases = plan
        .as_ref()
        .and_then(|plan| plan.get("recipe")?.get("phase")?.as_array());
    let name = |phase: &toml::Value| {
        let name = phase.get("stopping")?.get("monitor")?.as_str()?;
        Some(task.figure(name)?.name.to_owned())
    };
    phases.into_iter().flatten().filter_map(name).collect()
}
