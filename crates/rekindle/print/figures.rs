//! The figures of an evaluation, as text and as JSON.

use std::path::Path;

use anyhow::Result;
use rekindle_finetune::metrics::{MetricsReport, TaskReport, short};
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
    /// The names of the classes, labels or numbers.
    pub classes: &'a [String],
}

/// Everything as one JSON object; shares are between 0 and 1.
///
/// # Errors
///
/// A path is not valid Unicode.
pub fn json(of: &Measured, report: &TaskReport) -> Result<String> {
    let mut value = json!({
        "model": of.model,
        "data": of.data,
        "split": of.part,
        "task": report.task().name(),
        "images": report.samples(),
        "images_left_out": of.skipped,
        "classes": of.classes,
    });
    if let TaskReport::Classification(report) = report {
        let interval = wilson_interval(report.accuracy, report.samples);
        value["accuracy_interval_95"] = serde_json::to_value(interval)?;
    }
    if let (Value::Object(all), Value::Object(figures)) =
        (&mut value, serde_json::to_value(report)?)
    {
        all.extend(figures.into_iter().filter(|(key, _)| key != "samples"));
    }
    for (rows, name) in [
        ("per_class", "class"),
        ("per_label", "label"),
        ("per_number", "number"),
    ] {
        let rows = value.get_mut(rows).and_then(Value::as_array_mut);
        for (row, class) in rows.into_iter().flatten().zip(of.classes) {
            row[name] = class.as_str().into();
        }
    }
    Ok(serde_json::to_string_pretty(&value)?)
}

/// Overall figures, and a row per class, label or number; of classes also the confusion matrix where it fits, and the pairs that are
/// mixed up most.
pub fn table(of: &Measured, report: &TaskReport, width: usize) -> String {
    let names: Vec<String> = of.classes.iter().map(|class| words::clean(class)).collect();
    let images = words::count(report.samples() as usize, "image", "images");
    let mut text = format!(
        "{} on {images} ({}) of {}\n\n",
        of.model.display(),
        of.part,
        of.data.display()
    );
    match report {
        TaskReport::Classification(report) => classes_text(&mut text, &names, report, width),
        TaskReport::Multilabel(report) => {
            line(&mut text, "mAP", format!("{:>8.3}", report.map));
            let at = format!(
                "{:>8.3}   at probability {}",
                report.macro_f1, report.threshold
            );
            line(&mut text, "macro F1", at);
            line(&mut text, "micro F1", format!("{:>8.3}", report.micro_f1));
            let right = words::percent(report.subset_accuracy);
            line(&mut text, "all labels right", format!("{right:>8}"));
            line(&mut text, "loss", format!("{:>8.4}", report.loss));
            text.push_str(&format!("\n{}", report.to_table(&names, width)));
        }
        TaskReport::Regression(report) => {
            line(&mut text, "R2", format!("{:>8.3}", report.r2));
            for (name, error) in words::error_names(report.in_deviations())
                .into_iter()
                .zip([report.mae, report.rmse])
            {
                line(&mut text, name, format!("{:>8}", short(error)));
            }
            line(&mut text, "loss", format!("{:>8.4}", report.loss));
            text.push_str(&format!("\n{}", report.to_table(&names, width)));
        }
    }
    text
}

fn line(text: &mut String, name: &str, value: String) {
    text.push_str(&format!("{name:<20}{value}\n"));
}

fn classes_text(text: &mut String, classes: &[String], report: &MetricsReport, width: usize) {
    let [low, high] = wilson_interval(report.accuracy, report.samples).map(words::percent);
    let mut line = |name: &str, value: String| line(text, name, value);
    line(
        "accuracy",
        format!(
            "{:>8}   95 % interval {low} to {high}",
            words::percent(report.accuracy)
        ),
    );
    if report.top_k > 1 && report.top_k < classes.len() {
        line(
            &format!("top-{} accuracy", report.top_k),
            format!("{:>8}", words::percent(report.top_k_accuracy)),
        );
    }
    line(
        "balanced accuracy",
        format!("{:>8}", words::percent(report.balanced_accuracy)),
    );
    line("macro F1", format!("{:>8.3}", report.macro_f1));
    line("loss", format!("{:>8.4}", report.loss));
    text.push_str(&format!("\n{}", report.to_table(classes, width)));
    let pairs = report.confusions();
    if pairs.is_empty() {
        return;
    }
    let matrix = report
        .confusion_matrix(classes, width)
        .filter(|_| classes.len() <= MOST_CLASSES);
    if let Some(matrix) = matrix {
        text.push_str(&format!(
            "\nrows: true class, columns: predicted class\n{matrix}"
        ));
    }
    text.push_str("\nmost confused\n");
    let room = width.saturating_sub(16) / 2;
    for (target, prediction, count) in pairs.iter().take(MOST_PAIRS) {
        let [target, prediction] = [target, prediction].map(|&class| {
            classes
                .get(class)
                .map_or_else(String::new, |name| words::cut_back(name, room))
        });
        text.push_str(&format!("{count:>8}  {target} taken for {prediction}\n"));
    }
    if pairs.len() > MOST_PAIRS {
        text.push_str(&format!(
            "          and {} more pairs\n",
            pairs.len() - MOST_PAIRS
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_finetune::metrics::Metrics;

    const CLASSES: [&str; 3] = ["cat", "dog", "emu"];

    fn measured() -> (Vec<String>, TaskReport) {
        let mut metrics = Metrics::new(3, 5);
        metrics
            .add(&[2.0, 0.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 1.0], &[0, 1, 2])
            .unwrap();
        (
            CLASSES.map(String::from).to_vec(),
            TaskReport::Classification(metrics.report().unwrap()),
        )
    }

    fn context(classes: &[String]) -> Measured<'_> {
        Measured {
            model: "m.safetensors".as_ref(),
            data: "photos".as_ref(),
            part: "test",
            skipped: 1,
            classes,
        }
    }

    #[test]
    fn the_table_has_figures_matrix_and_confused_pairs() {
        let (classes, report) = measured();
        let text = table(&context(&classes), &report, 80);
        assert!(
            text.contains("accuracy              66.7 %   95 % interval 20.8 % to 93.9 %"),
            "{text}"
        );
        assert!(text.contains("dog 1 0 0 1\n"), "{text}");
        assert!(text.contains("1  dog taken for emu"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn json_names_the_class_of_each_row() {
        let (classes, report) = measured();
        let value: Value =
            serde_json::from_str(&json(&context(&classes), &report).unwrap()).unwrap();
        assert_eq!(value["images"], 3);
        assert_eq!(value["images_left_out"], 1);
        assert_eq!(value["per_class"][1]["class"], "dog");
        assert_eq!(value["per_class"][1]["recall"], 0.0);
        assert_eq!(value["confusion"][1][2], 1);
    }
}
