//! `rekindle sequence train`: a recipe and sequences to a model file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rekindle_data::{Figure, TaskKind, TaskReport, is_inside};
use rekindle_model::fetch_weights;
use rekindle_sequence::{EpochFigures, Observer, Outcome, Plan, Recipe, Trained, train};
use serde_json::{Value, json};

use super::with_a_way_on;
use crate::Ending;
use crate::args::at_least_one;
use crate::commands::signals::Signals;
use crate::print::figures::add_intervals;
use crate::print::words::{self, shell_word};
use crate::print::{self, fetching::FetchBar, progress::ImageBar};

const TRAIN_NOTES: &str = "\
The backbone stays as it is: its features of each frame are computed once and kept on disk, and a recurrent head is trained on them. \
Settings that are reached for most, with their defaults:
  --set features.frames=32        most frames of a sequence, evenly chosen
  --set features.grid=2           averages over 2 x 2 cells of each frame
  --set head.layers=1             recurrent layers
  --set head.bidirectional=false  read from the end, too
  --set head.readout=last         or mean: of what is said after every frame
  --set data.group_by=none        or prefix: p7_a and p7_b stay together
`--dry-run` prints all of them.

Ctrl-C ends the training, and FILE is the best epoch until then; a second one ends it at once. Features that were computed are kept.";

/// Train on sequences of frames with classes
#[derive(Debug, clap::Args)]
#[command(after_help = TRAIN_NOTES)]
pub struct Args {
    /// The sequences: a folder CLASS/SEQUENCE/FRAME, or a list with path, label, group and frame
    pub data: PathBuf,
    /// The model file to write, such as clips.safetensors
    #[arg(short, long, value_name = "FILE", required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// What reads the frames: lstm, gru, rnn, or mean, which is blind to their order (head.cell)
    #[arg(long, value_name = "CELL", value_parser = ["lstm", "gru", "rnn", "mean"])]
    pub cell: Option<String>,
    /// Width of what the cell remembers (head.hidden)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub hidden: Option<usize>,
    /// Maximum number of epochs (train.epochs)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub epochs: Option<usize>,
    /// Learning rate (train.lr)
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f64>,
    /// The backbone, see `rekindle backbones` (backbone.name)
    #[arg(long, value_name = "NAME")]
    pub backbone: Option<String>,
    /// Random seed (seed)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Device to compute on: cpu, or a backend such as wgpu:0 (device)
    #[arg(long)]
    pub device: Option<String>,
    /// A recipe: a TOML file with settings that override the defaults
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Override one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print every setting that would be used, and train nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replace FILE if it is there
    #[arg(long)]
    pub force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Print the result alone
    #[arg(long, short)]
    pub quiet: bool,
}

/// Trains and writes the model.
pub fn run(args: &Args) -> Result<Ending> {
    let signals = Signals::listen_for(SAYS)?;
    let recipe = Recipe::load(args.recipe.as_deref(), &overrides(args))?;
    if let Some(output) = &args.output {
        check_place(output, &args.data, args.force)?;
    }
    let plan = Plan::new(recipe, &args.data)
        .map_err(|error| with_a_way_on(error, "--set data.bad_images=skip"))?;
    print::scan_notes(&plan.sequences.list);
    print::bad_images(&plan.bad_frames);
    let Some(output) = args.output.as_ref().filter(|_| !args.dry_run) else {
        write!(
            io::stdout().lock(),
            "# {}\n{}",
            summary(&plan),
            plan.recipe.to_toml()?
        )?;
        return Ok(Ending::Done);
    };
    let mut bar = FetchBar::new(args.quiet);
    fetch_weights(&plan.card, &plan.recipe.backbone, &mut |at| bar.show(at))?;
    drop(bar);
    signals.training_begins();
    let mut progress = Progress::new(args);
    let outcome = train(&plan, signals.stop(), &mut progress);
    drop(progress);
    let outcome = outcome.map_err(|error| with_a_way_on(error, "--set data.bad_images=skip"))?;
    let (trained, interrupted) = match outcome {
        Outcome::Finished(trained) => (Some(trained), false),
        Outcome::Interrupted(trained) => (trained, true),
    };
    if let Some(trained) = &trained {
        trained.model.save(output)?;
        let mut out = io::stdout().lock();
        match args.json {
            true => writeln!(
                out,
                "{}",
                serde_json::to_string_pretty(&as_json(&plan, trained, output, interrupted)?)?
            )?,
            false => write!(out, "{}", closing(&plan, trained, output)?)?,
        }
    }
    if !interrupted {
        return Ok(Ending::Done);
    }
    let text = match &trained {
        Some(trained) => format!(
            "interrupted; {} is the best epoch until then, {}",
            output.display(),
            trained.model.info.best_epoch
        ),
        None => "interrupted before the first epoch ended: there is no model; features that were computed are kept for the next time".into(),
    };
    let _ = writeln!(io::stderr(), "{text}");
    Ok(Ending::Interrupted(signals.exit_code()))
}

