//! `rekindle compare`: settings that are varied, over seeds or folds, to a table of what they change.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use rekindle_finetune::{Observer, Plan, Recipe};
use rekindle_insight::compare::{
    Axis, Comparison, ComparisonObserver, Conduct, Conducted, Design, PLOT, Reference, RunEnd,
    RunPlace, Variant, check, conduct, results, write_comparison,
};
use rekindle_model::Fetching;

use super::naming::stem;
use super::signals::Signals;
use super::train::outside_of_images;
use crate::Ending;
use crate::args::at_least_one;
use crate::print::{
    self, comparison, fetching::FetchBar, progress::Progress, transcript, words, words::shell_word,
};

const NOTES: &str = "\
KEY is any setting that --set takes. Commas part its values, unless they stand in brackets, braces or quotes; the value `default` leaves \
the key as the recipe has it. Several --vary make all combinations. Examples:
  --vary backbone.name=resnet18,mobilenetv3_small_100
  --vary input.rescale=default,dataset,{zca={epsilon=1e-2}}
  --vary 'augment=default,{views=1,transforms=[]}'
  --vary phase1.lr=7e-4,2e-3 --vary head.pool=average,gem    four combinations
  --vary input.size=[96,96],[128,128]

Each combination is trained with several seeds (--seeds), or with each of K parts of the images held out (--folds), or both. All others \
are compared to the first one, repeat by repeat, with a test that knows whether the repeats share images (docs/comparing.md).

The directory runs/compare-NAME holds a run for each, comparison.md, .json, .csv and .png, and runs.csv. Ctrl-C saves the run under way; \
`rekindle compare --resume DIR` does what is left, also with more --seeds.

Exit codes: 0 done; 2 error; if a signal stopped it, 128 plus its number.";

/// Compare settings: each over several seeds or folds, with a test of their differences
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// The images, as for `train`
    #[arg(required_unless_present = "resume")]
    pub data: Option<PathBuf>,
    /// A setting and its values; may be repeated
    #[arg(long, value_name = "KEY=A,B,C", required_unless_present = "resume")]
    pub vary: Vec<String>,
    /// Repeat each combination with so many seeds [default: 3, with --folds 1]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub seeds: Option<usize>,
    /// Hold out each of K parts of the images in turn (data.folds)
    #[arg(long, value_name = "K", value_parser = at_least_two)]
    pub folds: Option<usize>,
    /// A recipe: a TOML file with settings that override the defaults
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Override one setting in all combinations; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Begin no run that is not expected to end within so many minutes
    #[arg(long, value_name = "M", value_parser = minutes)]
    pub minutes: Option<f64>,
    /// The figure to compare by, such as macro_f1 or loss [default: the task's own, such as accuracy]
    #[arg(long, value_name = "FIGURE")]
    pub by: Option<String>,
    /// What the others are compared to
    #[arg(long, value_name = "WHICH", default_value = "first")]
    pub against: Against,
    /// Name of the comparison, whose directory is compare-NAME [default: the folder's name and a number]
    #[arg(long)]
    pub name: Option<String>,
    /// Folder for runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
    /// Go on with a comparison, given by its directory: finished runs are kept, an interrupted one goes on
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["data", "vary", "folds", "recipe", "set", "name", "runs"]
    )]
    pub resume: Option<PathBuf>,
    /// Check everything and list the runs without doing any
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress, only warnings and the result
    #[arg(long, short)]
    pub quiet: bool,
}

/// What the others are compared to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// The first combination, as the values were written
    First,
    /// The one with the best mean, whose p-values are too small
    Best,
}

fn at_least_two(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= 2 => Ok(number),
        _ => Err("expected a whole number of at least 2".into()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e6 => Ok(number),
        _ => Err("expected a number above 0".into()),
    }
}

