//! `rekindle drift`: whether new pictures are like those that a model was measured on, and how often it is likely right on them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use rekindle_data::{Dataset, Target};
use rekindle_insight::drift::{Drift, DriftOptions};
use rekindle_model::ensemble::{ModelParts, TestTime};
use rekindle_model::{Predictor, device_from_name};

use super::data_settings::data_settings;
use super::held_out::{Choice, HeldOutImages, data_of};
use super::images::{list, usable, with_others};
use super::model::model_path;
use crate::Ending;
use crate::args::{HeldOutArgs, InferenceArgs};
use crate::print::{self, drift, progress::ImageBar};

const NOTES: &str = "\
The new pictures need no labels. Each output of the model is compared between them and the reference, and chance is judged for all outputs \
at once; classes that have become more frequent count as a difference, too (docs/drift.md).
  rekindle drift runs/photos-1 new-photos
  rekindle drift model.safetensors new-photos --reference held-out

Exit codes: 0 no difference beyond chance (p above 0.05), 1 there is one, 2 an error.";

/// Compare new images with those that a model was measured on, without labels
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// The new images: files, folders, manifests or tar shards; - reads paths from standard input
    #[arg(required = true, num_args = 1.., value_name = "IMAGES")]
    pub images: Vec<PathBuf>,
    /// Labelled images to compare with, of which those that the model was trained on are left out [default: those of its run]
    #[arg(long, value_name = "DATA")]
    pub reference: Option<PathBuf>,
    #[command(flatten)]
    pub held_out: HeldOutArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// Compares and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let path = model_path(&args.model)?;
    let settings = data_settings(&args.held_out.set)?;
    let folder = list(&args.images, &settings.source_options())?;
    let (data, own) = data_of(args.reference.as_deref(), &path, &settings, "--reference")?;
    let parts = ModelParts::load(&path)?;
    let choice = Choice {
        data: &data,
        split: args.held_out.split,
        settings: &own,
        inference: &args.inference,
    };
    let images = HeldOutImages::choose(choice, &parts.info, &[path])?;
    let model = Predictor::of_parts(&parts, &TestTime::default(), &device)?;
    let (said, targets) = images.predictions(&model, args.inference.batch_size())?;
    let classes: Option<Vec<usize>> = targets.iter().map(Target::class).collect();

    for warning in &folder.warnings {
        print::note(&warning.to_string());
    }
    let dataset = Dataset::new(folder, parts.info.preprocessing.limits(), 0);
    let all = (0..dataset.len()).collect();
    let checked = settings.checked_headers;
    let (samples, skipped) = usable(&dataset, args.inference.bad_images, checked, all)?;
    let dataset = Arc::new(dataset);
    let bar = ImageBar::new(samples.len());
    let mut new = Vec::with_capacity(samples.len());
    let done = model.predict_each(
        &dataset,
        &samples,
        args.inference.batch_size(),
        |batch, rows| -> Result<()> {
            new.extend(rows);
            bar.add(batch.len());
            Ok(())
        },
    );
    drop(bar);
    done.map_err(|error| with_others(error, &dataset))?;
    let found = Drift::of(
        &parts.info.classes,
        parts.info.task.outputs(),
        &said,
        classes.as_deref(),
        &new,
        DriftOptions::default(),
    )?;
    let told = drift::Told {
        drift: &found,
        data: &data,
        part: &images.part,
        left_out: skipped + images.skipped,
    };
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", drift::json(&told)?)?,
        false => write!(out, "{}", drift::text(&told, print::width()))?,
    }
    Ok(match found.is_found() {
        true => Ending::FoundProblems,
        false => Ending::Done,
    })
}
