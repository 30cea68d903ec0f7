//! What commands share that fit something to images which no model was trained on: which images these are, and what becomes of the file
//! that is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rekindle_data::{
    ClassIndex, DataRecipe, Dataset, Fingerprints, ImageFolder, SplitName, Target, is_inside,
    open_data_as,
};
use rekindle_model::ensemble::{HeldOut, ModelParts};
use rekindle_model::{ModelInfo, Predictor, write_whole};

use super::evaluate::only;
use super::images::{usable, with_others};
use super::train::read_plan;
use super::trained_on::{beside, trained_on};
use crate::args::{InferenceArgs, SplitArg};
use crate::print::{self, progress::ImageBar};

/// Images that something is fitted to.
#[derive(Debug)]
pub struct HeldOutImages {
    dataset: Arc<Dataset>,
    samples: Vec<usize>,
    /// What they are called: `validation, not trained on`.
    pub part: String,
    /// Images that were left out since they cannot be decoded.
    pub skipped: usize,
    /// Of these and of the images that the models were trained on.
    seen: BTreeSet<String>,
}

/// How the images are chosen, as the command line says.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    pub data: &'a Path,
    pub split: Option<SplitArg>,
    pub settings: &'a DataRecipe,
    pub inference: &'a InferenceArgs,
}

impl HeldOutImages {
    /// The images of a folder that no model was trained on: of its validation part where it has one, else of all but its test part, or of
    /// the part that was asked for.
    ///
    /// # Errors
    ///
    /// There are none; the folder cannot be read; an image is broken.
    pub fn choose(of: Choice, whole: &ModelInfo, models: &[PathBuf]) -> Result<Self> {
        let classes = ClassIndex::new(whole.classes.clone())?;
        let folder = open_data_as(of.data, &of.settings.source_options(), whole.task, &classes)?;
        print::scan_notes(&folder);
        let (samples, part) = part_of(&folder, of.split);
        let all = samples.len();
        let mut held = vec![false; all];
        let mut seen = BTreeSet::new();
        for model in models {
            match trained_on(model)? {
                Some(known) => {
                    let of_model = known.hold(&folder, &samples);
                    held.iter_mut()
                        .zip(of_model)
                        .for_each(|(held, own)| *held |= own);
                    seen.extend(lines(&known));
                }
                None => print::warning(&format!(
                    "it is not known which images {} was trained on, and some may be among these: it lies in no run",
                    model.display()
                )),
            }
        }
        let trained = held.iter().filter(|held| **held).count();
        let kept = samples.into_iter().zip(held).filter(|(_, held)| !held);
        let samples: Vec<usize> = kept.map(|(sample, _)| sample).collect();
        if samples.is_empty() {
            bail!(
                "{}",
                match all {
                    0 => format!(
                        "`{}` has no {part} images; choose others with --split",
                        of.data.display()
                    ),
                    _ => format!(
                        "all {all} images of `{}` ({part}) were trained or fitted on by one of the models; give others",
                        of.data.display()
                    ),
                }
            );
        }
        if trained > 0 {
            print::note(&format!(
                "{trained} of {all} images were trained or fitted on and are left out"
            ));
        }
        seen.extend(lines(&Fingerprints::of(&folder, &samples)));
        let limits = whole.preprocessing.limits();
        let dataset = Dataset::new(only(folder, &samples), limits, Dataset::DEFAULT_CACHE_BYTES);
        let all = (0..dataset.len()).collect();
        let checked = of.settings.checked_headers;
        let (samples, skipped) = usable(&dataset, of.inference.bad_images, checked, all)?;
        Ok(Self {
            dataset: Arc::new(dataset),
            samples,
            part: match (trained, part.as_str()) {
                (0, _) => part,
                (_, "all") => "not trained on".into(),
                (_, part) => format!("{part}, not trained on"),
            },
            skipped,
            seen,
        })
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.samples.len()
    }

