//! Figures of images with any number of labels. Owns the formulas; laying them out as text is in `table.rs`.
//!
//! Definitions and values are scikit-learn's (`tests/data/metrics.py`).

use serde::{Deserialize, Serialize};

use super::calibration::{Bins, Calibration};
use super::ranking::{Ranking, rankings};
use super::report::{ClassMetrics, mean, share};
use super::{MetricsError, check_finite, check_shape};

/// Probability from which on a label counts as predicted.
pub const THRESHOLD: f64 = 0.5;

/// Logits and labels of all samples, from which [`MultilabelReport`] is computed. Average precision needs all of them at once.
#[derive(Debug, Clone)]
pub struct MultilabelMetrics {
    labels: usize,
    logits: Vec<f32>,
    present: Vec<bool>,
    scored: bool,
}

/// The figures of a set of samples with any number of labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultilabelReport {
    /// Number of samples.
    pub samples: u64,
    /// Mean binary cross-entropy over samples and labels, without smoothing and weights.
    pub loss: f64,
    /// The probability from which on a label counts as predicted, 0.5; average precision needs none.
    pub threshold: f64,
    /// Mean average precision (mAP): over the labels that occur.
    pub map: f64,
    /// Mean F1 over the labels that occur, as every mean over labels.
    pub macro_f1: f64,
    /// F1 over all labels of all samples together.
    pub micro_f1: f64,
    /// Share of samples whose labels are all right, none missing and none too many.
    pub subset_accuracy: f64,
    /// Figures of every label, in their order.
    pub per_label: Vec<LabelMetrics>,
    /// What the probabilities tell beyond these; none of an epoch in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Box<LabelScores>>,
}

/// What the probabilities of a set of samples with any number of labels tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelScores {
    /// Mean area under the ROC curve over the labels that some samples have and some have not; none where there is no such label.
    pub auroc: Option<f64>,
    /// Brier score: mean over samples and labels of `(probability - truth)^2`.
    pub brier: f64,
    /// Probability of a label against how often it is there, all labels together.
    pub calibration: Calibration,
    /// Area and average precision of each label, in their order.
    pub per_label: Vec<Ranking>,
}

/// The figures of one label. A share of nothing is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelMetrics {
    /// Counts and shares at the threshold.
    #[serde(flatten)]
    pub at_threshold: ClassMetrics,
    /// Mean of the precisions at each sample with the label, the samples sorted by the label's probability; of equal ones together.
    pub average_precision: f64,
}

impl MultilabelMetrics {
    /// Nothing measured yet, for so many labels.
    pub fn new(labels: usize) -> Self {
        Self {
            labels,
            logits: Vec::new(),
            present: Vec::new(),
            scored: false,
        }
    }

    /// The same, with what the probabilities tell: [`MultilabelReport::scores`].
    pub fn with_scores(self) -> Self {
        Self {
            scored: true,
            ..self
        }
    }

    /// Adds a batch: logits row by row, and the indices of each sample's labels.
    ///
    /// # Errors
    ///
    /// [`MetricsError`] if the lengths do not fit, a label is out of range, or a logit is not finite; nothing of the batch is counted
    /// then.
    pub fn add<L>(
        &mut self,
        logits: &[f32],
        targets: impl Iterator<Item = L>,
    ) -> Result<(), MetricsError>
    where
        L: Iterator<Item = usize>,
    {
        let first = self.logits.len() / self.labels.max(1);
        let mut present = Vec::with_capacity(logits.len());
        for (sample, labels) in targets.enumerate() {
            let start = present.len();
            present.resize(start + self.labels, false);
            for found in labels {
                let classes = self.labels;
                let Some(place) = present[start..].get_mut(found) else {
                    let sample = first + sample;
                    return Err(MetricsError::TargetOutOfRange {
                        sample,
                        found,
                        classes,
                    });
                };
                *place = true;
            }
        }
        check_shape(
            logits.len(),
            present.len() / self.labels.max(1),
            self.labels,
        )?;
        check_finite(logits, self.labels, first)?;
        self.logits.extend_from_slice(logits);
        self.present.append(&mut present);
        Ok(())
    }

