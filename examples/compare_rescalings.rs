//! Every way of rescaling the input under the same recipe: the head alone, on features of the frozen default backbone.
//!
//! ```text
//! cargo run --release --example compare_rescalings -- [FOLDER] [RUNS_DIRECTORY] [SEEDS]
//! ```
//!
//! The folder is examples/emoji where none is given, the directory runs/rescalings, and there is one seed, 0. A run is written for
//! each line of the table; a run that is there already is an error.
//!
//! On examples/emoji with seed 0, 60 validation images (the same as `rekindle train examples/emoji --seed 0 --set phase2.epochs=0
//! --set input.rescale=..`):
//!
//! | `input.rescale` | accuracy | loss |
//! |---|---|---|
//! | not set: the weights' own mean and std, 0.5 and 0.5 | 80.0 % | 0.717 |
//! | `dataset` | 83.3 % | 0.697 |
//! | `centre` | 85.0 % | 0.768 |
//! | `per_image` | 83.3 % | 0.708 |
//! | `{ per_image = { per_channel = true } }` | 81.7 % | 0.739 |
//! | `{ zca = { epsilon = 1e-5 } }` | 81.7 % | 0.738 |
//! | `{ zca = { epsilon = 1e-2 } }` | 83.3 % | 0.702 |
//! | `{ pca = { epsilon = 1e-5 } }` | 83.3 % | 0.744 |
//! | `unit` | 76.7 % | 0.806 |
//! | `symmetric`, here the same as the weights' own | 80.0 % | 0.717 |
//! | `none` | 73.3 % | 0.912 |
//!
//! One image is 1.7 %, so only `unit` and `none` stand out: a scale far from the one that the weights were trained
//! with costs accuracy, the others are alike within chance.

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
        RunOutcome::Finished(report) => {
            Ok(["accuracy", "loss"].map(|name| report.validation.figure(name).unwrap_or_default()))
        }
        RunOutcome::Interrupted => Err("interrupted".into()),
    }
}
