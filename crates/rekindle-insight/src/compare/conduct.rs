//! Doing the runs of a comparison: one after the other, each an ordinary run, as far as time and the user allow.
//!
//! Owns which run is done next, gone on with, left out or given up. What came of them is `results.rs`'s.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rekindle_finetune::{
    FinetuneError, Observer, Plan, RunDirectory, RunOutcome, RunReport, run_in,
};
use rekindle_model::{Fetching, fetch_weights};

use super::budget::Budget;
use super::design::{Cell, Design, Variant};
use super::results::seconds_of;
use crate::plots::write_plots;
use crate::source::Source;
use crate::{InsightError, write_report};

/// Images up to which every variant is checked against the data before the first run; of more, that would take minutes.
const MOST_CHECKED: usize = 5_000;

/// A run of a comparison, as an observer sees it.
#[derive(Debug, Clone, Copy)]
pub struct RunPlace<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// What is varied in it.
    pub variant: &'a Variant,
    /// Which repeat it is, such as `seed0-fold1`.
    pub repeat: &'a str,
    /// Its directory.
    pub directory: &'a Path,
}

/// How one run ended.
#[derive(Debug)]
pub enum RunEnd<'a> {
    /// Its result is there.
    Finished(&'a RunReport),
    /// An earlier call finished it.
    WasThere,
    /// It was left out, since it was expected to take so many seconds, which there are not.
    LeftOut(f64),
    /// It came to an error; the others go on.
    Failed(&'a InsightError),
    /// It was told to stop, and can go on.
    Interrupted,
}

/// Hears what a comparison does. Every method may be left out but the one that hears a run.
pub trait ComparisonObserver {
    /// A run is planned, and is about to be trained; `resumed` where it goes on.
    fn begins(&mut self, _at: RunPlace<'_>, _plan: &Plan, _resumed: bool) {}
    /// Weights come from the hub.
    fn fetching(&mut self, _at: Fetching<'_>) {}
    /// What hears the run under way.
    fn run(&mut self) -> &mut dyn Observer;
    /// A run has ended, or there is none to be done.
    fn ended(&mut self, _at: RunPlace<'_>, _end: RunEnd<'_>) {}
    /// A picture or report of a run could not be made, which takes nothing from its result.
    fn note(&mut self, _text: &str) {}
}

/// What came of the doing.
#[derive(Debug, Default)]
pub struct Conducted {
    /// Whether it was told to stop.
    pub interrupted: bool,
    /// Runs that were left out for want of time.
    pub left_out: Vec<String>,
    /// Runs that came to an error, and to which one.
    pub failed: Vec<(String, String)>,
}

/// How to do the runs.
#[derive(Debug, Clone, Copy)]
pub struct Conduct<'a> {
    /// The directory of the comparison, which holds those of its runs.
    pub directory: &'a Path,
    /// When the work began.
    pub started: Instant,
    /// Most time from then on; a run that is expected to take longer is not begun.
    pub limit: Option<Duration>,
    /// Set it to stop after the step under way.
    pub interrupt: &'a AtomicBool,
}

/// Checks every variant against the data, where that has at most 5000 images; of more, the first one.
///
/// # Errors
///
/// What would stop the runs of a variant and can be known now.
pub fn check(design: &Design, variants: &[Variant]) -> Result<(), InsightError> {
    let repeat = design.repeats()[0];
    for variant in variants {
        let plan = Plan::new(design.recipe_of(variant, repeat)?, &design.data)?;
        if plan.dataset.len() > MOST_CHECKED {
            break;
        }
    }
    Ok(())
}

/// Does the runs that are not done yet: every variant with the first seed or fold, then with the next.
///
/// A run that fails by itself, say since its loss is not finite, is told and the others go on.
///
/// # Errors
///
/// What would stop the other runs too: a run's directory cannot be written, is another process's, or holds something else; the disk is full.
pub fn conduct(
    design: &Design,
    variants: &[Variant],
    how: Conduct<'_>,
    observer: &mut dyn ComparisonObserver,
) -> Result<Conducted, InsightError> {
    let repeats = design.repeats();
    let cells = design.cells(variants.len());
    let names: Vec<String> = cells
        .iter()
        .map(|cell| design.run_name(variants, *cell))
        .collect();
    let directories: Vec<PathBuf> = names.iter().map(|name| how.directory.join(name)).collect();
    let mut budget = Budget::new(how.limit, variants.len());
    let mut done = vec![false; cells.len()];
    for ((cell, directory), done) in cells.iter().zip(&directories).zip(&mut done) {
        if let Some(seconds) = finished_in(directory) {
            budget.took(cell.variant, seconds);
            *done = true;
        }
    }
    let mut conducted = Conducted::default();
    for (place, &cell) in cells.iter().enumerate() {
        let repeat = repeats[cell.repeat];
        let at = RunPlace {
            number: place + 1,
            of: cells.len(),
            variant: &variants[cell.variant],
            repeat: &repeat.name(),
            directory: &directories[place],
        };
        if done[place] {
            observer.ended(at, RunEnd::WasThere);
            continue;
        }
        if how.interrupt.load(Ordering::SeqCst) {
            conducted.interrupted = true;
            break;
        }
        if !budget.fits(cell.variant, how.started.elapsed()) {
            conducted.left_out.push(names[place].clone());
            let expected = budget.expected(cell.variant);
            observer.ended(at, RunEnd::LeftOut(expected.unwrap_or(0.0)));
            continue;
        }
        match one(design, cell, at, how.interrupt, observer) {
            Ok(RunOutcome::Finished(report)) => {
                budget.took(cell.variant, report.seconds);
                show(at.directory, observer);
                observer.ended(at, RunEnd::Finished(&report));
            }
            Ok(RunOutcome::Interrupted) => {
                conducted.interrupted = true;
                observer.ended(at, RunEnd::Interrupted);
                break;
            }
            Err(error) if stops_all(&error) => return Err(error),
            Err(error) => {
                conducted
                    .failed
                    .push((names[place].clone(), error.to_string()));
                observer.ended(at, RunEnd::Failed(&error));
            }
        }
    }
    Ok(conducted)
}

/// Plans and does one run.
fn one(
    design: &Design,
    cell: Cell,
    at: RunPlace<'_>,
    interrupt: &AtomicBool,
    observer: &mut dyn ComparisonObserver,
) -> Result<RunOutcome, InsightError> {
    let started = Instant::now();
    let recipe = design.recipe_of(at.variant, design.repeats()[cell.repeat])?;
    let plan = Plan::new(recipe, &design.data)?;
    fetch_weights(&plan.card, &plan.recipe.backbone, &mut |file| {
        observer.fetching(file);
    })?;
    let directory = match at.directory.join("plan.toml").is_file() {
        true => RunDirectory::resume(at.directory)?,
        false => RunDirectory::create(at.directory)?,
    };
    observer.begins(at, &plan, directory.is_resumed());
    Ok(run_in(
        directory,
        &plan,
        started,
        interrupt,
        observer.run(),
    )?)
}

/// The seconds that a run took which is finished.
fn finished_in(directory: &Path) -> Option<f64> {
    let source = Source::read(directory).ok()?;
    let finished = source.run.status.as_deref() == Some("finished");
    finished.then(|| seconds_of(&source))
}

/// Pictures and report of a run, as every run has them.
fn show(directory: &Path, observer: &mut dyn ComparisonObserver) {
    if let Err(error) = write_plots(directory, true) {
        observer.note(&format!("there are no pictures of this run: {error}"));
    }
    if let Err(error) = write_report(directory, directory) {
        observer.note(&format!("there is no report of this run: {error}"));
    }
}

/// Whether an error is not of one run alone.
fn stops_all(error: &InsightError) -> bool {
    let InsightError::Finetune(error) = error else {
        return false;
    };
    matches!(
        **error,
        FinetuneError::RunExists { .. }
            | FinetuneError::RunInUse { .. }
            | FinetuneError::NoRoom { .. }
            | FinetuneError::File(_)
    )
}
