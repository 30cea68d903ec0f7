//! What can be learned of images. A task is a file in `tasks/` and a line in the list below, which makes [`TaskKind`], [`Meter`] and
//! [`TaskReport`]; nothing else in the workspace lists the tasks.
//!
//! A file says what the task's targets and outputs are, which losses suit it, which figures measure it and the words for all of these.
//! Code that works on targets looks at their form, [`TargetKind`], and code that works on outputs at theirs, [`OutputKind`]; a further
//! task has forms that are there already, as a rule.

mod classification;
mod figure;
mod labels;
mod numbers;
mod ordinal;

use std::ops::Deref;

use serde::{Deserialize, Serialize};

pub use figure::{Better, Figure, Unit};

use crate::metrics::{MetricsError, MetricsReport};
use crate::number_scale::NumberScale;
use crate::output_kind::OutputKind;
use crate::target::{Target, TargetKind};

/// What belongs to one kind of task. Its file in `tasks/` implements it; a [`TaskKind`] dereferences to it.
pub trait Task: std::fmt::Debug + Sync {
    /// The name in plans and files.
    fn name(&self) -> &'static str;
    /// The form of its targets.
    fn targets(&self) -> TargetKind;
    /// The form of its outputs.
    fn outputs(&self) -> OutputKind;
    /// The words for its outputs and targets.
    fn words(&self) -> &'static Words;
    /// The names of the losses that suit it.
    fn losses(&self) -> &'static [&'static str];
    /// The loss that is trained on where none is named, with the settings in which it differs from that loss' own defaults.
    fn own_loss(&self) -> (&'static str, &'static [(&'static str, f64)]);
    /// The figures that every epoch has: the loss, then the one by which the best epoch is chosen where nothing is said, then the others.
    fn figures(&self) -> &'static [Figure];

    /// A figure by its name in reports, `accuracy`, or by its name in recipes, `validation_accuracy`; none where the task has none such.
    fn figure(&self, name: &str) -> Option<&'static Figure> {
        let name = name.strip_prefix(Figure::OF_VALIDATION).unwrap_or(name);
        self.figures().iter().find(|figure| figure.name == name)
    }

    /// The figure by which the best epoch is chosen where nothing is said.
    fn own_figure(&self) -> &'static Figure {
        &self.figures()[1]
    }
}