/// What is said when a signal comes.
const SAYS: &str = "finishing the step and writing the best epoch until now; Ctrl-C again stops at once, without it";

/// The flags that stand for settings, behind those of `--set`.
fn overrides(args: &Args) -> Vec<String> {
    let text = |key: &str, value: &Option<String>| {
        let value = toml::Value::from(value.as_deref()?);
        Some(format!("{key}={value}"))
    };
    let number = |key: &str, value: Option<String>| Some(format!("{key}={}", value?));
    let flags = [
        text("head.cell", &args.cell),
        number("head.hidden", args.hidden.map(|value| value.to_string())),
        number("train.epochs", args.epochs.map(|value| value.to_string())),
        number("train.lr", args.lr.map(|value| format!("{value:e}"))),
        text("backbone.name", &args.backbone),
        number("seed", args.seed.map(|value| value.to_string())),
        text("device", &args.device),
    ];
    args.set
        .iter()
        .cloned()
        .chain(flags.into_iter().flatten())
        .collect()
}

/// Refuses a place where the model would replace something, or lie among the frames, before anything is computed.
fn check_place(output: &Path, data: &Path, force: bool) -> Result<()> {
    if output.is_dir() {
        bail!(
            "`{}` is a folder; give the model file to write, such as {}",
            output.display(),
            output.join("clips.safetensors").display()
        );
    }
    if output.symlink_metadata().is_ok() && !force {
        bail!(
            "`{}` is there already; choose another name, or pass --force",
            output.display()
        );
    }
    if is_inside(data, output) {
        bail!(
            "`{}` lies in the folder of sequences, which is only read; choose another place",
            output.display()
        );
    }
    let folder = output.parent().filter(|folder| *folder != Path::new(""));
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!(
            "there is no folder `{}` for the model file; make it first",
            folder.display()
        );
    }
    Ok(())
}

fn summary(plan: &Plan) -> String {
    let list = &plan.sequences.list;
    let [train, validation, test] =
        [&plan.split.train, &plan.split.validation, &plan.split.test].map(Vec::len);
    let test = match test {
        0 => String::new(),
        test => format!(" and {test} test"),
    };
    format!(
        "{}, {train} training{} {validation} validation{test} sequences of {}",
        words::count(list.classes.len(), "class", "classes"),
        if test.is_empty() { " and" } else { "," },
        words::count(plan.dataset.len(), "frame", "frames")
    )
}

/// Prints what a training does.
struct Progress<'a> {
    args: &'a Args,
    bar: Option<(ImageBar, usize)>,
    since: Option<Instant>,
}

impl<'a> Progress<'a> {
    fn new(args: &'a Args) -> Self {
        Self {
            args,
            bar: None,
            since: None,
        }
    }

    /// Nobody reading what a training says does not end it.
    fn line(&self, text: &str) {
        if self.args.quiet {
            return;
        }
        let _ = match self.args.json {
            true => writeln!(io::stderr(), "{text}"),
            false => writeln!(io::stdout(), "{text}"),
        };
    }
}

