//! Figures of predicted numbers. Owns the formulas; laying them out as text is in `table.rs`.
//!
//! Definitions and values are scikit-learn's and SciPy's (`tests/data/metrics.py`). The errors of a number are in its own unit; those of
//! several numbers together are in standard deviations, since metres and years have no common mean.

use serde::{Deserialize, Serialize};

use super::report::mean;
use super::{MetricsError, check_finite, check_shape};
use crate::number_scale::NumberScale;

/// Predictions and targets of all samples, from which [`RegressionReport`] is computed. Rank correlation needs all of them at once.
#[derive(Debug, Clone)]
pub struct RegressionMetrics {
    scale: NumberScale,
    /// Sum of squared errors of standardised numbers.
    squares: f64,
    /// Prediction and target of each sample, for each number.
    pairs: Vec<Vec<(f64, f64)>>,
}

/// The figures of a set of samples with numbers. Where there are several numbers, the figures of all are the means of theirs, each error
/// divided by its number's standard deviation over the training images before, so that units do not matter: an error of 1 is as large as
/// that of always predicting the mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionReport {
    /// Number of samples.
    pub samples: u64,
    /// Mean squared error of the standardised numbers.
    pub loss: f64,
    /// Mean absolute error: of one number in its own unit, of several in standard deviations ([`Self::in_deviations`]).
    pub mae: f64,
    /// Root of the mean squared error, likewise.
    pub rmse: f64,
    /// Coefficient of determination, R²: 1 is perfect, 0 is no better than their mean, below 0 is worse.
    pub r2: f64,
    /// Figures of every number, in their order.
    pub per_number: Vec<NumberMetrics>,
    /// Prediction and target of samples for each number, to look at: of at most 500 samples, spread evenly over all. Reports of
    /// earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Vec<[f64; 2]>>,
}

/// Most samples whose numbers a report holds.
pub const MOST_PAIRS: usize = 500;

/// The figures of one number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NumberMetrics {
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Coefficient of determination. Of equal targets it is 1 where all predictions are right, and 0 otherwise.
    pub r2: f64,
    /// Pearson's correlation of predictions and targets, from -1 to 1; 0 where one of them never changes.
    pub pearson: f64,
    /// Spearman's rank correlation, likewise.
    pub spearman: f64,
}

impl RegressionMetrics {
    /// Nothing measured yet, for numbers of this scale.
    pub fn new(scale: NumberScale) -> Self {
        let pairs = vec![Vec::new(); scale.mean.len()];
        Self {
            scale,
            squares: 0.0,
            pairs,
        }
    }

    /// Adds a batch: the head's outputs row by row, and each sample's numbers in their own units.
    ///
    /// # Errors
    ///
    /// [`MetricsError`] if the lengths do not fit, or an output is not finite; nothing of the batch is counted then.
    pub fn add<'a>(
        &mut self,
        outputs: &[f32],
        targets: impl Iterator<Item = &'a [f64]>,
    ) -> Result<(), MetricsError> {
        let numbers = self.pairs.len();
        let targets: Vec<&[f64]> = targets.collect();
        check_shape(outputs.len(), targets.len(), numbers)?;
        if let Some(wrong) = targets.iter().find(|target| target.len() != numbers) {
            return Err(MetricsError::Shape {
                logits: outputs.len(),
                targets: wrong.len(),
                classes: numbers,
            });
        }
        check_finite(outputs, numbers, self.pairs.first().map_or(0, Vec::len))?;
        for (row, target) in outputs.chunks_exact(numbers.max(1)).zip(targets) {
            for (place, (output, target)) in row.iter().zip(target).enumerate() {
                let output = f64::from(*output);
                let error = output - self.scale.standardise(place, *target);
                self.squares += error * error;
                self.pairs[place].push((self.scale.restore(place, output), *target));
            }
        }
        Ok(())
    }

    /// The figures of all samples so far.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Empty`] before the first sample.
    pub fn report(&self) -> Result<RegressionReport, MetricsError> {
        let samples = self.pairs.first().map_or(0, Vec::len);
        if samples == 0 {
            return Err(MetricsError::Empty);
        }
        let per_number: Vec<NumberMetrics> =
            self.pairs.iter().map(|pairs| of_number(pairs)).collect();
        let average = |of: fn(&NumberMetrics) -> f64| mean(per_number.iter().map(of));
        // One number has a unit; several have only their deviations in common.
        let error = |of: fn(&NumberMetrics) -> f64| match per_number.as_slice() {
            [number] => of(number),
            numbers => mean(
                numbers
                    .iter()
                    .zip(&self.scale.std)
                    .map(|(number, std)| of(number) / std),
            ),
        };
        Ok(RegressionReport {
            samples: samples as u64,
            loss: self.squares / (samples * self.pairs.len()) as f64,
            mae: error(|number| number.mae),
            rmse: error(|number| number.rmse),
            r2: average(|number| number.r2),
            pairs: self.pairs.iter().map(|pairs| spread(pairs)).collect(),
            per_number,
        })
    }
}

impl RegressionReport {
    /// Whether the errors of all numbers together are in standard deviations, since there are several.
    pub fn in_deviations(&self) -> bool {
        self.per_number.len() > 1
    }
}

