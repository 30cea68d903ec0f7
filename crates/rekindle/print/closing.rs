//! The end of a run in words: what came out, how sure it is, what it cost, what to do with it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rekindle_data::TaskReport;
use rekindle_finetune::{Plan, RunReport, phase_title};

use super::figures::add_intervals;
use super::transcript;
use super::words::{self, shell_word};

/// Prints the result, as JSON or as text.
pub fn print(plan: &Plan, report: &RunReport, directory: &Path, json: bool) -> Result<()> {
    let turned = plan.dataset.turned();
    let peak = report.peak_memory_bytes;
    let text = text(plan, report, turned, peak, &data_words(plan), directory)?;
    transcript::add(&text);
    let mut out = io::stdout().lock();
    if json {
        let mut value = serde_json::to_value(report)?;
        value["task"] = plan.facts.task.name().into();
        value["classes"] = serde_json::to_value(&plan.facts.classes)?;
        add_intervals(&mut value, &report.validation)?;
        value["peak_memory_bytes"] = peak.into();
        value["images_turned_upright"] = turned.into();
        value["images_left_out"] = plan.bad_images.len().into();
        value["images_before_limit"] = plan.facts.images_before_limit.into();
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
        return Ok(());
    }
    write!(out, "\n{text}")?;
    Ok(())
}

fn text(
    plan: &Plan,
    report: &RunReport,
    turned: usize,
    peak: Option<u64>,
    data: &str,
    directory: &Path,
) -> Result<String> {
    let mut text = String::new();
    let validation = &report.validation;
    let (phase, epoch) = &report.best;
    writeln!(text, "Result      {}", report.model.display())?;
    writeln!(
        text,
        "Best        {}, epoch {epoch} ({} in all)",
        phase_title(phase),
        words::count(report.epochs, "epoch", "epochs")
    )?;
    writeln!(
        text,
        "Validation  {}",
        words::count(validation.samples() as usize, "image", "images")
    )?;
    for (name, value) in figures(validation, plan.facts.classes.len()) {
        writeln!(text, "  {name:<17}  {value:>7}")?;
    }
    write!(
        text,
        "Time        {}",
        words::duration(Duration::from_secs_f64(report.seconds))
    )?;
    if let Some(first) = report.seconds_to_first_step {
        write!(
            text,
            "; first training step at {}",
            words::duration(Duration::from_secs_f64(first))
        )?;
    }
    writeln!(
        text,
        "; {} waiting for images",
        words::percent(report.waited_share)
    )?;
    if let Some(bytes) = peak {
        writeln!(text, "Memory      {} MiB at the peak", bytes >> 20)?;
    }
    if turned > 0 {
        writeln!(
            text,
            "Images      {turned} turned upright, as their EXIF orientation asks"
        )?;
    }
    let run = shell_word(directory);
    writeln!(text, "\nNext")?;
    writeln!(
        text,
        "  rekindle evaluate {run} {data} --run-split {}",
        shell_word(&directory.join("split.json"))
    )?;
    writeln!(text, "  rekindle predict {run} IMAGE...")?;
    Ok(text)
}

/// The figures by name, the loss last.
fn figures(validation: &TaskReport, outputs: usize) -> Vec<(String, String)> {
    let mut figures: Vec<(String, String)> = validation
        .figures()
        .map(|(figure, value)| {
            let mut text = figure.text(value);
            if let Some(interval) = validation.interval(figure.name) {
                let [low, high] = interval.map(|value| figure.text(value));
                text = format!("{text:>7}   95 % interval {low} to {high}");
            }
            (figure.label_of(outputs), text)
        })
        .collect();
    figures.rotate_left(1);
    figures
}

/// The data as `evaluate` takes it, with the settings that it needs.
fn data_words(plan: &Plan) -> String {
    let mut words = vec![shell_word(&plan.dataset.folder().source)];
    for setting in plan.recipe.data.source_settings() {
        words.push(format!("--set {}", shell_word(Path::new(&setting))));
    }
    words.join(" ")
}