    /// The figures of all samples so far.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Empty`] before the first sample.
    pub fn report(&self) -> Result<MultilabelReport, MetricsError> {
        if self.logits.is_empty() {
            return Err(MetricsError::Empty);
        }
        let rows = self.logits.chunks_exact(self.labels);
        let samples = rows.len() as u64;
        let right = rows.zip(self.present.chunks_exact(self.labels));
        let right = right.filter(|(logits, present)| {
            let mut pairs = logits.iter().zip(*present);
            pairs.all(|(logit, present)| is_predicted(*logit) == *present)
        });
        let subset_accuracy = share(right.count() as u64, samples);
        let pairs = || self.logits.iter().zip(&self.present);
        let losses = pairs().map(|(logit, present)| binary_cross_entropy(*logit, *present));
        let per_label: Vec<LabelMetrics> =
            (0..self.labels).map(|label| self.of_label(label)).collect();
        let hits = pairs().filter(|(logit, present)| is_predicted(**logit) && **present);
        let hits = hits.count() as u64;
        let at = |metrics: &LabelMetrics| metrics.at_threshold;
        let both = per_label.iter().map(at);
        let both: u64 = both.map(|label| label.support + label.predicted).sum();
        let occurring = per_label.iter().filter(|label| at(label).support > 0);
        Ok(MultilabelReport {
            samples,
            loss: losses.sum::<f64>() / self.logits.len() as f64,
            threshold: THRESHOLD,
            map: mean(occurring.map(|label| label.average_precision)),
            macro_f1: mean(
                per_label
                    .iter()
                    .map(at)
                    .filter(|label| label.support > 0)
                    .map(|label| label.f1),
            ),
            micro_f1: share(2 * hits, both),
            subset_accuracy,
            per_label,
            scores: self.scored.then(|| Box::new(self.scores())),
        })
    }

    fn scores(&self) -> LabelScores {
        let is_of = |sample: usize, label: usize| self.present[sample * self.labels + label];
        let per_label = rankings(&self.logits, self.labels, is_of);
        let (mut bins, mut squares) = (Bins::default(), 0.0);
        for (&logit, &present) in self.logits.iter().zip(&self.present) {
            let probability = 1.0 / (1.0 + (-f64::from(logit)).exp());
            bins.add(probability, present);
            let apart = probability - f64::from(present);
            squares += apart * apart;
        }
        LabelScores {
            auroc: Ranking::means(&per_label).auroc,
            brier: squares / self.logits.len() as f64,
            calibration: bins.calibration(),
            per_label,
        }
    }

    fn of_label(&self, label: usize) -> LabelMetrics {
        let column = |place: usize| place * self.labels + label;
        let pairs = (0..self.logits.len() / self.labels)
            .map(|place| (self.logits[column(place)], self.present[column(place)]));
        let mut pairs: Vec<(f32, bool)> = pairs.collect();
        let count = |counts: &dyn Fn(&(f32, bool)) -> bool| {
            pairs.iter().filter(|pair| counts(pair)).count() as u64
        };
        let support = count(&|(_, present)| *present);
        let predicted = count(&|(logit, _)| is_predicted(*logit));
        let hits = count(&|(logit, present)| *present && is_predicted(*logit));
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        LabelMetrics {
            at_threshold: ClassMetrics::new(hits, support, predicted),
            average_precision: average_precision(&pairs, support),
        }
    }
}

fn is_predicted(logit: f32) -> bool {
    // sigmoid(0) is the threshold.
    logit >= 0.0
}

/// `-log sigmoid(logit)`, or `-log(1 - sigmoid(logit))` where the label is absent, without overflow.
fn binary_cross_entropy(logit: f32, present: bool) -> f64 {
    let logit = f64::from(if present { -logit } else { logit });
    logit.max(0.0) + (-logit.abs()).exp().ln_1p()
}

