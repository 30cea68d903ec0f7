//! Whether differences are more than chance: paired t-tests, McNemar's test, Holm's adjustment.
//!
//! Owns the formulas. Which differences are paired is `results.rs`'s. Checked against SciPy, scikit-learn's published correction and
//! statsmodels (`tests/data/statistics.json`, made by `statistics.py` beside it).

use serde::Serialize;

use super::student::{critical, two_sided};

/// The least number of pairs of which a test says anything: two differences have one degree of freedom, whose t must be above 12.7.
pub const LEAST_PAIRS: usize = 3;

/// Mean and sample standard deviation (over n - 1); none of the latter for fewer than two values.
pub fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return (mean, None);
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, Some((squares / (count - 1.0)).sqrt()))
}

/// What a t-test of paired differences says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TTest {
    /// The mean difference in units of its standard error.
    pub t: f64,
    /// Degrees of freedom, pairs - 1.
    pub freedom: usize,
    /// The chance of a t at least as far from 0 where nothing differs.
    pub p: f64,
    /// Where the mean difference lies at 95 %.
    pub interval: [f64; 2],
}

/// A two-sided t-test of paired differences. `test_share` is the number of test images for each training image where every pair has
/// another split, and 0 where all pairs have the same images.
///
/// With 0 it is Student's paired test, whose standard error is `s / sqrt(n)`. Figures of several splits are not independent, since
/// their training images overlap, and that error is too small: Nadeau and Bengio ("Inference for the generalization error", Machine
/// Learning 52, 2003) put `s sqrt(1 / n + n_test / n_train)` in its place, which is used for repeated random splits and for
/// cross-validation alike (Bouckaert and Frank, PAKDD 2004).
///
/// None for fewer than [`LEAST_PAIRS`] pairs, and where all differences are the same and not 0, whose spread is unknown rather than 0.
pub fn paired_t_test(differences: &[f64], test_share: f64) -> Option<TTest> {
    let count = differences.len();
    if count < LEAST_PAIRS {
        return None;
    }
    let (mean, deviation) = mean_and_deviation(differences);
    let deviation = deviation.filter(|deviation| deviation.is_finite())?;
    let freedom = count - 1;
    if deviation <= 1e-12 * mean.abs() {
        return (mean == 0.0).then_some(TTest {
            t: 0.0,
            freedom,
            p: 1.0,
            interval: [0.0, 0.0],
        });
    }
    let error = deviation * (1.0 / count as f64 + test_share).sqrt();
    let t = mean / error;
    let half = critical(0.05, freedom) * error;
    Some(TTest {
        t,
        freedom,
        p: two_sided(t, freedom),
        interval: [mean - half, mean + half],
    })
}

/// What McNemar's test says of two models on the same images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct McNemar {
    /// Images that both were asked.
    pub images: usize,
    /// Images that this one has right and the other has not.
    pub only_this: usize,
    /// Images that the other one has right and this one has not.
    pub only_other: usize,
    /// The chance of a division of those images as uneven where both models are equally good: exact, two-sided, binomial.
    pub p: f64,
}

/// McNemar's exact test (Q. McNemar, Psychometrika 12, 1947).
pub fn mcnemar(images: usize, only_this: usize, only_other: usize) -> McNemar {
    let count = only_this + only_other;
    let least = only_this.min(only_other);
    // In logarithms, since 2^-n is 0 from n = 1075 on.
    let mut term = -(count as f64) * 2f64.ln();
    let mut terms = vec![term];
    for chosen in 1..=least {
        term += ((count - chosen + 1) as f64 / chosen as f64).ln();
        terms.push(term);
    }
    let sum: f64 = terms.iter().map(|at| (at - term).exp()).sum();
    let p = match only_this == only_other {
        true => 1.0,
        false => (2.0 * sum * term.exp()).min(1.0),
    };
    McNemar {
        images,
        only_this,
        only_other,
        p,
    }
}

