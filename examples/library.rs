//! rekindle as a library: a recipe, a plan, a run, and predictions from the model file that the run writes.
//!
//! ```text
//! cargo run --release --example library -- [FOLDER] [RUN_DIRECTORY]
//! ```
//!
//! The folder is examples/emoji where none is given, the run directory runs/library; it must not exist yet.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use rekindle_finetune::{Plan, Recipe, RunOptions, RunOutcome, Silent, run};
use rekindle_model::Predictor;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().unwrap_or("examples/emoji".into());
    let directory = arguments.next().unwrap_or("runs/library".into());

    let recipe = Recipe::load(None, &["seed=1".into(), "phase2.epochs=0".into()])?;
    let plan = Plan::new(recipe, &folder)?;
    let options = RunOptions {
        directory,
        resume: false,
        started: Instant::now(),
        interrupt: Default::default(),
    };
    let RunOutcome::Finished(report) = run(&plan, &options, &mut Silent)? else {
        return Ok(());
    };
    // A report has the figures of its task; accuracy where each image has one class.
    println!(
        "{:.3} of {} validation images are right; the model is {}",
        report.validation.figure("accuracy").unwrap_or_default(),
        report.validation.samples(),
        report.model.display()
    );

    // The model file is enough from here on; these are images that training did not see.
    let predictor = Predictor::load(&report.model, &plan.device)?;
    let samples = &plan.split.validation[..plan.split.validation.len().min(5)];
    let probabilities = predictor.predict(&plan.dataset, samples, 16)?;
    for (sample, row) in samples.iter().zip(probabilities) {
        let best = row.iter().zip(&predictor.info().classes);
        let Some((probability, class)) = best.max_by(|one, other| one.0.total_cmp(other.0)) else {
            continue;
        };
        let path = &plan.dataset.folder().samples[*sample].path;
        println!("{}: {class} ({probability:.2})", path.display());
    }
    Ok(())
}
