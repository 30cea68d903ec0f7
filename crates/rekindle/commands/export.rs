//! `rekindle export`: a trained model for other programs.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use rekindle_export::{
    OnnxFile, OnnxOptions, WeightPrecision, White, check_onnx, check_timm, to_onnx, to_timm,
    write_new, write_timm,
};
use rekindle_model::{ModelFile, device_from_name};

use super::model::model_path;
use crate::Ending;
use crate::print::export::{onnx, timm};

/// Write a model for other programs: ONNX, or Python's timm
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// Where to write: a file, M.onnx, or for timm a folder
    #[arg(short, long, value_name = "PATH")]
    pub output: PathBuf,
    /// What to write
    #[arg(long, value_name = "FORMAT", default_value = "onnx")]
    pub format: FormatArg,
    /// In how many bits weights are kept
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    pub precision: PrecisionArg,
    /// Give logits in place of probabilities (ONNX)
    #[arg(long)]
    pub logits: bool,
    /// Take pixels and rescale them in the graph (ONNX); WHITE is what white is in them, 255 (if not said) or 1
    #[arg(long, value_name = "WHITE", num_args = 0..=1, require_equals = true, default_missing_value = "255")]
    pub include_rescale: Option<WhiteArg>,
    /// Replace what is there
    #[arg(long)]
    pub force: bool,
}

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// One file for ONNX Runtime and others
    Onnx,
    /// A folder that Python's timm loads
    Timm,
}

/// In how many bits weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// 32, as trained
    F32,
    /// 16, half the size
    F16,
}

/// What white is in the pixels of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhiteArg {
    /// Bytes as they are
    #[value(name = "255")]
    Byte,
    /// Bytes divided by 255
    #[value(name = "1")]
    One,
}

/// Exports, reads back and prints.
pub fn run(args: &Args) -> Result<Ending> {
    if args.format == FormatArg::Timm && (args.logits || args.include_rescale.is_some()) {
        bail!(
            "--logits and --include-rescale are for ONNX: timm's models take rescaled images and give logits; leave them out"
        );
    }
    let device = device_from_name("cpu")?;
    let model = ModelFile::load(&model_path(&args.model)?, &device)?;
    let precision = match args.precision {
        PrecisionArg::F32 => WeightPrecision::F32,
        PrecisionArg::F16 => WeightPrecision::F16,
    };
    let mut out = io::stdout().lock();
    match args.format {
        FormatArg::Onnx => {
            let options = OnnxOptions {
                logits: args.logits,
                rescale: args.include_rescale.map(|white| match white {
                    WhiteArg::Byte => White::Byte,
                    WhiteArg::One => White::One,
                }),
                precision,
            };
            if args.output.is_dir() {
                bail!(
                    "`{0}` is a folder; name the file to write, such as {0}/model.onnx",
                    args.output.display()
                );
            }
            let bytes = to_onnx(&model, &options)?;
            write_new(&args.output, &bytes, args.force)?;
            // What is on the disk, not what was meant.
            let file = OnnxFile::read(&rekindle_model::read(&args.output)?)?;
            let found = check_onnx(&file, &model, &options, &device)?;
            write!(out, "{}", onnx(&args.output, bytes.len(), &file, &found))?;
        }
        FormatArg::Timm => {
            let files = to_timm(&model, precision)?;
            write_timm(&args.output, &files, args.force)?;
            let weights = rekindle_model::read(&args.output.join("model.safetensors"))?;
            let found = check_timm(&weights, &model, precision, &device)?;
            write!(out, "{}", timm(&args.output, &files, &found))?;
        }
    }
    Ok(Ending::Done)
}