    /// What models say of them.
    ///
    /// # Errors
    ///
    /// An image cannot be read, or an output is not finite.
    pub fn outputs(
        &self,
        whole: &ModelInfo,
        models: &[Predictor],
        batch_size: usize,
    ) -> Result<HeldOut> {
        let bar = ImageBar::new(self.samples.len() * models.len());
        let found = HeldOut::of(
            whole,
            models,
            &self.dataset,
            &self.samples,
            batch_size,
            |images| {
                bar.add(images);
            },
        );
        drop(bar);
        found.map_err(|error| with_others(error.into(), &self.dataset))
    }

    /// What a model predicts of them, a row of each, and what is right.
    ///
    /// # Errors
    ///
    /// As [`outputs`](Self::outputs).
    pub fn predictions(
        &self,
        model: &Predictor,
        batch_size: usize,
    ) -> Result<(Vec<Vec<f32>>, Vec<Target>)> {
        let bar = ImageBar::new(self.samples.len());
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        let done = model.predict_each(
            &self.dataset,
            &self.samples,
            batch_size,
            |batch, found| -> Result<()> {
                rows.extend(found);
                let samples = batch.iter();
                targets.extend(
                    samples.map(|sample| self.dataset.folder().samples[*sample].target.clone()),
                );
                bar.add(batch.len());
                Ok(())
            },
        );
        drop(bar);
        done.map_err(|error| with_others(error, &self.dataset))?;
        Ok((rows, targets))
    }

    /// What the head of a network sees of them, of at most so many, evenly spaced.
    ///
    /// # Errors
    ///
    /// An image cannot be read, or it is no single network.
    pub fn features(&self, model: &Predictor, batch_size: usize, most: usize) -> Result<Vec<f32>> {
        features_of(model, &self.dataset, &self.samples, batch_size, most)
    }

    /// Writes beside a model which images it was trained on, or fitted to, so that `evaluate` leaves them out.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_seen(&self, model: &Path) -> Result<()> {
        write_seen(model, &self.seen)
    }
}

/// What the head of a network sees of the images of a folder that it was trained on, of at most so many, evenly spaced.
///
/// # Errors
///
/// It is not known which these are, or none is there; one is broken, or the model is no single network.
pub fn features_of_trained(
    of: Choice,
    model: &Predictor,
    file: &Path,
    most: usize,
) -> Result<Vec<f32>> {
    let Some(known) = trained_on(file)? else {
        bail!(
            "it is not known which images {} was trained on: it lies in no run, and no {} beside it says",
            file.display(),
            beside(file).display()
        );
    };
    let info = model.info();
    let classes = ClassIndex::new(info.classes.clone())?;
    let folder = open_data_as(of.data, &of.settings.source_options(), info.task, &classes)?;
    let all: Vec<usize> = (0..folder.samples.len()).collect();
    let held = known.hold(&folder, &all);
    let kept = all.into_iter().zip(held).filter(|(_, held)| *held);
    let samples: Vec<usize> = kept.map(|(sample, _)| sample).collect();
    if samples.is_empty() {
        bail!(
            "{} was trained on none of the images of `{}`; name those of its run with --data",
            file.display(),
            of.data.display()
        );
    }
    let limits = info.preprocessing.limits();
    let dataset = Dataset::new(only(folder, &samples), limits, 0);
    let all = (0..dataset.len()).collect();
    let checked = of.settings.checked_headers;
    let (samples, _) = usable(&dataset, of.inference.bad_images, checked, all)?;
    let batch_size = of.inference.batch_size();
    features_of(model, &Arc::new(dataset), &samples, batch_size, most)
}

fn features_of(
    model: &Predictor,
    dataset: &Arc<Dataset>,
    samples: &[usize],
    batch_size: usize,
    most: usize,
) -> Result<Vec<f32>> {
    let count = samples.len().min(most);
    let even = |at: usize| samples[at * samples.len() / count];
    let chosen: Vec<usize> = (0..count).map(even).collect();
    let bar = ImageBar::new(count);
    let found = model.features(dataset, &chosen, batch_size, |images| bar.add(images));
    drop(bar);
    found.map_err(|error| with_others(error.into(), dataset))
}

