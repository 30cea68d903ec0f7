//! Runs side by side: those of a folder with their figures, which is the best, and in which settings two differ.
//!
//! Owns what of a run is compared; the files are `source.rs`'s.

use std::fs;
use std::path::{Path, PathBuf};

use rekindle_data::{Better, Figure, TaskKind, TaskReport};
use rekindle_settings::write;
use serde::Serialize;
use toml::{Table, Value};

use crate::InsightError;
use crate::source::Source;

/// A run in short.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    /// Its directory.
    pub run: PathBuf,
    /// Where it stands: `running`, `interrupted`, `failed` or `finished`.
    pub status: String,
    /// What is learned.
    pub task: TaskKind,
    /// The data.
    pub data: PathBuf,
    /// The card of the weights that it began with.
    pub backbone: String,
    /// Epochs done.
    pub epochs: usize,
    /// Seconds in all.
    pub seconds: f64,
    /// Phase and epoch of the result; none before the first.
    pub best: Option<(String, usize)>,
    /// The figures of the result by name.
    pub figures: Vec<(&'static str, f64)>,
    /// Images that they were measured on.
    pub validation_images: u64,
    #[serde(skip)]
    report: Option<TaskReport>,
}

impl RunSummary {
    /// The figure that runs are ordered by: the one of this name, or else the task's own. None where there is no result, or its task has
    /// no such figure.
    pub fn figure(&self, by: Option<&str>) -> Option<(&'static Figure, f64)> {
        let figure = match by {
            Some(name) => self.task.figure(name)?,
            None => self.task.own_figure(),
        };
        Some((figure, self.report.as_ref()?.figure(figure.name)?))
    }
}

/// A run in short.
///
/// # Errors
///
/// [`InsightError::NoRun`].
pub fn summary_of(run: &Path) -> Result<RunSummary, InsightError> {
    let source = Source::read(run)?;
    let report = source.run.validation;
    Ok(RunSummary {
        run: run.into(),
        status: source.run.status.unwrap_or_else(|| "finished".into()),
        task: source.run.task,
        data: source.facts.data,
        backbone: source.facts.backbone,
        epochs: source.run.history.len(),
        seconds: source.run.seconds,
        best: source.run.best,
        figures: report
            .iter()
            .flat_map(|report| report.figures())
            .map(|(figure, value)| (figure.name, value))
            .collect(),
        validation_images: report.as_ref().map_or(0, TaskReport::samples),
        report,
    })
}

/// The runs in a folder, by name; and why others that look like runs could not be read.
///
/// # Errors
///
/// [`InsightError::NoRun`] where the folder cannot be read.
pub fn runs_in(folder: &Path) -> Result<(Vec<RunSummary>, Vec<InsightError>), InsightError> {
    let entries = fs::read_dir(folder).map_err(|error| InsightError::NoRun {
        path: folder.into(),
        reason: error.to_string(),
    })?;
    let directories = entries.filter_map(|entry| Some(entry.ok()?.path()));
    // The link to the newest run is no further one.
    let mut directories: Vec<PathBuf> = directories
        .filter(|path| !path.is_symlink() && path.join("plan.toml").is_file())
        .collect();
    directories.sort();
    let (mut runs, mut failed) = (Vec::new(), Vec::new());
    for directory in directories {
        match summary_of(&directory) {
            Ok(run) => runs.push(run),
            Err(error) => failed.push(error),
        }
    }
    Ok((runs, failed))
}

/// The best by a figure, the first of equal ones; none where no run has it, or where no figure is named and the tasks of the runs have
/// different ones.
pub fn best_of<'a>(runs: &'a [RunSummary], by: Option<&str>) -> Option<&'a RunSummary> {
    let mut best: Option<(&RunSummary, f64)> = None;
    let mut tasks = runs
        .iter()
        .filter(|run| run.report.is_some())
        .map(|run| run.task);
    let first = tasks.next();
    if by.is_none() && tasks.any(|task| Some(task) != first) {
        return None;
    }
    for run in runs {
        let Some((figure, value)) = run.figure(by).filter(|(_, value)| value.is_finite()) else {
            continue;
        };
        let better = |old: f64| match figure.better {
            Better::Higher => value > old,
            Better::Lower => value < old,
        };
        if best.is_none_or(|(_, old)| better(old)) {
            best = Some((run, value));
        }
    }
    best.map(|(run, _)| run)
}

