//! Any number of labels for each image, also none: a sigmoid for each label, binary cross-entropy, average precision.

use super::figure::percent;
use super::{Better, Figure, Figures, Measure, Task, Unit, Words};
use crate::metrics::{MetricsError, MultilabelMetrics, MultilabelReport};
use crate::number_scale::NumberScale;
use crate::output_kind::OutputKind;
use crate::target::{Target, TargetKind};

pub type Meter = MultilabelMetrics;
pub type Report = MultilabelReport;

#[derive(Debug)]
pub struct Definition;

impl Task for Definition {
    fn name(&self) -> &'static str {
        "multilabel"
    }

    fn targets(&self) -> TargetKind {
        TargetKind::Labels
    }

    fn outputs(&self) -> OutputKind {
        OutputKind::Indicators
    }

    fn words(&self) -> &'static Words {
        &Words {
            one: "label",
            more: "labels",
            of: "with",
            because: "images have several labels",
            differ: "with different labels",
            conflict: "with different labels; keep one row for each picture, with all its labels",
            place: "split",
            extremes: ["most frequent label", "rarest"],
            column: "the column `labels`",
            unbalanced: [
                "any number of labels, so no class to be drawn by",
                ", and `loss.positive_weights` to find more of rare labels",
            ],
        }
    }

    fn losses(&self) -> &'static [&'static str] {
        &["binary_cross_entropy", "binary_focal"]
    }

    fn own_loss(&self) -> (&'static str, &'static [(&'static str, f64)]) {
        ("binary_cross_entropy", &[])
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
                name: "map",
                label: "mAP",
                short: "mAP",
                unit: Unit::Score,
                better: Better::Higher,
            },
            Figure {
                name: "macro_f1",
                label: "macro F1",
                short: "macro F1",
                unit: Unit::Score,
                better: Better::Higher,
            },
            Figure {
                name: "micro_f1",
                label: "micro F1",
                short: "micro F1",
                unit: Unit::Score,
                better: Better::Higher,
            },
            Figure {
                name: "subset_accuracy",
                label: "all labels right",
                short: "all",
                unit: Unit::Share,
                better: Better::Higher,
            },
        ]
    }
}

impl Measure for MultilabelMetrics {
    type Report = MultilabelReport;

    fn of_outputs(outputs: usize, _: Option<&NumberScale>) -> Self {
        Self::new(outputs)
    }

    fn scored(self) -> Self {
        self.with_scores()
    }

    fn take(&mut self, outputs: &[f32], targets: &[&Target]) -> Result<(), MetricsError> {
        self.add(outputs, targets.iter().map(|target| target.names()))
    }

    fn result(&self) -> Result<MultilabelReport, MetricsError> {
        self.report()
    }
}

impl Figures for MultilabelReport {
    fn value(&self, name: &str) -> Option<f64> {
        Some(match name {
            "loss" => self.loss,
            "map" => self.map,
            "macro_f1" => self.macro_f1,
            "micro_f1" => self.micro_f1,
            "subset_accuracy" => self.subset_accuracy,
            _ => return None,
        })
    }

    fn interval(&self, _: &str) -> Option<[f64; 2]> {
        None
    }

    fn count(&self) -> u64 {
        self.samples
    }

    fn to_text(&self, names: &[String], width: usize) -> String {
        let at = format!("{:>8.3}   at probability {}", self.macro_f1, self.threshold);
        let right = percent(self.subset_accuracy);
        let mut lines = vec![
            ("mAP", format!("{:>8.3}", self.map)),
            ("macro F1", at),
            ("micro F1", format!("{:>8.3}", self.micro_f1)),
            ("all labels right", format!("{right:>8}")),
            ("loss", format!("{:>8.4}", self.loss)),
        ];
        if let Some(scores) = self.scores.as_deref() {
            let of = |value: f64| format!("{value:>8.3}");
            lines.extend(scores.auroc.map(|value| ("AUROC", of(value))));
            lines.push(("Brier score", of(scores.brier)));
            lines.push(("calibration error", of(scores.calibration.expected_error)));
        }
        let text = super::lines(lines);
        format!("{text}\n{}", self.to_table(names, width))
    }
}
