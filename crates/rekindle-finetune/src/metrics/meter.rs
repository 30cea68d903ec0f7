//! Measuring, whatever the task: which metrics belong to it, and what its figures are called.

use rekindle_head::TaskKind;
use serde::{Deserialize, Serialize};

use super::{
    Metrics, MetricsError, MetricsReport, MultilabelMetrics, MultilabelReport, RegressionMetrics,
    RegressionReport,
};
use crate::data::Target;
use crate::outputs::{NumberScale, Outputs};

/// Classes among the largest logits that count as right in the top-k accuracy.
const TOP_K: usize = 5;

/// Takes in batches of outputs with their targets.
#[derive(Debug, Clone)]
pub enum Meter {
    /// One class of several.
    Classification(Metrics),
    /// Any number of labels.
    Multilabel(MultilabelMetrics),
    /// Numbers.
    Regression(RegressionMetrics),
}

impl Meter {
    /// The metrics of a task, with nothing measured yet.
    pub fn new(outputs: &Outputs) -> Self {
        let names = outputs.names.len();
        match outputs.task {
            TaskKind::Classification => Self::Classification(Metrics::new(names, TOP_K)),
            TaskKind::Multilabel => Self::Multilabel(MultilabelMetrics::new(names)),
            TaskKind::Regression => {
                // Numbers always have a scale; without one they are as they are.
                let plain = || NumberScale {
                    mean: vec![0.0; names],
                    std: vec![1.0; names],
                };
                let scale = outputs.scale.clone().unwrap_or_else(plain);
                Self::Regression(RegressionMetrics::new(scale))
            }
        }
    }

    /// Adds a batch: the head's outputs row by row, and the samples' targets.
    ///
    /// # Errors
    ///
    /// [`MetricsError`] if they do not fit each other, or an output is not finite; nothing of the batch is counted then.
    pub fn add(&mut self, outputs: &[f32], targets: &[&Target]) -> Result<(), MetricsError> {
        match self {
            Self::Classification(metrics) => {
                let classes: Vec<usize> = targets.iter().map(|target| target.class()).collect();
                metrics.add(outputs, &classes)
            }
            Self::Multilabel(metrics) => {
                metrics.add(outputs, targets.iter().map(|target| target.names()))
            }
            Self::Regression(metrics) => {
                metrics.add(outputs, targets.iter().map(|target| target.numbers()))
            }
        }
    }

    /// The figures of all samples so far.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Empty`] before the first sample.
    pub fn report(&self) -> Result<TaskReport, MetricsError> {
        Ok(match self {
            Self::Classification(metrics) => TaskReport::Classification(metrics.report()?),
            Self::Multilabel(metrics) => TaskReport::Multilabel(metrics.report()?),
            Self::Regression(metrics) => TaskReport::Regression(metrics.report()?),
        })
    }
}

/// The figures of a set of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TaskReport {
    /// One class of several.
    Classification(MetricsReport),
    /// Any number of labels.
    Multilabel(MultilabelReport),
    /// Numbers.
    Regression(RegressionReport),
}

impl TaskReport {
    /// The figures of a task that every epoch has, the loss first, then the one that matters most as a rule.
    pub fn figure_names(task: TaskKind) -> &'static [&'static str] {
        match task {
            TaskKind::Classification => &["loss", "accuracy", "balanced_accuracy", "macro_f1"],
            TaskKind::Multilabel => &["loss", "map", "macro_f1", "micro_f1", "subset_accuracy"],
            TaskKind::Regression => &["loss", "r2", "mae", "rmse"],
        }
    }

    /// A figure by its name; none where the task has no such figure.
    pub fn figure(&self, name: &str) -> Option<f64> {
        Some(match (self, name) {
            (Self::Classification(report), "loss") => report.loss,
            (Self::Classification(report), "accuracy") => report.accuracy,
            (Self::Classification(report), "balanced_accuracy") => report.balanced_accuracy,
            (Self::Classification(report), "macro_f1") => report.macro_f1,
            (Self::Multilabel(report), "loss") => report.loss,
            (Self::Multilabel(report), "map") => report.map,
            (Self::Multilabel(report), "macro_f1") => report.macro_f1,
            (Self::Multilabel(report), "micro_f1") => report.micro_f1,
            (Self::Multilabel(report), "subset_accuracy") => report.subset_accuracy,
            (Self::Regression(report), "loss") => report.loss,
            (Self::Regression(report), "r2") => report.r2,
            (Self::Regression(report), "mae") => report.mae,
            (Self::Regression(report), "rmse") => report.rmse,
            _ => return None,
        })
    }

    /// The task.
    pub fn task(&self) -> TaskKind {
        match self {
            Self::Classification(_) => TaskKind::Classification,
            Self::Multilabel(_) => TaskKind::Multilabel,
            Self::Regression(_) => TaskKind::Regression,
        }
    }

    /// The names and values of the figures that every epoch has.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let names = Self::figure_names(self.task()).iter();
        names.filter_map(|name| Some((*name, self.figure(name)?)))
    }

    /// The loss on these samples: cross-entropy, binary cross-entropy, or the mean squared error of standardised numbers, whatever loss
    /// is trained on.
    pub fn loss(&self) -> f64 {
        match self {
            Self::Classification(report) => report.loss,
            Self::Multilabel(report) => report.loss,
            Self::Regression(report) => report.loss,
        }
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        match self {
            Self::Classification(report) => report.samples,
            Self::Multilabel(report) => report.samples,
            Self::Regression(report) => report.samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(task: TaskKind, names: &[&str]) -> Meter {
        Meter::new(&Outputs {
            task,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            scale: None,
        })
    }

    #[test]
    fn reports_of_every_task_survive_json_and_have_all_their_figures() {
        let label = Target::Labels([1].into());
        let number = Target::Numbers([2.5].into());
        let other = Target::Numbers([0.5].into());
        let mut reports = Vec::new();
        for (task, names, targets) in [
            (
                TaskKind::Classification,
                &["a", "b"][..],
                [&Target::Class(1), &Target::Class(0)],
            ),
            (TaskKind::Multilabel, &["a", "b"][..], [&label, &label]),
            (TaskKind::Regression, &["x"][..], [&number, &other]),
        ] {
            let mut meter = meter(task, names);
            let outputs = vec![0.5; 2 * names.len()];
            meter.add(&outputs, &targets).unwrap();
            let report = meter.report().unwrap();
            assert_eq!(report.task(), task);
            assert_eq!(report.samples(), 2);
            let found: Vec<&str> = report.figures().map(|(name, _)| name).collect();
            assert_eq!(found, TaskReport::figure_names(task));
            assert_eq!(report.figure("loss"), Some(report.loss()));
            assert_eq!(report.figure("nothing"), None);
            let text = serde_json::to_string(&report).unwrap();
            let read: TaskReport = serde_json::from_str(&text).unwrap();
            assert_eq!(read, report);
            reports.push(report);
        }
    }
}
