//! Progress of a run: bars on a terminal, and one line for each epoch.
//!
//! The bar is on standard error. Lines go to standard output, or to standard error where standard output is kept for JSON.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rekindle_data::{Figure, TaskKind};
use rekindle_finetune::{EpochRecord, EpochTiming, Observer, PhaseRecipe, Plan, StepProgress};

use super::plan::{mixing, words_of};
use super::{screen, transcript, words};

/// Names, a short bar, images done and their rate, time left: below 80 columns.
const TEMPLATE: &str = "{msg:<22} {wide_bar:.cyan} {pos}/{len} {rate:>13} {left:>14}";

fn bar(images: usize, message: String) -> ProgressBar {
    let bar =
        ProgressBar::with_draw_target(Some(images as u64), ProgressDrawTarget::stderr_with_hz(8));
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = write!(text, "{:.0} images/s", state.per_sec());
    };
    let left = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = write!(text, "{} left", words::duration(state.eta()));
    };
    // The template is a constant that the tests cover; without it the bar would have its plain form.
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(
            style
                .with_key("rate", rate)
                .with_key("left", left)
                .progress_chars("━╸─"),
        );
    }
    bar.set_message(message);
    bar
}

/// A bar over images, for evaluation and prediction; nothing where standard error is no terminal.
#[derive(Debug)]
pub struct ImageBar(Option<ProgressBar>);

impl ImageBar {
    /// A bar over this many images.
    pub fn new(images: usize) -> Self {
        Self(
            io::stderr()
                .is_terminal()
                .then(|| bar(images, "images".into())),
        )
    }

    /// Does something that writes to the terminal, with the bar out of its way.
    pub fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// So many more are done.
    pub fn add(&self, images: usize) {
        if let Some(bar) = &self.0 {
            bar.inc(images as u64);
        }
    }
}

impl Drop for ImageBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// What a bar counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Features,
    Phase(String),
}

/// Prints what a run does.
#[derive(Debug)]
pub struct Progress {
    live: bool,
    quiet: bool,
    to_stderr: bool,
    bar: Option<(Stage, ProgressBar)>,
    features_since: Option<Instant>,
    task: TaskKind,
    outputs: usize,
    prefix: String,
}

impl Progress {
    /// Silent if `quiet`; lines go to standard error if `json`.
    pub fn new(quiet: bool, json: bool) -> Self {
        let live = !quiet && io::stderr().is_terminal();
        Self {
            live,
            quiet,
            to_stderr: json,
            bar: None,
            features_since: None,
            task: TaskKind::default(),
            outputs: 0,
            prefix: String::new(),
        }
    }

    /// A bar while something is done, and lines in the log alone; no bar either if `quiet`.
    pub fn bar_only(quiet: bool) -> Self {
        Self {
            quiet: true,
            live: !quiet && io::stderr().is_terminal(),
            ..Self::new(true, false)
        }
    }

    /// Lines alone, without a bar.
    pub fn without_bar(mut self) -> Self {
        self.live = false;
        self
    }

    /// Puts a word before what the bar says.
    pub fn about(mut self, prefix: &str) -> Self {
        self.prefix = format!("{prefix} ");
        self
    }

    /// Says where the run's files are.
    pub fn run_directory(&self, directory: &Path, resumed: bool) {
        let verb = if resumed { "going on with" } else { "run" };
        self.line(&format!("{verb} {}", directory.display()));
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        transcript::add(text);
        let to = match self.to_stderr {
            true => screen::To::Err,
            false => screen::To::Out,
        };
        if self.quiet || screen::keep(to, text) {
            return;
        }
        // A run does not end because nobody reads what it says.
        let write = || {
            let _ = match to {
                screen::To::Err => writeln!(io::stderr(), "{text}"),
                screen::To::Out => writeln!(io::stdout(), "{text}"),
            };
        };
        match &self.bar {
            Some((_, bar)) => bar.suspend(write),
            None => write(),
        }
    }

    /// The bar of a stage, in place of that of another one.
    fn bar(&mut self, stage: Stage, images: usize, done: usize, message: impl FnOnce() -> String) {
        if !self.live {
            return;
        }
        let message = || format!("{}{}", self.prefix, message());
        match &self.bar {
            Some((shown, bar)) if *shown == stage => {
                bar.set_message(message());
                bar.set_position(done as u64);
            }
            _ => {
                let said = message();
                self.finish();
                let bar = bar(images, said);
                bar.set_position(done as u64);
                bar.reset_eta();
                self.bar = Some((stage, bar));
            }
        }
    }
}

