//! `rekindle soup`: the mean of the weights of several trainings of one network, as one network.

use std::path::PathBuf;

use anyhow::Result;
use rekindle_model::ensemble::{ModelParts, TestTime, greedy_soup, soup};
use rekindle_model::{Predictor, device_from_name};

use super::data_settings::data_settings;
use super::ensemble::validation;
use super::held_out::{Choice, HeldOutImages, check_output, read_all, write_seen_of};
use super::model::model_path;
use crate::Ending;
use crate::args::{HeldOutArgs, InferenceArgs, WrittenArgs};
use crate::print::combined::{Combined, Measured, print};

const EXAMPLES: &str = "\
A soup is as fast as one model. It pays for runs from the same pretrained weights, with other seeds or settings, and for epochs of a run
(--set phase2.keep_every=2); models of other backbones are joined by `rekindle ensemble`.
  rekindle soup runs/a runs/b runs/c -o soup.safetensors
  rekindle soup runs/a/epochs/*.safetensors --fit held-out -o soup.safetensors";

/// Mix the weights of several trainings of one network to one model
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Model files, or the directories of runs; two or more
    #[arg(required = true, num_args = 2.., value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    #[command(flatten)]
    pub written: WrittenArgs,
    /// Take only models that make the soup no worse on these images, the best first; those that a model was trained on are left out
    #[arg(long, value_name = "DATA")]
    pub fit: Option<PathBuf>,
    #[command(flatten)]
    pub held_out: HeldOutArgs,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// Mixes, measures where there are images, writes and prints.
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
    args.held_out.check_fit(args.fit.as_deref())?;
    let settings = data_settings(&args.held_out.set)?;
    let models = read_all(&paths)?;
    let all: Vec<&ModelParts> = models.iter().collect();
    let mut alike = soup(&all)?;
    let Some(data) = &args.fit else {
        alike.save(&args.written.output)?;
        write_seen_of(&args.written.output, &paths)?;
        let combined = Combined {
            mixed: args
                .models
                .iter()
                .map(|path| (path.clone(), true))
                .collect(),
            ..Combined::new(&args.written.output, &alike.info)
        };
        print(&combined, args.written.json)?;
        return Ok(Ending::Done);
    };
    let choice = Choice {
        data,
        split: args.held_out.split,
        settings: &settings,
        inference: &args.inference,
    };
    let images = HeldOutImages::choose(choice, &alike.info, &paths)?;
    let report = |parts: &ModelParts| {
        let model = Predictor::of_parts(parts, &TestTime::default(), &device)?;
        let held = images.outputs(&parts.info, &[model], args.inference.batch_size())?;
        anyhow::Ok(held.report(held.rows()[0])?)
    };
    let mut rows = Vec::with_capacity(models.len() + 2);
    for (name, parts) in args.models.iter().zip(&models) {
        rows.push(Measured::new(&name.display().to_string(), report(parts)?));
    }
    let of_all = report(&alike)?;
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by(|one, other| {
        rows[*one]
            .report
            .loss()
            .total_cmp(&rows[*other].report.loss())
    });
    let best_first: Vec<&ModelParts> = order.iter().map(|place| &models[*place]).collect();
    let (mut whole, kept) = greedy_soup(&best_first, |parts| {
        report(parts).map(|found| -found.loss())
    })?;
    let mut is_in = vec![false; models.len()];
    for (place, kept) in order.iter().zip(kept) {
        is_in[*place] = kept;
    }
    let chosen = match is_in.iter().all(|is_in| *is_in) {
        true => {
            // The same models in another order add up to other last digits.
            std::mem::swap(&mut whole, &mut alike);
            of_all.clone()
        }
        false => report(&whole)?,
    };
    rows.push(Measured::new("all, alike", of_all));
    rows.push(Measured::new("chosen", chosen.clone()));
    whole.info.validation = validation(&chosen);
    whole.save(&args.written.output)?;
    images.write_seen(&args.written.output)?;
    let combined = Combined {
        data: Some((data.clone(), images.part.clone(), images.images())),
        skipped: images.skipped,
        rows,
        mixed: args.models.iter().cloned().zip(is_in).collect(),
        ..Combined::new(&args.written.output, &whole.info)
    };
    print(&combined, args.written.json)?;
    Ok(Ending::Done)
}
