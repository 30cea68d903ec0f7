//! Whether new pictures are like those that a model was measured on, by what the model says of both; and how often it is likely right on
//! the new ones, which need no labels.
//!
//! Owns the report. That two sets of outputs differ by more than chance is `distance.rs`'s to say. Sources: the outputs of the model as
//! what is compared, Rabanser et al. 2019, <https://arxiv.org/abs/1810.11953>, where they found shifts best of all that was tried; the
//! expected accuracy, Garg et al. 2022, <https://arxiv.org/abs/2201.04234>.

mod distance;

use rekindle_data::OutputKind;
use serde::Serialize;

pub use distance::{Distances, distances};

use crate::InsightError;

/// Fewest pictures of each side: with fewer, no test would find anything but the crudest change.
pub const FEWEST: usize = 20;

/// How pictures are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftOptions {
    /// In how many ways at random the pictures are divided anew, to see what chance does. Default 1999; fewer are taken where
    /// many outputs and pictures would take minutes.
    pub permutations: usize,
    /// Seed of these.
    pub seed: u64,
}

impl Default for DriftOptions {
    fn default() -> Self {
        Self {
            permutations: 1999,
            seed: 0,
        }
    }
}

/// How far new pictures are from the old ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// Pictures that the model was measured on.
    pub reference_images: usize,
    /// New ones.
    pub new_images: usize,
    /// The probability that chance alone makes any output differ as much as the one that differs most.
    pub p_value: f64,
    /// In how many ways the pictures were divided anew for it.
    pub permutations: usize,
    /// Each output, in the model's order.
    pub outputs: Vec<OutputDrift>,
    /// Of models of one class of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<ExpectedAccuracy>,
}

/// One class, label or number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputDrift {
    /// Its name.
    pub name: String,
    /// Mean of the output over the reference: a probability, or a number.
    pub reference_mean: f64,
    /// Over the new pictures.
    pub new_mean: f64,
    /// The Kolmogorov-Smirnov distance of both distributions, from 0 to 1.
    pub distance: f64,
    /// The probability that chance alone makes any output differ as much.
    pub p_value: f64,
}

/// How often the model is right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExpectedAccuracy {
    /// On the reference, counted.
    pub reference: f64,
    /// On the new pictures, expected: the share of them that is surer than as large a share of the reference was right.
    pub new: f64,
    /// The probability from which on a picture counts as right: as many of the reference are below it as are wrong.
    pub threshold: f64,
}

impl Drift {
    /// Compares what a model says of two sets of pictures: rows of outputs, as [`Predictor`](rekindle_model::Predictor) gives them.
    /// `classes` are the right ones of the reference, where pictures have one class of several.
    ///
    /// # Errors
    ///
    /// [`InsightError::Drift`] where a side has fewer than [`FEWEST`] pictures, or rows are not of as many outputs as there are names.
    pub fn of(
        names: &[String],
        kind: OutputKind,
        reference: &[Vec<f32>],
        classes: Option<&[usize]>,
        new: &[Vec<f32>],
        options: DriftOptions,
    ) -> Result<Self, InsightError> {
        for (side, rows) in [("the reference", reference), ("the new pictures", new)] {
            if rows.len() < FEWEST {
                return Err(InsightError::Drift(format!(
                    "{side} are {} pictures, and fewer than {FEWEST} say nothing; give more",
                    rows.len()
                )));
            }
            if rows.iter().any(|row| row.len() != names.len()) {
                return Err(InsightError::Drift(format!(
                    "{side} have rows that are not of {} outputs",
                    names.len()
                )));
            }
        }
        let found = distances(reference, new, options.permutations, options.seed);
        let mean = |rows: &[Vec<f32>], output: usize| {
            let sum: f64 = rows.iter().map(|row| f64::from(row[output])).sum();
            sum / rows.len() as f64
        };
        let outputs = names.iter().enumerate().map(|(output, name)| OutputDrift {
            name: name.clone(),
            reference_mean: mean(reference, output),
            new_mean: mean(new, output),
            distance: found.of_outputs[output],
            p_value: found.p_values[output],
        });
        let accuracy = match (kind, classes) {
            (OutputKind::Distribution, Some(classes)) => {
                Some(expected_accuracy(reference, classes, new))
            }
            _ => None,
        };
        Ok(Self {
            reference_images: reference.len(),
            new_images: new.len(),
            p_value: found.p_values.iter().copied().fold(1.0, f64::min),
            permutations: found.permutations,
            outputs: outputs.collect(),
            accuracy,
        })
    }

    /// Whether chance makes no such difference in more than one of twenty cases.
    pub fn is_found(&self) -> bool {
        self.p_value <= 0.05
    }

    /// The output that differs most.
    pub fn most(&self) -> Option<&OutputDrift> {
        let by_distance =
            |one: &&OutputDrift, other: &&OutputDrift| one.distance.total_cmp(&other.distance);
        self.outputs.iter().max_by(by_distance)
    }
}

