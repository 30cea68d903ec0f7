//! `rekindle ensemble`: several models to one file that says the mean of what they say.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use rekindle_insight::write_combination;
use rekindle_model::ensemble::{HeldOut, MeanOf, ModelParts, Rule, TestTime, join};
use rekindle_model::{Predictor, device_from_name};

use super::data_settings::data_settings;
use super::held_out::{Choice, HeldOutImages, check_output, check_page, read_all, write_seen_of};
use super::model::model_path;
use crate::Ending;
use crate::args::{HeldOutArgs, InferenceArgs, WrittenArgs};
use crate::print::combined::{Combined, Measured, page, print};

const EXAMPLES: &str = "\
Models may differ in backbone, size and rescaling, but must know the same classes. The file is used like any other model.
  rekindle ensemble runs/a runs/b runs/c -o three.safetensors
  rekindle ensemble runs/a runs/b --fit photos -o fitted.safetensors
  rekindle ensemble runs/a runs/b --tta flip -o flipped.safetensors";

/// Combine models into one file that says the mean of what they say
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Model files, or the directories of runs; two or more
    #[arg(required = true, num_args = 2.., value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    #[command(flatten)]
    pub written: WrittenArgs,
    /// What is averaged
    #[arg(long, value_name = "WHAT", default_value = "probabilities")]
    pub of: MeanOfArg,
    /// A weight for each model, with commas between them [default: all alike]
    #[arg(long, value_name = "W,W", value_delimiter = ',', conflicts_with = "fit", value_parser = weight)]
    pub weights: Vec<f64>,
    /// Fit the weights to these images, of which those that a model was trained on are left out
    #[arg(long, value_name = "DATA")]
    pub fit: Option<PathBuf>,
    /// Parts in which the fitted weights are measured, each with weights of the others
    #[arg(long, value_name = "K", default_value_t = 5, requires = "fit", value_parser = folds)]
    pub folds: usize,
    #[command(flatten)]
    pub held_out: HeldOutArgs,
    /// Average over further views of each image, kept in the file: `flip`, scales such as 1.15, or both, as flip,1.15
    #[arg(long, value_name = "VIEWS")]
    pub tta: Option<TestTime>,
    /// Write the figures as a page, too
    #[arg(long, value_name = "FILE.html", requires = "fit")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// What is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MeanOfArg {
    /// Probabilities, or numbers
    Probabilities,
    /// Logits
    Logits,
}

impl From<MeanOfArg> for MeanOf {
    fn from(of: MeanOfArg) -> Self {
        match of {
            MeanOfArg::Probabilities => Self::Probabilities,
            MeanOfArg::Logits => Self::Logits,
        }
    }
}

fn weight(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
        _ => Err("expected a number from 0, such as 0.5".into()),
    }
}

pub fn folds(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(folds @ 2..=100) => Ok(folds),
        _ => Err("expected a whole number from 2 to 100".into()),
    }
}

/// Combines, measures where there are images, writes and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let paths = args.models.iter().map(|model| model_path(model));
    let paths: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    check_output(
        &args.written.output,
        args.written.force,
        args.fit.as_deref(),
        &paths,
    )?;
    let weights = given_weights(args)?;
    let of = MeanOf::from(args.of);
    if let Some(file) = &args.report {
        check_page(file, args.written.force)?;
    }
    args.held_out.check_fit(args.fit.as_deref())?;
    let settings = data_settings(&args.held_out.set)?;
    let members = read_all(&paths)?;
    let predictors = match &args.fit {
        Some(_) => {
            let views = args.tta.clone().unwrap_or_default();
            let load = |member: &ModelParts| Predictor::of_parts(member, &views, &device);
            members.iter().map(load).collect::<Result<Vec<_>, _>>()?
        }
        None => Vec::new(),
    };
    let rule = Rule::Mean {
        of,
        weights: weights.clone(),
    };
    let mut whole = join(members, rule, args.tta.clone().unwrap_or_default())?;
    let Some(data) = &args.fit else {
        whole.save(&args.written.output)?;
        write_seen_of(&args.written.output, &paths)?;
        print(
            &Combined::new(&args.written.output, &whole.info),
            args.written.json,
        )?;
        return Ok(Ending::Done);
    };
    let choice = Choice {
        data,
        split: args.held_out.split,
        settings: &settings,
        inference: &args.inference,
    };
    let images = HeldOutImages::choose(choice, &whole.info, &paths)?;
    if images.images() < 2 * args.folds {
        bail!(
            "{} images make no {} parts of two or more; give more images that no model was trained on, or fewer --folds",
            images.images(),
            args.folds
        );
    }
    let held = images.outputs(&whole.info, &predictors, args.inference.batch_size())?;
    let fitted = held.fit_weights(of);
    let crossed = held.report(&held.cross_fitted_mean(of, &held.folds(args.folds)))?;
    let mut rows = singles(&args.models, &held, &fitted)?;
    let models = rows.len();
    let alike = vec![1.0 / models as f64; models];
    rows.push(Measured::new(
        "mean, weights alike",
        held.report(&held.mean(of, &alike))?,
    ));
    rows.push(Measured::new("mean, weights fitted", crossed.clone()));
    if let Some(combination) = &mut whole.info.after.combination {
        combination.rule = Rule::Mean {
            of,
            weights: fitted,
        };
    }
    whole.info.validation = validation(&crossed);
    whole.save(&args.written.output)?;
    images.write_seen(&args.written.output)?;
    let combined = Combined {
        data: Some((data.clone(), images.part.clone(), images.images())),
        skipped: images.skipped,
        rows,
        folds: Some(args.folds),
        spread: held.spread(),
        ..Combined::new(&args.written.output, &whole.info)
    };
    if let Some(file) = &args.report {
        write_combination(file, &page(&combined))?;
    }
    print(&combined, args.written.json)?;
    Ok(Ending::Done)
}

/// The weights as they were given, divided by their sum; all alike where none were.
fn given_weights(args: &Args) -> Result<Vec<f64>> {
    let models = args.models.len();
    if args.weights.is_empty() {
        return Ok(vec![1.0 / models as f64; models]);
    }
    let sum: f64 = args.weights.iter().sum();
    if args.weights.len() != models || sum <= 0.0 {
        bail!(
            "--weights {}: expected a weight for each of the {models} models, one of them above 0",
            args.weights
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",")
        );
    }
    Ok(args.weights.iter().map(|weight| weight / sum).collect())
}

/// The figures of each model by itself.
pub fn singles(names: &[PathBuf], held: &HeldOut, weights: &[f64]) -> Result<Vec<Measured>> {
    let each = names.iter().zip(held.rows()).enumerate();
    each.map(|(place, (name, outputs))| {
        let row = Measured::new(&name.display().to_string(), held.report(outputs)?);
        Ok(Measured {
            weight: weights.get(place).copied(),
            ..row
        })
    })
    .collect()
}

/// Figures as a model file keeps them.
pub fn validation(report: &rekindle_data::TaskReport) -> std::collections::BTreeMap<String, f64> {
    let figures = report
        .figures()
        .map(|(figure, value)| (figure.name.to_owned(), value));
    figures
        .chain([("images".to_owned(), report.samples() as f64)])
        .collect()
}
