//! `rekindle calibrate`: a model and held-out images to a file whose probabilities mean what they say, and that may answer `unknown`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use rekindle_data::TaskReport;
use rekindle_model::ensemble::{ModelParts, TestTime, threshold_for};
use rekindle_model::{Predictor, device_from_name};

use super::data_settings::data_settings;
use super::ensemble::validation;
use super::held_out::{Choice, HeldOutImages, check_output};
use super::model::model_path;
use crate::Ending;
use crate::args::{HeldOutArgs, InferenceArgs, WrittenArgs};
use crate::print::{self, calibrated};

const EXAMPLES: &str = "\
Logits are divided by a temperature, which changes no order of the classes. With --precision the model answers `unknown` where the \
likeliest class is less probable than what the images need to be right that often. The file is used like any other model.
  rekindle calibrate runs/a --data photos -o calibrated.safetensors
  rekindle calibrate runs/a --data photos --precision 0.95 -o careful.safetensors";

/// Fit a model's temperature, and from which probability on it answers
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// The images, of which those that the model was trained on are left out
    #[arg(long, value_name = "DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    pub written: WrittenArgs,
    /// Answer `unknown` below the probability from which on this share of the answers is right
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub precision: Option<f64>,
    #[command(flatten)]
    pub held_out: HeldOutArgs,
    /// Average over further views of each image, kept in the file: `flip`, scales such as 1.15, or both, as flip,1.15
    #[arg(long, value_name = "VIEWS")]
    pub tta: Option<TestTime>,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share above 0 and up to 1, such as 0.95".into()),
    }
}

/// Fits, writes and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let path = model_path(&args.model)?;
    let paths = [path.clone()];
    check_output(
        &args.written.output,
        args.written.force,
        Some(&args.data),
        &paths,
    )?;
    let settings = data_settings(&args.held_out.set)?;
    let mut parts = ModelParts::load(&path)?;
    // Fitted anew.
    parts.info.after.temperature = None;
    parts.info.after.threshold = None;
    if let Some(views) = &args.tta {
        parts.info.after.test_time = views.clone();
    }
    let choice = Choice {
        data: &args.data,
        split: args.held_out.split,
        settings: &settings,
        inference: &args.inference,
    };
    let images = HeldOutImages::choose(choice, &parts.info, &paths)?;
    let whole = rekindle_model::ModelInfo {
        after: Default::default(),
        ..parts.info.clone()
    };
    let predictor = Predictor::of_parts(&parts, &TestTime::default(), &device)?;
    let held = images.outputs(&whole, &[predictor], args.inference.batch_size())?;
    let outputs = held.rows()[0].to_vec();
    let temperature = held.fit_temperature(&outputs)?;
    let cooled: Vec<f32> = outputs
        .iter()
        .map(|logit| (f64::from(*logit) / temperature.value) as f32)
        .collect();
    let reports: [TaskReport; 2] = [held.report(&outputs)?, held.report(&cooled)?];
    parts.info.after.temperature = Some(temperature);
    if let Some(precision) = args.precision {
        let classes = held.classes("a threshold")?;
        let threshold = threshold_for(&held.predictions(&cooled), &classes, precision)?;
        if parts
            .info
            .classes
            .iter()
            .any(|class| class == rekindle_model::ensemble::AfterTraining::UNKNOWN)
        {
            print::warning(
                "a class of the model is called `unknown` itself, so that answer can mean either; rename the class",
            );
        }
        parts.info.after.threshold = Some(threshold);
    }
    parts.info.validation = validation(&reports[1]);
    parts.save(&args.written.output)?;
    images.write_seen(&args.written.output)?;
    let said = calibrated::Calibrated {
        output: &args.written.output,
        data: &args.data,
        part: &images.part,
        skipped: images.skipped,
        after: &parts.info.after,
        reports: &reports,
    };
    let mut out = io::stdout().lock();
    match args.written.json {
        true => writeln!(out, "{}", calibrated::json(&said)?)?,
        false => write!(out, "{}", calibrated::text(&said))?,
    }
    Ok(Ending::Done)
}
