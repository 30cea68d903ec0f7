//! How good predictions are. This file owns the counts of classification; `ordinal.rs`, `multilabel.rs` and `regression.rs` those of levels,
//! labels and numbers, `tasks/` which of them a task has. Which images are measured, and when, is the run's.
//!
//! Batches of logits are added on the host; a report is computed once at the end. Definitions and values are
//! scikit-learn's (`tests/data/metrics.py`).

mod bootstrap;
mod calibration;
mod confusion;
mod interval;
mod multilabel;
mod ordinal;
mod ranking;
mod regression;
mod report;
mod scores;
mod table;

pub use bootstrap::BootstrapIntervals;
pub use calibration::{CALIBRATION_BINS, Calibration, CalibrationBin};

pub use confusion::{Confusion, MOST_WRITTEN_WHOLE};
pub use interval::wilson_interval;
pub use multilabel::{LabelMetrics, LabelScores, MultilabelMetrics, MultilabelReport, THRESHOLD};
pub use ordinal::{OrdinalMetrics, OrdinalReport};
pub use ranking::Ranking;
pub use regression::{NumberMetrics, RegressionMetrics, RegressionReport};
pub use report::{ClassMetrics, MetricsReport};
pub use scores::ClassScores;
pub use table::short;

use scores::Scores;

/// What can be wrong with logits and targets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The lengths of logits and targets do not fit each other.
    #[error("{logits} logits for {targets} targets of {classes} classes, expected {}", targets * classes)]
    Shape {
        /// Number of logits.
        logits: usize,
        /// Number of targets.
        targets: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A target is not the index of a class.
    #[error("the target of sample {sample} is class {found}, expected an index below {classes}")]
    TargetOutOfRange {
        /// Number of the sample, counted over all batches.
        sample: usize,
        /// The index found.
        found: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A logit or a predicted number is infinite or not a number.
    #[error(
        "the logit of class {class} for sample {sample} is not finite: the weights hold numbers that are not finite; if they were finite \
         before training, they have diverged, and a lower learning rate helps"
    )]
    NonFiniteLogit {
        /// Number of the sample, counted over all batches.
        sample: usize,
        /// The class of the logit.
        class: usize,
    },
    /// No sample was added.
    #[error("no samples were measured, expected at least one")]
    Empty,
}

/// Counts over batches of logits, from which [`MetricsReport`] is computed.
///
/// ```
/// use rekindle_data::metrics::Metrics;
///
/// # fn main() -> Result<(), rekindle_data::metrics::MetricsError> {
/// let mut metrics = Metrics::new(3, 2);
/// metrics.add(&[2.0, 1.0, 0.0, 0.0, 0.1, 3.0], &[0, 1])?;
/// let report = metrics.report()?;
/// assert_eq!(report.accuracy, 0.5);
/// assert_eq!(report.top_k_accuracy, 1.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Metrics {
    classes: usize,
    top_k: usize,
    loss: f64,
    in_top_k: u64,
    samples: u64,
    confusion: Confusion,
    scores: Option<Box<Scores>>,
}

impl Metrics {
    /// Counts for this many classes; `top_k` is cut to `1..=classes`.
    pub fn new(classes: usize, top_k: usize) -> Self {
        Self {
            classes,
            top_k: top_k.min(classes).max(1),
            loss: 0.0,
            in_top_k: 0,
            samples: 0,
            confusion: Confusion::new(classes),
            scores: None,
        }
    }

    /// The same, with what the probabilities tell: [`MetricsReport::scores`]. Takes memory for all of them, 4 bytes each. Nothing may have
    /// been added yet.
    pub fn with_scores(self) -> Self {
        let scores = Some(Box::new(Scores::new(self.classes)));
        Self { scores, ..self }
    }

