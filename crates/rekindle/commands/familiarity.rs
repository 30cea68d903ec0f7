//! `rekindle familiarity`: a model and the images of its training to a file that knows how familiar a picture is.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use rekindle_model::ensemble::{ModelParts, TestTime};
use rekindle_model::{Familiarity, Predictor, device_from_name};

use super::data_settings::data_settings;
use super::held_out::{
    Choice, HeldOutImages, check_output, data_of, features_of_trained, write_seen_of,
};
use super::model::model_path;
use crate::Ending;
use crate::args::{HeldOutArgs, InferenceArgs, WrittenArgs};
use crate::print::familiarity;

const EXAMPLES: &str = "\
`predict` then says of each picture which share of held-out pictures is at least as unlike the training pictures: 0.02 is stranger than 98 % \
of them. The file is used like any other model (docs/familiarity.md).
  rekindle familiarity runs/a -o a.safetensors
  rekindle predict a.safetensors new/ --min-familiarity 0.02";

/// Training images that are looked at; more cover no more.
const MOST_TRAINED: usize = 4096;
/// Held-out images that are looked at; a share of so many is known to half a percent.
const MOST_HELD_OUT: usize = 2000;

/// Keep in a model what its training images are like, so that it knows strange ones
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model file of one network, or the directory of a run
    pub model: PathBuf,
    /// The images: those that the model was trained on, and others that were held out [default: those of its run]
    #[arg(long, value_name = "DATA")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub written: WrittenArgs,
    #[command(flatten)]
    pub held_out: HeldOutArgs,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// Looks, writes and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let path = model_path(&args.model)?;
    let paths = [path.clone()];
    let settings = data_settings(&args.held_out.set)?;
    let (data, own) = data_of(args.data.as_deref(), &path, &settings, "--data")?;
    check_output(
        &args.written.output,
        args.written.force,
        Some(&data),
        &paths,
    )?;
    let mut parts = ModelParts::load(&path)?;
    if let Some(combination) = &parts.info.after.combination {
        bail!(
            "{} combines several networks, and familiarity is of one network's features; add it to a model that it was made of: {}",
            path.display(),
            combination.sources()
        );
    }
    // Fitted anew.
    parts.info.after.familiarity = None;
    let choice = Choice {
        data: &data,
        split: args.held_out.split,
        settings: &own,
        inference: &args.inference,
    };
    let images = HeldOutImages::choose(choice, &parts.info, &paths)?;
    let model = Predictor::of_parts(&parts, &TestTime::default(), &device)?;
    let Some(network) = model.network() else {
        bail!("{} holds no network", path.display());
    };
    let width = network.head.features();
    let batch_size = args.inference.batch_size();
    let trained = features_of_trained(choice, &model, &path, MOST_TRAINED)?;
    let held = images.features(&model, batch_size, MOST_HELD_OUT)?;
    let found = Familiarity::of(&trained, &held, width)?;
    let told = familiarity::Told {
        output: &args.written.output,
        data: &data,
        part: &images.part,
        skipped: images.skipped,
        familiarity: &found,
    };
    let text = match args.written.json {
        true => familiarity::json(&told)?,
        false => familiarity::text(&told),
    };
    parts.info.after.familiarity = Some(found);
    parts.save(&args.written.output)?;
    // Held-out images stay new to all that is fitted or measured later.
    write_seen_of(&args.written.output, &paths)?;
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(Ending::Done)
}
