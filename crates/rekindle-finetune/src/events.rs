//! Every epoch of a run as events that other programs read: TensorBoard's files, and JSON Lines. Owns what is told in them and when;
//! TensorBoard's messages are `events/message.rs`'s, its picture is `events/views.rs`'s, the form of its files `events/record.rs`'s.
//!
//! Nothing is written before the first epoch is done, so that a run that fails before leaves nothing.

mod message;
mod protobuf;
mod record;
mod views;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rekindle_model::{FileError, write_often};
use rekindle_settings::write;
use serde::Serialize;
use toml::{Table, Value};

use self::record::{EventFile, seconds};
use crate::observer::{EpochRecord, EpochTiming};
use crate::{FinetuneError, Plan};

/// The folder of TensorBoard's files in a run.
pub(crate) const TENSORBOARD: &str = "tensorboard";
/// The file with a line for each epoch.
pub(crate) const JSON_LINES: &str = "events.jsonl";

/// The events of a run.
#[derive(Debug)]
pub(crate) struct Events<'a> {
    plan: &'a Plan,
    directory: &'a Path,
    host: String,
    tensorboard: Option<EventFile>,
    json_lines: Option<File>,
}

impl<'a> Events<'a> {
    /// Events of a plan's run in its directory, on this machine; writes nothing yet.
    pub fn new(plan: &'a Plan, directory: &'a Path, host: Option<&str>) -> Self {
        Self {
            plan,
            directory,
            host: host.unwrap_or("unknown").to_owned(),
            tensorboard: None,
            json_lines: None,
        }
    }

    /// Takes the epoch that the history ends with. Its step is the number of epochs so far, in all phases.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn epoch(
        &mut self,
        history: &[EpochRecord],
        timings: &[EpochTiming],
    ) -> Result<(), FinetuneError> {
        let (Some(record), Some(timing)) = (history.last(), timings.last()) else {
            return Ok(());
        };
        let log = self.plan.recipe.log;
        if log.tensorboard {
            let written = self.tensorboard_epoch(history.len() as u64, record, timing);
            written.map_err(not_written)?;
        }
        if log.json_lines {
            let written = self.json_line(history, timings);
            written.map_err(|error| not_written((self.directory.join(JSON_LINES), error)))?;
        }
        Ok(())
    }

    /// The run is finished, after so many epochs.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn finish(&mut self, epochs: usize) -> Result<(), FinetuneError> {
        let Some(file) = &mut self.tensorboard else {
            return Ok(());
        };
        let now = SystemTime::now();
        let event = message::session_end(seconds(now));
        file.add(epochs as u64, now, event).map_err(not_written)
    }

    fn tensorboard_epoch(
        &mut self,
        step: u64,
        record: &EpochRecord,
        timing: &EpochTiming,
    ) -> Result<(), (PathBuf, io::Error)> {
        let now = SystemTime::now();
        let file = match &mut self.tensorboard {
            Some(file) => file,
            none => {
                let folder = self.directory.join(TENSORBOARD);
                let mut file = EventFile::create(&folder, &self.host, now)?;
                file.add(step, now, message::session_start())?;
                if step == 1 {
                    // Of a step that no later file takes back.
                    file.add(0, now, message::text("plan", &plan_text(self.plan)))?;
                    file.add(
                        0,
                        now,
                        message::settings(&settings(self.plan), seconds(now)),
                    )?;
                    if let Some(picture) = views::picture(self.plan) {
                        file.add(0, now, message::image("train/views", &picture))?;
                    }
                }
                none.insert(file)
            }
        };
        let mut values = vec![
            ("train/loss".to_owned(), record.train_loss),
            ("train/gradient_norm".to_owned(), record.gradient_norm),
            ("train/learning_rate".to_owned(), record.lr),
            ("time/epoch_seconds".to_owned(), timing.seconds),
            ("time/waited_share".to_owned(), timing.waited_share()),
        ];
        let figures = self.plan.facts.task.figures().iter();
        values.extend(figures.map(|figure| {
            let tag = format!("validation/{}", figure.name);
            (tag, record.validation(figure.name))
        }));
        let values = values.iter().map(|(tag, value)| (tag.as_str(), *value));
        file.add(step, now, message::scalars(values))
    }

    fn json_line(&mut self, history: &[EpochRecord], timings: &[EpochTiming]) -> io::Result<()> {
        let path = self.directory.join(JSON_LINES);
        let lines = |from: usize| -> io::Result<Vec<u8>> {
            let mut text = Vec::new();
            for (place, (record, timing)) in history.iter().zip(timings).enumerate().skip(from) {
                serde_json::to_writer(&mut text, &Line::new(place + 1, record, timing))?;
                text.push(b'\n');
            }
            Ok(text)
        };
        match &mut self.json_lines {
            Some(file) => file.write_all(&lines(history.len() - 1)?),
            none => {
                // Whole: later epochs, of a process that was killed, are taken back.
                write_often(&path, &lines(0)?).map_err(io::Error::other)?;
                *none = Some(OpenOptions::new().append(true).open(&path)?);
                Ok(())
            }
        }
    }
}

/// A line of the JSON Lines.
#[derive(Serialize)]
struct Line<'a> {
    step: usize,
    #[serde(flatten)]
    record: &'a EpochRecord,
    seconds: f64,
    waited_seconds: f64,
}

impl<'a> Line<'a> {
    fn new(step: usize, record: &'a EpochRecord, timing: &EpochTiming) -> Self {
        Self {
            step,
            record,
            seconds: timing.seconds,
            waited_seconds: timing.waited_seconds,
        }
    }
}

/// The plan in Markdown: its lines are code.
fn plan_text(plan: &Plan) -> String {
    let text = plan.to_toml().unwrap_or_default();
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Every setting of the recipe by its whole key.
fn settings(plan: &Plan) -> Vec<(String, Value)> {
    fn add(all: &mut Vec<(String, Value)>, prefix: &str, table: Table) {
        for (key, value) in table {
            let key = match prefix {
                "" => key,
                prefix => format!("{prefix}.{key}"),
            };
            match value {
                Value::Table(inner) => add(all, &key, inner),
                Value::Array(list) if key == "phase" => {
                    for phase in list {
                        if let Value::Table(mut phase) = phase {
                            let name = phase.remove("name");
                            let name = name.as_ref().and_then(Value::as_str).unwrap_or("phase");
                            let name = name.to_owned();
                            add(all, &name, phase);
                        }
                    }
                }
                other => all.push((key, other)),
            }
        }
    }
    let mut all = Vec::new();
    add(&mut all, "", write(&plan.recipe).unwrap_or_default());
    all
}

fn not_written((path, source): (PathBuf, io::Error)) -> FinetuneError {
    FileError::Write { path, source }.into()
}
