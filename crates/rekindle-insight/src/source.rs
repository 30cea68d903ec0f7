//! The files of a run, read for its report and its plots, and to compare runs. Owns what is looked for in them; a run of an earlier version, or one that goes on, has less.

use std::fs;
use std::path::{Path, PathBuf};

use rekindle_data::{Figure, TaskKind, TaskReport};
use rekindle_finetune::{EpochRecord, EpochTiming, Recipe};
use serde::Deserialize;
use toml::Table;

use crate::InsightError;

/// What a run left.
#[derive(Debug)]
pub struct Source {
    /// The directory of the run.
    pub directory: PathBuf,
    /// run.json.
    pub run: RunRecord,
    /// `facts` of plan.toml.
    pub facts: FactsFile,
    /// `recipe` of plan.toml.
    pub recipe: Recipe,
    /// plan.toml as it is.
    pub plan: String,
}

/// What a run has come to, as its run.json says.
#[derive(Debug, Clone, Deserialize)]
pub struct RunRecord {
    /// Where it stands; none of the first versions, which wrote the file at the end.
    #[serde(default)]
    pub status: Option<String>,
    /// Why it stopped, where that was an error.
    #[serde(default)]
    pub error: Option<String>,
    /// What it learns.
    #[serde(default)]
    pub task: TaskKind,
    /// Names of the classes, labels or numbers.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Phase and epoch of the best one.
    #[serde(default)]
    pub best: Option<(String, usize)>,
    /// The best one's figures on the validation images.
    #[serde(default)]
    pub validation: Option<TaskReport>,
    /// Seconds in all, of the last process.
    #[serde(default)]
    pub seconds: f64,
    /// Seconds up to the end of the first step.
    #[serde(default)]
    pub seconds_to_first_step: Option<f64>,
    /// Share of the time that was waited for images.
    #[serde(default)]
    pub waited_share: Option<f64>,
    /// The most memory at once.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// Every epoch.
    #[serde(default)]
    pub history: Vec<EpochRecord>,
    /// How long each took.
    #[serde(default)]
    pub timings: Vec<EpochTiming>,
    /// The figures by which epochs are chosen, besides the loss, as plan.toml says; none where that cannot be read.
    #[serde(skip)]
    pub monitored: Vec<String>,
}

impl RunRecord {
    /// Reads the run in a directory; it need not be finished.
    ///
    /// # Errors
    ///
    /// [`InsightError::NoRun`] where no run.json can be read.
    pub fn load(directory: &Path) -> Result<Self, InsightError> {
        let path = directory.join("run.json");
        let failed = |reason: String| InsightError::NoRun {
            path: path.clone(),
            reason,
        };
        let bytes = fs::read(&path).map_err(|error| failed(error.to_string()))?;
        let mut record: Self =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        record.monitored = monitored(directory, record.task);
        Ok(record)
    }

    /// The place of the best epoch in the history.
    pub(crate) fn best_place(&self) -> Option<usize> {
        let (phase, epoch) = self.best.as_ref()?;
        let is_best = |record: &EpochRecord| record.phase == *phase && record.epoch == *epoch;
        self.history.iter().position(is_best)
    }

    /// The places in the history at which phases begin, and their names.
    pub(crate) fn phases(&self) -> Vec<(usize, String)> {
        let mut phases: Vec<(usize, String)> = Vec::new();
        for (place, record) in self.history.iter().enumerate() {
            if phases.last().is_none_or(|(_, name)| *name != record.phase) {
                phases.push((place, record.phase.clone()));
            }
        }
        phases
    }

    /// The figures that are watched: those that are monitored, but for the loss; and the task's own one.
    pub(crate) fn watched(&self) -> Vec<&'static Figure> {
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
    let text = fs::read_to_string(directory.join("plan.toml"));
    let plan = text.ok().and_then(|text| text.parse::<Table>().ok());
    let phases = plan
        .as_ref()
        .and_then(|plan| plan.get("recipe")?.get("phase")?.as_array());
    let name = |phase: &toml::Value| {
        let name = phase.get("stopping")?.get("monitor")?.as_str()?;
        Some(task.figure(name)?.name.to_owned())
    };
    phases.into_iter().flatten().filter_map(name).collect()
}

/// The facts of plan.toml that a report tells.
#[derive(Debug, Deserialize)]
pub struct FactsFile {
    pub rekindle: String,
    pub data: PathBuf,
    pub classes: Vec<String>,
    #[serde(default)]
    pub train_images: usize,
    #[serde(default)]
    pub validation_images: usize,
    #[serde(default)]
    pub train_per_class: Vec<usize>,
    #[serde(default)]
    pub divided_by: String,
    #[serde(default)]
    pub backbone: String,
    #[serde(default)]
    pub weights: String,
}

/// A row of predictions.csv.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// As in split.json.
    pub path: String,
    /// In words.
    pub truth: String,
    /// In words.
    pub predicted: String,
    /// Of this image.
    pub loss: f64,
    /// Of the predicted class; none of other tasks.
    pub probability: Option<f64>,
}

