//! Numbers of each image, learned standardised: squared error, R².

use super::{Better, Figure, Figures, Measure, Task, Unit, Words};
use crate::metrics::{MetricsError, RegressionMetrics, RegressionReport};
use crate::number_scale::NumberScale;
use crate::output_kind::OutputKind;
use crate::target::{Target, TargetKind};

pub type Meter = RegressionMetrics;
pub type Report = RegressionReport;

#[derive(Debug)]
pub struct Definition;

impl Task for Definition {
    fn name(&self) -> &'static str {
        "regression"
    }

    fn targets(&self) -> TargetKind {
        TargetKind::Numbers
    }

    fn outputs(&self) -> OutputKind {
        OutputKind::Numbers
    }

    fn words(&self) -> &'static Words {
        &Words {
            one: "number",
            more: "numbers",
            of: "with",
            because: "images have numbers",
            differ: "with different numbers",
            conflict: "with different numbers; keep the right one",
            place: "split",
            extremes: ["greatest", "least"],
            column: "the model's numbers as columns",
            unbalanced: ["numbers and no classes", ""],
        }
    }

    fn losses(&self) -> &'static [&'static str] {
        &["mean_squared_error", "mean_absolute_error", "huber"]
    }

    fn own_loss(&self) -> (&'static str, &'static [(&'static str, f64)]) {
        ("mean_squared_error", &[])
    }

    /// R² stands behind the loss, since it alone weighs numbers of different units alike.
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
                name: "r2",
                label: "R2",
                short: "R2",
                unit: Unit::Score,
                better: Better::Higher,
            },
            Figure {
                name: "mae",
                label: "MAE",
                short: "MAE",
                unit: Unit::Own,
                better: Better::Lower,
            },
            Figure {
                name: "rmse",
                label: "RMSE",
                short: "RMSE",
                unit: Unit::Own,
                better: Better::Lower,
            },
        ]
    }
}

impl Measure for RegressionMetrics {
    type Report = RegressionReport;

    fn of_outputs(outputs: usize, scale: Option<&NumberScale>) -> Self {
        // Numbers always have a scale; without one they are as they are.
        let plain = || NumberScale {
            mean: vec![0.0; outputs],
            std: vec![1.0; outputs],
        };
        Self::new(scale.cloned().unwrap_or_else(plain))
    }

    fn take(&mut self, outputs: &[f32], targets: &[&Target]) -> Result<(), MetricsError> {
        self.add(outputs, targets.iter().map(|target| target.numbers()))
    }

    fn result(&self) -> Result<RegressionReport, MetricsError> {
        self.report()
    }
}

impl Figures for RegressionReport {
    fn value(&self, name: &str) -> Option<f64> {
        Some(match name {
            "loss" => self.loss,
            "r2" => self.r2,
            "mae" => self.mae,
            "rmse" => self.rmse,
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
        let [_, r2, mae, rmse] = Definition.figures() else {
            unreachable!("the list above has four figures");
        };
        let line = |figure: &Figure, value| {
            let value = figure.text(value);
            (
                figure.label_of(self.per_number.len()),
                format!("{value:>8}"),
            )
        };
        let loss = ("loss".to_owned(), format!("{:>8.4}", self.loss));
        let lines = [
            line(r2, self.r2),
            line(mae, self.mae),
            line(rmse, self.rmse),
            loss,
        ];
        let text = super::lines(lines);
        format!("{text}\n{}", self.to_table(names, width))
    }
}
