//! `rekindle train`: a recipe and labelled images to a run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rekindle_data::is_inside;
use rekindle_finetune::{Latest, Plan, Recipe, RunDirectory, RunOutcome, run_in};

use rekindle_insight::plots::write_plots;
use rekindle_model::fetch_weights;

use super::bag;
use super::naming::{free_name, stem};
use super::signals::Signals;
pub use super::train_flags::Args;
use super::train_flags::overrides;
use crate::Ending;
use crate::print::{
    self, closing, dashboard::Dashboard, fetching::FetchBar, plan, transcript, words::shell_word,
};

/// Trains, or prints the plan.
pub fn run(args: &Args) -> Result<Ending> {
    let begun = args.resume.as_deref().map(Latest::follow);
    if args.bag.is_some() || begun.is_some_and(|directory| bag::is_bag(&directory)) {
        return bag::run(args);
    }
    let started = Instant::now();
    let signals = Signals::listen()?;
    if !args.dry_run {
        transcript::begin();
    }
    let (recipe, data, place) = match &args.resume {
        Some(directory) => {
            let directory = Latest::follow(directory);
            let (recipe, data) = read_plan(&directory)?;
            (
                recipe,
                data,
                Place::Taken(RunDirectory::resume(&directory)?),
            )
        }
        None => {
            let recipe = Recipe::load(args.recipe.as_deref(), &overrides(args)?)?;
            let data = args.data.clone().context("no images are given")?;
            let place = match (&args.out, &args.name) {
                (Some(directory), _) => Place::Named(directory.clone()),
                (None, Some(name)) => Place::Named(args.runs.join(name)),
                (None, None) => Place::Numbered(args.runs.clone(), stem(&data)),
            };
            (recipe, data, place)
        }
    };
    if !args.dry_run {
        if !matches!(place, Place::Taken(_)) {
            outside_of_images(&data, args.out.as_deref().unwrap_or(&args.runs))?;
        }
        if let Place::Named(directory) = &place {
            Latest::make_way(directory);
            // Known at once, while the plan reads every image's header.
            RunDirectory::check_free(directory)?;
        }
    }
    let plan = Plan::new(recipe, &data)?;
    print::scan_notes(plan.dataset.folder());
    print::bad_images(&plan.bad_images);
    print::plan_notes(&plan);
    if args.dry_run {
        let free = || args.runs.join(free_name(&args.runs, &data, ""));
        let named = || args.name.as_ref().map(|name| args.runs.join(name));
        let directory = args.out.clone().or_else(named);
        plan::print(&plan, &directory.unwrap_or_else(free), args.json)?;
        return Ok(Ending::Done);
    }
    let mut bar = FetchBar::new(args.quiet);
    fetch_weights(&plan.card, &plan.recipe.backbone, &mut |at| bar.show(at))?;
    drop(bar);
    signals.training_begins();
    let taken = place.take()?;
    let directory = taken.path().to_path_buf();
    // A place of the user's own gets nothing beside it.
    let latest = match args.out {
        None => Latest::point_at(&directory),
        Some(_) => None,
    };
    transcript::write_to(&directory.join("log.txt"));
    let mut progress = Dashboard::new(args.tui, args.quiet, args.json);
    progress.run_directory(&directory, taken.is_resumed());
    let outcome = run_in(taken, &plan, started, signals.stop(), &mut progress);
    progress.finish();
    if let (Err(_), Some(latest), false) = (&outcome, latest, directory.exists()) {
        latest.take_back(&directory);
    }
    match outcome? {
        RunOutcome::Finished(report) => {
            draw(&directory, true);
            closing::print(&plan, &report, &directory, args.json)?;
            if let Err(error) = rekindle_insight::write_report(&directory, &directory) {
                // The result is there.
                print::warning(&format!("there is no report: {error}"));
            }
            print::limit_note(&plan);
            Ok(Ending::Done)
        }
        RunOutcome::Interrupted => {
            draw(&directory, false);
            let text = format!(
                "interrupted; the checkpoint is in {}\nresume with: rekindle train --resume {}",
                directory.join("checkpoint").display(),
                shell_word(&directory)
            );
            transcript::add(&text);
            // The terminal may be what was closed.
            let _ = writeln!(io::stderr(), "{text}");
            Ok(Ending::Interrupted(signals.exit_code()))
        }
    }
}

/// Puts pictures of a run beside its model. What cannot be drawn or written is told, and takes nothing from the run.
pub(super) fn draw(directory: &Path, finished: bool) {
    let drawn = std::panic::catch_unwind(|| write_plots(directory, finished));
    let why = match drawn {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "drawing them failed".to_owned(),
    };
    print::note(&format!("there are no pictures of this run: {why}"));
}

/// Where a run is to be.
#[derive(Debug)]
enum Place {
    /// In the directory of a run that goes on.
    Taken(RunDirectory),
    /// In a directory of this name.
    Named(PathBuf),
    /// In this folder, under this name and the first free number.
    Numbered(PathBuf, String),
}

impl Place {
    fn take(self) -> Result<RunDirectory> {
        Ok(match self {
            Self::Taken(directory) => directory,
            Self::Named(path) => RunDirectory::create(&path)?,
            Self::Numbered(runs, stem) => RunDirectory::create_numbered(&runs, &stem)?,
        })
    }
}

/// Refuses a run directory in the folder of images, which is only read.
pub(super) fn outside_of_images(data: &Path, directory: &Path) -> Result<()> {
    if !is_inside(data, directory) {
        return Ok(());
    }
    let beside = data.join("../runs");
    let beside = beside.strip_prefix(".").unwrap_or(&beside);
    bail!(
        "the run {} would be written into the folder of images {}, which is only read, and be taken for a class the next time: choose another \
         place, such as --runs {}",
        directory.display(),
        data.display(),
        shell_word(beside)
    );
}

/// Recipe and folder of a run, from its plan.toml.
pub(super) fn read_plan(directory: &Path) -> Result<(Recipe, PathBuf)> {
    let path = directory.join("plan.toml");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "`{}` is not the directory of a run: cannot read {}",
            directory.display(),
            path.display()
        )
    })?;
    let origin = || format!("{} is not a plan that rekindle wrote", path.display());
    let mut table: toml::Table = text.parse().with_context(origin)?;
    let data = table
        .get("facts")
        .and_then(|facts| facts.get("data"))
        .and_then(toml::Value::as_str);
    let data = PathBuf::from(
        data.context("it names no folder of images")
            .with_context(origin)?,
    );
    let recipe = table
        .remove("recipe")
        .context("it has no recipe")
        .with_context(origin)?;
    let toml::Value::Table(recipe) = recipe else {
        bail!("{}: its recipe is no table", origin());
    };
    Ok((Recipe::of_table(recipe).with_context(origin)?, data))
}
