//! What probabilities of classes tell beyond the predicted class: how far up the right one is, how well each class is told from the rest,
//! and whether the probabilities are true. Owns taking them in and the overall formulas.
//!
//! They cost more than counts, since some need the probabilities of all samples at once: a training epoch has the counts, a result these.
//! Definitions and values are scikit-learn's and torchmetrics' (`tests/data/metrics.py`).

use serde::{Deserialize, Serialize};

use super::bootstrap::BootstrapIntervals;
use super::calibration::{Bins, Calibration};
use super::ranking::{Ranking, rankings};
use super::{Confusion, rank};

/// The greatest k of the top-k accuracies.
const MOST_K: usize = 5;
/// Most pairs of classes that are listed as mixed up.
const MOST_PAIRS: usize = 20;
/// Most probabilities that are kept for rankings, 1 GiB: a million samples of 268 classes, 50,000 of 5,000.
const MOST_KEPT: usize = 1 << 28;

/// What the probabilities of a set of samples tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Shares of samples whose class is the likeliest, among the two likeliest and so on up to five, or to one class fewer than there are.
    pub top_k: Vec<f64>,
    /// Mean area under the ROC curve, each class against the rest, over the classes of which some samples are and some are not. None where
    /// there is no such class, or there were too many probabilities to keep (2^28).
    pub auroc: Option<f64>,
    /// Mean average precision over the classes that have samples; none as above.
    pub average_precision: Option<f64>,
    /// Brier score: mean over samples of the sum over classes of `(probability - truth)^2`, from 0 to 2. Of two classes scikit-learn halves
    /// it unless told not to.
    pub brier: f64,
    /// Probability of the predicted class against how often it is right.
    pub calibration: Calibration,
    /// Where figures lie at 95 %, by the bootstrap.
    pub intervals: BootstrapIntervals,
    /// The pairs of classes that are mixed up most, at most 20: (true class, predicted class, samples).
    pub most_confused: Vec<(usize, usize, u64)>,
    /// Area and average precision of each class, in the order of the class indices; empty where there were too many probabilities.
    pub per_class: Vec<Ranking>,
}

/// Probabilities taken in so far.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    classes: usize,
    /// The logarithms of the probabilities, row by row: they tell apart what rounds to a probability of 1. None once there are too many.
    logarithms: Option<Vec<f32>>,
    targets: Vec<u32>,
    /// Samples by how many classes come before theirs.
    ranks: [u64; MOST_K],
    brier: f64,
    bins: Bins,
}