impl Source {
    /// Reads a run's directory.
    ///
    /// # Errors
    ///
    /// [`InsightError::NoRun`] where it holds no run, or one of whose files says something else than rekindle writes.
    pub fn read(directory: &Path) -> Result<Self, InsightError> {
        let no_run = |file: &str, reason: String| InsightError::NoRun {
            path: directory.join(file),
            reason,
        };
        let text = |file: &str| {
            let read = fs::read_to_string(directory.join(file));
            read.map_err(|error| no_run(file, error.to_string()))
        };
        let plan = text("plan.toml")?;
        let mut table: Table = plan
            .parse()
            .map_err(|error: toml::de::Error| no_run("plan.toml", error.to_string()))?;
        let (Some(facts), Some(toml::Value::Table(recipe))) =
            (table.remove("facts"), table.remove("recipe"))
        else {
            return Err(no_run("plan.toml", "it has no facts, or no recipe".into()));
        };
        let facts: FactsFile = facts
            .try_into()
            .map_err(|error: toml::de::Error| no_run("plan.toml", error.to_string()))?;
        let recipe =
            Recipe::of_table(recipe).map_err(|error| no_run("plan.toml", error.to_string()))?;
        let run = RunRecord::load(directory)?;
        Ok(Self {
            directory: directory.into(),
            run,
            facts,
            recipe,
            plan,
        })
    }

    /// predictions.csv; none of a run of an earlier version, or that is not finished.
    ///
    /// # Errors
    ///
    /// [`InsightError::NoRun`] where it is another table.
    pub fn predictions(&self) -> Result<Option<Vec<Row>>, InsightError> {
        let path = self.directory.join("predictions.csv");
        if !path.is_file() {
            return Ok(None);
        }
        let read = rows(&path).map(Some);
        read.map_err(|reason| InsightError::NoRun { path, reason })
    }

    /// The names of the outputs.
    pub fn names(&self) -> &[String] {
        match self.run.classes.is_empty() {
            true => &self.facts.classes,
            false => &self.run.classes,
        }
    }

    /// The run's name.
    pub fn name(&self) -> String {
        let whole = std::path::absolute(&self.directory);
        let whole = whole.unwrap_or_else(|_| self.directory.clone());
        let name = whole.file_name().unwrap_or(whole.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// What was found in the data, as the log tells it.
    pub fn findings(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let log = fs::read_to_string(self.directory.join("log.txt")).unwrap_or_default();
        for line in log.lines() {
            let Some((_, said)) = line
                .split_once("warning: ")
                .or_else(|| line.split_once("note: "))
            else {
                continue;
            };
            if !found.iter().any(|known| known == said) {
                found.push(said.trim().to_owned());
            }
        }
        found
    }
}

/// The rows of predictions.csv, of any task.
fn rows(path: &Path) -> Result<Vec<Row>, String> {
    let mut table = csv::Reader::from_path(path).map_err(|error| error.to_string())?;
    let header = table.headers().map_err(|error| error.to_string())?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let numbers: Vec<(usize, &str)> = header
        .iter()
        .enumerate()
        .filter_map(|(place, column)| Some((place, column.strip_prefix("true:")?)))
        .collect();
    let (Some(path), Some(loss)) = (place("path"), place("loss")) else {
        return Err("the columns `path` and `loss` are missing".into());
    };
    let mut rows = Vec::new();
    for record in table.records() {
        let record = record.map_err(|error| error.to_string())?;
        let cell = |place: Option<usize>| {
            let cell = place.and_then(|place| record.get(place));
            cell.unwrap_or_default().to_owned()
        };
        let [truth, predicted] = match numbers.is_empty() {
            true => ["true", "predicted"].map(|name| cell(place(name))),
            // The number is followed by what was predicted.
            false => [0, 1].map(|next| {
                let said = numbers.iter().map(|(place, name)| {
                    let value = cell(Some(place + next));
                    let value = value.parse().map_or(value, rekindle_data::metrics::short);
                    match numbers.len() {
                        1 => value,
                        _ => format!("{name} {value}"),
                    }
                });
                said.collect::<Vec<_>>().join(", ")
            }),
        };
        rows.push(Row {
            path: cell(Some(path)),
            truth,
            predicted,
            loss: cell(Some(loss)).parse().unwrap_or(f64::NAN),
            probability: cell(place("probability")).parse().ok(),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Row>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        fs::write(&path, text).unwrap();
        rows(&path)
    }

    #[test]
    fn predictions_of_every_task_are_read() {
        let classes = "path,true,predicted,loss,probability,probability_true,probability:a\n\"a,1.png\",<a>,b,1.5,0.75,0.22,0.2\n";
        let row = read(classes).unwrap().remove(0);
        assert_eq!((row.path.as_str(), row.truth.as_str()), ("a,1.png", "<a>"));
        assert_eq!((row.loss, row.probability), (1.5, Some(0.75)));
        let numbers = "path,true:x,predicted:x,true:y,predicted:y,loss\n1.png,1.5,2.25,3,4,0.5\n";
        let row = read(numbers).unwrap().remove(0);
        assert_eq!(
            (row.truth.as_str(), row.predicted.as_str()),
            ("x 1.5000, y 3.0000", "x 2.2500, y 4.0000")
        );
        assert!(read("path,true\n1.png,a\n").unwrap_err().contains("`loss`"));
    }
}
