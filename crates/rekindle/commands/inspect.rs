//! `rekindle inspect`: what a model file says of itself.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rekindle_data::metrics::short;
use rekindle_finetune::phase_title;
use rekindle_model::ensemble::{AfterTraining, Combination, Rule};
use rekindle_model::{ModelInfo, load_info};

use super::model::model_path;
use crate::Ending;
use crate::print::combined::rule_words;
use crate::print::words;

/// Show a model's metadata
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the description of a model.
pub fn run(args: &Args) -> Result<Ending> {
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
    without_features(&mut value);
    Ok(serde_json::to_string_pretty(&value)?)
}

/// Takes out the features of training images, half a megabyte that nobody reads; also those of members.
fn without_features(value: &mut serde_json::Value) {
    if let Some(known) = value.pointer_mut("/after/familiarity") {
        known.as_object_mut().map(|known| known.remove("bank"));
    }
    let members = value.pointer_mut("/after/combination/members");
    for member in members
        .and_then(serde_json::Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        without_features(&mut member["info"]);
    }
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
    let combination = info.after.combination.as_ref();
    match combination {
        Some(combination) => text.push_str(&members(combination)?),
        None => {
            writeln!(text, "Backbone    {} from {origin}", info.architecture)?;
            writeln!(text, "SHA-256     {sha256}")?;
        }
    }
    let names = words::capitalised(info.task.words().more);
    writeln!(text, "Task        {}", info.task.name())?;
    writeln!(text, "{names:<10}  {}: {classes}", info.classes.len())?;
    if let Some(scale) = &info.number_scale {
        let pairs = scale.mean.iter().zip(&scale.std);
        let pairs = pairs.map(|(mean, std)| format!("{} +- {}", short(*mean), short(*std)));
        writeln!(text, "Scale       {}", words::list(pairs))?;
    }
    if combination.is_none() {
        writeln!(text, "Input       {height}x{width}")?;
        writeln!(text, "Head        {head}")?;
    }
    // A soup is of several.
    if !info.best_phase.is_empty() {
        writeln!(
            text,
            "Best        {}, epoch {}",
            phase_title(&info.best_phase),
            info.best_epoch
        )?;
    }
    if !info.validation.is_empty() {
        writeln!(text, "Validation  {}", validation(info))?;
    }
    text.push_str(&added(&info.after));
    if combination.is_some() {
        return Ok(text);
    }
    let preprocessing = toml::Table::try_from(&info.preprocessing)?;
    writeln!(
        text,
        "\nPreprocessing\n\n{}",
        preprocessing.to_string().trim_end()
    )?;
    writeln!(text, "\nRecipe\n\n{}", info.recipe.trim_end())?;
    Ok(text)
}

/// The models of a combination, each with its weight, and what becomes of what they say.
fn members(combination: &Combination) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "Rule        {}", rule_words(&combination.rule))?;
    writeln!(text, "Networks    {}", combination.networks())?;
    let weights: &[f64] = match &combination.rule {
        Rule::Mean { weights, .. } => weights,
        Rule::Stack { .. } => &[],
    };
    for (place, member) in combination.members.iter().enumerate() {
        let [height, width] = member.info.preprocessing.input_size;
        let weight = weights.get(place).map(|weight| format!("{weight:.3}  "));
        writeln!(
            text,
            "  {}{}  {} {height}x{width}",
            weight.unwrap_or_default(),
            words::clean(&member.source),
            member.info.architecture
        )?;
    }
    Ok(text)
}

/// What was added after training, a line each.
fn added(after: &AfterTraining) -> String {
    let mut lines = Vec::new();
    if !after.test_time.is_empty() {
        let views = after.test_time.views();
        lines.push(format!(
            "Views       {} ({views} of each image)",
            after.test_time
        ));
    }
    if let Some(temperature) = &after.temperature {
        let [before, with] = temperature.log_loss;
        lines.push(format!(
            "Temperature {:.4}, fitted to {} images: log loss {before:.4} before, {with:.4} with it",
            temperature.value, temperature.images
        ));
    }
    if let Some(threshold) = &after.threshold {
        lines.push(format!(
            "Unknown     below {:.4}: answered {} of {} images, {} of them right",
            threshold.probability,
            words::percent(threshold.answered),
            threshold.images,
            words::percent(threshold.precision)
        ));
    }
    if let Some(known) = &after.familiarity {
        lines.push(format!(
            "Familiarity of {} training images ({} kept), as shares of {} held-out ones",
            known.chosen_from, known.kept, known.held_out
        ));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The figures, the loss behind the others; a model of a later version may have others.
fn validation(info: &ModelInfo) -> String {
    let mut figures = info.task.figures().iter().collect::<Vec<_>>();
    figures.rotate_left(1);
    let figures = figures.into_iter().filter_map(|figure| {
        let value = info.validation.get(figure.name)?;
        let label = figure.label_of(info.classes.len());
        Some(format!("{label} {}", figure.text(*value)))
    });
    let images = info.validation.get("images");
    let images = images.map(|images| format!("images {images}"));
    in_lines(figures.chain(images))
}

/// Items with commas between them, in lines of at most 80 columns that begin where the first does.
fn in_lines(items: impl Iterator<Item = String>) -> String {
    const INDENT: usize = 12;
    let (mut text, mut column) = (String::new(), INDENT);
    for (place, item) in items.enumerate() {
        let width = item.chars().count() + 2;
        if place > 0 {
            text.push(',');
            match column + width > 80 {
                true => {
                    text.push('\n');
                    text.push_str(&" ".repeat(INDENT));
                    column = INDENT;
                }
                false => text.push(' '),
            }
        }
        text.push_str(&item);
        column += width;
    }
    text
}
