//! `rekindle summary`: what each stage of a backbone makes of an image, and what that takes. Needs no weights.

use std::io::{self, Write};

use anyhow::Result;
use rekindle_backbone::Architecture;
use rekindle_model::{architecture_from_name, card_from_name, device_from_name};

use crate::Ending;
use crate::args::{at_least_one, channels, side};
use crate::print::summary::{Summary, json, table};

/// Show the stages of a backbone: sizes, parameters, multiply-adds, memory
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backbone, with or without its weights tag; no weights are needed
    pub backbone: String,
    /// Side of the images in pixels, if not the one that belongs to the weights
    #[arg(long, value_name = "PX", value_parser = side)]
    pub size: Option<usize>,
    /// Channels of the image, such as 1 for grey; the first convolution is adapted as timm does
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = channels)]
    pub in_chans: usize,
    /// Batch size for the memory estimate
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub batch: usize,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// Sums up and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let architecture: Architecture = architecture_from_name(&args.backbone)?;
    let card = card_from_name(&args.backbone).ok();
    let own = card.map(|card| card.preprocessing.input_size);
    let size = args.size.map(|side| [side; 2]).or(own);
    let [height, width] = size.unwrap_or([224; 2]);
    let backbone = architecture
        .init(&device_from_name("cpu")?)
        .with_input_channels(args.in_chans);
    backbone.check_size([height, width])?;
    let stages = backbone.summary(height, width);
    let taps = backbone.stages().iter().map(|stage| stage.is_tap());
    let summary = Summary {
        backbone: architecture.name,
        image: [args.in_chans, height, width],
        batch: args.batch,
        stages: stages.into_iter().zip(taps).collect(),
    };
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", json(&summary)?)?,
        false => write!(out, "{}", table(&summary))?,
    }
    Ok(Ending::Done)
}
