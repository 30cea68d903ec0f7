//! What commands have in common on the command line: shared flags, words of choices, and the ranges of numbers.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueEnum;
use rekindle_augment::MOST_BANDS;

/// What `evaluate` and `predict` share.
#[derive(Debug, clap::Args)]
pub struct InferenceArgs {
    /// Device to compute on: cpu, or a backend such as wgpu:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Images per batch; results do not depend on it [default: 32; `predict` on a CPU: 4]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch_size: Option<usize>,
    /// What to do with images that cannot be decoded
    #[arg(long, value_name = "POLICY", default_value = "fail")]
    pub bad_images: BadImagesArg,
}

impl InferenceArgs {
    /// Images per batch where what is computed is summed up at the end.
    pub fn batch_size(&self) -> usize {
        self.batch_size.unwrap_or(32)
    }

    /// Images per batch where rows are told as they are ready. A CPU that computes four images at once takes 4 to 15 % longer than with 32
    /// (measured), holds little more than for one, and tells the first rows at once; a GPU wants more to do.
    pub fn batch_size_of_a_stream(&self) -> usize {
        let is_cpu = matches!(self.device.as_str(), "cpu" | "flex" | "ndarray");
        self.batch_size.unwrap_or(if is_cpu { 4 } else { 32 })
    }
}

/// What commands share that write one model file.
#[derive(Debug, clap::Args)]
pub struct WrittenArgs {
    /// The file to write, OUT.safetensors
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Replace what is there
    #[arg(long)]
    pub force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// What commands share that fit to held-out images, or measure on them.
#[derive(Debug, clap::Args)]
pub struct HeldOutArgs {
    /// Which images of DATA [default: val/ if there is one, else all but test/]
    #[arg(long)]
    pub split: Option<SplitArg>,
    /// How DATA is read: a setting that begins with `data.`, as for `train`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl HeldOutArgs {
    /// Checks that there are images that they can be about.
    pub fn check_fit(&self, fit: Option<&Path>) -> Result<()> {
        if fit.is_none() && (self.split.is_some() || !self.set.is_empty()) {
            bail!(
                "--split and --set say which images of --fit and how they are read; give --fit DATA, or leave them out"
            );
        }
        Ok(())
    }
}

/// What to do with images that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BadImagesArg {
    /// Stop with an error that names them
    Fail,
    /// Leave them out and list them
    Skip,
}

impl BadImagesArg {
    /// The word of the command line and of recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// A part of a folder of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitArg {
    /// The validation images
    Val,
    /// The test images
    Test,
    /// The training images
    Train,
    /// Every image
    All,
}

pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("expected a whole number".into()),
    }
}

/// Channels of an image.
pub fn channels(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=MOST_BANDS).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from 1 to {MOST_BANDS}")),
    }
}

pub fn probability(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

pub fn up_to_100(text: &str) -> Result<usize, String> {
    within(text, 1, 100)
}

/// As many as a sheet has columns beside the evaluation view.
pub fn views(text: &str) -> Result<usize, String> {
    within(text, 1, 20)
}

fn within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from {least} to {most}")),
    }
}

/// From the smallest that networks take to one that no photograph needs.
pub fn side(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(pixels @ 32..=4096) => Ok(pixels),
        Ok(_) => Err("expected 32 to 4096".into()),
        Err(_) => Err("expected a whole number".into()),
    }
}