/// Of pairs sorted by falling logits. Samples of equal logits are counted together.
fn average_precision(pairs: &[(f32, bool)], support: u64) -> f64 {
    let (mut seen, mut hits, mut sum) = (0u64, 0u64, 0.0);
    for equal in pairs.chunk_by(|a, b| a.0 == b.0) {
        seen += equal.len() as u64;
        let new = equal.iter().filter(|pair| pair.1).count() as u64;
        hits += new;
        sum += share(new, support) * share(hits, seen);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::{close, fixture, rows};

    fn measured(batch: usize) -> MultilabelReport {
        let fixture = fixture("multilabel");
        let (logits, present) = (rows(&fixture["logits"]), rows(&fixture["present"]));
        let mut metrics = MultilabelMetrics::new(5).with_scores();
        for (logits, present) in logits.chunks(batch).zip(present.chunks(batch)) {
            let logits: Vec<f32> = logits.iter().flatten().map(|logit| *logit as f32).collect();
            let labels = present.iter().map(|row| {
                let row = row.iter().enumerate();
                row.filter(|(_, present)| **present > 0.0)
                    .map(|(label, _)| label)
            });
            metrics.add(&logits, labels).unwrap();
        }
        metrics.report().unwrap()
    }

    #[test]
    fn every_figure_of_labels_is_that_of_scikit_learn() {
        let (fixture, report) = (fixture("multilabel"), measured(40));
        assert_eq!(report.samples, 40);
        close(report.loss, &fixture["loss"]);
        close(report.map, &fixture["map"]);
        close(report.macro_f1, &fixture["macro_f1"]);
        close(report.micro_f1, &fixture["micro_f1"]);
        close(report.subset_accuracy, &fixture["subset_accuracy"]);
        assert_eq!(report.per_label.len(), 5);
        for (label, figures) in report.per_label.iter().enumerate() {
            let at = figures.at_threshold;
            close(at.precision, &fixture["precision"][label]);
            close(at.recall, &fixture["recall"][label]);
            close(at.f1, &fixture["f1"][label]);
            assert_eq!(at.support, fixture["support"][label].as_u64().unwrap());
            close(
                figures.average_precision,
                &fixture["average_precision"][label],
            );
        }
        assert_eq!(report.per_label[3].at_threshold.support, 0);
        let scores = report.scores.unwrap();
        close(scores.auroc.unwrap(), &fixture["auroc"]);
        close(scores.brier, &fixture["brier"]);
        close(
            scores.calibration.expected_error,
            &fixture["calibration_error"],
        );
        for (label, found) in scores.per_label.iter().enumerate() {
            let wanted = &fixture["auroc_each"][label];
            assert_eq!(found.auroc.is_none(), wanted.is_null());
            if let Some(found) = found.auroc {
                close(found, wanted);
            }
            let precision = report.per_label[label].average_precision;
            let apart = found.average_precision.unwrap_or(0.0) - precision;
            assert!(apart.abs() < 1e-12);
        }
    }

    #[test]
    fn batches_of_any_size_give_the_same_report() {
        assert_eq!(measured(7), measured(40));
    }

    #[test]
    fn bad_batches_are_errors_and_count_nothing() {
        let mut metrics = MultilabelMetrics::new(2);
        let mut add = |logits: &[f32], labels: &[&[usize]]| {
            metrics.add(logits, labels.iter().map(|labels| labels.iter().copied()))
        };
        assert!(matches!(
            add(&[0.0; 3], &[&[1]]),
            Err(MetricsError::Shape { .. })
        ));
        assert!(matches!(
            add(&[0.0; 2], &[&[2]]),
            Err(MetricsError::TargetOutOfRange { found: 2, .. })
        ));
        assert!(matches!(
            add(&[0.0, f32::NAN], &[&[]]),
            Err(MetricsError::NonFiniteLogit { class: 1, .. })
        ));
        assert_eq!(metrics.report().unwrap_err(), MetricsError::Empty);
    }
}