impl Observer for Progress<'_> {
    fn started(&mut self, plan: &Plan, notes: &[String]) {
        notes.iter().for_each(|note| print::note(note));
        self.line(&summary(plan));
        self.line(&format!("{} on {}", plan.card.name, plan.recipe.device));
    }

    fn features(&mut self, done: usize, of: usize) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if done < of {
            let (bar, before) = self.bar.get_or_insert_with(|| (ImageBar::new(of), 0));
            bar.add(done - *before);
            *before = done;
            return;
        }
        self.bar = None;
        let time = since.elapsed();
        if time > Duration::from_secs(1) {
            self.line(&format!(
                "features of {of} frames in {}",
                words::duration(time)
            ));
        }
    }

    fn head(&mut self, stage: &str, features: usize, weights: usize) {
        self.line(&format!(
            "{features} features of each frame, of the stage {stage}; {weights} weights in the head\n"
        ));
        self.line("epoch  train loss  val loss  accuracy  balanced        lr");
    }

    fn epoch(&mut self, figures: &EpochFigures) {
        let value = |name: &str| figures.validation.get(name).copied().unwrap_or(f64::NAN);
        let best = if figures.best { "  best" } else { "" };
        self.line(&format!(
            "{:>5}  {:>10.4}  {:>8.4}  {:>8}  {:>8}  {:>8.1e}{best}",
            figures.epoch,
            figures.train_loss,
            value("loss"),
            words::percent(value("accuracy")),
            words::percent(value("balanced_accuracy")),
            figures.lr
        ));
    }
}

/// The figures of a report with their names in words.
fn lines(report: &TaskReport, heading: &str) -> String {
    let count = words::count(report.samples() as usize, "sequence", "sequences");
    let mut text = format!("{heading:<12}{count}\n");
    for (figure, value) in report.figures() {
        let value = Figure::text(figure, value);
        let interval = report.interval(figure.name).map(|[low, high]| {
            format!(
                "   95 % interval {} to {}",
                figure.text(low),
                figure.text(high)
            )
        });
        text.push_str(&format!(
            "  {:<17}  {value:>7}{}\n",
            figure.label,
            interval.unwrap_or_default()
        ));
    }
    text
}

fn closing(plan: &Plan, trained: &Trained, output: &Path) -> Result<String> {
    let info = &trained.model.info;
    let size = output.metadata()?.len() as f64 / 1e6;
    let mut text = format!("\nResult      {} ({size:.1} MB)\n", output.display());
    let epochs = words::count(info.history.len(), "epoch", "epochs");
    text.push_str(&format!(
        "Best        epoch {} ({epochs} in all)\n",
        info.best_epoch
    ));
    text.push_str(&lines(&trained.validation, "Validation"));
    if let Some(test) = &trained.test {
        text.push_str(&lines(test, "Test"));
    }
    let chance = 1.0 / plan.sequences.list.classes.len() as f64;
    if trained
        .validation
        .figure("balanced_accuracy")
        .is_some_and(|found| found <= chance)
    {
        text.push_str("It is no better than chance: more sequences, more frames (features.frames) or finer cells (features.grid) may help.\n");
    }
    text.push_str(&format!(
        "Use         rekindle sequence predict {} SEQUENCES\n",
        shell_word(output)
    ));
    Ok(text)
}

fn as_json(plan: &Plan, trained: &Trained, output: &Path, interrupted: bool) -> Result<Value> {
    let info = &trained.model.info;
    let figures = |report: &TaskReport| -> Result<Value> {
        let mut value = serde_json::to_value(report)?;
        add_intervals(&mut value, report)?;
        Ok(value)
    };
    Ok(json!({
        "model": output,
        "task": TaskKind::Classification.name(),
        "classes": info.classes,
        "sequences": {"train": plan.split.train.len(), "validation": plan.split.validation.len(), "test": plan.split.test.len()},
        "frames": plan.dataset.len(),
        "frames_left_out": plan.bad_frames.len(),
        "best_epoch": info.best_epoch,
        "interrupted": interrupted,
        "validation": figures(&trained.validation)?,
        "test": trained.test.as_ref().map(figures).transpose()?,
        "epochs": info.history,
    }))
}
