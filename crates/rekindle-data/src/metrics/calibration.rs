//! Whether probabilities mean what they say: of all predictions at 80 %, are 80 % right? Owns the bins and the expected calibration error.
//!
//! Source: C. Guo and others, "On calibration of modern neural networks", 2017. Values are those of torchmetrics'
//! `MulticlassCalibrationError` and `BinaryCalibrationError` with 15 bins and the norm `l1` (`tests/data/metrics.py`).

use serde::{Deserialize, Serialize};

/// Bins of equal width from 0 to 1: torchmetrics' own number, and that of the paper.
pub const CALIBRATION_BINS: usize = 15;

/// Predictions sorted by the probability that they were given, and how many of them are right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Expected calibration error: the mean distance between probability and share of right predictions, a bin weighing as much as it has
    /// predictions.
    pub expected_error: f64,
    /// The greatest such distance of any bin.
    pub greatest_error: f64,
    /// The bins, [`CALIBRATION_BINS`] of equal width, also those without predictions. One holds its lower edge and not its upper, the last
    /// holds 1.
    pub bins: Vec<CalibrationBin>,
}

/// The predictions with a probability in one range. Means of nothing are 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lower edge.
    pub from: f64,
    /// Upper edge.
    pub to: f64,
    /// Number of predictions.
    pub predictions: u64,
    /// Their mean probability.
    pub probability: f64,
    /// Share of them that are right.
    pub right: f64,
}

/// Counts from which a [`Calibration`] is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Bins {
    /// Predictions, right ones, and the sum of the probabilities.
    counts: [(u64, u64, f64); CALIBRATION_BINS],
}

impl Bins {
    /// Adds a prediction with its probability, from 0 to 1.
    pub fn add(&mut self, probability: f64, right: bool) {
        let place = (probability * CALIBRATION_BINS as f64) as usize;
        let (count, hits, sum) = &mut self.counts[place.min(CALIBRATION_BINS - 1)];
        *count += 1;
        *hits += u64::from(right);
        *sum += probability;
    }

    pub fn calibration(&self) -> Calibration {
        let edge = |place: usize| place as f64 / CALIBRATION_BINS as f64;
        let bin = |(place, &(predictions, hits, sum)): (usize, &(u64, u64, f64))| {
            let all = predictions.max(1) as f64;
            CalibrationBin {
                from: edge(place),
                to: edge(place + 1),
                predictions,
                probability: sum / all,
                right: hits as f64 / all,
            }
        };
        let bins: Vec<CalibrationBin> = self.counts.iter().enumerate().map(bin).collect();
        let all: u64 = bins.iter().map(|bin| bin.predictions).sum();
        let apart = |bin: &CalibrationBin| (bin.right - bin.probability).abs();
        let weighed = bins.iter().map(|bin| bin.predictions as f64 * apart(bin));
        Calibration {
            expected_error: weighed.sum::<f64>() / all.max(1) as f64,
            greatest_error: bins.iter().map(apart).fold(0.0, f64::max),
            bins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_belong_to_the_bin_above_and_one_to_the_last() {
        let mut bins = Bins::default();
        for probability in [0.0, 0.2, 0.99, 1.0] {
            bins.add(probability, true);
        }
        let calibration = bins.calibration();
        let places = calibration.bins.iter().map(|bin| bin.predictions);
        let places: Vec<u64> = places.collect();
        assert_eq!((places[0], places[3], places[14]), (1, 1, 2));
        // (1 + 0.8 + 2 * 0.005) / 4
        assert!((calibration.expected_error - 0.4525).abs() < 1e-12);
        assert_eq!(calibration.greatest_error, 1.0);
        assert_eq!(Bins::default().calibration().expected_error, 0.0);
    }
}