/// The words for a task's outputs and targets.
#[derive(Debug)]
pub struct Words {
    /// One output: `class`.
    pub one: &'static str,
    /// Several: `classes`.
    pub more: &'static str,
    /// Between images and outputs: images `of` 3 classes, images `with` 3 labels.
    pub of: &'static str,
    /// Why a loss or a figure of another task does not fit: `each image has one class`.
    pub because: &'static str,
    /// The same picture `in several classes`.
    pub differ: &'static str,
    /// The same, as a finding with its remedy.
    pub conflict: &'static str,
    /// Where copies are that do no harm: in one `class and split`.
    pub place: &'static str,
    /// The most and the least frequent output: `largest class`, `smallest`.
    pub extremes: [&'static str; 2],
    /// Where a manifest says the targets: `the column `label``.
    pub column: &'static str,
    /// Why classes cannot be drawn equally often, and what else can be done; empty where they can.
    pub unbalanced: [&'static str; 2],
}

/// Takes in the outputs and targets of batches, and gives the report of all. What a task's file calls `Meter`.
pub(crate) trait Measure: Sized {
    /// What it gives.
    type Report;
    /// Nothing measured yet.
    fn of_outputs(outputs: usize, scale: Option<&NumberScale>) -> Self;
    /// The same, with what takes more time and memory: whatever all probabilities together tell.
    fn scored(self) -> Self {
        self
    }
    /// Adds a batch, row by row.
    fn take(&mut self, outputs: &[f32], targets: &[&Target]) -> Result<(), MetricsError>;
    /// The figures of all samples so far.
    fn result(&self) -> Result<Self::Report, MetricsError>;
}

/// The figures of a set of samples. What a task's file calls `Report`.
pub(crate) trait Figures {
    /// A figure by its name in reports.
    fn value(&self, name: &str) -> Option<f64>;
    /// Where the true value of a figure lies at 95 %, for those for which it is known.
    fn interval(&self, name: &str) -> Option<[f64; 2]>;
    /// Number of samples.
    fn count(&self) -> u64;
    /// All of it for a terminal, no wider than `width` columns if that is at least 63.
    fn to_text(&self, names: &[String], width: usize) -> String;
}

/// Names and values, one under the other.
fn lines(lines: impl IntoIterator<Item = (impl AsRef<str>, String)>) -> String {
    let line = |(name, value): (_, String)| format!("{:<20}{value}\n", AsRef::<str>::as_ref(&name));
    lines.into_iter().map(line).collect()
}

macro_rules! tasks {
    ($($(#[$doc:meta])* $kind:ident: $file:ident),+ $(,)?) => {
        /// What is learned of each image. Dereferences to what belongs to it, [`Task`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum TaskKind {
            $($(#[$doc])* $kind,)+
        }

        impl TaskKind {
            /// Every task there is.
            pub const ALL: &[Self] = &[$(Self::$kind),+];
        }

        impl Deref for TaskKind {
            type Target = dyn Task;

            fn deref(&self) -> &(dyn Task + 'static) {
                match self {
                    $(Self::$kind => &$file::Definition,)+
                }
            }
        }

        /// Takes in batches of outputs with their targets.
        #[derive(Debug, Clone)]
        pub enum Meter {
            $($(#[$doc])* $kind($file::Meter),)+
        }

        impl Meter {
            /// The metrics of a task with so many outputs, and the scale of numbers, with nothing measured yet.
            pub fn new(task: TaskKind, outputs: usize, scale: Option<&NumberScale>) -> Self {
                match task {
                    $(TaskKind::$kind => Self::$kind($file::Meter::of_outputs(outputs, scale)),)+
                }
            }

            /// The same, with what takes more time and memory, for a result and not for each epoch: `scores` of the reports of classes and
            /// labels. Nothing may have been added yet.
            pub fn with_scores(self) -> Self {
                match self {
                    $(Self::$kind(meter) => Self::$kind(meter.scored()),)+
                }
            }

            /// Adds a batch: the head's outputs row by row, and the samples' targets.
            ///
            /// # Errors
            ///
            /// [`MetricsError`] if they do not fit each other, or an output is not finite; nothing of the batch is counted then.
            pub fn add(&mut self, outputs: &[f32], targets: &[&Target]) -> Result<(), MetricsError> {
                match self {
                    $(Self::$kind(meter) => meter.take(outputs, targets),)+
                }
            }

            /// The figures of all samples so far.
            ///
            /// # Errors
            ///
            /// [`MetricsError::Empty`] before the first sample.
            pub fn report(&self) -> Result<TaskReport, MetricsError> {
                match self {
                    $(Self::$kind(meter) => meter.result().map(TaskReport::$kind),)+
                }
            }
        }

        /// The figures of a set of samples.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        pub enum TaskReport {
            $($(#[$doc])* $kind($file::Report),)+
        }

        impl TaskReport {
            /// The task.
            pub fn task(&self) -> TaskKind {
                match self {
                    $(Self::$kind(_) => TaskKind::$kind,)+
                }
            }

            fn own(&self) -> &dyn Figures {
                match self {
                    $(Self::$kind(report) => report,)+
                }
            }
        }
    };
}

tasks! {
    /// One class of several.
    Classification: classification,
    /// Any number of labels, also none.
    Multilabel: labels,
    /// Numbers.
    Regression: numbers,
    /// One level of several.
    Ordinal: ordinal,
}

impl Default for TaskKind {
    /// What model files mean that say nothing.
    fn default() -> Self {
        Self::Classification
    }
}

impl TaskReport {
    /// The same, with the scores of another report on the same samples.
    pub fn with_scores_of(mut self, other: Self) -> Self {
        match (&mut self, other) {
            (Self::Classification(own), Self::Classification(other)) => own.scores = other.scores,
            (Self::Multilabel(own), Self::Multilabel(other)) => own.scores = other.scores,
            (Self::Ordinal(own), Self::Ordinal(other)) => own.levels.scores = other.levels.scores,
            _ => {}
        }
        self
    }

    /// What holds of any classes, where each image is of one: also of levels.
    pub fn classes(&self) -> Option<&MetricsReport> {
        match self {
            Self::Classification(report) => Some(report),
            Self::Ordinal(report) => Some(&report.levels),
            Self::Multilabel(_) | Self::Regression(_) => None,
        }
    }

    /// A figure by its name in reports; none where the task has no such figure.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.own().value(name)
    }

    /// Where the true value of a figure lies at 95 %, as far as so many samples tell; none where that is not known.
    pub fn interval(&self, name: &str) -> Option<[f64; 2]> {
        self.own().interval(name)
    }

    /// The figures that every epoch has, with their values.
    pub fn figures(&self) -> impl Iterator<Item = (&'static Figure, f64)> + '_ {
        let figures = self.task().figures().iter();
        figures.filter_map(|figure| Some((figure, self.figure(figure.name)?)))
    }

    /// The loss on these samples: cross-entropy, binary cross-entropy, or the mean squared error of standardised numbers, whatever loss
    /// is trained on.
    pub fn loss(&self) -> f64 {
        self.figure("loss").unwrap_or(f64::NAN)
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        self.own().count()
    }

    /// Overall figures, then a row for each class, label or number and what else the task tells, for a terminal; no wider than `width`
    /// columns if that is at least 63.
    pub fn to_text(&self, names: &[String], width: usize) -> String {
        self.own().to_text(names, width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(task: TaskKind, names: &[&str]) -> Meter {
        Meter::new(task, names.len(), None)
    }

    #[test]
    fn reports_of_every_task_survive_json_and_have_all_their_figures() {
        let label = Target::Labels([1].into());
        let number = Target::Numbers([2.5].into());
        let other = Target::Numbers([0.5].into());
        for (task, names, targets) in [
            (
                TaskKind::Classification,
                &["a", "b"][..],
                [&Target::Class(1), &Target::Class(0)],
            ),
            (TaskKind::Multilabel, &["a", "b"][..], [&label, &label]),
            (TaskKind::Regression, &["x"][..], [&number, &other]),
            (
                TaskKind::Ordinal,
                &["low", "middle", "high"][..],
                [&Target::Class(2), &Target::Class(0)],
            ),
        ] {
            let mut meter = meter(task, names);
            let outputs = vec![0.5; 2 * names.len()];
            meter.add(&outputs, &targets).unwrap();
            let report = meter.report().unwrap();
            assert_eq!(report.task(), task);
            assert_eq!(report.samples(), 2);
            let found: Vec<&str> = report.figures().map(|(figure, _)| figure.name).collect();
            let all: Vec<&str> = task.figures().iter().map(|figure| figure.name).collect();
            assert_eq!(found, all);
            assert_eq!(report.figure("loss"), Some(report.loss()));
            assert_eq!(report.figure("nothing"), None);
            let text = serde_json::to_string(&report).unwrap();
            let read: TaskReport = serde_json::from_str(&text).unwrap();
            assert_eq!(read, report);
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let text = report.to_text(&names, 80);
            assert!(
                text.lines().all(|line| line.chars().count() <= 80),
                "{text}"
            );
        }
    }

    #[test]
    fn every_task_has_its_loss_first_and_a_figure_to_choose_by() {
        for task in TaskKind::ALL {
            assert_eq!(task.figures()[0].name, "loss");
            assert_eq!(task.figures()[0].better, Better::Lower);
            assert!(task.losses().contains(&task.own_loss().0));
            let name = task.own_figure().monitor();
            assert_eq!(task.figure(&name).unwrap().name, task.own_figure().name);
            let text = serde_json::to_string(task).unwrap();
            assert_eq!(text, format!("\"{}\"", task.name()));
        }
    }
}
