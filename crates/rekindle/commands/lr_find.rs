//! `rekindle lr-find`: a range test of learning rates.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rekindle_data::is_inside;
use rekindle_finetune::lr_find::{RangeTest, RangeTestReport, lr_find};
use rekindle_finetune::{Observer, Plan, Recipe, RunDirectory, RunOutcome, run_in};
use rekindle_insight::plots::{lr_find_svg, write_svg_and_png};
use rekindle_model::fetch_weights;

use super::signals::Signals;
use crate::Ending;
use crate::print::{self, fetching::FetchBar, progress::Progress};

const NOTES: &str = "\
The steps begin far too low and end far too high; nothing that they train is kept. `valley` is where the loss falls surely, `steepest` \
where it falls the most. Take the valley where both differ, and a third to a tenth of it for a phase that trains many epochs.

Examples:
  rekindle lr-find photos                          of the first phase, the head alone
  rekindle lr-find photos --phase phase2           the phases before it are trained first
  rekindle lr-find photos --set phase1.optim.name=sgd -o lr";

/// Find a learning rate by a range test: loss over rates that grow
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// The images, as for `train`
    pub data: PathBuf,
    /// A recipe: a TOML file with settings that override the defaults
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Override one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The phase [default: the first one with epochs]
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,
    /// A model file whose weights to begin with, in place of training the phases before
    #[arg(long, value_name = "FILE")]
    pub start: Option<PathBuf>,
    /// Rate of the first step
    #[arg(long, value_name = "RATE", default_value_t = 1e-7)]
    pub from: f64,
    /// Rate of the last step
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    pub to: f64,
    /// Steps
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub steps: usize,
    /// Folder for lr-find.png, .svg and .csv [default: nothing is written]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress, only warnings and the result
    #[arg(long, short)]
    pub quiet: bool,
}

/// Tests, prints and draws.
pub fn run(args: &Args) -> Result<Ending> {
    let started = Instant::now();
    let signals = Signals::listen()?;
    if let Some(out) = &args.out
        && is_inside(&args.data, out)
    {
        bail!(
            "{} lies in the folder of images, which is only read: choose another place",
            out.display()
        );
    }
    let recipe = Recipe::load(args.recipe.as_deref(), &args.set)?;
    let place = place_of(&recipe, args.phase.as_deref())?;
    let test = RangeTest {
        phase: place,
        from: args.from,
        to: args.to,
        steps: args.steps,
    };
    let plan = Plan::new(recipe.clone(), &args.data)?;
    print::scan_notes(plan.dataset.folder());
    print::bad_images(&plan.bad_images);
    let mut bar = FetchBar::new(args.quiet);
    fetch_weights(&plan.card, &plan.recipe.backbone, &mut |at| bar.show(at))?;
    drop(bar);
    signals.training_begins();
    let mut progress = Progress::new(args.quiet, args.json);
    let before = match &args.start {
        Some(path) => Some(Start::File(path.clone())),
        None => train_before(recipe, &args.data, place, started, &signals, &mut progress)?,
    };
    if matches!(before, Some(Start::Interrupted)) {
        return Ok(Ending::Interrupted(signals.exit_code()));
    }
    let start = before.as_ref().and_then(Start::path);
    let found = lr_find(&plan, &test, start, signals.stop(), &mut progress);
    progress.finish();
    let Some(report) = found? else {
        return Ok(Ending::Interrupted(signals.exit_code()));
    };
    tell(&report, args.json)?;
    if let Some(out) = &args.out {
        let mut written = Vec::new();
        if let Some(svg) = lr_find_svg(&report)? {
            written = write_svg_and_png(&svg, out, "lr-find")?;
        }
        let csv = out.join("lr-find.csv");
        std::fs::write(&csv, report.to_csv())
            .with_context(|| format!("cannot write {}", csv.display()))?;
        written.push(csv);
        if !args.json {
            let names: Vec<String> = written
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            println!("written: {}", names.join(", "));
        }
    }
    Ok(Ending::Done)
}

fn place_of(recipe: &Recipe, name: Option<&str>) -> Result<usize> {
    let phases = &recipe.phase;
    let found = match name {
        Some(name) => phases.iter().position(|phase| phase.name == name),
        None => phases.iter().position(|phase| phase.epochs > 0),
    };
    let names: Vec<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
    let place = found.with_context(|| match name {
        Some(name) => format!("there is no phase `{name}`; there are {}", names.join(", ")),
        None => "no phase of the recipe has any epochs".to_owned(),
    })?;
    if phases[place].epochs == 0 {
        bail!("{} has 0 epochs in this recipe", names[place]);
    }
    Ok(place)
}

/// What a test begins with.
enum Start {
    File(PathBuf),
    /// The model of a run in a folder that goes with this value.
    Trained(Scratch),
    Interrupted,
}

impl Start {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Trained(scratch) => Some(&scratch.model),
            Self::Interrupted => None,
        }
    }
}

/// A folder among the system's temporary ones, removed at the end.
struct Scratch {
    folder: PathBuf,
    model: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is the system's to clear.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Trains the phases before one; none where there are none with epochs.
fn train_before(
    mut recipe: Recipe,
    data: &Path,
    place: usize,
    started: Instant,
    signals: &Signals,
    observer: &mut dyn Observer,
) -> Result<Option<Start>> {
    if recipe.phase[..place].iter().all(|phase| phase.epochs == 0) {
        return Ok(None);
    }
    for phase in &mut recipe.phase[place..] {
        phase.epochs = 0;
    }
    let plan = Plan::new(recipe, data)?;
    let folder = std::env::temp_dir().join(format!("rekindle-lr-find-{}", std::process::id()));
    let scratch = Scratch {
        model: folder.join("model.safetensors"),
        folder: folder.clone(),
    };
    let directory = RunDirectory::create(&folder)?;
    match run_in(directory, &plan, started, signals.stop(), observer)? {
        RunOutcome::Finished(_) => Ok(Some(Start::Trained(scratch))),
        RunOutcome::Interrupted => Ok(Some(Start::Interrupted)),
    }
}

fn tell(report: &RangeTestReport, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    println!(
        "{}: {} steps from {:.1e} to {:.1e}{}",
        report.phase,
        report.rates.len(),
        report.rates.first().copied().unwrap_or_default(),
        report.rates.last().copied().unwrap_or_default(),
        if report.diverged {
            ", where the loss diverged"
        } else {
            ""
        }
    );
    for at in (0..report.rates.len()).step_by((report.rates.len() / 10).max(1)) {
        println!(
            "  rate {:>8.1e}  loss {:.4}",
            report.rates[at], report.smoothed[at]
        );
    }
    for (name, rate) in [("valley", report.valley), ("steepest", report.steepest)] {
        if let Some(rate) = rate {
            println!("{name:<8}  {rate:.1e}");
        }
    }
    if let Some(rate) = report.valley {
        println!("try: --set {}.lr={rate:.1e}", report.phase);
    }
    Ok(())
}