/// The chances of several tests so that at most one in twenty families of tests has any below 0.05 by chance: Holm's step-down
/// adjustment (S. Holm, 1979). Those that are none stay so and are not counted.
pub fn holm(chances: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> = chances
        .iter()
        .enumerate()
        .filter_map(|(place, chance)| Some((place, (*chance)?)))
        .collect();
    order.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut adjusted = vec![None; chances.len()];
    let mut least = 0.0f64;
    for (rank, (place, chance)) in order.iter().enumerate() {
        least = least.max((order.len() - rank) as f64 * chance).min(1.0);
        adjusted[*place] = Some(least);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::Value;

    fn numbers() -> Value {
        serde_json::from_str(include_str!("../../tests/data/statistics.json")).unwrap()
    }

    fn list(value: &Value) -> Vec<f64> {
        let values = value.as_array().unwrap().iter();
        values.map(|value| value.as_f64().unwrap()).collect()
    }

    #[track_caller]
    fn near(found: f64, expected: &Value) {
        let expected = expected.as_f64().unwrap();
        let apart = (found - expected).abs();
        assert!(apart <= 1e-9 * expected.abs(), "{found} and {expected}");
    }

    #[test]
    fn tails_of_the_t_distribution_are_those_of_scipy() {
        let numbers = numbers();
        let cases = numbers["student"].as_array().unwrap();
        assert!(cases.len() > 50);
        for case in cases {
            let freedom = case["freedom"].as_u64().unwrap() as usize;
            near(two_sided(case["t"].as_f64().unwrap(), freedom), &case["p"]);
        }
    }

    #[test]
    fn paired_tests_are_those_of_scipy_and_of_scikit_learns_correction() {
        let numbers = numbers();
        for case in numbers["paired"].as_array().unwrap() {
            let pairs = list(&case["first"]);
            let second = list(&case["second"]);
            let differences: Vec<f64> = pairs
                .iter()
                .zip(&second)
                .map(|(one, other)| one - other)
                .collect();
            let share = case["test_share"].as_f64().unwrap();
            let found = paired_t_test(&differences, share).unwrap();
            near(found.t, &case["t"]);
            near(found.p, &case["p"]);
            near(found.interval[0], &case["interval"][0]);
            near(found.interval[1], &case["interval"][1]);
        }
    }

    #[test]
    fn mcnemars_test_is_scipys_binomial_test() {
        let numbers = numbers();
        for case in numbers["mcnemar"].as_array().unwrap() {
            let [this, other] =
                ["only_this", "only_other"].map(|key| case[key].as_u64().unwrap() as usize);
            near(mcnemar(10_000, this, other).p, &case["p"]);
        }
    }

    #[test]
    fn holms_adjustment_is_that_of_statsmodels() {
        let numbers = numbers();
        for case in numbers["holm"].as_array().unwrap() {
            let chances: Vec<Option<f64>> = list(&case["p"]).into_iter().map(Some).collect();
            let adjusted = list(&case["adjusted"]);
            for (found, expected) in holm(&chances).into_iter().zip(adjusted) {
                assert!((found.unwrap() - expected).abs() < 1e-12);
            }
        }
        let some = holm(&[None, Some(0.02), None, Some(0.03)]);
        assert_eq!(some, [None, Some(0.04), None, Some(0.04)]);
    }

    #[test]
    fn few_pairs_and_pairs_without_spread_have_no_chance() {
        assert_eq!(paired_t_test(&[0.1, 0.2], 0.0), None);
        assert_eq!(paired_t_test(&[0.1, 0.1, 0.1], 0.0), None);
        let nothing = paired_t_test(&[0.0; 4], 0.25).unwrap();
        assert_eq!((nothing.p, nothing.interval), (1.0, [0.0, 0.0]));
        assert_eq!(mean_and_deviation(&[0.5]), (0.5, None));
    }

    #[test]
    fn overlapping_training_images_make_a_difference_less_sure() {
        let differences = [0.01, 0.03, 0.02, 0.04, 0.01];
        let [plain, corrected] =
            [0.0, 0.25].map(|share| paired_t_test(&differences, share).unwrap());
        assert!(corrected.p > plain.p && corrected.interval[0] < plain.interval[0]);
        assert!((plain.t / corrected.t - 1.5).abs() < 1e-12);
    }
}