/// At most [`MOST_PAIRS`] of the pairs, spread evenly.
fn spread(pairs: &[(f64, f64)]) -> Vec<[f64; 2]> {
    let count = pairs.len().min(MOST_PAIRS);
    let place = |number: usize| number * pairs.len() / count;
    let pair = |number| <[f64; 2]>::from(pairs[place(number)]);
    (0..count).map(pair).collect()
}

fn of_number(pairs: &[(f64, f64)]) -> NumberMetrics {
    let average = |of: &dyn Fn(&(f64, f64)) -> f64| mean(pairs.iter().map(of));
    let square_error = average(&|(found, target)| (found - target).powi(2));
    let target_mean = average(&|(_, target)| *target);
    let variance = average(&|(_, target)| (target - target_mean).powi(2));
    let (found, targets): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    NumberMetrics {
        mae: average(&|(found, target)| (found - target).abs()),
        rmse: square_error.sqrt(),
        r2: match (variance > 0.0, square_error > 0.0) {
            (true, _) => 1.0 - square_error / variance,
            (false, true) => 0.0,
            (false, false) => 1.0,
        },
        pearson: correlation(&found, &targets),
        spearman: correlation(&ranks(&found), &ranks(&targets)),
    }
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let [mean_a, mean_b] = [a, b].map(|values| mean(values.iter().copied()));
    let sum = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
    };
    let squares = sum(a, mean_a, a, mean_a) * sum(b, mean_b, b, mean_b);
    match squares > 0.0 {
        true => (sum(a, mean_a, b, mean_b) / squares.sqrt()).clamp(-1.0, 1.0),
        false => 0.0,
    }
}

/// Ranks from 1; equal values have the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|place| ranks[*place] = rank);
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::{close, fixture, rows};

    fn measured(batch: usize) -> RegressionReport {
        let fixture = fixture("regression");
        let scale: NumberScale = serde_json::from_value(fixture.clone()).unwrap();
        let mut metrics = RegressionMetrics::new(scale);
        let (outputs, numbers) = (rows(&fixture["outputs"]), rows(&fixture["numbers"]));
        for (outputs, numbers) in outputs.chunks(batch).zip(numbers.chunks(batch)) {
            let outputs: Vec<f32> = outputs
                .iter()
                .flatten()
                .map(|value| *value as f32)
                .collect();
            metrics
                .add(&outputs, numbers.iter().map(Vec::as_slice))
                .unwrap();
        }
        metrics.report().unwrap()
    }

    #[test]
    fn every_figure_of_numbers_is_that_of_scikit_learn_and_scipy() {
        let (fixture, report) = (fixture("regression"), measured(30));
        assert_eq!(report.samples, 30);
        close(report.loss, &fixture["loss"]);
        close(report.mae, &fixture["mae"]);
        close(report.rmse, &fixture["rmse"]);
        close(report.r2, &fixture["r2"]);
        for (place, figures) in report.per_number.iter().enumerate() {
            close(figures.mae, &fixture["mae_each"][place]);
            close(figures.rmse, &fixture["rmse_each"][place]);
            close(figures.r2, &fixture["r2_each"][place]);
            close(figures.pearson, &fixture["pearson"][place]);
            close(figures.spearman, &fixture["spearman"][place]);
        }
        let parts = measured(7);
        assert!((parts.loss - report.loss).abs() < 1e-12);
        assert_eq!(parts.per_number, report.per_number);
    }

    #[test]
    fn one_number_has_errors_in_its_unit_and_several_in_deviations() {
        let report = |std: &[f64]| {
            let (mean, std) = (vec![0.0; std.len()], std.to_vec());
            let numbers = std.len();
            let mut metrics = RegressionMetrics::new(NumberScale { mean, std });
            let target = vec![0.0; numbers];
            // Off by half a deviation, whatever the unit.
            metrics
                .add(&vec![0.5; numbers], std::iter::once(&target[..]))
                .unwrap();
            metrics.report().unwrap()
        };
        let one = report(&[10.0]);
        assert_eq!((one.mae, one.rmse, one.in_deviations()), (5.0, 5.0, false));
        let two = report(&[10.0, 4e6]);
        assert_eq!((two.mae, two.rmse, two.in_deviations()), (0.5, 0.5, true));
        assert_eq!(two.per_number[1].mae, 2e6);
    }

    #[test]
    fn numbers_that_never_change_have_figures_too() {
        let right = of_number(&[(2.0, 2.0), (2.0, 2.0)]);
        assert_eq!((right.r2, right.rmse, right.pearson), (1.0, 0.0, 0.0));
        let wrong = of_number(&[(3.0, 2.0), (2.0, 2.0)]);
        assert_eq!((wrong.r2, wrong.mae, wrong.spearman), (0.0, 0.5, 0.0));
    }

    #[test]
    fn bad_batches_are_errors_and_count_nothing() {
        let scale = NumberScale {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let mut metrics = RegressionMetrics::new(scale);
        let mut add =
            |outputs: &[f32], numbers: &[&[f64]]| metrics.add(outputs, numbers.iter().copied());
        assert!(matches!(
            add(&[0.0; 2], &[&[1.0]]),
            Err(MetricsError::Shape { .. })
        ));
        assert!(matches!(
            add(&[0.0], &[&[]]),
            Err(MetricsError::Shape { .. })
        ));
        assert!(matches!(
            add(&[f32::INFINITY], &[&[1.0]]),
            Err(MetricsError::NonFiniteLogit { sample: 0, .. })
        ));
        assert_eq!(metrics.report().unwrap_err(), MetricsError::Empty);
    }
}
