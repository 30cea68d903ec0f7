//! What a run leaves for its reader while it goes on: the best weights so far as a model file, metrics.csv, and run.json.
//!
//! Owns their contents and how often they are written. What a run needs to go on is `checkpoint.rs`'s.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rekindle_backbone::{Backbone, StateDict};
use rekindle_data::{TaskKind, TaskReport};
use rekindle_model::{
    FileError, ModelInfo, NetworkState, create_directory, save_model, write_often, write_whole,
};
use serde::Serialize;

use super::directory::{EPOCHS, METRICS, MODEL, REPORT, RunStatus};
use super::lock::Holder;
use crate::checkpoint::to_json;
use crate::events::Events;
use crate::observer::{EpochRecord, EpochTiming};
use crate::phase::RunState;
use crate::{FinetuneError, Plan};

/// run.json is written at the end of an epoch when this much time has passed since the last time.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The model is written no more often than that its writing takes this share of the time; of epochs that take milliseconds each, the best
/// of some is written.
const SHARE_FOR_MODEL: u32 = 20;

/// The files of a run that are kept current.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    plan: &'a Plan,
    directory: &'a Path,
    backbone: &'a Backbone,
    backbone_sha256: String,
    started: Instant,
    holder: Holder,
    metrics: File,
    events: Events<'a>,
    reported: Instant,
    /// Phase and epoch that the model file is of.
    model_of: Option<(String, usize)>,
    /// When it may be written again.
    model_from: Instant,
}