/// A key in which two runs differ, with the value of each; empty where one has it not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The whole key of a setting, or a fact of the data.
    pub key: String,
    /// What the runs say.
    pub values: [String; 2],
}

/// In which settings and facts two runs differ.
///
/// # Errors
///
/// [`InsightError::NoRun`].
pub fn differences(runs: [&Path; 2]) -> Result<Vec<Difference>, InsightError> {
    let [first, second] = [flat(runs[0])?, flat(runs[1])?];
    let mut keys: Vec<&String> = first.iter().chain(&second).map(|(key, _)| key).collect();
    let mut seen = std::collections::HashSet::new();
    keys.retain(|key| seen.insert(*key));
    let of = |all: &[(String, String)], key: &str| {
        let found = all.iter().find(|(own, _)| own == key);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let pairs = keys.into_iter().map(|key| Difference {
        key: key.clone(),
        values: [of(&first, key), of(&second, key)],
    });
    Ok(pairs
        .filter(|pair| pair.values[0] != pair.values[1])
        .collect())
}

/// Every setting by its whole key, then what it met.
fn flat(run: &Path) -> Result<Vec<(String, String)>, InsightError> {
    let source = Source::read(run)?;
    let mut all = Vec::new();
    add(&mut all, "", write(&source.recipe)?);
    let facts = &source.facts;
    for (key, value) in [
        ("rekindle", facts.rekindle.clone()),
        ("data", facts.data.display().to_string()),
        ("classes", facts.classes.len().to_string()),
        ("train_images", facts.train_images.to_string()),
        ("validation_images", facts.validation_images.to_string()),
        ("weights", facts.weights.clone()),
    ] {
        all.push((format!("facts.{key}"), value));
    }
    Ok(all)
}

fn add(all: &mut Vec<(String, String)>, prefix: &str, table: Table) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => add(all, &format!("{key}."), inner),
            Value::Array(phases) if key == "phase" => {
                for phase in phases {
                    if let Value::Table(phase) = phase {
                        let name = phase.get("name").and_then(Value::as_str);
                        let prefix = format!("{}.", name.unwrap_or("phase"));
                        add(all, &prefix, phase);
                    }
                }
            }
            other => all.push((key, other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rekindle_data::metrics::Metrics;

    fn run(folder: &Path, name: &str, seed: u64, right: bool) {
        let directory = folder.join(name);
        fs::create_dir(&directory).unwrap();
        let mut metrics = Metrics::new(2, 5);
        metrics.add(&[1.0, 0.0], &[usize::from(!right)]).unwrap();
        let report = serde_json::json!({"status": "finished", "task": "classification", "validation": metrics.report().unwrap()});
        fs::write(directory.join("run.json"), report.to_string()).unwrap();
        let plan = format!(
            "[facts]\nrekindle = \"0.1.0\"\ndata = \"d\"\nclasses = [\"a\", \"b\"]\n[recipe]\nseed = {seed}\n"
        );
        fs::write(directory.join("plan.toml"), plan).unwrap();
    }

    #[test]
    fn the_best_run_is_the_one_with_the_better_figure() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), "a", 1, false);
        run(folder.path(), "b", 2, true);
        fs::create_dir(folder.path().join("no-run")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("b", folder.path().join("latest")).unwrap();
        let (runs, failed) = runs_in(folder.path()).unwrap();
        assert_eq!((runs.len(), failed.len()), (2, 0));
        for by in [None, Some("loss"), Some("validation_macro_f1")] {
            let best = best_of(&runs, by).unwrap();
            assert!(best.run.ends_with("b"), "{by:?}");
        }
        assert!(best_of(&runs, Some("map")).is_none());
    }

    #[test]
    fn differences_are_settings_by_their_keys() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), "a", 1, false);
        run(folder.path(), "b", 2, true);
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        let seed = Difference {
            key: "seed".into(),
            values: ["1".into(), "2".into()],
        };
        assert_eq!(differences([&a, &b]).unwrap(), [seed]);
        assert!(differences([&a, folder.path()]).is_err());
    }
}
