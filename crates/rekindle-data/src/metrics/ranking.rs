//! How well scores put the samples of each output before the others: areas under the ROC curve and average precisions. Owns these two
//! formulas for many outputs at once; which numbers are scores is the caller's.
//!
//! Values are scikit-learn's `roc_auc_score` and `average_precision_score` of each output against the rest
//! (`tests/data/metrics.py`). Samples of equal scores count together, as there.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::report::mean;

/// Outputs that are looked at in one pass over the samples: what of them is read lies together, and their positives fit the caches.
const TOGETHER: usize = 64;

/// How well the scores of one output tell its samples from all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Area under the ROC curve, one against the rest: how often a sample of it has a higher score than another. None where all
    /// samples are of it, or none is.
    pub auroc: Option<f64>,
    /// Mean of the precisions at each sample of it, the samples sorted by score. None where no sample is of it.
    pub average_precision: Option<f64>,
}

impl Ranking {
    /// The mean areas and average precisions over the outputs that have one.
    pub(super) fn means(each: &[Self]) -> Self {
        let mean_of = |value: fn(&Self) -> Option<f64>| {
            let known = || each.iter().filter_map(value);
            known().next().map(|_| mean(known()))
        };
        Self {
            auroc: mean_of(|one| one.auroc),
            average_precision: mean_of(|one| one.average_precision),
        }
    }
}

/// The ranking of every output. `scores` is row by row, `[sample][output]`, without numbers that are none; `is_of` tells whether a sample
/// is of an output.
pub(super) fn rankings(
    scores: &[f32],
    outputs: usize,
    is_of: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<Ranking> {
    let places: Vec<usize> = (0..outputs).collect();
    let parts = places.par_chunks(TOGETHER);
    let parts = parts.map(|part| rankings_of(scores, outputs, part, &is_of));
    parts.collect::<Vec<_>>().concat()
}

fn rankings_of(
    scores: &[f32],
    outputs: usize,
    part: &[usize],
    is_of: &impl Fn(usize, usize) -> bool,
) -> Vec<Ranking> {
    let first = part[0];
    let rows = || scores.chunks_exact(outputs).enumerate();
    let mut own: Vec<Vec<f32>> = vec![Vec::new(); part.len()];
    for (sample, row) in rows() {
        for (own, &output) in own.iter_mut().zip(part) {
            if is_of(sample, output) {
                own.push(row[output]);
            }
        }
    }
    own.iter_mut()
        .for_each(|scores| scores.sort_unstable_by(f32::total_cmp));
    let mut others: Vec<Others> = own.iter().map(|own| Others::before(own.len())).collect();
    for (sample, row) in rows() {
        let row = &row[first..first + part.len()];
        for (((others, own), &score), &output) in others.iter_mut().zip(&own).zip(row).zip(part) {
            if !is_of(sample, output) {
                others.add(own, score);
            }
        }
    }
    let pairs = others.iter().zip(&own);
    pairs.map(|(others, own)| others.ranking(own)).collect()
}

/// Where the scores of the samples lie that are not of an output, among those that are.
struct Others {
    count: u64,
    /// Twice the pairs of a sample of it and another in which the other has the lower score; of equal ones once.
    twice_before: u64,
    /// How many have a score of at least so many samples of it, and not of more.
    above: Vec<u64>,
}

impl Others {
    fn before(own: usize) -> Self {
        Self {
            count: 0,
            twice_before: 0,
            above: vec![0; own + 1],
        }
    }

    fn add(&mut self, own: &[f32], score: f32) {
        self.count += 1;
        // Most are below all.
        let below = match own.first() {
            Some(lowest) if score >= *lowest => own.partition_point(|own| *own < score),
            _ => 0,
        };
        let equal = own[below..].iter().take_while(|own| **own == score).count();
        let greater = own.len() - below - equal;
        self.twice_before += (2 * greater + equal) as u64;
        self.above[below + equal] += 1;
    }

    fn ranking(&self, own: &[f32]) -> Ranking {
        if own.is_empty() {
            return Ranking::default();
        }
        let pairs = self.count as f64 * own.len() as f64;
        let auroc = (self.count > 0).then(|| self.twice_before as f64 / 2.0 / pairs);
        // From the highest score down: those of it, and the others of at least this score.
        let (mut hits, mut others, mut sum, mut end) = (0, 0u64, 0.0, own.len());
        for equal in own.chunk_by(|a, b| a == b).rev() {
            others += self.above[end];
            let start = end - equal.len();
            // Those between the scores of a group of equal ones are none.
            hits += equal.len();
            sum += equal.len() as f64 * hits as f64 / (hits as f64 + others as f64);
            end = start;
        }
        Ranking {
            auroc,
            average_precision: Some(sum / own.len() as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definitions: all pairs, and all thresholds.
    fn defined(scores: &[f32], of: &[bool]) -> Ranking {
        let pick = |wanted: bool| {
            let pairs = scores.iter().zip(of).filter(move |pair| *pair.1 == wanted);
            pairs.map(|pair| *pair.0)
        };
        let (own, others) = (pick(true).count(), pick(false).count());
        let pairs = pick(true).flat_map(|a| pick(false).map(move |b| (a, b)));
        let won: f64 = pairs
            .map(|(a, b)| if a > b { 1.0 } else { 0.5 * f64::from(a == b) })
            .sum();
        let precision = |at: f32| {
            let found = scores
                .iter()
                .zip(of)
                .filter(|pair| *pair.0 >= at)
                .map(|pair| *pair.1);
            let found: Vec<bool> = found.collect();
            found.iter().filter(|hit| **hit).count() as f64 / found.len() as f64
        };
        Ranking {
            auroc: (own > 0 && others > 0).then(|| won / (own * others) as f64),
            average_precision: (own > 0)
                .then(|| pick(true).map(precision).sum::<f64>() / own as f64),
        }
    }

    proptest! {
        #[test]
        fn rankings_are_those_of_the_definitions(
            // Whole numbers, so that ties happen.
            scores in prop::collection::vec(-4i8..4, 3 * 20),
            of in prop::collection::vec(any::<bool>(), 3 * 20),
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let found = rankings(&scores, 3, |sample, output| of[sample * 3 + output]);
            for (output, found) in found.into_iter().enumerate() {
                let column = |at: usize| at * 3 + output;
                let scores: Vec<f32> = (0..20).map(|at| scores[column(at)]).collect();
                let of: Vec<bool> = (0..20).map(|at| of[column(at)]).collect();
                let wanted = defined(&scores, &of);
                for (found, wanted) in [(found.auroc, wanted.auroc), (found.average_precision, wanted.average_precision)] {
                    prop_assert_eq!(found.is_some(), wanted.is_some());
                    let apart = found.unwrap_or(0.0) - wanted.unwrap_or(0.0);
                    prop_assert!(apart.abs() < 1e-12, "{:?} {:?}", found, wanted);
                }
            }
        }
    }

    #[test]
    fn outputs_that_nothing_or_everything_is_of_have_no_area() {
        let found = rankings(&[0.1, 0.2, 0.3, 0.4], 2, |_, output| output == 1);
        assert_eq!(found[0], Ranking::default());
        assert_eq!(
            (found[1].auroc, found[1].average_precision),
            (None, Some(1.0))
        );
        let means = Ranking::means(&found);
        assert_eq!((means.auroc, means.average_precision), (None, Some(1.0)));
    }
}
