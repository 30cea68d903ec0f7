//! `rekindle train --bag K`: K runs on samples of the training images, and their mean as one model.
//!
//! The directory has `bag.json` (how many, of what), `recipe.toml`, a list and a run for each (`bag-1.jsonl`, `bag-1/`), and in the end
//! `model.safetensors`, with the figures in `combined.json` and `report.html`. A bag that was stopped goes on with `train --resume`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rekindle_finetune::{
    FinetuneError, Latest, Plan, Recipe, RunDirectory, RunOutcome, bag_list, bag_recipe, run_in,
};
use rekindle_insight::{REPORT, write_combination};
use rekindle_model::ensemble::{HeldOut, MeanOf, Rule, TestTime, join};
use rekindle_model::{Predictor, create_directory, fetch_weights, write_whole};
use serde_json::json;

use super::ensemble::{singles, validation};
use super::held_out::{read_all, write_seen_of};
use super::naming::free_name;
use super::signals::Signals;
use super::train::{draw, outside_of_images, read_plan};
use super::train_flags::{Args, overrides};
use crate::Ending;
use crate::print::combined::{Combined, Measured, page, print, value};
use crate::print::{
    self, dashboard::Dashboard, fetching::FetchBar, plan, progress::ImageBar, transcript,
    words::shell_word,
};

/// What makes a directory a bag.
const BAG: &str = "bag.json";
/// The recipe of all its runs.
const RECIPE: &str = "recipe.toml";
/// The figures of the whole.
const COMBINED: &str = "combined.json";
/// Images per batch where the models are measured.
const BATCH: usize = 32;

/// Whether a directory is that of a bag.
pub fn is_bag(directory: &Path) -> bool {
    directory.join(BAG).is_file()
}

/// The members of a new bag, or of one that goes on.
struct Bag {
    directory: PathBuf,
    recipe: Recipe,
    data: PathBuf,
    models: usize,
}

impl Bag {
    fn list(&self, member: usize) -> PathBuf {
        self.directory.join(format!("bag-{member}.jsonl"))
    }

    fn run(&self, member: usize) -> PathBuf {
        self.directory.join(format!("bag-{member}"))
    }

    /// What a directory holds.
    fn read(directory: &Path) -> Result<Self> {
        let file = directory.join(BAG);
        let context = || format!("{} is not a bag that rekindle wrote", file.display());
        let text = fs::read_to_string(&file).with_context(context)?;
        let said: serde_json::Value = serde_json::from_str(&text).with_context(context)?;
        let models = said["models"].as_u64().with_context(context)?;
        let data = said["data"].as_str().with_context(context)?;
        Ok(Self {
            directory: directory.to_path_buf(),
            recipe: Recipe::load(Some(&directory.join(RECIPE)), &[])?,
            data: data.into(),
            models: models as usize,
        })
    }

    /// Writes the lists and what is needed to go on, which makes the directory a bag.
    fn write(&self, plan: &Plan) -> Result<()> {
        create_directory(&self.directory)?;
        for member in 1..=self.models {
            let list = bag_list(plan, member as u64)?;
            write_whole(&self.list(member), list.as_bytes())?;
        }
        write_whole(
            &self.directory.join(RECIPE),
            self.recipe.to_toml()?.as_bytes(),
        )?;
        let said = json!({ "models": self.models, "data": self.data });
        write_whole(&self.directory.join(BAG), said.to_string().as_bytes())?;
        Ok(())
    }
}

/// Trains a bag, new or begun.
///
/// # Errors
///
/// What a run can meet; the models cannot be combined.
pub fn run(args: &Args) -> Result<Ending> {
    let started = Instant::now();
    let signals = Signals::listen()?;
    let bag = match &args.resume {
        Some(directory) => Bag::read(&Latest::follow(directory))?,
        None => match begin(args)? {
            Some(bag) => bag,
            None => return Ok(Ending::Done),
        },
    };
    for member in 1..=bag.models {
        if let Some(ending) = train(&bag, member, args, started, &signals)? {
            return Ok(ending);
        }
    }
    combine(&bag, args.json)?;
    Ok(Ending::Done)
}

/// Makes a new bag; none for a plan that is only printed.
fn begin(args: &Args) -> Result<Option<Bag>> {
    let models = args.bag.context("no number of models is given")?;
    let recipe = Recipe::load(args.recipe.as_deref(), &overrides(args)?)?;
    let data = args.data.clone().context("no images are given")?;
    let named = || args.name.as_ref().map(|name| args.runs.join(name));
    let free = || args.runs.join(free_name(&args.runs, &data, ""));
    let directory = args.out.clone().or_else(named).unwrap_or_else(free);
    outside_of_images(&data, args.out.as_deref().unwrap_or(&args.runs))?;
    Latest::make_way(&directory);
    RunDirectory::check_free(&directory)?;
    let plan = Plan::new(recipe.clone(), &data)?;
    print::scan_notes(plan.dataset.folder());
    print::bad_images(&plan.bad_images);
    print::plan_notes(&plan);
    if args.dry_run {
        print::note(&format!(
            "{models} such runs, each on a sample of the training images"
        ));
        plan::print(&plan, &directory, args.json)?;
        return Ok(None);
    }
    let bag = Bag {
        directory,
        recipe,
        data: std::path::absolute(&data)?,
        models,
    };
    bag.write(&plan)?;
    if args.out.is_none() {
        Latest::point_at(&bag.directory);
    }
    Ok(Some(bag))
}

