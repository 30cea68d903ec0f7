//! The metrics of a measurement. Owns the formulas on the confusion matrix; laying them out as text is in `table.rs`.

use serde::{Deserialize, Serialize};

use super::{ClassScores, Confusion};

/// The metrics of a set of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsReport {
    /// Number of samples.
    pub samples: u64,
    /// Mean cross-entropy, without label smoothing and class weights.
    pub loss: f64,
    /// Share of samples whose prediction is their target.
    pub accuracy: f64,
    /// The `k` of [`top_k_accuracy`](Self::top_k_accuracy).
    pub top_k: usize,
    /// Share of samples whose target is among the `k` classes of the largest logits.
    pub top_k_accuracy: f64,
    /// Mean recall over the classes that have samples.
    pub balanced_accuracy: f64,
    /// Mean F1 over the classes that have samples, the same as those of the mean recall: scikit-learn's `f1_score` with these `labels`.
    pub macro_f1: f64,
    /// Metrics of every class, in the order of the class indices.
    pub per_class: Vec<ClassMetrics>,
    /// How often each class is taken for each.
    pub confusion: Confusion,
    /// What the probabilities tell; none of an epoch in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Box<ClassScores>>,
}

/// The metrics of one class. A share of nothing is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Number of samples of this class.
    pub support: u64,
    /// Number of samples predicted as this class.
    pub predicted: u64,
    /// Share of the samples predicted as this class that are of this class.
    pub precision: f64,
    /// Share of the samples of this class that are predicted as it.
    pub recall: f64,
    /// Harmonic mean of precision and recall: `2 * hits / (support + predicted)`.
    pub f1: f64,
}

impl MetricsReport {
    pub(super) fn new(loss: f64, top_k: usize, top_k_accuracy: f64, confusion: Confusion) -> Self {
        let classes = confusion.classes();
        let (mut support, mut predicted) = (vec![0; classes], vec![0; classes]);
        for (target, prediction, count) in confusion.pairs() {
            support[target] += count;
            predicted[prediction] += count;
        }
        let own = |class: usize| confusion.get(class, class);
        let per_class: Vec<ClassMetrics> = (0..classes)
            .map(|class| ClassMetrics::new(own(class), support[class], predicted[class]))
            .collect();
        let samples = support.iter().sum();
        let hits = (0..classes).map(own).sum();
        Self {
            samples,
            loss,
            accuracy: share(hits, samples),
            top_k,
            top_k_accuracy,
            balanced_accuracy: mean(
                per_class
                    .iter()
                    .filter(|class| class.support > 0)
                    .map(|class| class.recall),
            ),
            macro_f1: mean(
                per_class
                    .iter()
                    .filter(|class| class.support > 0)
                    .map(|class| class.f1),
            ),
            per_class,
            confusion,
            scores: None,
        }
    }

    /// The pairs of classes that are mixed up most: (target, prediction, samples), most frequent first.
    pub fn confusions(&self) -> Vec<(usize, usize, u64)> {
        let mixed_up = |pair: &(usize, usize, u64)| pair.0 != pair.1 && pair.2 > 0;
        let mut pairs: Vec<_> = self.confusion.pairs().filter(mixed_up).collect();
        pairs.sort_by_key(|&(_, _, count)| std::cmp::Reverse(count));
        pairs
    }
}

impl ClassMetrics {
    /// From the samples that are both, of the class, and predicted.
    pub(super) fn new(hits: u64, support: u64, predicted: u64) -> Self {
        Self {
            support,
            predicted,
            precision: share(hits, predicted),
            recall: share(hits, support),
            f1: share(2 * hits, support + predicted),
        }
    }
}

pub(super) fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| {
        (sum + value, count + 1)
    });
    match count {
        0 => 0.0,
        count => sum / count as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_confusion_comes_first() {
        let report = MetricsReport::new(
            0.0,
            1,
            0.0,
            Confusion::of_rows(&[vec![5, 1, 0], vec![4, 5, 0], vec![0, 2, 5]]).unwrap(),
        );
        assert_eq!(report.confusions(), [(1, 0, 4), (2, 1, 2), (0, 1, 1)]);
    }

    #[test]
    fn a_report_of_twenty_thousand_classes_is_small() {
        let classes = 20_000;
        let mut confusion = Confusion::new(classes);
        for class in 0..classes {
            confusion.add(class, class / 2);
        }
        let report = MetricsReport::new(0.5, 5, 0.7, confusion);
        assert_eq!(report.accuracy, 1.0 / 20_000.0);
        let text = serde_json::to_string(&report).unwrap();
        // Two hundred bytes a class; a whole table would be 800 MB.
        assert!(text.len() < 200 * classes, "{}", text.len());
        let back: MetricsReport = serde_json::from_str(&text).unwrap();
        assert_eq!(back, report);
    }

    #[test]
    fn a_report_survives_json() {
        let report = {
            let confusion = Confusion::of_rows(&[vec![5, 1], vec![4, 5]]).unwrap();
            MetricsReport::new(0.5, 1, 0.7, confusion)
        };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(
            serde_json::from_str::<MetricsReport>(&text).unwrap(),
            report
        );
    }
}
