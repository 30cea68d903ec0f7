//! `rekindle export`: a trained model for other programs.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use rekindle_export::{
    OnnxFile, OnnxOptions, WeightPrecision, White, check_onnx, check_predictor, check_timm,
    predictor_to_onnx, to_onnx, to_timm, write_new, write_timm,
};
use rekindle_model::ensemble::{ModelParts, TestTime};
use rekindle_model::{ModelFile, Predictor, device_from_name};

use super::model::model_path;
use crate::Ending;
use crate::print;
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
    let path = model_path(&args.model)?;
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
            let parts = ModelParts::load(&path)?;
            let plain = TestTime::default();
            if parts.info.after.test_time != plain {
                print::note(
                    "the graph looks at an image once; the further views that the model file names are left out",
                );
            }
            let (bytes, file, found) = match parts.info.after.combination {
                None => {
                    let model = ModelFile::load(&path, &device)?;
                    let bytes = to_onnx(&model, &options)?;
                    let file = kept(args, &bytes)?;
                    let found = check_onnx(&file, &model, &options, &device)?;
                    (bytes.len(), file, found)
                }
                Some(_) => {
                    let predictor = Predictor::of_parts(&parts, &plain, &device)?;
                    let predictor = predictor.with_test_time(&plain);
                    let bytes = predictor_to_onnx(&predictor, &options)?;
                    let file = kept(args, &bytes)?;
                    let found = check_predictor(&file, &predictor, &options)?;
                    (bytes.len(), file, found)
                }
            };
            write!(out, "{}", onnx(&args.output, bytes, &file, &found))?;
        }
        FormatArg::Timm => {
            let model = ModelFile::load(&path, &device)?;
            let files = to_timm(&model, precision)?;
            write_timm(&args.output, &files, args.force)?;
            let weights = rekindle_model::read(&args.output.join("model.safetensors"))?;
            let found = check_timm(&weights, &model, precision, &device)?;
            write!(out, "{}", timm(&args.output, &files, &found))?;
        }
    }
    Ok(Ending::Done)
}

/// Writes an ONNX file and reads it back: what is on the disk, not what was meant.
fn kept(args: &Args, bytes: &[u8]) -> Result<OnnxFile> {
    write_new(&args.output, bytes, args.force)?;
    Ok(OnnxFile::read(&rekindle_model::read(&args.output)?)?)
}
