//! What came of a calibration, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use rekindle_data::TaskReport;
use rekindle_model::ensemble::AfterTraining;
use serde_json::json;

use super::combined::{calibration_of, figures_value};
use super::words;

/// What was fitted, and what it changed.
#[derive(Debug)]
pub struct Calibrated<'a> {
    pub output: &'a Path,
    pub data: &'a Path,
    pub part: &'a str,
    pub skipped: usize,
    pub after: &'a AfterTraining,
    /// The figures before and with the temperature.
    pub reports: &'a [TaskReport; 2],
}

/// A few lines.
pub fn text(of: &Calibrated) -> String {
    let mut text = String::new();
    let images = words::count(of.reports[0].samples() as usize, "image", "images");
    let _ = writeln!(
        text,
        "Fitted to {images} of {} ({})\n",
        of.data.display(),
        of.part
    );
    let _ = writeln!(text, "{:<20}{:>10}{:>10}", "", "before", "after");
    let mut line = |name: &str, values: [Option<f64>; 2]| {
        if let [Some(before), Some(after)] = values {
            let _ = writeln!(text, "{name:<20}{before:>10.4}{after:>10.4}");
        }
    };
    let [before, after] = of.reports;
    line(
        "log loss",
        [before, after].map(|report| report.figure("loss")),
    );
    line("calibration error", [before, after].map(calibration_of));
    if let Some(temperature) = &of.after.temperature {
        let sure = match temperature.value > 1.0 {
            true => "it was too sure",
            false => "it was not sure enough",
        };
        let _ = writeln!(text, "\nTemperature {:.4} ({sure})", temperature.value);
    }
    if let Some(threshold) = &of.after.threshold {
        let _ = writeln!(
            text,
            "Unknown     below {:.4}: {} of the images are answered, {} of them right",
            threshold.probability,
            words::percent(threshold.answered),
            words::percent(threshold.precision)
        );
    }
    let _ = writeln!(text, "Result      {}", of.output.display());
    text
}

/// One object.
///
/// # Errors
///
/// A path is not valid Unicode.
pub fn json(of: &Calibrated) -> Result<String> {
    let [before, after] = of.reports;
    let value = json!({
        "model": of.output,
        "data": of.data,
        "split": of.part,
        "images": before.samples(),
        "images_left_out": of.skipped,
        "temperature": of.after.temperature,
        "threshold": of.after.threshold,
        "before": figures_value(before),
        "after": figures_value(after),
    });
    Ok(serde_json::to_string_pretty(&value)?)
}