/// Does the runs and prints the table.
pub fn run(args: &Args) -> Result<Ending> {
    let started = Instant::now();
    let signals = Signals::listen()?;
    let design = match &args.resume {
        Some(directory) => with_more_seeds(Design::load(directory)?, args.seeds)?,
        None => new_design(args)?,
    };
    let variants = design.variants()?;
    if variants.len() < 2 {
        bail!(
            "there is one combination, and nothing to compare it to; give --vary at least two values"
        );
    }
    if args.resume.is_none() {
        outside_of_images(&design.data, &args.runs)?;
    }
    check(&design, &variants)?;
    if args.dry_run {
        write!(io::stdout(), "{}", comparison::plan(&design, &variants))?;
        return Ok(Ending::Done);
    }
    let directory = match &args.resume {
        Some(directory) => directory.clone(),
        None => make_directory(args, &design)?,
    };
    design.save(&directory)?;
    signals.training_begins();
    let mut watch = Watch::new(args);
    watch.line(&format!(
        "{}\n{} of {} with {}: {} runs",
        directory.display(),
        words::count(variants.len(), "combination", "combinations"),
        design.keys(),
        design.repeats_in_words(),
        variants.len() * design.repeats().len()
    ));
    let how = Conduct {
        directory: &directory,
        started,
        limit: args
            .minutes
            .map(|minutes| Duration::from_secs_f64(60.0 * minutes)),
        interrupt: signals.stop(),
    };
    let conducted = conduct(&design, &variants, how, &mut watch)?;
    tell(&conducted);
    finish(args, &design, &variants, &directory, &conducted)?;
    Ok(match conducted.interrupted {
        true => {
            let _ = writeln!(
                io::stderr(),
                "interrupted; go on with: rekindle compare --resume {}",
                shell_word(&directory)
            );
            Ending::Interrupted(signals.exit_code())
        }
        false => Ending::Done,
    })
}

/// Writes and prints what came of the runs that there are.
fn finish(
    args: &Args,
    design: &Design,
    variants: &[Variant],
    directory: &Path,
    conducted: &Conducted,
) -> Result<()> {
    let reference = match args.against {
        Against::First => Reference::First,
        Against::Best => Reference::Best,
    };
    let found: Comparison =
        match results(design, variants, directory, args.by.as_deref(), reference) {
            Ok(found) => found,
            // Nothing is finished yet, and why has been told.
            Err(_) if conducted.interrupted => return Ok(()),
            Err(error) => return Err(error.into()),
        };
    write_comparison(&found, directory)?;
    let mut out = io::stdout().lock();
    if args.json {
        let mut value = serde_json::to_value(&found)?;
        value["directory"] = directory.display().to_string().into();
        value["left_out"] = serde_json::to_value(&conducted.left_out)?;
        value["failed"] = serde_json::to_value(&conducted.failed)?;
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
        return Ok(());
    }
    write!(out, "\n{}", comparison::text(&found, print::width()))?;
    writeln!(
        out,
        "\nFiles       {} and beside it",
        directory.join(PLOT).display()
    )?;
    Ok(())
}

/// Tells which runs are missing, and how to have them.
fn tell(conducted: &Conducted) {
    if !conducted.left_out.is_empty() {
        print::warning(&format!(
            "{} left out, since they were not expected to end in time: {}; --resume with more --minutes does them",
            words::count(conducted.left_out.len(), "run is", "runs are"),
            words::list(&conducted.left_out)
        ));
    }
    if !conducted.failed.is_empty() {
        let names: Vec<String> = conducted
            .failed
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        print::warning(&format!(
            "{} came to an error and is not in the figures: {}",
            words::count(names.len(), "run", "runs"),
            words::list(&names)
        ));
    }
}

fn new_design(args: &Args) -> Result<Design> {
    let recipe = Recipe::load(args.recipe.as_deref(), &args.set)?;
    let axes: Result<Vec<Axis>, _> = args.vary.iter().map(|text| Axis::parse(text)).collect();
    let seeds = match args.folds {
        None => 3,
        Some(_) => 1,
    };
    if recipe.data.folds > 0 {
        bail!(
            "`data.folds` is set, and a comparison sets it itself; use --folds {}",
            recipe.data.folds
        );
    }
    Ok(Design {
        data: args.data.clone().context("no images are given")?,
        recipe,
        axes: axes?,
        seeds: args.seeds.unwrap_or(seeds),
        folds: args.folds.unwrap_or(0),
    }
    .with_absolute_paths())
}

