//! `rekindle stack`: several models and held-out images to one file in which a meta-learner decides.

use std::path::PathBuf;

use anyhow::Result;
use rekindle_insight::write_combination;
use rekindle_model::ensemble::{MeanOf, ModelParts, Rule, TestTime, join};
use rekindle_model::{Predictor, device_from_name};

use super::data_settings::data_settings;
use super::ensemble::{folds, singles, validation};
use super::held_out::{Choice, HeldOutImages, check_output, check_page, read_all};
use super::model::model_path;
use crate::Ending;
use crate::args::{HeldOutArgs, InferenceArgs, WrittenArgs};
use crate::print::combined::{Combined, Measured, page, print};

const EXAMPLES: &str = "\
The meta-learner is a logistic regression on what the models say, fitted to images that none of them was trained on. It starts from \
their mean, and how far it may depart from it is chosen by the images themselves, in parts. The file is used like any other model.
  rekindle stack runs/a runs/b runs/c --data photos -o stack.safetensors";

/// Combine models by a meta-learner, fitted to images that none was trained on
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Model files, or the directories of runs
    #[arg(required = true, value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    /// The images, of which those that a model was trained on are left out
    #[arg(long, value_name = "DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    pub written: WrittenArgs,
    /// Parts in which it is chosen and measured, each by a fit of the others
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = folds)]
    pub folds: usize,
    #[command(flatten)]
    pub held_out: HeldOutArgs,
    /// Average each model over further views, kept in the file: `flip`, scales such as 1.15, or both, as flip,1.15
    #[arg(long, value_name = "VIEWS")]
    pub tta: Option<TestTime>,
    /// Write the figures as a page, too
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// Fits, measures, writes and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let paths = args.models.iter().map(|model| model_path(model));
    let paths: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    check_output(
        &args.written.output,
        args.written.force,
        Some(&args.data),
        &paths,
    )?;
    if let Some(file) = &args.report {
        check_page(file, args.written.force)?;
    }
    let settings = data_settings(&args.held_out.set)?;
    let members = read_all(&paths)?;
    let views = args.tta.clone().unwrap_or_default();
    let load = |member: &ModelParts| Predictor::of_parts(member, &views, &device);
    let predictors = members.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let models = members.len();
    let alike = vec![1.0 / models as f64; models];
    let rule = Rule::Mean {
        of: MeanOf::Logits,
        weights: alike.clone(),
    };
    let whole = join(members, rule, views.clone())?;
    let choice = Choice {
        data: &args.data,
        split: args.held_out.split,
        settings: &settings,
        inference: &args.inference,
    };
    let images = HeldOutImages::choose(choice, &whole.info, &paths)?;
    let held = images.outputs(&whole.info, &predictors, args.inference.batch_size())?;
    let fit = held.fit_stack(args.folds)?;
    let report = held.report(&fit.out_of_fold)?;
    let mut rows = singles(&args.models, &held, &[])?;
    for of in [MeanOf::Probabilities, MeanOf::Logits] {
        let name = format!("mean of {}", of.name());
        rows.push(Measured::new(&name, held.report(&held.mean(of, &alike))?));
    }
    rows.push(Measured::new("meta-learner", report.clone()));
    let mut whole = whole.with_stack(&fit);
    whole.info.validation = validation(&report);
    whole.save(&args.written.output)?;
    images.write_seen(&args.written.output)?;
    let combined = Combined {
        data: Some((args.data.clone(), images.part.clone(), images.images())),
        skipped: images.skipped,
        rows,
        folds: Some(args.folds),
        tried: fit.tried.clone(),
        spread: held.spread(),
        ..Combined::new(&args.written.output, &whole.info)
    };
    if let Some(file) = &args.report {
        write_combination(file, &page(&combined))?;
    }
    print(&combined, args.written.json)?;
    Ok(Ending::Done)
}