impl<'a> Records<'a> {
    /// Brings the files to where the run stands: later epochs, which a process trained that was killed, are taken back.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn new(
        plan: &'a Plan,
        directory: &'a Path,
        backbone: &'a Backbone,
        backbone_sha256: String,
        started: Instant,
        state: &RunState,
    ) -> Result<Self, FinetuneError> {
        let path = directory.join(METRICS);
        let text = metrics_csv(plan.facts.task, &state.progress.history);
        write_often(&path, text.as_bytes())?;
        let opened = OpenOptions::new().append(true).open(&path);
        let holder = Holder::this_process();
        let events = Events::new(plan, directory, holder.host.as_deref());
        let records = Self {
            plan,
            directory,
            backbone,
            backbone_sha256,
            started,
            holder,
            metrics: opened.map_err(|source| FileError::Write { path, source })?,
            events,
            reported: Instant::now(),
            model_of: None,
            model_from: Instant::now(),
        };
        records.report(state, RunStatus::Running)?;
        Ok(records)
    }

    /// Takes the epoch that the history ends with.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn epoch(&mut self, state: &RunState) -> Result<(), FinetuneError> {
        if let Some(record) = state.progress.history.last() {
            let line = line(self.plan.facts.task, record);
            let written = self.metrics.write_all(line.as_bytes());
            written.map_err(|source| FileError::Write {
                path: self.directory.join(METRICS),
                source,
            })?;
        }
        if Instant::now() >= self.model_from {
            self.model(state)?;
        }
        // Behind the model: once there is one, a run is not given back.
        let progress = &state.progress;
        self.events.epoch(&progress.history, &progress.timings)?;
        if self.reported.elapsed() >= REPORT_EVERY {
            self.report(state, RunStatus::Running)?;
            self.reported = Instant::now();
        }
        Ok(())
    }

    /// Writes the best weights so far, unless the file has them already.
    ///
    /// # Errors
    ///
    /// It cannot be written; an older one is still there then.
    pub fn model(&mut self, state: &RunState) -> Result<(), FinetuneError> {
        let (Some(best), Some(report), Some(of)) =
            (&state.best, &state.best_report, &state.progress.best)
        else {
            return Ok(());
        };
        if self.model_of.as_ref() == Some(of) {
            return Ok(());
        }
        let began = Instant::now();
        let mut weights: StateDict = self.backbone.state();
        weights.extend(best.backbone.clone());
        let figures = report.figures();
        let info = self.info(
            of,
            figures.map(|(figure, value)| (figure.name.to_owned(), value)),
        )?;
        save_model(
            &self.directory.join(MODEL),
            &info,
            self.backbone.classifier(),
            &weights,
            &best.head,
        )?;
        self.model_of = Some(of.clone());
        self.model_from = Instant::now() + began.elapsed() * (SHARE_FOR_MODEL - 1);
        Ok(())
    }

    /// Writes the model of the epoch that the history ends with, by itself: `epochs/PHASE-EPOCH.safetensors`.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn kept_epoch(&self, tail: NetworkState, state: &RunState) -> Result<(), FinetuneError> {
        let Some(record) = state.progress.history.last() else {
            return Ok(());
        };
        let folder = self.directory.join(EPOCHS);
        create_directory(&folder)?;
        let mut weights: StateDict = self.backbone.state();
        // What earlier phases have trained and this one keeps frozen.
        weights.extend((state.best.iter()).flat_map(|best| best.backbone.clone()));
        weights.extend(tail.backbone);
        let figures = record.validation.iter().filter_map(|(name, value)| {
            Some((name.strip_prefix("validation_")?.to_owned(), *value))
        });
        let info = self.info(&(record.phase.clone(), record.epoch), figures)?;
        let file = format!("{}-{:03}.safetensors", record.phase, record.epoch);
        let classifier = self.backbone.classifier();
        Ok(save_model(
            &folder.join(file),
            &info,
            classifier,
            &weights,
            &tail.head,
        )?)
    }

    fn info(
        &self,
        (phase, epoch): &(String, usize),
        validation: impl Iterator<Item = (String, f64)>,
    ) -> Result<ModelInfo, FinetuneError> {
        let plan = self.plan;
        let images = ("images".to_owned(), plan.split.validation.len() as f64);
        Ok(ModelInfo {
            format: ModelInfo::format_of(plan.facts.task),
            rekindle: env!("CARGO_PKG_VERSION").into(),
            architecture: self.backbone.name().into(),
            backbone: plan.card.name.clone(),
            backbone_sha256: self.backbone_sha256.clone(),
            task: plan.facts.task,
            classes: plan.facts.classes.clone(),
            number_scale: plan.facts.number_scale.clone(),
            preprocessing: plan.preprocessing.clone(),
            precision: plan.recipe.precision,
            head: plan.recipe.head.clone(),
            tapped_stages: plan.facts.tapped_stages.clone(),
            unit_rms: plan.recipe.features.unit_rms,
            best_phase: phase.clone(),
            best_epoch: *epoch,
            validation: validation.chain([images]).collect(),
            recipe: plan.recipe.to_toml()?,
            after: Default::default(),
        })
    }

    /// Writes run.json.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn report(&self, state: &RunState, status: RunStatus) -> Result<(), FinetuneError> {
        let standing = Standing::new(self.directory, self.started, state);
        let holder = Some(&self.holder);
        write(
            self.plan,
            self.directory,
            &standing,
            status,
            Ended { holder, why: None },
        )
    }

    /// Writes the files of a finished run.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn finish(
        &mut self,
        history: &[EpochRecord],
        report: &impl Serialize,
    ) -> Result<(), FinetuneError> {
        let text = metrics_csv(self.plan.facts.task, history);
        write_whole(&self.directory.join(METRICS), text.as_bytes())?;
        self.events.finish(history.len())?;
        let status = RunStatus::Finished;
        write(self.plan, self.directory, report, status, Ended::default())
    }
}

/// Writes run.json of a run that stopped at an error.
///
/// # Errors
///
/// It cannot be written.
pub(super) fn report_failure(
    plan: &Plan,
    directory: &Path,
    started: Instant,
    state: &RunState,
    error: &FinetuneError,
) -> Result<(), FinetuneError> {
    let why = Some(error.to_string());
    let ended = Ended { holder: None, why };
    let standing = Standing::new(directory, started, state);
    write(plan, directory, &standing, RunStatus::Failed, ended)
}

/// What run.json says of the process.
#[derive(Debug, Default)]
struct Ended<'a> {
    holder: Option<&'a Holder>,
    why: Option<String>,
}

