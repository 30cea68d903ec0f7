//! `rekindle train`: a recipe and labelled images to a run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rekindle_finetune::{FinetuneError, Plan, Recipe, RunOptions, RunOutcome, run as run_plan};

use rekindle_model::fetch_weights;

use super::naming::free_name;
use crate::Ending;
use crate::args::TrainArgs;
use crate::print::{
    self, closing, fetching::FetchBar, plan, progress::Progress, words::shell_word,
};

/// Trains, or prints the plan.
pub fn run(args: &TrainArgs, started: Instant) -> Result<Ending> {
    let (recipe, data, directory) = match &args.resume {
        Some(directory) => {
            let (recipe, data) = read_plan(directory)?;
            (recipe, data, directory.clone())
        }
        None => {
            let recipe = Recipe::load(args.recipe.as_deref(), &overrides(args)?)?;
            let data = args.data.clone().context("no images are given")?;
            let directory = args.runs.join(
                args.name
                    .clone()
                    .unwrap_or_else(|| free_name(&args.runs, &data, "")),
            );
            (recipe, data, directory)
        }
    };
    // Known at once, while the plan reads every image's header.
    if args.resume.is_none() && !args.dry_run && directory.exists() {
        return Err(FinetuneError::RunExists { path: directory }.into());
    }
    let plan = Plan::new(recipe, &data)?;
    print::scan_notes(plan.dataset.folder());
    print::bad_images(&plan.bad_images);
    print::plan_notes(&plan);
    if args.dry_run {
        plan::print(&plan, &directory, args.json)?;
        return Ok(Ending::Done);
    }
    let mut bar = FetchBar::new(args.quiet);
    fetch_weights(&plan.card, &plan.recipe.backbone, &mut |at| bar.show(at))?;
    drop(bar);
    let options = RunOptions {
        directory,
        resume: args.resume.is_some(),
        started,
        interrupt: interrupt_flag()?,
    };
    let mut progress = Progress::new(args.quiet, args.json);
    progress.run_directory(&options.directory, options.resume);
    let fresh = !options.directory.exists();
    let outcome = run_plan(&plan, &options, &mut progress);
    progress.finish();
    if outcome.is_err() && fresh {
        remove_unless_resumable(&options.directory);
    }
    match outcome? {
        RunOutcome::Finished(report) => {
            closing::print(&plan, &report, &options.directory, args.json)?;
            print::limit_note(&plan);
            Ok(Ending::Done)
        }
        RunOutcome::Interrupted => {
            let mut err = io::stderr().lock();
            let directory = &options.directory;
            writeln!(
                err,
                "interrupted; the checkpoint is {}",
                directory.join("checkpoint").display()
            )?;
            writeln!(
                err,
                "go on with: rekindle train --resume {}",
                shell_word(directory)
            )?;
            Ok(Ending::Interrupted)
        }
    }
}

/// The flags that stand for settings, as `key=value`, before those of `--set` so that none is lost without a word.
fn overrides(args: &TrainArgs) -> Result<Vec<String>> {
    let text = |key: &str, value: &str| format!("{key}={}", toml::Value::from(value));
    let weights = match args.weights.as_deref().map(Path::to_str) {
        Some(None) => bail!("the path given with --weights is not valid Unicode; rename the file"),
        other => other.flatten(),
    };
    let mut settings = args.set.clone();
    settings.extend(args.seed.map(|seed| format!("seed={seed}")));
    settings.extend(args.device.as_deref().map(|name| text("device", name)));
    settings.extend(
        args.backbone
            .as_deref()
            .map(|name| text("backbone.name", name)),
    );
    settings.extend(weights.map(|path| text("backbone.weights", path)));
    settings.extend(
        args.bad_images
            .map(|policy| text("data.bad_images", policy.name())),
    );
    settings.extend(args.limit.map(|images| format!("data.limit={images}")));
    Ok(settings)
}

/// Recipe and folder of a run, from its plan.toml.
fn read_plan(directory: &Path) -> Result<(Recipe, PathBuf)> {
    let path = directory.join("plan.toml");
    if directory.join("model.safetensors").is_file() && !directory.join("checkpoint").exists() {
        bail!(
            "the run {0} is finished, there is nothing to go on with; its result is {1}",
            directory.display(),
            directory.join("model.safetensors").display()
        );
    }
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "`{}` is not the directory of a run: cannot read {}",
            directory.display(),
            path.display()
        )
    })?;
    let origin = || format!("{} is not a plan that rekindle wrote", path.display());
    let mut table: toml::Table = text.parse().with_context(origin)?;
    let data = table
        .get("facts")
        .and_then(|facts| facts.get("data"))
        .and_then(toml::Value::as_str);
    let data = PathBuf::from(
        data.context("it names no folder of images")
            .with_context(origin)?,
    );
    let recipe = table
        .remove("recipe")
        .context("it has no recipe")
        .with_context(origin)?;
    let toml::Value::Table(recipe) = recipe else {
        bail!("{}: its recipe is no table", origin());
    };
    Ok((Recipe::of_table(recipe).with_context(origin)?, data))
}

/// Removes what a run that failed has written, unless there is a checkpoint to go on from, so that its name is free again.
fn remove_unless_resumable(directory: &Path) {
    if directory.join("checkpoint").exists() {
        return;
    }
    // The error of the run is the one to tell; a directory that holds anything else stays.
    for file in ["plan.toml", "split.json", "metrics.csv"] {
        let _ = std::fs::remove_file(directory.join(file));
    }
    let _ = std::fs::remove_dir(directory);
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the program at once.
fn interrupt_flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        let _ = writeln!(
            io::stderr(),
            "\nfinishing the step and writing a checkpoint; Ctrl-C again stops at once, without one"
        );
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(flag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn train_args(words: &[&str]) -> TrainArgs {
        match Args::try_parse_from([&["rekindle", "train"], words].concat())
            .unwrap()
            .command
        {
            Command::Train(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_become_settings_whatever_their_text_looks_like() {
        let args = train_args(&[
            "d",
            "--weights",
            "7",
            "--backbone",
            "a'b\"c",
            "--seed",
            "3",
            "--bad-images",
            "skip",
        ]);
        let recipe = Recipe::load(None, &overrides(&args).unwrap()).unwrap();
        assert_eq!(recipe.backbone.weights, Some("7".into()));
        assert_eq!(recipe.backbone.name, "a'b\"c");
        assert_eq!(recipe.seed, 3);
        assert_eq!(recipe.data.bad_images, rekindle_data::BadImages::Skip);
    }
}
