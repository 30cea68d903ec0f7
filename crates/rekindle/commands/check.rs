//! `rekindle check`: a folder of images, a manifest or tar shards to what would stop or spoil training on it.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use rekindle_finetune::{Latest, Recipe};
use rekindle_insight::check::{check, contact_sheet};
use rekindle_insight::labels::doubts;
use rekindle_insight::sheet::{check_path, write_sheet};

use crate::Ending;
use crate::print::{self, progress::ImageBar};

const CHECK_NOTES: &str = "\
DATA is laid out as for `train`, and is only read. Two pictures are the same if their pixels are, or if \
their perceptual hashes (pHash, 64 bits) differ by at most 6 bits and their colours, 8 by 8, by at most 6 of 255 levels on average.

--against names labels that may be wrong, and pictures that are least like any class (docs/comparing.md): of the validation images of a run, or of all \
images where they were held out in turn by `rekindle compare DATA --vary .. --folds 5`.

Exit codes: 0 nothing serious, 1 something that stops or spoils training (a picture in several classes or splits, images that cannot \
be decoded unless data.bad_images=skip, classes that are too small, or one class alone), 2 an error.";

/// Check images before training: broken files, duplicates, leakage, imbalance
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_NOTES)]
pub struct Args {
    /// The images, as for `train`
    pub data: PathBuf,
    /// Check for training with this recipe: its input size, split and policies
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Override one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Save a picture of what was found and of some images of each class
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
    /// Doubt labels by what this run, or comparison with --folds, says of images that it has not seen; may be repeated
    #[arg(long, value_name = "RUN")]
    pub against: Vec<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
}

/// Checks and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let recipe = Recipe::load(args.recipe.as_deref(), &args.set)?;
    // Known at once, while a check may take minutes.
    if let Some(path) = &args.sheet {
        check_path(path, &args.data)?;
    }
    recipe.data.check()?;
    let (folder, found) = recipe.data.open_to_check(&args.data, recipe.seed)?;
    if folder.samples.len() < found {
        print::limit_warning(folder.samples.len(), found, "nothing is said of the others");
    }
    // A run that cannot be read is known before every image is looked at.
    let labels = match args.against.is_empty() {
        true => None,
        false => {
            let runs: Vec<PathBuf> = args.against.iter().map(|run| Latest::follow(run)).collect();
            Some(doubts(&folder, &runs)?)
        }
    };
    let bar = ImageBar::new(folder.samples.len());
    let mut report = check(&folder, &recipe, &|| bar.add(1))?;
    drop(bar);
    report.labels = labels;
    if let Some(path) = &args.sheet {
        write_sheet(&contact_sheet(&report, &folder), path, &args.data)?;
    }
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        false => {
            write!(out, "{}", print::check::text(&report, print::width()))?;
            if let Some(path) = &args.sheet {
                writeln!(out, "\nSheet       {}", path.display())?;
            }
        }
    }
    Ok(match report.is_serious() {
        true => Ending::FoundProblems,
        false => Ending::Done,
    })
}
