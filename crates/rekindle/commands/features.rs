//! `rekindle features`: what a stage of a backbone or of a model makes of images, as an array or a table.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rekindle_augment::Preprocessing;
use rekindle_backbone::Backbone;
use rekindle_data::{Dataset, open_data_to_check, open_unlabelled};
use rekindle_export::{FeatureExtractor, FeatureFile, FeatureFormat};
use rekindle_model::{
    BackboneRecipe, InputRecipe, ModelFile, device_from_name, fetch_weights, load_backbone,
    preprocessing, resolve_card,
};

use super::data_settings::data_settings;
use super::images::{usable, with_others};
use super::model::model_path;
use crate::Ending;
use crate::args::{InferenceArgs, channels, side};
use crate::print::fetching::FetchBar;
use crate::print::{self, progress::ImageBar};

const FEATURES_NOTES: &str = "\
The features of an image are the averages over height and width of what the stage makes of it, a number for each channel. F.npy is \
NumPy's array of f32, with F.csv beside it: path and label of each row. F.safetensors has them in its metadata, F.csv in columns. \
`rekindle summary BACKBONE` lists the stages.";

/// Write the features of images, as an array or a table
#[derive(Debug, clap::Args)]
#[command(after_help = FEATURES_NOTES)]
pub struct Args {
    /// A backbone, see `rekindle backbones`; or a model file, or the directory of a run
    #[arg(value_name = "BACKBONE|MODEL")]
    pub of: String,
    /// The images, as for `train`
    pub data: PathBuf,
    /// The file to write: F.npy, F.safetensors or F.csv
    #[arg(short, long, value_name = "F")]
    pub output: PathBuf,
    /// The stage whose features they are, by its name or its number from 0 [default: the last]
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Weights of the backbone: a file, hf://OWNER/REPO, or `random`
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Side of the images in pixels, where it is not that of the weights or the model
    #[arg(long, value_name = "PX", value_parser = side)]
    pub size: Option<usize>,
    /// Channels of the images: 3 colours, 1 for grey, or as many bands as the files have
    #[arg(long, value_name = "N", value_parser = channels)]
    pub in_chans: Option<usize>,
    /// Take DATA as images without labels, as `predict` does
    #[arg(long)]
    pub unlabelled: bool,
    /// How DATA is read: a setting that begins with `data.`, as for `train`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Replace what is there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// Computes features and writes them.
pub fn run(args: &Args) -> Result<Ending> {
    FeatureFormat::of(&args.output)?;
    let settings = data_settings(&args.set)?;
    let options = settings.source_options();
    let folder = match args.unlabelled {
        true => open_unlabelled(&[&args.data], &options)?,
        false => open_data_to_check(&args.data, &options)
            .context("DATA has no labels that can be read; for images alone pass --unlabelled")?,
    };
    match args.unlabelled {
        true => folder
            .warnings
            .iter()
            .for_each(|warning| print::note(&warning.to_string())),
        false => print::scan_notes(&folder),
    }
    let device = device_from_name(&args.inference.device)?;
    let (backbone, input) = network(args)?;
    backbone.check_size(input.input_size)?;
    let extractor = FeatureExtractor::new(&backbone, &input, args.stage.as_deref(), &device)?;
    let limits = input.limits();
    // Each image is needed once.
    let dataset = Dataset::new(folder, limits, 0);
    let all = (0..dataset.len()).collect();
    let checked = settings.checked_headers;
    let (samples, skipped) = usable(&dataset, args.inference.bad_images, checked, all)?;
    let (dataset, features) = (Arc::new(dataset), extractor.features());
    let folder = dataset.folder();
    let mut file = FeatureFile::create(&args.output, folder, &samples, features, args.force)?;
    let bar = ImageBar::new(samples.len());
    let batch_size = args.inference.batch_size();
    let done = extractor.run(
        &dataset,
        &samples,
        batch_size,
        |batch, rows| -> Result<()> {
            file.add(folder, batch, rows)?;
            bar.add(batch.len());
            Ok(())
        },
    );
    drop(bar);
    done.map_err(|error| with_others(error, &dataset))?;
    let list = file.list().map(Path::to_path_buf);
    file.finish()?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Wrote {}: {} images, {features} features of {} behind {}",
        args.output.display(),
        samples.len(),
        backbone.name(),
        extractor.stage()
    )?;
    if let Some(list) = list {
        writeln!(out, "Paths   {}", list.display())?;
    }
    if skipped > 0 {
        let images = samples.len() + skipped;
        print::warning(&format!("{skipped} of {images} images were left out"));
    }
    Ok(Ending::Done)
}

/// The backbone of a model, or one by name with its weights; and what images go through before it.
fn network(args: &Args) -> Result<(Backbone, Preprocessing)> {
    let device = &device_from_name(&args.inference.device)?;
    let path = Path::new(&args.of);
    if path.exists() || args.of.contains('/') {
        if args.weights.is_some() {
            bail!("--weights is for backbones by name; a model has its own weights, leave it out");
        }
        if args.in_chans.is_some() {
            bail!(
                "--in-chans is for backbones by name; a model takes its own channels, leave it out"
            );
        }
        let model = ModelFile::load(&model_path(path)?, device)?;
        let mut input = model.info.preprocessing;
        input.input_size = args.size.map_or(input.input_size, |side| [side; 2]);
        let backbone = model.network.backbone;
        let backbone = backbone.context("the model has no backbone")?;
        return Ok((backbone, input));
    }
    let recipe = BackboneRecipe {
        name: args.of.clone(),
        weights: args.weights.clone(),
    };
    let card = resolve_card(&recipe)?;
    let own = InputRecipe {
        size: args.size.map(|side| [side; 2]),
        channels: args.in_chans,
        ..InputRecipe::default()
    };
    let input = preprocessing(&card, &own)?;
    let mut bar = FetchBar::new(false);
    fetch_weights(&card, &recipe, &mut |at| bar.show(at))?;
    let loaded = load_backbone(&card, &recipe, 0, device)?;
    loaded.notes.iter().for_each(|note| print::note(note));
    let backbone = loaded.backbone.with_input_channels(input.channels());
    Ok((backbone, input))
}