/// Labelled images and how they are read: those that were named with a flag, or those of the run that the model lies in.
///
/// # Errors
///
/// None are named, and it lies in no run.
pub fn data_of(
    named: Option<&Path>,
    model: &Path,
    settings: &DataRecipe,
    flag: &str,
) -> Result<(PathBuf, DataRecipe)> {
    if let Some(data) = named {
        return Ok((data.to_owned(), settings.clone()));
    }
    let run = model.parent().unwrap_or(Path::new("."));
    if !run.join("plan.toml").is_file() {
        bail!(
            "{} lies in no run, so what it was measured on is not known; name labelled images with {flag} DATA",
            model.display()
        );
    }
    let (recipe, data) = read_plan(run)?;
    Ok((data, recipe.data))
}

/// Writes beside a combination which images its members were trained on, as far as that is known.
///
/// # Errors
///
/// It cannot be written, or what is known cannot be read.
pub fn write_seen_of(model: &Path, members: &[PathBuf]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for member in members {
        seen.extend(trained_on(member)?.iter().flat_map(lines));
    }
    write_seen(model, &seen)
}

fn write_seen(model: &Path, seen: &BTreeSet<String>) -> Result<()> {
    let text: String = seen.iter().map(|line| format!("{line}\n")).collect();
    Ok(write_whole(&beside(model), text.as_bytes())?)
}

fn lines(known: &Fingerprints) -> Vec<String> {
    known.to_text().lines().map(str::to_owned).collect()
}

/// The images of a part of the folder, and the part's name.
fn part_of(folder: &ImageFolder, split: Option<SplitArg>) -> (Vec<usize>, String) {
    let of = |wanted: &dyn Fn(Option<SplitName>) -> bool| {
        let each = folder.samples.iter().enumerate();
        each.filter(|(_, sample)| wanted(sample.split))
            .map(|(index, _)| index)
            .collect::<Vec<_>>()
    };
    let named = |split: SplitName| (of(&|own| own == Some(split)), split.to_string());
    match split {
        Some(SplitArg::All) => (of(&|_| true), "all".into()),
        Some(SplitArg::Train) => named(SplitName::Train),
        Some(SplitArg::Val) => named(SplitName::Validation),
        Some(SplitArg::Test) => named(SplitName::Test),
        None if folder.has(SplitName::Validation) => named(SplitName::Validation),
        None if folder.has(SplitName::Test) => (
            of(&|own| own != Some(SplitName::Test)),
            "all but test".into(),
        ),
        None => (of(&|_| true), "all".into()),
    }
}

/// Refuses a file that is there, unless it may be replaced; one among the images; and one of the models itself.
///
/// # Errors
///
/// Any of these.
pub fn check_output(
    output: &Path,
    force: bool,
    data: Option<&Path>,
    models: &[PathBuf],
) -> Result<()> {
    if output.is_dir() {
        bail!(
            "`{0}` is a folder; name the file to write, such as {0}/model.safetensors",
            output.display()
        );
    }
    if output.extension().is_none_or(|end| end != "safetensors") {
        bail!(
            "`{}`: a model file ends in .safetensors; name it {}",
            output.display(),
            output.with_extension("safetensors").display()
        );
    }
    if let Some(data) = data.filter(|data| data.is_dir() && is_inside(data, output)) {
        bail!(
            "`{}` lies among the images of {}, which are only read; choose another place",
            output.display(),
            data.display()
        );
    }
    let real = |path: &Path| path.canonicalize().ok();
    if output.exists() && models.iter().any(|model| real(model) == real(output)) {
        bail!(
            "`{}` is one of the models; choose another name for the result",
            output.display()
        );
    }
    if output.symlink_metadata().is_ok() && !force {
        bail!(
            "`{}` is there already; choose another name, or replace it with --force",
            output.display()
        );
    }
    Ok(())
}

/// Refuses a page that is there, unless it may be replaced.
///
/// # Errors
///
/// It is there.
pub fn check_page(file: &Path, force: bool) -> Result<()> {
    if file.is_dir() || file.symlink_metadata().is_ok() && !force {
        bail!(
            "`{}` is there already; choose another name, or replace it with --force",
            file.display()
        );
    }
    Ok(())
}

/// Reads model files.
///
/// # Errors
///
/// One cannot be read, or is none.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<ModelParts>> {
    let read = |path: &PathBuf| {
        ModelParts::load(path).with_context(|| format!("cannot use {}", path.display()))
    };
    paths.iter().map(read).collect()
}
