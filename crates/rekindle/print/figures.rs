//! The figures of an evaluation, as text and as JSON.

use std::path::Path;

use anyhow::Result;
use rekindle_finetune::metrics::MetricsReport;
use serde_json::{Value, json};

use super::words::{self, wilson_interval};

/// Most classes whose confusion matrix is shown.
const MOST_CLASSES: usize = 20;
/// Most pairs of classes that are listed as mixed up.
const MOST_PAIRS: usize = 10;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// The model file.
    pub model: &'a Path,
    /// The folder.
    pub data: &'a Path,
    /// Which of its images.
    pub part: &'a str,
    /// Images left out.
    pub skipped: usize,
    /// The classes.
    pub classes: &'a [String],
}

/// Everything as one JSON object; shares are between 0 and 1.
///
/// # Errors
///
/// A path is not valid Unicode.
pub fn json(of: &Measured, report: &MetricsReport) -> Result<String> {
    let mut value = json!({
        "model": of.model,
        "data": of.data,
        "split": of.part,
        "images": report.samples,
        "images_left_out": of.skipped,
        "accuracy_interval_95": wilson_interval(report.accuracy, report.samples),
        "classes": of.classes,
    });
    if let (Value::Object(all), Value::Object(figures)) = (&mut value, serde_json::to_value(report)?) {
        all.extend(figures.into_iter().filter(|(key, _)| key != "samples"));
    }
    if let Some(rows) = value["per_class"].as_array_mut() {
        for (row, class) in rows.iter_mut().zip(of.classes) {
            row["class"] = class.as_str().into();
        }
    }
    Ok(serde_json::to_string_pretty(&value)?)
}

/// Overall figures, a row per class, the confusion matrix where it fits, and the pairs that are mixed up most.
pub fn table(of: &Measured, report: &MetricsReport, width: usize) -> String {
    let classes: Vec<String> = of.classes.iter().map(|class| words::clean(class)).collect();
    let [low, high] = wilson_interval(report.accuracy, report.samples).map(words::percent);
    let images = words::count(report.samples as usize, "image", "images");
    let mut text = format!("{} on {images} ({}) of {}\n\n", of.model.display(), of.part, of.data.display());
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<20}{value}\n"));
    line("accuracy", format!("{:>8}   95 % interval {low} to {high}", words::percent(report.accuracy)));
    if report.top_k > 1 && report.top_k < classes.len() {
        line(&format!("top-{} accuracy", report.top_k), format!("{:>8}", words::percent(report.top_k_accuracy)));
    }
    line("balanced accuracy", format!("{:>8}", words::percent(report.balanced_accuracy)));
    line("macro F1", format!("{:>8.3}", report.macro_f1));
    line("loss", format!("{:>8.4}", report.loss));
    text.push_str(&format!("\n{}", report.to_table(&classes, width)));
    let pairs = report.confusions();
    if pairs.is_empty() {
        return text;
    }
    if classes.len() <= MOST_CLASSES && matrix_fits(report, &classes, width) {
        text.push_str(&format!("\nrows: true class, columns: predicted class\n{}", report.confusion_table(&classes, width)));
    }
    text.push_str("\nmost confused\n");
    let room = width.saturating_sub(16) / 2;
    for (target, prediction, count) in pairs.iter().take(MOST_PAIRS) {
        let [target, prediction] =
            [target, prediction].map(|&class| classes.get(class).map_or_else(String::new, |name| words::cut_back(name, room)));
        text.push_str(&format!("{count:>8}  {target} taken for {prediction}\n"));
    }
    if pairs.len() > MOST_PAIRS {
        text.push_str(&format!("          and {} more pairs\n", pairs.len() - MOST_PAIRS));
    }
    text
}

/// Whether the matrix would be shown as such: its first line is a line of column numbers.
fn matrix_fits(report: &MetricsReport, classes: &[String], width: usize) -> bool {
    report.confusion_table(classes, width).lines().count() == report.confusion.len() + 1
        && report.confusion_table(classes, width).starts_with("  ")
        && !report.confusion_table(classes, width).contains(" as ")
}
