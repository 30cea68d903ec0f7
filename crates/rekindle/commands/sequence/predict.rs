//! `rekindle sequence predict`: a model and sequences to classes with probabilities.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use rekindle_data::{BadImages, Sequences};
use rekindle_model::device_from_name;
use rekindle_model::ensemble::AfterTraining;
use rekindle_sequence::{SequenceFeatures, SequencePredictor};

use super::{reading, there, with_a_way_on};
use crate::Ending;
use crate::args::{BadImagesArg, at_least_one};
use crate::print::predictions::{self, Columns, Prediction};
use crate::print::{self, progress::ImageBar};

/// Predict the classes of sequences
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file that `rekindle sequence train` wrote
    pub model: PathBuf,
    /// Folders of frames, folders of such folders, or lists with the columns path, group and frame
    #[arg(required = true, value_name = "SEQUENCES")]
    pub data: Vec<PathBuf>,
    /// Show the N most likely classes of each sequence [default: 3]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub top: Option<usize>,
    /// How lists are read: a setting that begins with `data.`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print a JSON array
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV with a header
    #[arg(long)]
    pub csv: bool,
    /// Device to compute on: cpu, or a backend such as wgpu:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// What to do with frames that cannot be decoded
    #[arg(long, value_name = "POLICY", default_value = "fail")]
    pub bad_images: BadImagesArg,
}

/// Classes shown for each sequence where nothing is said.
const TOP: usize = 3;

/// Predicts and prints.
pub fn run(args: &Args) -> Result<Ending> {
    there(&args.model)?;
    let device = device_from_name(&args.device)?;
    let recipe = reading(&args.set)?;
    for path in &args.data {
        if !path.exists() {
            bail!(
                "there is no folder or list `{}`; check the path",
                path.display()
            );
        }
    }
    let predictor = SequencePredictor::load(&args.model, &device)?;
    let sequences = Sequences::open_unlabelled(&args.data, &recipe.data.source_options())?;
    print::scan_notes(&sequences.list);
    let measured = measured(
        &predictor,
        sequences,
        args.bad_images,
        recipe.data.checked_headers,
    )?;
    let features: Vec<&SequenceFeatures> = measured.features.iter().collect();
    let rows = predictor.probabilities(&features)?;
    let top = args.top.unwrap_or(TOP);
    // A model of sequences has neither a temperature nor a threshold.
    let after = AfterTraining::default();
    let found: Vec<Prediction> = measured
        .sequences
        .list
        .samples
        .iter()
        .zip(rows)
        .map(|(sequence, row)| Prediction::new(sequence.path.clone(), &row, top, &after))
        .collect();
    let classes = &predictor.info().classes;
    let columns = Columns {
        top,
        ..Columns::default()
    };
    let mut out = io::stdout().lock();
    match (args.json, args.csv) {
        (true, _) => writeln!(out, "{}", predictions::json(&found, classes)?)?,
        (_, true) => predictions::csv(&mut out, &found, classes, columns)?,
        _ => predictions::table(&mut out, &found, classes, print::terminal_width())?,
    }
    Ok(Ending::Done)
}

/// The features of sequences, with a bar while they are computed.
pub(super) fn measured(
    predictor: &SequencePredictor,
    sequences: Sequences,
    bad_images: BadImagesArg,
    headers: usize,
) -> Result<rekindle_sequence::Measured> {
    let policy = match bad_images {
        BadImagesArg::Fail => BadImages::Fail,
        BadImagesArg::Skip => BadImages::Skip,
    };
    let mut bar: Option<(ImageBar, usize)> = None;
    let found = predictor.features(sequences, policy, headers, |done, of| {
        let (bar, before) = bar.get_or_insert_with(|| (ImageBar::new(of), 0));
        bar.add(done - *before);
        *before = done;
    });
    drop(bar);
    let found = found.map_err(|error| with_a_way_on(error, "--bad-images skip"))?;
    print::bad_images(&found.bad_frames);
    Ok(found)
}
