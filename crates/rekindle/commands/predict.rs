//! `rekindle predict`: a model and images to classes with probabilities, to labels, or to numbers.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use rekindle_augment::DecodeLimits;
use rekindle_data::{Dataset, ImageFolder, SourceOptions, open_unlabelled};
use rekindle_data::{OutputKind, TaskKind};
use rekindle_model::{Predictor, device_from_name};

use super::data_settings::data_settings;
use super::images::usable;
use super::model::model_path;
use crate::Ending;
use crate::args::PredictArgs;
use crate::print::{
    self,
    predictions::{self, Prediction},
    progress::ImageBar,
    values::{self, Kind, Row},
};

/// Batches computed between two looks at the progress.
const BATCHES_AT_ONCE: usize = 8;
/// Classes shown for each image where nothing is said.
const TOP: usize = 3;

/// Predicts and prints.
pub fn run(args: &PredictArgs) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let path = model_path(&args.model)?;
    let settings = data_settings(&args.set)?;
    let folder = list(&args.images, &settings.source_options())?;
    let cache = Dataset::DEFAULT_CACHE_BYTES;
    let predictor = Predictor::load(&path, &device)?;
    let limits = DecodeLimits {
        range: predictor.info().preprocessing.range,
        ..DecodeLimits::default()
    };
    let dataset = Dataset::new(folder, limits, cache);
    let all = (0..dataset.len()).collect();
    let checked_headers = settings.checked_headers;
    let (samples, skipped) = usable(&dataset, args.inference.bad_images, checked_headers, all)?;
    check_options(args, predictor.info().task)?;
    let found = predict(&predictor, &Arc::new(dataset), &samples, args)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    write_found(&mut out, found, &predictor, args)?;
    out.flush()?;
    if skipped > 0 {
        let images = samples.len() + skipped;
        print::warning(&format!("{skipped} of {images} images were left out"));
    }
    Ok(Ending::Done)
}

/// Refuses options that the model's task has no use for.
fn check_options(args: &PredictArgs, task: TaskKind) -> Result<()> {
    let name = task.name();
    if args.top.is_some() && task.outputs() != OutputKind::Distribution {
        bail!(
            "--top is for models of one class of several, but this one is for {name}; leave it out"
        );
    }
    if args.threshold.is_some() && task.outputs() != OutputKind::Indicators {
        bail!(
            "--threshold is for models of several labels, but this one is for {name}; leave it out"
        );
    }
    Ok(())
}

fn predict(
    predictor: &Predictor,
    dataset: &Arc<Dataset>,
    samples: &[usize],
    args: &PredictArgs,
) -> Result<Vec<Row>> {
    let batch_size = args.inference.batch_size;
    let mut found = Vec::with_capacity(samples.len());
    let bar = ImageBar::new(samples.len());
    for part in samples.chunks(batch_size.saturating_mul(BATCHES_AT_ONCE)) {
        let rows = predictor.predict(dataset, part, batch_size)?;
        let paths = part
            .iter()
            .map(|&sample| dataset.folder().samples[sample].path.clone());
        found.extend(paths.zip(rows));
        bar.add(part.len());
    }
    Ok(found)
}

fn write_found(
    out: &mut impl Write,
    found: Vec<Row>,
    predictor: &Predictor,
    args: &PredictArgs,
) -> Result<()> {
    let names = &predictor.info().classes;
    let width = print::terminal_width();
    let kind = match predictor.info().task.outputs() {
        OutputKind::Distribution => {
            let top = args.top.unwrap_or(TOP);
            let found = found.into_iter();
            let found: Vec<Prediction> = found
                .map(|(path, row)| Prediction::new(path, &row, top))
                .collect();
            match (args.json, args.csv) {
                (true, _) => writeln!(out, "{}", predictions::json(&found, names)?)?,
                (_, true) => predictions::csv(out, &found, names, top)?,
                _ => predictions::table(out, &found, names, width)?,
            }
            return Ok(());
        }
        OutputKind::Indicators => Kind::Labels {
            threshold: args.threshold.unwrap_or(0.5),
        },
        OutputKind::Numbers => Kind::Numbers,
    };
    match (args.json, args.csv) {
        (true, _) => writeln!(out, "{}", values::json(&found, names, kind)?)?,
        (_, true) => values::csv(out, &found, names, kind)?,
        _ => values::table(out, &found, names, kind, width)?,
    }
    Ok(())
}

/// The images that the arguments name, folders, manifests and tar shards listed.
fn list(arguments: &[PathBuf], options: &SourceOptions) -> Result<ImageFolder> {
    for argument in arguments {
        if !argument.exists() {
            bail!(
                "there is no image or folder `{}`; check the path",
                argument.display()
            );
        }
    }
    Ok(open_unlabelled(arguments, options)?)
}
