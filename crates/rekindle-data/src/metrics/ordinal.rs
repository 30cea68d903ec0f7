//! The metrics of levels: those of classes, and how far off predictions are. Owns the formulas on the confusion matrix.

use serde::{Deserialize, Serialize};

use super::{Confusion, Metrics, MetricsError, MetricsReport};

/// Counts over batches of outputs of levels, from which [`OrdinalReport`] is computed. The predicted level is the most probable one.
#[derive(Debug, Clone)]
pub struct OrdinalMetrics(Metrics);

impl OrdinalMetrics {
    /// Counts for this many levels.
    pub fn new(levels: usize) -> Self {
        Self(Metrics::new(levels, 1))
    }

    /// The same, with what the probabilities tell, as [`Metrics::with_scores`].
    pub fn with_scores(self) -> Self {
        Self(self.0.with_scores())
    }

    /// Adds a batch, as [`Metrics::add`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn add(&mut self, outputs: &[f32], levels: &[usize]) -> Result<(), MetricsError> {
        self.0.add(outputs, levels)
    }

    /// The metrics of all samples so far.
    ///
    /// # Errors
    ///
    /// [`MetricsError::Empty`] before the first sample.
    pub fn report(&self) -> Result<OrdinalReport, MetricsError> {
        let levels = self.0.report()?;
        let samples = levels.samples as f64;
        let off = |target: usize, prediction: usize| target.abs_diff(prediction) as f64;
        let pairs = || levels.confusion.pairs();
        let sum = |each: &dyn Fn(f64) -> f64| -> f64 {
            let each =
                pairs().map(|(target, found, count)| each(off(target, found)) * count as f64);
            each.sum::<f64>() / samples
        };
        Ok(OrdinalReport {
            mae: sum(&|off| off),
            within_one: sum(&|off| f64::from(u8::from(off <= 1.0))),
            quadratic_kappa: quadratic_kappa(&levels.confusion),
            levels,
        })
    }
}

/// The metrics of a set of samples with levels. The true and the predicted level of each count; levels are as far apart as their numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrdinalReport {
    /// Mean number of levels between prediction and target.
    pub mae: f64,
    /// Share of samples that are off by one level at most.
    pub within_one: f64,
    /// Cohen's kappa with quadratic weights: 1 for no errors, 0 for what chance would give; scikit-learn's
    /// `cohen_kappa_score(weights="quadratic")`. 0 where all samples are of one level, predictions too, of which chance says the same.
    pub quadratic_kappa: f64,
    /// What holds of any classes.
    pub levels: MetricsReport,
}

/// [Cohen 1968](https://doi.org/10.1037/h0026256), with the square of the distance between levels as weight.
fn quadratic_kappa(confusion: &Confusion) -> f64 {
    let levels = confusion.classes();
    let (mut targets, mut predictions) = (vec![0.0; levels], vec![0.0; levels]);
    let (mut all, mut observed) = (0.0, 0.0);
    let weight = |one: usize, other: usize| (one.abs_diff(other) as f64).powi(2);
    for (target, prediction, count) in confusion.pairs() {
        let count = count as f64;
        targets[target] += count;
        predictions[prediction] += count;
        observed += weight(target, prediction) * count;
        all += count;
    }
    let mut expected = 0.0;
    for (target, of_target) in targets.iter().enumerate() {
        for (prediction, of_prediction) in predictions.iter().enumerate() {
            expected += weight(target, prediction) * of_target * of_prediction / all;
        }
    }
    match expected > 0.0 {
        true => 1.0 - observed / expected,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn figures_are_those_of_scikit_learn() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../tests/data/ordinal.json")).unwrap();
        for case in fixture["cases"].as_array().unwrap() {
            let numbers =
                |key: &str| -> Vec<usize> { serde_json::from_value(case[key].clone()).unwrap() };
            let levels = fixture["levels"].as_u64().unwrap() as usize;
            let mut metrics = OrdinalMetrics::new(levels);
            for (target, prediction) in numbers("targets").into_iter().zip(numbers("predictions")) {
                let mut row = vec![0.0; levels];
                row[prediction] = 3.0;
                metrics.add(&row, &[target]).unwrap();
            }
            let report = metrics.report().unwrap();
            for (found, key) in [
                (report.mae, "mae"),
                (report.quadratic_kappa, "quadratic_kappa"),
                (report.within_one, "within_one"),
                (report.levels.accuracy, "accuracy"),
            ] {
                let expected = case[key].as_f64().unwrap();
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{key}: {found} for {expected}"
                );
            }
        }
    }

    #[test]
    fn one_level_alone_has_no_kappa() {
        let mut metrics = OrdinalMetrics::new(3);
        metrics.add(&[0.0, 1.0, 0.0], &[1]).unwrap();
        let report = metrics.report().unwrap();
        assert_eq!((report.quadratic_kappa, report.mae), (0.0, 0.0));
    }
}
