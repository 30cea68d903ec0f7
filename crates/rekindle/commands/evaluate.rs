//! `rekindle evaluate`: a model and images whose classes, labels or numbers are known to figures.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use rekindle_data::{
    ClassIndex, Dataset, Figure, ImageFolder, Split, SplitName, TaskKind, open_data_as,
};
use rekindle_model::ensemble::TestTime;
use rekindle_model::{Predictor, device_from_name, load_info};
use rekindle_settings::nearest;

use super::data_settings::data_settings;
use super::images::{usable, with_others};
use super::model::model_path;
use super::trained_on::{Chosen, trained_on, without};
use crate::Ending;
use crate::args::{InferenceArgs, SplitArg};
use crate::print::{self, figures, progress::ImageBar};

/// Evaluate a model on labelled images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// The images, as for `train`, with classes or labels that the model knows, or its numbers
    pub data: PathBuf,
    /// Images to evaluate on [default: test/ if there is one, else val/, else all; without those that the model was trained on]
    #[arg(long)]
    pub split: Option<SplitArg>,
    /// Evaluate on the validation images of this run (its directory or split.json), or on the part named with --split
    #[arg(long, value_name = "FILE")]
    pub run_split: Option<PathBuf>,
    /// How DATA is read: a setting that begins with `data.`, as for `train`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Figure to tell first, such as macro_f1
    #[arg(long, value_name = "FIGURE")]
    pub metric: Option<String>,
    /// Average predictions over further views: `flip`, scales such as 1.15, or both, as flip,1.15
    #[arg(long, value_name = "VIEWS")]
    pub tta: Option<TestTime>,
    /// Print the metrics as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// Measures a model and prints the figures.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let path = model_path(&args.model)?;
    let info = load_info(&path)?;
    let metric = match &args.metric {
        Some(name) => Some(figure(name, info.task)?),
        None => None,
    };
    let settings = data_settings(&args.set)?;
    let classes = ClassIndex::new(info.classes.clone())?;
    let folder = open_data_as(&args.data, &settings.source_options(), info.task, &classes)?;
    print::scan_notes(&folder);
    let (samples, part) = match &args.run_split {
        Some(file) => of_run(&folder, file, args.split)?,
        None => of_folder(&folder, args.split)?,
    };
    let known = match args.run_split {
        Some(_) => None,
        None => trained_on(&path)?,
    };
    let Chosen {
        samples,
        part,
        trained_on,
    } = match known {
        Some(known) => without(&known, &folder, samples, part, args.split)?,
        None => Chosen {
            samples,
            part,
            trained_on: 0,
        },
    };
    if samples.is_empty() {
        bail!(
            "`{}` has no {part} images; choose others with --split",
            args.data.display()
        );
    }
    let mut predictor = Predictor::load(&path, &device)?;
    if let Some(views) = &args.tta {
        predictor = predictor.with_test_time(views);
    }
    let limits = predictor.info().preprocessing.limits();
    let dataset = Dataset::new(only(folder, &samples), limits, Dataset::DEFAULT_CACHE_BYTES);
    let all = (0..dataset.len()).collect();
    let (samples, skipped) = usable(
        &dataset,
        args.inference.bad_images,
        settings.checked_headers,
        all,
    )?;
    let bar = ImageBar::new(samples.len());
    let batch_size = args.inference.batch_size();
    let dataset = Arc::new(dataset);
    let report = predictor.evaluate(&dataset, &samples, batch_size, |images| {
        bar.add(images);
    });
    drop(bar);
    let report = report.map_err(|error| with_others(error.into(), &dataset))?;
    let context = figures::Measured {
        model: &path,
        data: &args.data,
        part: &part,
        skipped,
        trained_on,
        classes: &info.classes,
        metric,
    };
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", figures::json(&context, &report)?)?,
        false => write!(out, "{}", figures::table(&context, &report, print::width()))?,
    }
    Ok(Ending::Done)
}

/// A task's figure by its name.
fn figure(name: &str, task: TaskKind) -> Result<&'static Figure> {
    if let Some(figure) = task.figure(name) {
        return Ok(figure);
    }
    let names: Vec<&str> = task.figures().iter().map(|figure| figure.name).collect();
    let close = nearest(name, names.iter().copied());
    let close = close.map_or(String::new(), |close| format!(", did you mean `{close}`?"));
    bail!(
        "--metric: a model for {} has no figure `{name}`{close}; there are {}",
        task.name(),
        names.join(", ")
    )
}

/// The folder with these samples alone, so that others are neither checked nor read.
pub(super) fn only(folder: ImageFolder, samples: &[usize]) -> ImageFolder {
    let kept = samples
        .iter()
        .map(|&sample| folder.samples[sample].clone())
        .collect();
    ImageFolder {
        samples: kept,
        least_per_class: 0,
        ..folder
    }
}

/// The images of a part of the folder, and the part's name.
fn of_folder(folder: &ImageFolder, split: Option<SplitArg>) -> Result<(Vec<usize>, String)> {
    let all = || ((0..folder.samples.len()).collect(), "all".to_owned());
    let named = |split: SplitName| {
        let of_split = |&index: &usize| folder.samples[index].split == Some(split);
        (
            (0..folder.samples.len()).filter(of_split).collect(),
            split.to_string(),
        )
    };
    Ok(match split {
        Some(SplitArg::All) => all(),
        Some(SplitArg::Train) => named(SplitName::Train),
        Some(SplitArg::Val) => named(SplitName::Validation),
        Some(SplitArg::Test) => named(SplitName::Test),
        None if folder.has(SplitName::Test) => named(SplitName::Test),
        None if folder.has(SplitName::Validation) => named(SplitName::Validation),
        None => all(),
    })
}

/// The images of a part of a run's split, and the part's name.
fn of_run(
    folder: &ImageFolder,
    file: &Path,
    split: Option<SplitArg>,
) -> Result<(Vec<usize>, String)> {
    let inside = file.join("split.json");
    let (saved, _) = Split::load(folder, if file.is_dir() { &inside } else { file })?;
    let Split {
        train,
        validation,
        test,
    } = saved;
    Ok(match split {
        None | Some(SplitArg::Val) => (validation, "validation".into()),
        Some(SplitArg::Train) => (train, "train".into()),
        Some(SplitArg::Test) => (test, "test".into()),
        Some(SplitArg::All) => ([train, validation, test].concat(), "all".into()),
    })
}
