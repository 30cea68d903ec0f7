//! `rekindle preview`: a recipe and a folder to a picture of what training sees.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rekindle_finetune::{Plan, Recipe};
use rekindle_insight::sheet::{check_path, write_sheet};
use rekindle_insight::{PreviewOptions, preview};

use super::naming::free_name;
use crate::Ending;
use crate::args::{up_to_100, views};
use crate::print::{self, words};

/// Draw sample images as training sees them: the evaluation view and augmented ones
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The images, as for `train`
    pub data: PathBuf,
    /// A recipe: a TOML file with settings that override the defaults
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Override one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Random seed (seed)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Output file [default: the folder's name and a number, in the current directory]
    #[arg(long, value_name = "FILE.png")]
    pub out: Option<PathBuf>,
    /// Images to show, a row each
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = up_to_100)]
    pub count: usize,
    /// Augmented views of each image
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = views)]
    pub views: usize,
}

/// Draws, writes and says what to look for.
pub fn run(args: &Args) -> Result<Ending> {
    let mut settings = args.set.clone();
    settings.extend(args.seed.map(|seed| format!("seed={seed}")));
    // Pictures need no weights, which may still have to be downloaded.
    settings.push("backbone.weights=random".into());
    let recipe = Recipe::load(args.recipe.as_deref(), &settings)?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => free_name(Path::new("."), &args.data, "-preview.png").into(),
    };
    check_path(&path, &args.data)?;
    let plan = Plan::new(recipe, &args.data)?;
    print::scan_notes(plan.dataset.folder());
    print::bad_images(&plan.bad_images);
    let options = PreviewOptions {
        images: args.count,
        views: args.views,
    };
    let drawn = preview(&plan, &options)?;
    write_sheet(&drawn.sheet, &path, &args.data)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}\n{}: the evaluation view (left) and {}\n",
        path.display(),
        words::count(drawn.images, "training image", "training images"),
        words::count(drawn.views, "augmented view", "augmented views"),
    )?;
    if drawn.views == 0 {
        writeln!(
            out,
            "This recipe trains on the evaluation view alone: `augment.views` is 1, and no phase trains stages."
        )?;
        return Ok(Ending::Done);
    }
    write!(out, "{WHAT_TO_LOOK_FOR}")?;
    Ok(Ending::Done)
}

const WHAT_TO_LOOK_FOR: &str = "\
Look whether
- what makes the class is still in every view: else crop less
  (`scale` of `random_resized_crop`), or see `input.policy` and `input.size`
- views are still possible pictures: text and one-way signs must not be
  mirrored, colours that tell the class must not change
- views differ from each other: else there is little to learn from them

`view N` is kept with its features and seen again and again. Those of phases
that train stages are new ones in each epoch, where their features are not kept
(`data.feature_cache_mb`); else such a phase sees the kept views too.
";
