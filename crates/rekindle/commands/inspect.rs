//! `rekindle inspect`: what a model file says of itself.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use rekindle_finetune::metrics::short;
use rekindle_finetune::{ModelInfo, TaskKind, load_info};

use super::model::model_path;
use crate::Ending;
use crate::args::InspectArgs;
use crate::print::{closing::phase_words, words};

/// Prints the description of a model.
pub fn run(args: &InspectArgs) -> Result<Ending> {
    let path = model_path(&args.model)?;
    let info = load_info(&path)?;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", json(&info)?)?,
        false => write!(out, "{}", text(&path, &info)?)?,
    }
    Ok(Ending::Done)
}

/// The description with the recipe as an object in place of its TOML.
fn json(info: &ModelInfo) -> Result<String> {
    let mut value = serde_json::to_value(info)?;
    if let Ok(recipe) = info.recipe.parse::<toml::Table>() {
        value["recipe"] = serde_json::to_value(recipe)?;
    }
    Ok(serde_json::to_string_pretty(&value)?)
}

fn text(path: &Path, info: &ModelInfo) -> Result<String> {
    let mut text = String::new();
    let [height, width] = info.preprocessing.input_size;
    let (origin, sha256) = match info.backbone_sha256.as_str() {
        "" => ("random weights", "none"),
        sha256 => (info.backbone.as_str(), sha256),
    };
    let classes = words::list(info.classes.iter().map(|class| words::clean(class)));
    let head = match info.head.hidden.as_slice() {
        [] => "linear".to_owned(),
        hidden => format!("hidden layers of {}", words::list(hidden)),
    };
    writeln!(
        text,
        "Model       {}, written by rekindle {}",
        path.display(),
        info.rekindle
    )?;
    writeln!(text, "Backbone    {} from {origin}", info.architecture)?;
    writeln!(text, "SHA-256     {sha256}")?;
    let names = match info.task {
        TaskKind::Classification => "Classes",
        TaskKind::Multilabel => "Labels",
        TaskKind::Regression => "Numbers",
    };
    writeln!(text, "Task        {}", info.task.name())?;
    writeln!(text, "{names:<10}  {}: {classes}", info.classes.len())?;
    if let Some(scale) = &info.number_scale {
        let pairs = scale.mean.iter().zip(&scale.std);
        let pairs = pairs.map(|(mean, std)| format!("{} +- {}", short(*mean), short(*std)));
        writeln!(text, "Scale       {}", words::list(pairs))?;
    }
    writeln!(text, "Input       {height}x{width}")?;
    writeln!(text, "Head        {head}")?;
    writeln!(
        text,
        "Best        {}, epoch {}",
        phase_words(&info.best_phase),
        info.best_epoch
    )?;
    writeln!(text, "Validation  {}", validation(info))?;
    let preprocessing = toml::Table::try_from(&info.preprocessing)?;
    writeln!(
        text,
        "\nPreprocessing\n\n{}",
        preprocessing.to_string().trim_end()
    )?;
    writeln!(text, "\nRecipe\n\n{}", info.recipe.trim_end())?;
    Ok(text)
}

/// The figures in one line; a model of a later version may have others.
fn validation(info: &ModelInfo) -> String {
    let shown = |name: &str, label: &str, text: fn(f64) -> String| {
        let value = info.validation.get(name)?;
        Some(format!("{label} {}", text(*value)))
    };
    let figure = |name: &str, text: fn(f64) -> String| shown(name, &name.replace('_', " "), text);
    let [mae, rmse] = words::error_names(info.classes.len() > 1);
    let figures = [
        figure("accuracy", words::percent),
        figure("balanced_accuracy", words::percent),
        figure("map", |map| format!("{map:.3}")),
        figure("micro_f1", |f1| format!("{f1:.3}")),
        figure("r2", |r2| format!("{r2:.3}")),
        shown("mae", mae, short),
        shown("rmse", rmse, short),
        figure("loss", |loss| format!("{loss:.4}")),
        figure("images", |images| format!("{images}")),
    ];
    figures.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
