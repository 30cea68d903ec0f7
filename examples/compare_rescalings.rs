//! Every way of rescaling the input under the same recipe: the head alone, on features of the frozen default backbone.
//!
//! ```text
//! cargo run --release --example compare_rescalings -- [FOLDER] [RUNS_DIRECTORY] [SEEDS]
//! ```
//!
//! The folder is examples/emoji where none is given, the directory runs/rescalings, and there is one seed, 0. A run is written for
//! each line of the table; a run that is there already is an error.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rekindle_finetune::{Plan, Recipe, RunOptions, RunOutcome, Silent, run};

/// The name of a run, and what its recipe says; the first is the default of the weights.
const RESCALINGS: [(&str, &str); 11] = [
    ("weights", ""),
    ("dataset", "dataset"),
    ("centre", "centre"),
    ("per_image", "per_image"),
    (
        "per_image_channel",
        "{ per_image = { per_channel = true } }",
    ),
    ("zca", "{ zca = { epsilon = 1e-5 } }"),
    ("zca_soft", "{ zca = { epsilon = 1e-2 } }"),
    ("pca", "{ pca = { epsilon = 1e-5 } }"),
    ("unit", "unit"),
    ("symmetric", "symmetric"),
    ("none", "none"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or("examples/emoji".into()));
    let runs = PathBuf::from(arguments.next().unwrap_or("runs/rescalings".into()));
    let seeds: u32 = match arguments.next() {
        Some(text) => match text.to_string_lossy().parse() {
            Ok(seeds) if seeds > 0 => seeds,
            _ => return Err(format!("SEEDS is {text:?}, expected a number of at least 1").into()),
        },
        None => 1,
    };
    println!("input.rescale      accuracy    loss");
    for (name, rescale) in RESCALINGS {
        let (mut accuracy, mut loss) = (0.0, 0.0);
        for seed in 0..seeds {
            let directory = runs.join(format!("{name}-{seed}"));
            let [of_run, loss_of_run] = measure(&folder, directory, rescale, seed)?;
            accuracy += of_run / f64::from(seeds);
            loss += loss_of_run / f64::from(seeds);
        }
        println!("{name:<18} {:>6.1} %  {loss:>6.3}", 100.0 * accuracy);
    }
    Ok(())
}

/// Accuracy and loss on the validation images of the best epoch.
fn measure(
    folder: &Path,
    directory: PathBuf,
    rescale: &str,
    seed: u32,
) -> Result<[f64; 2], Box<dyn Error>> {
    let mut settings = vec![format!("seed={seed}"), "phase2.epochs=0".into()];
    if !rescale.is_empty() {
        settings.push(format!("input.rescale={rescale}"));
    }
    let plan = Plan::new(Recipe::load(None, &settings)?, folder)?;
    let options = RunOptions {
        directory,
        resume: false,
        started: Instant::now(),
        interrupt: Default::default(),
    };
    match run(&plan, &options, &mut Silent)? {
        RunOutcome::Finished(report) => Ok([report.validation.accuracy, report.validation.loss]),
        RunOutcome::Interrupted => Err("interrupted".into()),
    }
}