    /// Adds a batch: `logits` row by row, one row of all classes per target.
    ///
    /// Of equal logits the first class is the prediction, and the first classes are in the top k.
    ///
    /// # Errors
    ///
    /// [`MetricsError`] if the lengths do not fit, a target is out of range, or a logit is not finite; nothing of the
    /// batch is counted then.
    pub fn add(&mut self, logits: &[f32], targets: &[usize]) -> Result<(), MetricsError> {
        self.check(logits, targets)?;
        for (row, &target) in logits.chunks_exact(self.classes.max(1)).zip(targets) {
            self.loss += cross_entropy(row, target);
            self.in_top_k += u64::from(rank(row, target) < self.top_k);
            let prediction = prediction(row);
            self.confusion.add(target, prediction);
            self.samples += 1;
            if let Some(scores) = &mut self.scores {
                scores.add(row, target, prediction);
            }
        }
        Ok(())
    }

    /// Number of samples so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The metrics of all samples so far.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Empty`] before the first sample.
    pub fn report(&self) -> Result<MetricsReport, MetricsError> {
        if self.samples == 0 {
            return Err(MetricsError::Empty);
        }
        let samples = self.samples as f64;
        let top_k_accuracy = self.in_top_k as f64 / samples;
        let mut report = MetricsReport::new(
            self.loss / samples,
            self.top_k,
            top_k_accuracy,
            self.confusion.clone(),
        );
        let scores = self.scores.as_ref();
        report.scores =
            scores.map(|scores| Box::new(scores.report(&report.confusion, report.confusions())));
        Ok(report)
    }

    fn check(&self, logits: &[f32], targets: &[usize]) -> Result<(), MetricsError> {
        let classes = self.classes;
        check_shape(logits.len(), targets.len(), classes)?;
        let first = self.samples as usize;
        if let Some(position) = targets.iter().position(|&target| target >= classes) {
            return Err(MetricsError::TargetOutOfRange {
                sample: first + position,
                found: targets[position],
                classes,
            });
        }
        check_finite(logits, classes, first)
    }
}

fn check_shape(logits: usize, targets: usize, classes: usize) -> Result<(), MetricsError> {
    match logits == targets * classes {
        true => Ok(()),
        false => Err(MetricsError::Shape {
            logits,
            targets,
            classes,
        }),
    }
}

/// Checks that all logits of a batch are numbers; `first` is the number of its first sample.
///
/// # Errors
///
/// [`MetricsError::NonFiniteLogit`] with the first that is none.
pub fn check_finite(logits: &[f32], classes: usize, first: usize) -> Result<(), MetricsError> {
    match logits.iter().position(|logit| !logit.is_finite()) {
        Some(position) => Err(MetricsError::NonFiniteLogit {
            sample: first + position / classes.max(1),
            class: position % classes.max(1),
        }),
        None => Ok(()),
    }
}

/// `-log softmax(row)[target]`.
fn cross_entropy(row: &[f32], target: usize) -> f64 {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row
        .iter()
        .map(|&logit| (f64::from(logit) - largest).exp())
        .sum();
    largest + sum.ln() - f64::from(row[target])
}

/// The first of the classes with the largest logit.
fn prediction(row: &[f32]) -> usize {
    let mut best = 0;
    for (class, &logit) in row.iter().enumerate() {
        if logit > row[best] {
            best = class;
        }
    }
    best
}

