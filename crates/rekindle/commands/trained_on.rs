//! Which images the run of a model was trained on, so that figures on them are not taken for figures on new ones.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rekindle_data::{Fingerprints, ImageFolder, Split};

use super::train::read_plan;
use crate::args::SplitArg;
use crate::print;

/// The file beside a model that is of no run alone: which images it was trained on, or fitted to.
pub fn beside(model: &Path) -> PathBuf {
    model.with_extension(Fingerprints::FILE)
}

/// Fingerprints of the training images of the run that the model file lies in, or those that are written beside it; none where it lies in
/// no run, or in one of which they cannot be known any more, which is said.
pub fn trained_on(model: &Path) -> Result<Option<Fingerprints>> {
    let own = beside(model);
    if own.is_file() {
        let read = Fingerprints::load(&own);
        let read = read.with_context(|| format!("cannot read {}", own.display()))?;
        return Ok(Some(read));
    }
    // The model of an epoch lies in a folder of the run.
    let epochs = |folder: &&Path| folder.file_name().is_some_and(|name| name == "epochs");
    let folder = model.parent();
    let Some(run) = folder.filter(epochs).and_then(Path::parent).or(folder) else {
        return Ok(None);
    };
    let file = run.join(Fingerprints::FILE);
    if file.is_file() {
        let read = Fingerprints::load(&file);
        let read = read.with_context(|| format!("cannot read {}", file.display()))?;
        return Ok(Some(read));
    }
    // A run of an older version, or one that is not finished.
    let split = run.join("split.json");
    if !split.is_file() || !run.join("plan.toml").is_file() {
        return Ok(None);
    }
    match of_split(run, &split) {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            print::warning(&format!(
                "it is not known which images the run was trained on, and some may be among these: {}",
                print::chain(&error)
            ));
            Ok(None)
        }
    }
}

/// From the training images themselves, where they are still there.
fn of_split(run: &Path, split: &Path) -> Result<Fingerprints> {
    let (recipe, data) = read_plan(run)?;
    let (folder, _) = recipe.data.open(&data, recipe.seed)?;
    let (split, _) = Split::load(&folder, split)?;
    Ok(Fingerprints::of(&folder, &split.train))
}

/// What is measured, once it is known which images the run was trained on.
#[derive(Debug)]
pub struct Chosen {
    /// The samples.
    pub samples: Vec<usize>,
    /// What they are called.
    pub part: String,
    /// How many of them the run was trained on.
    pub trained_on: usize,
}

/// Leaves out the images that the run was trained on, unless a part was asked for by name; both are said.
///
/// # Errors
///
/// No other image is there.
pub fn without(
    known: &Fingerprints,
    folder: &ImageFolder,
    samples: Vec<usize>,
    part: String,
    asked: Option<SplitArg>,
) -> Result<Chosen> {
    let held = known.hold(folder, &samples);
    let trained = held.iter().filter(|held| **held).count();
    let all = samples.len();
    if trained == 0 {
        return Ok(Chosen {
            samples,
            part,
            trained_on: 0,
        });
    }
    if asked.is_some() {
        print::warning(&format!(
            "the run was trained on {trained} of these {all} images, which it knows: the figures say little about new ones"
        ));
        return Ok(Chosen {
            samples,
            part,
            trained_on: trained,
        });
    }
    if trained == all {
        bail!(
            "the run was trained on all {all} images of `{}`, so they say nothing about new ones; give others, or measure these with \
             --split all",
            folder.source.display()
        );
    }
    print::note(&format!(
        "{trained} of {all} images were trained on and are left out (see --split all)"
    ));
    let pairs = samples.into_iter().zip(held);
    let samples = pairs.filter(|(_, held)| !held).map(|(sample, _)| sample);
    Ok(Chosen {
        samples: samples.collect(),
        part: match part.as_str() {
            "all" => "not trained on".into(),
            part => format!("{part}, not trained on"),
        },
        trained_on: 0,
    })
}