fn write(
    plan: &Plan,
    directory: &Path,
    rest: &impl Serialize,
    status: RunStatus,
    ended: Ended,
) -> Result<(), FinetuneError> {
    /// The beginning of run.json.
    #[derive(Serialize)]
    struct Report<'a, R> {
        status: RunStatus,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trained_by: Option<&'a Holder>,
        task: TaskKind,
        classes: &'a [String],
        #[serde(flatten)]
        rest: &'a R,
    }
    let report = Report {
        status,
        error: ended.why,
        trained_by: ended.holder.filter(|_| status == RunStatus::Running),
        task: plan.facts.task,
        classes: &plan.facts.classes,
        rest,
    };
    let file = directory.join(REPORT);
    let json = to_json(&report, &file)?;
    match status {
        RunStatus::Running => Ok(write_often(&file, &json)?),
        _ => Ok(write_whole(&file, &json)?),
    }
}

/// Where a run stands that is not finished; the names are those of [`RunReport`](super::RunReport).
#[derive(Debug, Serialize)]
struct Standing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<PathBuf>,
    phase: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<&'a (String, usize)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<&'a TaskReport>,
    epochs: usize,
    seconds: f64,
    history: &'a [EpochRecord],
    timings: &'a [EpochTiming],
}

impl<'a> Standing<'a> {
    fn new(directory: &Path, started: Instant, state: &'a RunState) -> Self {
        let progress = &state.progress;
        let model = directory.join(MODEL);
        Self {
            model: model.exists().then_some(model),
            phase: &progress.phase,
            best: progress.best.as_ref(),
            validation: state.best_report.as_ref(),
            epochs: progress.history.len(),
            seconds: started.elapsed().as_secs_f64(),
            history: &progress.history,
            timings: &progress.timings,
        }
    }
}

/// One line for each epoch, with the validation figures that the task has.
fn metrics_csv(task: TaskKind, history: &[EpochRecord]) -> String {
    let mut text = String::from("phase,epoch,lr,train_loss,gradient_norm");
    for figure in task.figures() {
        text.push_str(&format!(",validation_{}", figure.name));
    }
    text.push_str(",best\n");
    text.extend(history.iter().map(|record| line(task, record)));
    text
}

fn line(task: TaskKind, record: &EpochRecord) -> String {
    let own = [record.lr, record.train_loss, record.gradient_norm];
    let figures = task.figures().iter();
    let validation = figures.map(|figure| record.validation(figure.name));
    let mut text = format!("{},{}", record.phase, record.epoch);
    for value in own.into_iter().chain(validation) {
        text.push(',');
        text.push_str(&plain(value));
    }
    text.push_str(&format!(",{}\n", record.best));
    text
}

/// A number of seven digits from its first one that is not 0 on, without an exponent, which spreadsheets and `sort` read too.
fn plain(value: f64) -> String {
    let exponent = format!("{value:.6e}");
    let exponent = exponent.split_once('e').map(|(_, digits)| digits.parse());
    match exponent {
        Some(Ok::<i32, _>(exponent)) => {
            let decimals = usize::try_from(6 - exponent).unwrap_or(0);
            format!("{value:.decimals$}")
        }
        // Infinite, or not a number.
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_seven_digits_and_no_exponent() {
        for (value, expected) in [
            (0.0, "0.000000"),
            (1.0, "1.000000"),
            (0.0007, "0.0007000000"),
            (0.958_333_333, "0.9583333"),
            (9.999_999_9, "10.00000"),
            (-12.345_678_9, "-12.34568"),
            (1e-12, "0.000000000001000000"),
            (12_345_678.9, "12345679"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(plain(value), expected);
        }
    }

    #[test]
    fn a_plain_number_is_the_one_with_an_exponent() {
        for step in 0..2000 {
            let value = 1.37f64.powi(step % 97 - 48) * f64::from(step - 1000);
            let with_exponent: f64 = format!("{value:.6e}").parse().unwrap();
            let plain: f64 = plain(value).parse().unwrap();
            let apart = (plain - with_exponent).abs();
            // Of large numbers no digit before the point is left out.
            assert!(apart == 0.0 || value.abs() > 1e7, "{value}");
        }
    }
}
