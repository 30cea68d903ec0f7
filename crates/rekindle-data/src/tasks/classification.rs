//! One class of several: a softmax over the classes, cross-entropy, accuracy.

use super::figure::percent;
use super::{Better, Figure, Figures, Measure, Task, Unit, Words};
use crate::metrics::{Metrics, MetricsError, MetricsReport, wilson_interval};
use crate::number_scale::NumberScale;
use crate::output_kind::OutputKind;
use crate::target::{Target, TargetKind};

pub type Meter = Metrics;
pub type Report = MetricsReport;

/// Classes among the largest logits that count as right in the top-k accuracy.
const TOP_K: usize = 5;
/// Most classes whose confusion matrix is shown.
const MOST_CLASSES: usize = 20;

#[derive(Debug)]
pub struct Definition;

impl Task for Definition {
    fn name(&self) -> &'static str {
        "classification"
    }

    fn targets(&self) -> TargetKind {
        TargetKind::Class
    }

    fn outputs(&self) -> OutputKind {
        OutputKind::Distribution
    }

    fn words(&self) -> &'static Words {
        &Words {
            one: "class",
            more: "classes",
            of: "of",
            because: "each image has one class",
            differ: "in several classes",
            conflict: "in more than one class; keep each picture in the class it belongs to",
            place: "class and split",
            extremes: ["largest class", "smallest"],
            column: "the column `label`",
            unbalanced: ["", ""],
        }
    }

    fn losses(&self) -> &'static [&'static str] {
        &["cross_entropy", "focal"]
    }

    fn own_loss(&self) -> (&'static str, &'static [(&'static str, f64)]) {
        ("cross_entropy", &[("label_smoothing", 0.1)])
    }

    fn figures(&self) -> &'static [Figure] {
        &[
            Figure {
                name: "loss",
                label: "loss",
                short: "loss",
                unit: Unit::Loss,
                better: Better::Lower,
            },
            Figure {
                name: "accuracy",
                label: "accuracy",
                short: "accuracy",
                unit: Unit::Share,
                better: Better::Higher,
            },
            Figure {
                name: "balanced_accuracy",
                label: "balanced accuracy",
                short: "balanced",
                unit: Unit::Share,
                better: Better::Higher,
            },
            Figure {
                name: "macro_f1",
                label: "macro F1",
                short: "macro F1",
                unit: Unit::Score,
                better: Better::Higher,
            },
        ]
    }
}

impl Measure for Metrics {
    type Report = MetricsReport;

    fn of_outputs(outputs: usize, _: Option<&NumberScale>) -> Self {
        Self::new(outputs, TOP_K)
    }

    fn scored(self) -> Self {
        self.with_scores()
    }

    fn take(&mut self, outputs: &[f32], targets: &[&Target]) -> Result<(), MetricsError> {
        // What has no class is out of range, and refused with its number.
        let class = |target: &&Target| target.class().unwrap_or(usize::MAX);
        let classes: Vec<usize> = targets.iter().map(class).collect();
        self.add(outputs, &classes)
    }

    fn result(&self) -> Result<MetricsReport, MetricsError> {
        self.report()
    }
}

impl Figures for MetricsReport {
    fn value(&self, name: &str) -> Option<f64> {
        Some(match name {
            "loss" => self.loss,
            "accuracy" => self.accuracy,
            "balanced_accuracy" => self.balanced_accuracy,
            "macro_f1" => self.macro_f1,
            _ => return None,
        })
    }

    fn interval(&self, name: &str) -> Option<[f64; 2]> {
        (name == "accuracy").then(|| wilson_interval(self.accuracy, self.samples))
    }

    fn count(&self) -> u64 {
        self.samples
    }

    fn to_text(&self, names: &[String], width: usize) -> String {
        let [low, high] = wilson_interval(self.accuracy, self.samples).map(percent);
        let accuracy = format!(
            "{:>8}   95 % interval {low} to {high}",
            percent(self.accuracy)
        );
        let mut lines = vec![("accuracy".to_owned(), accuracy)];
        if self.top_k > 1 && self.top_k < names.len() {
            let share = percent(self.top_k_accuracy);
            lines.push((
                format!("top-{} accuracy", self.top_k),
                format!("{share:>8}"),
            ));
        }
        let balanced = percent(self.balanced_accuracy);
        lines.extend([
            ("balanced accuracy".to_owned(), format!("{balanced:>8}")),
            ("macro F1".to_owned(), format!("{:>8.3}", self.macro_f1)),
            ("loss".to_owned(), format!("{:>8.4}", self.loss)),
        ]);
        if let Some(scores) = self.scores.as_deref() {
            let of = |value: f64| format!("{value:>8.3}");
            lines.extend(scores.auroc.map(|value| ("AUROC".to_owned(), of(value))));
            let precision = scores.average_precision;
            lines.extend(precision.map(|value| ("average precision".to_owned(), of(value))));
            let error = scores.calibration.expected_error;
            lines.push(("Brier score".to_owned(), of(scores.brier)));
            lines.push(("calibration error".to_owned(), of(error)));
        }
        let mut text = super::lines(lines);
        text.push_str(&format!("\n{}", self.to_table(names, width)));
        if self.accuracy < 1.0 {
            let matrix = self.confusion_matrix(names, width);
            if let Some(matrix) = matrix.filter(|_| names.len() <= MOST_CLASSES) {
                text.push_str(&format!(
                    "\nrows: true class, columns: predicted class\n{matrix}"
                ));
            }
            text.push_str(&format!("\nmost confused\n{}", self.pairs(names, width)));
        }
        text
    }
}
