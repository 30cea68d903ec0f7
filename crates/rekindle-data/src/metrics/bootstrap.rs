//! Where figures of a confusion matrix lie had other samples of the same kind been measured: the bootstrap. Owns drawing the samples anew
//! and the percentiles; the figures are `report.rs`'s.
//!
//! Source: B. Efron, "Bootstrap methods: another look at the jackknife", 1979; percentile intervals, as SciPy's
//! `bootstrap(method="percentile")` has them (`tests/data/metrics.py`).

use rayon::prelude::*;
use rekindle_augment::SampleRng;
use serde::{Deserialize, Serialize};

use super::Confusion;
use super::report::{mean, share};

/// How often the samples are drawn anew.
const RESAMPLES: usize = 1000;
/// Where the random numbers come from: the same samples have the same intervals.
const SEED: u64 = 0x424F_4F54;

/// Intervals at 95 % of figures of classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootstrapIntervals {
    /// How often the samples were drawn anew, with replacement.
    pub resamples: usize,
    /// Of the accuracy.
    pub accuracy: [f64; 2],
    /// Of the balanced accuracy.
    pub balanced_accuracy: [f64; 2],
    /// Of the macro F1.
    pub macro_f1: [f64; 2],
}

impl BootstrapIntervals {
    /// The intervals of a table with at least one sample; the same whatever the number of threads.
    pub(super) fn of(confusion: &Confusion) -> Self {
        Self::with(confusion, RESAMPLES)
    }

    fn with(confusion: &Confusion, resamples: usize) -> Self {
        let pairs: Vec<(usize, usize, u64)> = confusion.pairs().collect();
        // The pair of every sample: drawing a sample is drawing a place here.
        let sample = |(place, pair): (usize, &(usize, usize, u64))| {
            std::iter::repeat_n(place as u32, pair.2 as usize)
        };
        let samples: Vec<u32> = pairs.iter().enumerate().flat_map(sample).collect();
        let drawn: Vec<[f64; 3]> = (0..resamples)
            .into_par_iter()
            .map(|number| {
                let mut rng = SampleRng::new(SEED, 0, number as u64);
                let mut counts = vec![0u64; pairs.len()];
                for _ in 0..samples.len() {
                    counts[samples[rng.below(samples.len() as u32) as usize] as usize] += 1;
                }
                figures(&pairs, &counts, confusion.classes())
            })
            .collect();
        let interval = |figure: usize| {
            let mut values: Vec<f64> = drawn.iter().map(|drawn| drawn[figure]).collect();
            values.sort_unstable_by(f64::total_cmp);
            [0.025, 0.975].map(|share| percentile(&values, share))
        };
        Self {
            resamples,
            accuracy: interval(0),
            balanced_accuracy: interval(1),
            macro_f1: interval(2),
        }
    }
}

/// Accuracy, balanced accuracy and macro F1, the means over the classes that were drawn, as scikit-learn's `balanced_accuracy_score` has
/// it.
fn figures(pairs: &[(usize, usize, u64)], counts: &[u64], classes: usize) -> [f64; 3] {
    let mut of = vec![[0u64; 3]; classes];
    for (&(target, prediction, _), &count) in pairs.iter().zip(counts) {
        of[target][0] += count;
        of[prediction][1] += count;
        of[target][2] += count * u64::from(target == prediction);
    }
    let drawn = || of.iter().filter(|class| class[0] > 0);
    let hits: u64 = of.iter().map(|class| class[2]).sum();
    [
        share(hits, counts.iter().sum()),
        mean(drawn().map(|[support, _, hits]| share(*hits, *support))),
        mean(drawn().map(|[support, predicted, hits]| share(2 * hits, support + predicted))),
    ]
}

/// Of sorted values, between the two next to it; numpy's own way.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let (low, part) = (at as usize, at.fract());
    let high = (low + 1).min(sorted.len().saturating_sub(1));
    sorted[low] + part * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::{fixture, rows};

    #[test]
    fn intervals_are_those_of_scipy_but_for_chance() {
        let fixture = fixture("classification");
        let table: Vec<Vec<u64>> = serde_json::from_value(fixture["confusion"].clone()).unwrap();
        let table = Confusion::of_rows(&table).unwrap();
        let found = BootstrapIntervals::with(&table, 20_000);
        let own = [found.accuracy, found.balanced_accuracy, found.macro_f1];
        let bootstrap = rows(&fixture["bootstrap"]);
        // The ends of a percentile interval of 20,000 draws vary by some thousandths. An accuracy of 60 samples goes in steps: of 60 draws
        // with probability 31/60, 97.4 % have at most 38 hits, so chance decides between 38 and 39.
        let apart = [1.0 / 60.0 + 1e-9, 0.01, 0.01];
        for ((found, wanted), apart) in own.iter().zip(bootstrap).zip(apart) {
            for (found, wanted) in found.iter().zip(wanted) {
                let off = (found - wanted).abs();
                assert!(off <= apart, "{found} against {wanted}");
            }
        }
    }

    #[test]
    fn the_same_table_has_the_same_intervals_and_sure_ones_have_no_width() {
        let table = Confusion::of_rows(&[vec![5, 1], vec![4, 5]]).unwrap();
        assert_eq!(
            BootstrapIntervals::of(&table),
            BootstrapIntervals::of(&table)
        );
        let sure = Confusion::of_rows(&[vec![5, 0], vec![0, 5]]).unwrap();
        let sure = BootstrapIntervals::of(&sure);
        assert_eq!((sure.accuracy, sure.macro_f1), ([1.0; 2], [1.0; 2]));
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8], [2.5, 50, 97.5])
        let values = [1.0, 2.0, 4.0, 8.0];
        for (share, wanted) in [(0.025, 1.075), (0.5, 3.0), (0.975, 7.7)] {
            assert!((percentile(&values, share) - wanted).abs() < 1e-12);
        }
    }
}
