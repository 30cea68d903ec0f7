//! Fine-tunes on a folder: `cargo run --release -p rekindle-finetune --example finetune_folder -- examples/emoji seed=1 phase1.lr=1e-3`.
//!
//! The run goes to a temporary directory that is removed; each epoch is printed as it ends.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use rekindle_finetune::{
    EpochRecord, EpochTiming, Observer, Plan, Recipe, RunOptions, RunOutcome, run,
};
use rekindle_model::FileError;

struct Print;

impl Observer for Print {
    fn epoch(&mut self, record: &EpochRecord, _: &EpochTiming) {
        let EpochRecord {
            phase,
            epoch,
            train_loss,
            ..
        } = record;
        let mark = if record.best { " *" } else { "" };
        println!(
            "{phase} {epoch:3}: training loss {train_loss:.4}, validation loss {:.4}, accuracy {:.1} %{mark}",
            record.validation("loss"),
            100.0 * record.validation("accuracy")
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(
        arguments
            .next()
            .unwrap_or_else(|| "examples/emoji".to_owned()),
    );
    let overrides: Vec<String> = arguments.collect();
    let plan = Plan::new(Recipe::load(None, &overrides)?, &folder)?;
    let directory = std::env::temp_dir().join(format!("rekindle-example-{}", std::process::id()));
    let options = RunOptions {
        directory: directory.clone(),
        resume: false,
        started,
        interrupt: Default::default(),
    };
    let outcome = run(&plan, &options, &mut Print);
    let removed = std::fs::remove_dir_all(&directory);
    if let RunOutcome::Finished(report) = outcome? {
        let (phase, epoch) = &report.best;
        println!(
            "best: {phase} epoch {epoch}, accuracy {:.1} %, loss {:.4}; {:.1} s in all, first step done after {:.2} s",
            100.0 * report.validation.figure("accuracy").unwrap_or(f64::NAN),
            report.validation.loss(),
            report.seconds,
            report.seconds_to_first_step.unwrap_or(f64::NAN),
        );
    }
    removed.map_err(|source| {
        let path = directory;
        FileError::Write { path, source }.into()
    })
}
