//! `rekindle predict`: a model and images to classes with probabilities.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use rekindle_augment::DecodeLimits;
use rekindle_finetune::data::{Dataset, ImageFolder, list_images};
use rekindle_finetune::{DataRecipe, Predictor, device_from_name};

use super::images::usable;
use super::model::model_path;
use crate::Ending;
use crate::args::PredictArgs;
use crate::print::{
    self,
    predictions::{self, Prediction},
    progress::ImageBar,
};

/// Batches computed between two looks at the progress.
const BATCHES_AT_ONCE: usize = 8;

/// Predicts and prints.
pub fn run(args: &PredictArgs) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let path = model_path(&args.model)?;
    let paths = list(&args.images)?;
    let dataset = Dataset::new(
        ImageFolder::unlabelled(paths),
        DecodeLimits::default(),
        Dataset::DEFAULT_CACHE_BYTES,
    );
    let all = (0..dataset.len()).collect();
    let checked_headers = DataRecipe::default().checked_headers;
    let (samples, skipped) = usable(&dataset, args.inference.bad_images, checked_headers, all)?;
    let predictor = Predictor::load(&path, &device)?;
    let dataset = Arc::new(dataset);
    let classes = &predictor.info().classes;
    let batch_size = args.inference.batch_size;
    let mut found = Vec::with_capacity(samples.len());
    let bar = ImageBar::new(samples.len());
    for part in samples.chunks(batch_size.saturating_mul(BATCHES_AT_ONCE)) {
        let rows = predictor.probabilities(&dataset, part, batch_size)?;
        let paths = part
            .iter()
            .map(|&sample| dataset.folder().samples[sample].path.clone());
        found.extend(
            paths
                .zip(rows)
                .map(|(path, row)| Prediction::new(path, &row, args.top)),
        );
        bar.add(part.len());
    }
    drop(bar);
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.json {
        writeln!(out, "{}", predictions::json(&found, classes)?)?;
    } else if args.csv {
        predictions::csv(&mut out, &found, classes, args.top)?;
    } else {
        predictions::table(&mut out, &found, classes, print::terminal_width())?;
    }
    out.flush()?;
    if skipped > 0 {
        print::warning(&format!(
            "{skipped} of {} images were left out",
            dataset.len()
        ));
    }
    Ok(Ending::Done)
}

/// The images that the arguments name, folders listed.
fn list(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for argument in arguments {
        if !argument.exists() {
            bail!(
                "there is no image or folder `{}`; check the path",
                argument.display()
            );
        }
        paths.extend(list_images(argument)?);
    }
    Ok(paths)
}
