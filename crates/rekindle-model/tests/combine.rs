//! Weights, meta-learners and temperatures against SciPy's and scikit-learn's (`data/combine.py`).

use rekindle_data::OutputKind;
use rekindle_model::ensemble::{
    MeanOf, fit_softmax_regression, fit_stack, fit_temperature, fit_weights, mean_of_rows,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Numbers {
    outputs: usize,
    targets: Vec<usize>,
    logits: Vec<Vec<f32>>,
    labels: Vec<f32>,
    label_logits: Vec<Vec<f32>>,
    numbers: Vec<f32>,
    said_numbers: Vec<Vec<f32>>,
    weights: AllWeights,
    to_zero: Vec<Regression>,
    to_mean: Vec<Regression>,
    temperatures: Temperatures,
}

#[derive(Deserialize)]
struct AllWeights {
    class_probabilities: Weights,
    class_logits: Weights,
    label_probabilities: Weights,
    label_logits: Weights,
    numbers: Weights,
}

#[derive(Deserialize)]
struct Weights {
    weights: Vec<f64>,
    loss: f64,
}

#[derive(Deserialize)]
struct Regression {
    l2: f64,
    weights: Vec<f64>,
    bias: Vec<f64>,
}

#[derive(Deserialize)]
struct Temperatures {
    classes: Temperature,
    labels: Temperature,
}

#[derive(Deserialize)]
struct Temperature {
    temperature: f64,
    before: f64,
    after: f64,
    #[serde(rename = "scikit-learn")]
    of_sklearn: Option<f64>,
}

fn numbers() -> Numbers {
    serde_json::from_str(include_str!("data/combine.json")).unwrap()
}

fn one_hot(of: &Numbers) -> Vec<f32> {
    let mut rows = vec![0.0; of.targets.len() * of.outputs];
    for (row, class) in rows.chunks_mut(of.outputs).zip(&of.targets) {
        row[*class] = 1.0;
    }
    rows
}

fn slices(rows: &[Vec<f32>]) -> Vec<&[f32]> {
    rows.iter().map(Vec::as_slice).collect()
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= within, "{found} {expected}");
    }
}

/// The mean loss of a weighted mean, from probabilities as predictions give them.
fn loss(
    kind: OutputKind,
    of: MeanOf,
    weights: &[f64],
    rows: &[Vec<f32>],
    right: &[f32],
    outputs: usize,
) -> f64 {
    let mut sum = 0.0;
    let images = right.len() / outputs;
    for image in 0..images {
        let range = image * outputs..(image + 1) * outputs;
        let said: Vec<&[f32]> = rows.iter().map(|row| &row[range.clone()]).collect();
        let mut row = mean_of_rows(kind, of, weights, &said);
        kind.activate(&mut row);
        for (says, right) in row.iter().zip(&right[range]) {
            let (says, right) = (f64::from(*says), f64::from(*right));
            sum += match kind {
                OutputKind::Distribution => -right * says.ln(),
                OutputKind::Indicators => {
                    -(right * says.ln() + (1.0 - right) * (1.0 - says).ln()) / outputs as f64
                }
                OutputKind::Numbers => (says - right) * (says - right) / outputs as f64,
            };
        }
    }
    sum / images as f64
}

#[test]
fn weights_are_those_of_scipy() {
    let of = numbers();
    let classes = one_hot(&of);
    let cases = [
        (
            OutputKind::Distribution,
            MeanOf::Probabilities,
            &of.logits,
            &classes,
            &of.weights.class_probabilities,
        ),
        (
            OutputKind::Distribution,
            MeanOf::Logits,
            &of.logits,
            &classes,
            &of.weights.class_logits,
        ),
        (
            OutputKind::Indicators,
            MeanOf::Probabilities,
            &of.label_logits,
            &of.labels,
            &of.weights.label_probabilities,
        ),
        (
            OutputKind::Indicators,
            MeanOf::Logits,
            &of.label_logits,
            &of.labels,
            &of.weights.label_logits,
        ),
        (
            OutputKind::Numbers,
            MeanOf::Probabilities,
            &of.said_numbers,
            &of.numbers,
            &of.weights.numbers,
        ),
    ];
    for (kind, mean, rows, right, expected) in cases {
        let found = fit_weights(kind, mean, &slices(rows), right, of.outputs);
        close(&found, &expected.weights, 2e-6);
        let found = loss(kind, mean, &found, rows, right, of.outputs);
        assert!(
            (found - expected.loss).abs() < 1e-6,
            "{kind:?} {mean:?}: {found} {}",
            expected.loss
        );
    }
}

/// What a meta-learner sees: log probabilities less their mean, of each model.
fn features(of: &Numbers) -> Vec<f64> {
    let mut all = Vec::new();
    for image in 0..of.targets.len() {
        for row in &of.logits {
            let row = &row[image * of.outputs..][..of.outputs];
            let mean = row.iter().map(|logit| f64::from(*logit)).sum::<f64>() / of.outputs as f64;
            all.extend(row.iter().map(|logit| f64::from(*logit) - mean));
        }
    }
    all
}

#[test]
fn a_meta_learner_is_that_of_scikit_learn_and_one_with_a_prior_that_of_scipy() {
    let of = numbers();
    let features = features(&of);
    let width = of.logits.len() * of.outputs;
    let zero = vec![0.0; of.outputs * width];
    let share = 1.0 / of.logits.len() as f64;
    let mean: Vec<f64> = (0..of.outputs)
        .flat_map(|class| (0..width).map(move |at| (class, at % of.outputs)))
        .map(|(class, at)| if class == at { share } else { 0.0 })
        .collect();
    for (prior, cases) in [(&zero, &of.to_zero), (&mean, &of.to_mean)] {
        for expected in cases {
            let found =
                fit_softmax_regression(&features, &of.targets, of.outputs, prior, expected.l2);
            close(&found.weights, &expected.weights, 1e-5);
            close(&found.bias, &expected.bias, 1e-5);
        }
    }
}

#[test]
fn a_stack_is_the_meta_learner_with_the_strength_it_chose() {
    let of = numbers();
    let folds: Vec<usize> = (0..of.targets.len()).map(|image| image % 4).collect();
    let fit = fit_stack(&slices(&of.logits), &of.targets, of.outputs, &folds);
    let least = fit
        .tried
        .iter()
        .map(|(_, loss)| *loss)
        .fold(f64::INFINITY, f64::min);
    let chosen = fit.tried.iter().find(|(l2, _)| *l2 == fit.l2).unwrap();
    assert_eq!(chosen.1, least);
    let width = of.logits.len() * of.outputs;
    assert_eq!(
        (fit.regression.features(), fit.images),
        (width, of.targets.len())
    );
    assert_eq!(fit.out_of_fold.len(), of.targets.len() * of.outputs);
}

#[test]
fn temperatures_are_those_of_scipy_and_scikit_learn() {
    let of = numbers();
    let cases = [
        (
            OutputKind::Distribution,
            &of.logits[0],
            one_hot(&of),
            &of.temperatures.classes,
        ),
        (
            OutputKind::Indicators,
            &of.label_logits[0],
            of.labels.clone(),
            &of.temperatures.labels,
        ),
    ];
    for (kind, logits, right, expected) in cases {
        let found = fit_temperature(kind, logits, &right, of.outputs).unwrap();
        close(&[found.value], &[expected.temperature], 1e-6);
        close(&found.log_loss, &[expected.before, expected.after], 1e-9);
        if let Some(of_sklearn) = expected.of_sklearn {
            close(&[found.value], &[of_sklearn], 1e-6);
        }
    }
}