impl Observer for Progress {
    fn started(&mut self, plan: &Plan) {
        let facts = &plan.facts;
        (self.task, self.outputs) = (facts.task, facts.classes.len());
        let named = facts.task.words();
        let [one, more] = [named.one, named.more];
        self.line(&format!(
            "{}, {} training and {} validation images",
            words::count(facts.classes.len(), one, more),
            facts.train_images,
            facts.validation_images
        ));
        self.line(&format!("{} on {}", facts.backbone, plan.recipe.device));
        if let Some(mix) = plan.recipe.augment.mix {
            self.line(&mixing(&mix));
        }
        for chosen in &plan.chosen_batches {
            self.line(&words_of(chosen));
        }
    }

    fn phase_started(&mut self, phase: &PhaseRecipe, trainable: usize, all: usize) {
        self.finish();
        self.line(&format!(
            "\n{}: {trainable} of {all} parameters, at most {}",
            phase.title(),
            words::count(phase.epochs, "epoch", "epochs")
        ));
        let [first, second] = columns(self.task).map(|figure| figure.short_of(self.outputs));
        self.line(&format!(
            "epoch  train loss  val loss  {first:>8}  {second:>8}        lr  waited"
        ));
    }

    fn features(&mut self, done: usize, of: usize) {
        let since = *self.features_since.get_or_insert_with(Instant::now);
        self.bar(Stage::Features, of, done, || "features, once".into());
        if done >= of {
            self.features_since = None;
            self.finish();
            let time = since.elapsed();
            // A few left over are not worth a line.
            if time > Duration::from_secs(1) {
                self.line(&format!(
                    "       features of {of} images in {}",
                    words::duration(time)
                ));
            }
        }
    }

    fn step(&mut self, at: StepProgress) {
        let done = (at.epoch - 1) * at.of + at.images;
        self.bar(
            Stage::Phase(at.phase.to_owned()),
            at.epochs * at.of,
            done,
            || format!("epoch {}/{} loss {:.3}", at.epoch, at.epochs, at.loss),
        );
    }

    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming) {
        self.line(&epoch_line(self.task, record, timing));
    }

    fn note(&mut self, text: &str) {
        self.line(&format!("note: {text}"));
    }
}

/// The two figures of a task that an epoch's line has beside the loss.
fn columns(task: TaskKind) -> [&'static Figure; 2] {
    [1, 2].map(|place| &task.figures()[place])
}

/// The figures of an epoch, and the share of its time in which it waited for images.
fn epoch_line(task: TaskKind, record: &EpochRecord, timing: &EpochTiming) -> String {
    let [first, second] = columns(task).map(|figure| figure.text(record.validation(figure.name)));
    let line = format!(
        "{:>5}  {:>10.4}  {:>8.4}  {:>8}  {:>8}  {:>8.1e}  {:>4.0} %  {}",
        record.epoch,
        record.train_loss,
        record.validation("loss"),
        first,
        second,
        record.lr,
        100.0 * timing.waited_share(),
        if record.best { "best" } else { "" }
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_of_the_bar_is_valid() {
        ProgressStyle::with_template(TEMPLATE).unwrap();
    }

    #[test]
    fn the_line_of_an_epoch_fits_80_columns() {
        let record = EpochRecord {
            phase: "phase1".into(),
            epoch: 1000,
            lr: 1e-3,
            train_loss: 123.456,
            gradient_norm: 1.0,
            validation: [
                ("loss", 123.456),
                ("accuracy", 1.0),
                ("balanced_accuracy", 1.0),
                ("map", 1.0),
                ("macro_f1", 0.5),
                ("r2", -1.25),
                ("mae", 12.0),
            ]
            .map(|(name, value)| (format!("validation_{name}"), value))
            .into(),
            best: true,
        };
        let timing = EpochTiming {
            phase: "phase1".into(),
            epoch: 1000,
            seconds: 2.0,
            waited_seconds: 2.0,
        };
        for (task, figures) in [
            (TaskKind::Classification, " 100.0 %   100.0 %"),
            (TaskKind::Multilabel, "   1.000     0.500"),
            (TaskKind::Regression, "  -1.250    12.000"),
        ] {
            let line = epoch_line(task, &record, &timing);
            let expected =
                format!(" 1000    123.4560  123.4560  {figures}    1.0e-3   100 %  best");
            assert_eq!(line, expected);
        }
    }
}