/// Seeds can be added later; fewer would leave runs out that are there.
fn with_more_seeds(mut design: Design, seeds: Option<usize>) -> Result<Design> {
    if let Some(seeds) = seeds {
        if seeds < design.seeds {
            bail!(
                "this comparison has {} already; --seeds may only add some",
                words::count(design.seeds, "seed", "seeds")
            );
        }
        design.seeds = seeds;
    }
    Ok(design)
}

/// The directory of a new comparison: of the name that was given, or of the first number that is free.
fn make_directory(args: &Args, design: &Design) -> Result<PathBuf> {
    std::fs::create_dir_all(&args.runs)
        .with_context(|| format!("cannot make {}", args.runs.display()))?;
    let cannot = |path: &Path| format!("cannot make {}", path.display());
    if let Some(name) = &args.name {
        let path = args.runs.join(format!("compare-{name}"));
        return match std::fs::create_dir(&path) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!(
                "{} exists already; choose another --name, or go on with it: rekindle compare --resume {}",
                path.display(),
                shell_word(&path)
            ),
            Err(error) => Err(error).with_context(|| cannot(&path)),
        };
    }
    let stem = stem(&design.data);
    for number in 1u64.. {
        let path = args.runs.join(format!("compare-{stem}-{number}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| cannot(&path)),
        }
    }
    bail!("no number is free in {}", args.runs.display())
}

/// Prints a line for each run, and shows a bar while it is trained.
struct Watch<'a> {
    args: &'a Args,
    progress: Progress,
    fetching: Option<FetchBar>,
    notes: Vec<String>,
}

impl<'a> Watch<'a> {
    fn new(args: &'a Args) -> Self {
        Self {
            args,
            progress: Progress::bar_only(args.quiet),
            fetching: None,
            notes: Vec::new(),
        }
    }

    fn line(&self, text: &str) {
        if self.args.quiet {
            return;
        }
        // A comparison does not end because nobody reads what it says.
        let _ = match self.args.json {
            true => writeln!(io::stderr(), "{text}"),
            false => writeln!(io::stdout(), "{text}"),
        };
    }

    /// What is the same for many runs is told once.
    fn once(&mut self, text: &str) {
        if !self.notes.iter().any(|told| told == text) {
            self.notes.push(text.to_owned());
            print::note(text);
        }
    }
}

impl ComparisonObserver for Watch<'_> {
    fn begins(&mut self, at: RunPlace<'_>, plan: &Plan, resumed: bool) {
        self.fetching = None;
        if at.number == 1 {
            print::scan_notes(plan.dataset.folder());
            print::bad_images(&plan.bad_images);
            print::plan_notes(plan);
        }
        transcript::begin();
        transcript::write_to(&at.directory.join("log.txt"));
        self.progress =
            Progress::bar_only(self.args.quiet).about(&format!("{}/{}", at.number, at.of));
        self.progress.run_directory(at.directory, resumed);
    }

    fn fetching(&mut self, at: Fetching<'_>) {
        let bar = self
            .fetching
            .get_or_insert_with(|| FetchBar::new(self.args.quiet));
        bar.show(at);
    }

    fn run(&mut self) -> &mut dyn Observer {
        &mut self.progress
    }

    fn ended(&mut self, at: RunPlace<'_>, end: RunEnd<'_>) {
        self.progress.finish();
        let said = match end {
            RunEnd::WasThere => "was there".into(),
            RunEnd::Interrupted => return,
            RunEnd::LeftOut(seconds) => format!(
                "left out, would take about {}",
                words::duration(Duration::from_secs_f64(seconds))
            ),
            RunEnd::Failed(error) => {
                print::warning(&format!("{}: {error}", at.directory.display()));
                return;
            }
            RunEnd::Finished(report) => comparison::ended(report, self.args.by.as_deref()),
        };
        self.line(&comparison::line(at, &said));
    }

    fn note(&mut self, text: &str) {
        self.once(text);
    }
}
