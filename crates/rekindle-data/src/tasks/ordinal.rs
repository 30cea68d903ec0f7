//! One level of several, from the lowest on: classes with an order, whose errors weigh more the further they are off.

use super::figure::percent;
use super::{Better, Figure, Figures, Measure, Task, Unit, Words};
use crate::metrics::{MetricsError, OrdinalMetrics, OrdinalReport};
use crate::number_scale::NumberScale;
use crate::output_kind::OutputKind;
use crate::target::{Target, TargetKind};

pub type Meter = OrdinalMetrics;
pub type Report = OrdinalReport;

#[derive(Debug)]
pub struct Definition;

impl Task for Definition {
    fn name(&self) -> &'static str {
        "ordinal"
    }

    fn targets(&self) -> TargetKind {
        TargetKind::Class
    }

    fn outputs(&self) -> OutputKind {
        OutputKind::Distribution
    }

    fn words(&self) -> &'static Words {
        &Words {
            one: "level",
            more: "levels",
            of: "of",
            because: "each image has one level of several in order (`data.ordinal`)",
            differ: "on several levels",
            conflict: "on more than one level; keep each picture on the level it belongs to",
            place: "level and split",
            extremes: ["largest level", "smallest"],
            column: "the column `label`",
            unbalanced: ["", ""],
        }
    }

    fn losses(&self) -> &'static [&'static str] {
        &["corn"]
    }

    fn own_loss(&self) -> (&'static str, &'static [(&'static str, f64)]) {
        ("corn", &[])
    }

    /// The mean error stands behind the loss: it is what an order is for.
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
                name: "mae",
                label: "MAE",
                short: "MAE",
                unit: Unit::Levels,
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
                name: "quadratic_kappa",
                label: "quadratic kappa",
                short: "kappa",
                unit: Unit::Score,
                better: Better::Higher,
            },
        ]
    }
}

impl Measure for OrdinalMetrics {
    type Report = OrdinalReport;

    fn of_outputs(outputs: usize, _: Option<&NumberScale>) -> Self {
        Self::new(outputs)
    }

    fn scored(self) -> Self {
        self.with_scores()
    }

    fn take(&mut self, outputs: &[f32], targets: &[&Target]) -> Result<(), MetricsError> {
        // What has no level is out of range, and refused with its number.
        let level = |target: &&Target| target.class().unwrap_or(usize::MAX);
        let levels: Vec<usize> = targets.iter().map(level).collect();
        self.add(outputs, &levels)
    }

    fn result(&self) -> Result<OrdinalReport, MetricsError> {
        self.report()
    }
}

impl Figures for OrdinalReport {
    fn value(&self, name: &str) -> Option<f64> {
        Some(match name {
            "mae" => self.mae,
            "quadratic_kappa" => self.quadratic_kappa,
            "loss" => self.levels.loss,
            "accuracy" => self.levels.accuracy,
            _ => return None,
        })
    }

    fn interval(&self, name: &str) -> Option<[f64; 2]> {
        self.levels.interval(name)
    }

    fn count(&self) -> u64 {
        self.levels.samples
    }

    fn to_text(&self, names: &[String], width: usize) -> String {
        let own = [
            ("MAE, in levels", format!("{:>8.3}", self.mae)),
            (
                "off by one at most",
                format!("{:>8}", percent(self.within_one)),
            ),
            ("quadratic kappa", format!("{:>8.3}", self.quadratic_kappa)),
        ];
        let classes = self.levels.to_text(names, width);
        // The tables of classes call a level what it is.
        let classes = classes.replacen(
            "rows: true class, columns: predicted class",
            "rows: true level, columns: predicted level",
            1,
        );
        format!("{}{classes}", super::lines(own))
    }
}