/// Trains one model where it is not trained yet; gives how the command ends where it was stopped.
fn train(
    bag: &Bag,
    member: usize,
    args: &Args,
    started: Instant,
    signals: &Signals,
) -> Result<Option<Ending>> {
    let directory = bag.run(member);
    let taken = match RunDirectory::resume(&directory) {
        Ok(taken) => taken,
        Err(FinetuneError::RunFinished { .. }) => return Ok(None),
        Err(FinetuneError::NothingToResume { .. }) => RunDirectory::create(&directory)?,
        Err(error) => return Err(error.into()),
    };
    if !args.quiet {
        print::note(&format!("model {member} of {}", bag.models));
    }
    let (recipe, data) = match taken.is_resumed() {
        true => read_plan(&directory)?,
        false => (bag_recipe(&bag.recipe, member as u64), bag.list(member)),
    };
    transcript::begin();
    let plan = Plan::new(recipe, &data)?;
    let mut bar = FetchBar::new(args.quiet);
    fetch_weights(&plan.card, &plan.recipe.backbone, &mut |at| bar.show(at))?;
    drop(bar);
    signals.training_begins();
    transcript::write_to(&directory.join("log.txt"));
    // The result is that of the bag.
    let mut progress = Dashboard::new(args.tui, args.quiet, args.json);
    progress.run_directory(&directory, taken.is_resumed());
    let outcome = run_in(taken, &plan, started, signals.stop(), &mut progress);
    progress.finish();
    match outcome? {
        RunOutcome::Finished(_) => {
            draw(&directory, true);
            if let Err(error) = rekindle_insight::write_report(&directory, &directory) {
                print::warning(&format!("there is no report: {error}"));
            }
            Ok(None)
        }
        RunOutcome::Interrupted => {
            let text = format!(
                "interrupted\nresume with: rekindle train --resume {}",
                shell_word(&bag.directory)
            );
            transcript::add(&text);
            let _ = writeln!(io::stderr(), "{text}");
            Ok(Some(Ending::Interrupted(signals.exit_code())))
        }
    }
}

/// The mean of the models as the result, measured on the validation images of all.
fn combine(bag: &Bag, json: bool) -> Result<()> {
    let paths: Vec<PathBuf> = (1..=bag.models)
        .map(|member| bag.run(member).join("model.safetensors"))
        .collect();
    let names: Vec<PathBuf> = (1..=bag.models).map(|member| bag.run(member)).collect();
    let (recipe, data) = read_plan(&bag.run(1))?;
    let plan = Plan::new(recipe, &data)?;
    let members = read_all(&paths)?;
    let predictors = members
        .iter()
        .map(|member| Predictor::of_parts(member, &TestTime::default(), &plan.device));
    let predictors: Vec<Predictor> = predictors.collect::<Result<_, _>>()?;
    let weights = vec![1.0 / bag.models as f64; bag.models];
    let rule = Rule::Mean {
        of: MeanOf::Probabilities,
        weights: weights.clone(),
    };
    let mut whole = join(members, rule, TestTime::default())?;
    let samples = &plan.split.validation;
    if samples.is_empty() {
        bail!("there are no validation images to measure the models on");
    }
    let bar = ImageBar::new(samples.len() * bag.models);
    let held = HeldOut::of(
        &whole.info,
        &predictors,
        &plan.dataset,
        samples,
        BATCH,
        |images| bar.add(images),
    );
    drop(bar);
    let held = held?;
    let report = held.report(&held.mean(MeanOf::Probabilities, &weights))?;
    let mut rows = singles(&names, &held, &[])?;
    rows.push(Measured::new("mean of all", report.clone()));
    whole.info.validation = validation(&report);
    let output = bag.directory.join("model.safetensors");
    whole.save(&output)?;
    write_seen_of(&output, &paths)?;
    let combined = Combined {
        data: Some((bag.data.clone(), "validation".into(), held.images())),
        rows,
        spread: held.spread(),
        ..Combined::new(&output, &whole.info)
    };
    write_combination(&bag.directory.join(REPORT), &page(&combined))?;
    let text = serde_json::to_string_pretty(&value(&combined)?)?;
    write_whole(&bag.directory.join(COMBINED), text.as_bytes())?;
    print(&combined, json)
}
