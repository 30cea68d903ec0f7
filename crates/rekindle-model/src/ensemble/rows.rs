//! Means of what models say of one image, as outputs again. Owns the arithmetic alone.
//!
//! Outputs of a combination are in the form of its task's outputs, so that all that reads them (probabilities, figures, losses) stays
//! the same: of a mean of probabilities the log of these, whose softmax they are; of labels the logit.

use rekindle_data::OutputKind;
use serde::{Deserialize, Serialize};

/// What is averaged. For numbers both are the mean of the numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeanOf {
    /// Probabilities: the linear opinion pool.
    #[default]
    Probabilities,
    /// Logits: the geometric mean of probabilities, made to sum to 1.
    Logits,
}

impl MeanOf {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probabilities => "probabilities",
            Self::Logits => "logits",
        }
    }
}

/// The log of a sum of exponentials.
pub(super) fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    match largest.is_finite() {
        true => {
            largest
                + values
                    .map(|value| (value - largest).exp())
                    .sum::<f64>()
                    .ln()
        }
        false => largest,
    }
}

/// `ln(1 + e^z)`.
pub(super) fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// Log probabilities of classes from logits.
pub(super) fn log_softmax(row: &[f32]) -> impl Iterator<Item = f64> + Clone + '_ {
    let logits = row.iter().map(|value| f64::from(*value));
    let sum = log_sum_exp(logits.clone());
    logits.map(move |value| value - sum)
}

/// The weighted mean of what models say of one image, as outputs in their form.
///
/// # Shapes
///
/// `rows` holds `[outputs]` of each model, `weights` one weight of each, which sum to 1.
pub fn mean_of_rows(kind: OutputKind, of: MeanOf, weights: &[f64], rows: &[&[f32]]) -> Vec<f32> {
    let outputs = rows.first().map_or(0, |row| row.len());
    let used = || {
        weights
            .iter()
            .zip(rows)
            .filter(|(weight, _)| **weight > 0.0)
    };
    let weighted = |place: usize| {
        let each = used().map(|(weight, row)| weight * f64::from(row[place]));
        each.sum::<f64>() as f32
    };
    match (kind, of) {
        (OutputKind::Numbers, _) | (_, MeanOf::Logits) => (0..outputs).map(weighted).collect(),
        (OutputKind::Distribution, MeanOf::Probabilities) => {
            let logs: Vec<(f64, Vec<f64>)> = used()
                .map(|(weight, row)| (weight.ln(), log_softmax(row).collect()))
                .collect();
            let mean = |place: usize| {
                let terms = logs.iter().map(|(weight, row)| weight + row[place]);
                log_sum_exp(terms) as f32
            };
            (0..outputs).map(mean).collect()
        }
        (OutputKind::Indicators, MeanOf::Probabilities) => {
            let logit = |place: usize| {
                let side = |sign: f64| {
                    let terms = used()
                        .map(|(weight, row)| weight.ln() - softplus(-sign * f64::from(row[place])));
                    log_sum_exp(terms)
                };
                (side(1.0) - side(-1.0)) as f32
            };
            (0..outputs).map(logit).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: OutputKind, row: &[f32]) -> Vec<f32> {
        let mut row = row.to_vec();
        kind.activate(&mut row);
        row
    }

    fn close(found: &[f32], expected: &[f32]) {
        let near = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(
            near && found.len() == expected.len(),
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn a_mean_of_probabilities_says_just_that() {
        for kind in [OutputKind::Distribution, OutputKind::Indicators] {
            let rows: [&[f32]; 2] = [&[2.0, -1.0, 0.5], &[-3.0, 0.25, 4.0]];
            let mean = mean_of_rows(kind, MeanOf::Probabilities, &[0.25, 0.75], &rows);
            let [a, b] = rows.map(|row| said(kind, row));
            let expected: Vec<f32> = a.iter().zip(b).map(|(a, b)| 0.25 * a + 0.75 * b).collect();
            close(&said(kind, &mean), &expected);
        }
    }

    #[test]
    fn a_mean_of_logits_and_of_numbers_is_their_sum_by_weight() {
        let rows: [&[f32]; 2] = [&[2.0, -1.0], &[-2.0, 3.0]];
        let half = [0.5, 0.5];
        let logits = mean_of_rows(OutputKind::Distribution, MeanOf::Logits, &half, &rows);
        assert_eq!(logits, [0.0, 1.0]);
        let numbers = mean_of_rows(OutputKind::Numbers, MeanOf::Probabilities, &half, &rows);
        assert_eq!(numbers, [0.0, 1.0]);
    }

    #[test]
    fn the_surest_models_stay_finite_and_one_without_weight_is_not_heard() {
        for kind in [OutputKind::Distribution, OutputKind::Indicators] {
            let rows: [&[f32]; 2] = [&[1e4, -1e4], &[-1e4, 1e4]];
            for weights in [[0.5, 0.5], [1.0, 0.0]] {
                let mean = mean_of_rows(kind, MeanOf::Probabilities, &weights, &rows);
                assert!(mean.iter().all(|value| value.is_finite()), "{mean:?}");
                let expected = [weights[0] as f32, weights[1] as f32];
                close(&said(kind, &mean), &expected);
            }
        }
    }
}