/// The likeliest class of a row and its probability; the first of several that are alike.
fn likeliest(row: &[f32]) -> (usize, f32) {
    row.iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (class, value)| {
            match *value > best.1 {
                true => (class, *value),
                false => best,
            }
        })
}

fn expected_accuracy(
    reference: &[Vec<f32>],
    classes: &[usize],
    new: &[Vec<f32>],
) -> ExpectedAccuracy {
    let said: Vec<(usize, f32)> = reference.iter().map(|row| likeliest(row)).collect();
    let right = said.iter().zip(classes);
    let right = right.filter(|((said, _), class)| said == *class).count();
    let mut sure: Vec<f32> = said.iter().map(|(_, sure)| *sure).collect();
    sure.sort_by(f32::total_cmp);
    // Above all where none is right.
    let threshold = sure.get(reference.len() - right).copied();
    let threshold = threshold.unwrap_or(f32::INFINITY);
    let above = new.iter().filter(|row| likeliest(row).1 >= threshold);
    ExpectedAccuracy {
        reference: right as f64 / reference.len() as f64,
        new: above.count() as f64 / new.len() as f64,
        threshold: f64::from(threshold.min(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Made by `tests/data/drift.py`.
    #[derive(Deserialize)]
    struct Golden {
        reference: Vec<Vec<f32>>,
        classes: Vec<usize>,
        new: Vec<Vec<f32>>,
        distances: Vec<f64>,
        /// Of the first output alone, exact.
        p_value_of_one: f64,
        accuracy: f64,
        expected: f64,
        threshold: f64,
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../../tests/data/drift.json")).unwrap()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    #[test]
    fn distances_and_the_expected_accuracy_are_those_of_scipy_and_numpy() {
        let golden = golden();
        let options = DriftOptions::default();
        let found = Drift::of(
            &names(3),
            OutputKind::Distribution,
            &golden.reference,
            Some(&golden.classes),
            &golden.new,
            options,
        )
        .unwrap();
        for (output, expected) in found.outputs.iter().zip(&golden.distances) {
            assert!((output.distance - expected).abs() < 1e-12, "{output:?}");
        }
        let accuracy = found.accuracy.unwrap();
        assert!((accuracy.reference - golden.accuracy).abs() < 1e-12);
        assert!((accuracy.new - golden.expected).abs() < 1e-12);
        assert!((accuracy.threshold - golden.threshold).abs() < 1e-6);
    }

    #[test]
    fn the_probability_of_one_output_is_scipys_exact_one() {
        let golden = golden();
        let one = |rows: &[Vec<f32>]| rows.iter().map(|row| vec![row[0]]).collect::<Vec<_>>();
        let options = DriftOptions {
            permutations: 20_000,
            seed: 3,
        };
        let (reference, new) = (one(&golden.reference), one(&golden.new));
        let kind = OutputKind::Numbers;
        let found = Drift::of(&names(1), kind, &reference, None, &new, options).unwrap();
        // Four standard deviations of 20,000 draws.
        let p = golden.p_value_of_one;
        let bound = 4.0 * (p * (1.0 - p) / 20_000.0).sqrt() + 1e-4;
        assert!((found.p_value - p).abs() < bound, "{} {p}", found.p_value);
        assert_eq!(found.accuracy, None);
    }

    #[test]
    fn pictures_of_the_same_kind_are_seldom_found_to_differ() {
        let mut random = rekindle_augment::SampleRng::new(7, 0, 0);
        let mut rows = |count: usize, shift: f32| -> Vec<Vec<f32>> {
            let mut row = || {
                let first = random.uniform(0.0, 1.0);
                vec![(first + shift).min(1.0), (1.0 - first - shift).max(0.0)]
            };
            (0..count).map(|_| row()).collect()
        };
        let options = DriftOptions {
            permutations: 199,
            seed: 1,
        };
        let mut found = 0;
        for _ in 0..100 {
            let (reference, new) = (rows(40, 0.0), rows(30, 0.0));
            let kind = OutputKind::Distribution;
            let drift = Drift::of(&names(2), kind, &reference, None, &new, options).unwrap();
            found += usize::from(drift.is_found());
        }
        // Five are expected; thirteen or more would come once in 700 times.
        assert!(found <= 12, "{found}");
        let kind = OutputKind::Distribution;
        let (reference, new) = (rows(40, 0.0), rows(30, 0.5));
        let drift = Drift::of(&names(2), kind, &reference, None, &new, options).unwrap();
        assert!(
            drift.is_found() && drift.p_value == 1.0 / 200.0,
            "{drift:?}"
        );
    }

    #[test]
    fn too_few_pictures_are_refused() {
        let rows = vec![vec![0.5, 0.5]; 30];
        let kind = OutputKind::Distribution;
        let options = DriftOptions::default();
        let error = Drift::of(&names(2), kind, &rows, None, &rows[..19], options);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("19 pictures") && error.contains("20"),
            "{error}"
        );
        // All alike: nothing differs.
        let alike = Drift::of(&names(2), kind, &rows, None, &rows, options).unwrap();
        assert_eq!((alike.p_value, alike.outputs[0].distance), (1.0, 0.0));
    }
}
