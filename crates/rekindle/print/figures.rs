//! The figures of an evaluation, as text and as JSON.

use std::path::Path;

use anyhow::Result;
use rekindle_data::{Figure, TaskReport};
use serde_json::{Value, json};

use super::words;

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
    /// How many of those that were measured the model was trained on, as far as its run is known.
    pub trained_on: usize,
    /// The names of the classes, labels or numbers.
    pub classes: &'a [String],
    /// A figure that is told before all.
    pub metric: Option<&'static Figure>,
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
        "images_trained_on": of.trained_on,
        "classes": of.classes,
    });
    if let Some((figure, found)) = chosen(of, report) {
        value["metric"] = figure.name.into();
        value["value"] = found.into();
    }
    add_intervals(&mut value, report)?;
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

/// The figure that is told before all, with its value.
fn chosen(of: &Measured, report: &TaskReport) -> Option<(&'static Figure, f64)> {
    Some((of.metric?, report.figure(of.metric?.name)?))
}

/// Adds where the true values of figures lie, as `accuracy_interval_95`, for those for which it is known.
pub fn add_intervals(value: &mut Value, report: &TaskReport) -> Result<()> {
    for (figure, _) in report.figures() {
        if let Some(interval) = report.interval(figure.name) {
            value[format!("{}_interval_95", figure.name)] = serde_json::to_value(interval)?;
        }
    }
    Ok(())
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
    if let Some((figure, value)) = chosen(of, report) {
        let label = figure.label_of(of.classes.len());
        text.push_str(&format!("{label}: {}\n\n", figure.text(value)));
    }
    text.push_str(&report.to_text(&names, width));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_data::metrics::Metrics;

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
            trained_on: 0,
            classes,
            metric: None,
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
    fn a_figure_that_is_asked_for_is_told_first() {
        let (classes, report) = measured();
        let context = Measured {
            metric: report.task().figure("accuracy"),
            ..context(&classes)
        };
        let text = table(&context, &report, 80);
        assert_eq!(text.lines().nth(2), Some("accuracy: 66.7 %"), "{text}");
        let value: Value = serde_json::from_str(&json(&context, &report).unwrap()).unwrap();
        assert_eq!(
            (&value["metric"], &value["value"]),
            (&"accuracy".into(), &value["accuracy"])
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