impl Scores {
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            logarithms: Some(Vec::new()),
            targets: Vec::new(),
            ranks: [0; MOST_K],
            brier: 0.0,
            bins: Bins::default(),
        }
    }

    /// Adds the logits of a sample, which have been checked.
    pub fn add(&mut self, row: &[f32], target: usize, prediction: usize) {
        if let Some(count) = self.ranks.get_mut(rank(row, target)) {
            *count += 1;
        }
        let largest = f64::from(row[prediction]);
        let sum: f64 = row.iter().map(|&x| (f64::from(x) - largest).exp()).sum();
        let logarithm = |logit: f32| f64::from(logit) - largest - sum.ln();
        let squares = row.iter().enumerate().map(|(class, &logit)| {
            let apart = logarithm(logit).exp() - f64::from(class == target);
            apart * apart
        });
        self.brier += squares.sum::<f64>();
        self.bins.add(1.0 / sum, prediction == target);
        let kept = self.logarithms.take();
        self.logarithms = kept.filter(|kept| kept.len() + row.len() <= MOST_KEPT);
        if let Some(kept) = &mut self.logarithms {
            kept.extend(row.iter().map(|&logit| logarithm(logit) as f32));
            self.targets.push(target as u32);
        }
    }

    /// Of at least one sample.
    pub fn report(
        &self,
        confusion: &Confusion,
        most_confused: Vec<(usize, usize, u64)>,
    ) -> ClassScores {
        let samples: u64 = confusion.pairs().map(|pair| pair.2).sum();
        let mut within = 0;
        let ks = self.classes.saturating_sub(1).clamp(1, MOST_K);
        let top_k = self.ranks[..ks].iter().map(|count| {
            within += count;
            within as f64 / samples as f64
        });
        let top_k = top_k.collect();
        let is_of = |sample: usize, class: usize| self.targets[sample] as usize == class;
        let kept = self.logarithms.as_ref();
        let per_class = kept.map(|kept| rankings(kept, self.classes, is_of));
        let per_class = per_class.unwrap_or_default();
        let means = Ranking::means(&per_class);
        ClassScores {
            top_k,
            auroc: means.auroc,
            average_precision: means.average_precision,
            brier: self.brier / samples as f64,
            calibration: self.bins.calibration(),
            intervals: BootstrapIntervals::of(confusion),
            most_confused: most_confused.into_iter().take(MOST_PAIRS).collect(),
            per_class,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;
    use crate::metrics::tests::{classification, close};

    #[test]
    fn every_score_is_that_of_scikit_learn_or_torchmetrics() {
        let (fixture, logits, targets) = classification();
        let mut metrics = Metrics::new(6, 5).with_scores();
        for (rows, targets) in logits.chunks(6 * 7).zip(targets.chunks(7)) {
            metrics.add(rows, targets).unwrap();
        }
        let report = metrics.report().unwrap();
        let scores = report.scores.as_deref().unwrap();
        assert_eq!(scores.top_k.len(), 5);
        for (k, found) in scores.top_k.iter().enumerate() {
            close(*found, &fixture["top_k"][k]);
        }
        assert_eq!(scores.top_k[0], report.accuracy);
        assert_eq!(scores.top_k[4], report.top_k_accuracy);
        close(scores.auroc.unwrap(), &fixture["auroc"]);
        close(
            scores.average_precision.unwrap(),
            &fixture["average_precision"],
        );
        close(scores.brier, &fixture["brier"]);
        close(
            scores.calibration.expected_error,
            &fixture["calibration_error"],
        );
        close(
            scores.calibration.greatest_error,
            &fixture["greatest_calibration_error"],
        );
        for (class, found) in scores.per_class.iter().enumerate() {
            for (found, name) in [
                (found.auroc, "auroc_each"),
                (found.average_precision, "average_precision_each"),
            ] {
                let wanted = &fixture[name][class];
                assert_eq!(found.is_none(), wanted.is_null(), "{name} of {class}");
                if let Some(found) = found {
                    close(found, wanted);
                }
            }
        }
        for (found, wanted) in scores
            .calibration
            .bins
            .iter()
            .zip(fixture["calibration_bins"].as_array().unwrap())
        {
            assert_eq!(wanted[0].as_u64(), Some(found.predictions));
            close(found.probability, &wanted[1]);
            close(found.right, &wanted[2]);
        }
        assert_eq!(scores.most_confused.first(), report.confusions().first());
    }

    #[test]
    fn scores_change_no_other_figure_and_survive_json() {
        let (_, logits, targets) = classification();
        let of = |mut metrics: Metrics| {
            metrics.add(&logits, &targets).unwrap();
            metrics.report().unwrap()
        };
        let (plain, mut scored) = (of(Metrics::new(6, 5)), of(Metrics::new(6, 5).with_scores()));
        let text = serde_json::to_string(&scored).unwrap();
        let read: crate::metrics::MetricsReport = serde_json::from_str(&text).unwrap();
        // But for the last digit, which serde_json may read otherwise.
        let [own, other] = [&scored, &read].map(|report| report.scores.as_deref().unwrap());
        assert!((own.brier - other.brier).abs() < 1e-12);
        assert_eq!(own.most_confused, other.most_confused);
        assert_eq!(other.per_class[4].auroc, None);
        scored.scores = None;
        assert_eq!(scored, plain);
        assert!(!serde_json::to_string(&plain).unwrap().contains("scores"));
    }

    #[test]
    fn sure_logits_of_any_size_have_finite_scores() {
        let mut metrics = Metrics::new(2, 5).with_scores();
        metrics.add(&[1e30, -1e30, 3e38, -3e38], &[0, 1]).unwrap();
        // Of the first class both have all of the probability; of the second the logarithms still tell which has less.
        let scores = metrics.report().unwrap().scores.unwrap();
        assert_eq!(
            (scores.brier, scores.calibration.expected_error),
            (1.0, 0.5)
        );
        assert_eq!((scores.auroc, scores.top_k.len()), (Some(0.25), 1));
    }
}
