//! `rekindle inspect`: what a model file says of itself.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use rekindle_finetune::{ModelInfo, load_info};

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
    let origin = match info.backbone_sha256.as_str() {
        "" => "random weights".to_owned(),
        sha256 => format!("{}, weights {}", info.backbone, words::first(sha256, 12)),
    };
    writeln!(text, "Model        {}, written by rekindle {}", path.display(), info.rekindle)?;
    writeln!(text, "Backbone     {} from {origin}", info.architecture)?;
    let classes = words::list(info.classes.iter().map(|class| words::clean(class)));
    writeln!(text, "Classes      {}: {classes}", info.classes.len())?;
    let preprocessing = &info.preprocessing;
    writeln!(text, "Input        {height}x{width}, {}", serde_json::to_string(preprocessing)?)?;
    writeln!(text, "Head         {}", serde_json::to_string(&info.head)?)?;
    writeln!(text, "Best epoch   {} of {}", info.best_epoch, phase_words(&info.best_phase))?;
    writeln!(text, "Validation")?;
    for (name, value) in &info.validation {
        match name.as_str() {
            "images" => writeln!(text, "  {name:<18} {value}")?,
            "loss" => writeln!(text, "  {name:<18} {value:.4}")?,
            _ => writeln!(text, "  {name:<18} {}", words::percent(*value))?,
        }
    }
    writeln!(text, "\nRecipe\n\n{}", info.recipe.trim_end())?;
    Ok(text)
}