/// How many classes come before this one.
fn rank(row: &[f32], target: usize) -> usize {
    let own = row[target];
    row.iter()
        .enumerate()
        .filter(|&(class, &logit)| logit > own || (logit == own && class < target))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[track_caller]
    pub(super) fn close(found: f64, expected: &Value) {
        let expected = expected.as_f64().unwrap();
        let apart = (found - expected).abs();
        assert!(
            apart < 1e-6 * expected.abs().max(1.0),
            "{found} against {expected}"
        );
    }

    /// What the script wrote of a task.
    pub(super) fn fixture(task: &str) -> Value {
        let text = include_str!("../../tests/data/metrics.json");
        let fixture: Value = serde_json::from_str(text).unwrap();
        fixture[task].clone()
    }

    pub(super) fn rows(value: &Value) -> Vec<Vec<f64>> {
        serde_json::from_value(value.clone()).unwrap()
    }

    pub(super) fn classification() -> (Value, Vec<f32>, Vec<usize>) {
        let fixture = fixture("classification");
        let logits = rows(&fixture["logits"]).concat();
        let targets = serde_json::from_value(fixture["targets"].clone()).unwrap();
        (
            fixture,
            logits.into_iter().map(|logit| logit as f32).collect(),
            targets,
        )
    }

    #[test]
    fn every_metric_is_that_of_scikit_learn() {
        let (fixture, logits, targets) = classification();
        for (k, key) in [(2, "top_2"), (3, "top_3")] {
            let mut metrics = Metrics::new(6, k);
            metrics.add(&logits, &targets).unwrap();
            let report = metrics.report().unwrap();
            close(report.top_k_accuracy, &fixture[key]);
            close(report.loss, &fixture["loss"]);
            close(report.accuracy, &fixture["accuracy"]);
            close(report.balanced_accuracy, &fixture["balanced_accuracy"]);
            close(report.macro_f1, &fixture["macro_f1"]);
            assert_eq!(
                serde_json::to_value(&report.confusion).unwrap(),
                fixture["confusion"]
            );
            for (class, metrics) in report.per_class.iter().enumerate() {
                close(metrics.precision, &fixture["precision"][class]);
                close(metrics.recall, &fixture["recall"][class]);
                close(metrics.f1, &fixture["f1"][class]);
                assert_eq!(metrics.support, fixture["support"][class].as_u64().unwrap());
            }
        }
    }

    #[test]
    fn batches_of_any_size_give_the_same_report() {
        let (_, logits, targets) = classification();
        let mut whole = Metrics::new(6, 2);
        whole.add(&logits, &targets).unwrap();
        let mut parts = Metrics::new(6, 2);
        for (rows, targets) in logits.chunks(6 * 7).zip(targets.chunks(7)) {
            parts.add(rows, targets).unwrap();
        }
        assert_eq!(parts.report().unwrap(), whole.report().unwrap());
    }

    #[test]
    fn bad_batches_are_errors_and_count_nothing() {
        let mut metrics = Metrics::new(2, 1);
        metrics.add(&[0.0, 1.0], &[1]).unwrap();
        let bad = [
            metrics.add(&[0.0; 3], &[1]).unwrap_err(),
            metrics.add(&[0.0; 4], &[1, 2]).unwrap_err(),
            metrics
                .add(&[0.0, 0.0, 0.0, f32::NAN], &[1, 0])
                .unwrap_err(),
        ];
        assert_eq!(
            bad[0],
            MetricsError::Shape {
                logits: 3,
                targets: 1,
                classes: 2
            }
        );
        assert_eq!(
            bad[1],
            MetricsError::TargetOutOfRange {
                sample: 2,
                found: 2,
                classes: 2
            }
        );
        assert_eq!(
            bad[2],
            MetricsError::NonFiniteLogit {
                sample: 2,
                class: 1
            }
        );
        assert_eq!(metrics.samples(), 1);
    }

    #[test]
    fn a_report_without_samples_is_an_error() {
        assert_eq!(
            Metrics::new(2, 1).report().unwrap_err(),
            MetricsError::Empty
        );
    }

    proptest! {
        #[test]
        fn shares_stay_between_zero_and_one_and_top_k_never_falls_with_k(
            logits in prop::collection::vec(-20i8..20, 4 * 12),
            targets in prop::collection::vec(0usize..4, 12),
        ) {
            // Whole numbers, so that ties happen.
            let logits: Vec<f32> = logits.into_iter().map(f32::from).collect();
            let mut last = 0.0;
            for k in 1..=4 {
                let mut metrics = Metrics::new(4, k);
                metrics.add(&logits, &targets).unwrap();
                let report = metrics.report().unwrap();
                prop_assert!(report.top_k_accuracy >= last && report.loss >= 0.0);
                last = report.top_k_accuracy;
                for share in [report.accuracy, report.balanced_accuracy, report.macro_f1] {
                    prop_assert!((0.0..=1.0).contains(&share));
                }
                if k == 1 {
                    prop_assert_eq!(report.top_k_accuracy, report.accuracy);
                }
                prop_assert_eq!(report.confusion.pairs().map(|pair| pair.2).sum::<u64>(), 12);
            }
            prop_assert_eq!(last, 1.0);
        }
    }
}
