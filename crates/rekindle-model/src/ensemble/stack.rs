//! A meta-learner on what models say: logistic regression on their centred log probabilities. Owns its features, what its weights are
//! drawn to, and how the strength of that is chosen; the solver is `softmax_regression.rs`'s.
//!
//! Source: D. Wolpert, "Stacked generalization", 1992. Features are `ln p(class) - mean over the classes` of each model: logits without
//! the constant that says nothing. Weights are drawn to the mean of the models and not to zero, so that with few images the meta-learner
//! is that mean and departs from it as far as the images give reason to.

use super::rows::{log_softmax, log_sum_exp};
use super::softmax_regression::{
    ENOUGH_TO_COMPARE, SoftmaxRegression, fit_from, fit_softmax_regression,
};

/// The tensor of its weights in a model file, `[classes, members * classes]`.
pub(crate) const STACK_WEIGHT: &str = "stack.weight";
/// That of its bias, `[classes]`.
pub(crate) const STACK_BIAS: &str = "stack.bias";

/// The strengths that are tried, from all but the mean itself to hardly any.
const STRENGTHS: [f64; 10] = [
    10_000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1,
];

/// A meta-learner with what was found in choosing it.
#[derive(Debug, Clone, PartialEq)]
pub struct StackFit {
    /// It.
    pub regression: SoftmaxRegression,
    /// The strength of L2 with the smallest log loss on images that a fit had not seen.
    pub l2: f64,
    /// Each strength that was tried, with that log loss.
    pub tried: Vec<(f64, f64)>,
    /// Logits of each image by the fit that had not seen it, `[images * classes]`, at the chosen strength.
    pub out_of_fold: Vec<f32>,
    /// How many images it was fitted to.
    pub images: usize,
}

/// Features of a meta-learner, `[images * members * classes]`, from logits `[images * classes]` of each member.
pub(crate) fn features_of(rows: &[&[f32]], classes: usize) -> Vec<f64> {
    let images = rows.first().map_or(0, |row| row.len() / classes.max(1));
    let mut features = Vec::with_capacity(images * rows.len() * classes);
    for image in 0..images {
        for row in rows {
            let logs = log_softmax(&row[image * classes..][..classes]);
            let mean = logs.clone().sum::<f64>() / classes as f64;
            features.extend(logs.map(|log| log - mean));
        }
    }
    features
}

/// The weights of the mean of the members' logits, `[classes, members * classes]`.
fn weights_of_mean(members: usize, classes: usize) -> Vec<f64> {
    let mut weights = vec![0.0; classes * members * classes];
    for class in 0..classes {
        for member in 0..members {
            weights[class * members * classes + member * classes + class] = 1.0 / members as f64;
        }
    }
    weights
}

/// Fits a meta-learner to what models say of images that none of them was trained on. `folds` says which part each image is in; each
/// strength is judged by fits that lack the part.
///
/// # Shapes
///
/// `rows`: logits `[images * classes]` of each model; `targets` and `folds`: one of each image.
///
/// # Panics
///
/// Where they do not fit each other.
pub fn fit_stack(rows: &[&[f32]], targets: &[usize], classes: usize, folds: &[usize]) -> StackFit {
    let features = features_of(rows, classes);
    let width = rows.len() * classes;
    let prior = weights_of_mean(rows.len(), classes);
    let part_count = folds.iter().max().map_or(0, |last| last + 1);
    let mut parts: Vec<Part> = (0..part_count)
        .map(|part| Part::new(part, folds, &features, targets, width, classes, &prior))
        .collect();
    let mut tried = Vec::with_capacity(STRENGTHS.len());
    let mut best: Option<(f64, f64, Vec<f32>)> = None;
    for l2 in STRENGTHS {
        let mut logits = vec![0.0; targets.len() * classes];
        for part in &mut parts {
            // From the fit of the strength before, which is not far.
            let (seen, right) = (&part.seen, &part.right);
            part.fit = fit_from(&part.fit, seen, right, &prior, l2, ENOUGH_TO_COMPARE);
            let said = part.fit.logits(&part.unseen);
            for (at, row) in part.places.iter().zip(said.chunks(classes)) {
                logits[at * classes..][..classes].copy_from_slice(row);
            }
        }
        let loss = log_loss(&logits, targets, classes);
        tried.push((l2, loss));
        // Of equal ones the stronger, which came first.
        if best.as_ref().is_none_or(|(_, least, _)| loss < *least) {
            best = Some((l2, loss, logits));
        }
    }
    let (l2, _, out_of_fold) = best.unwrap_or((1.0, 0.0, Vec::new()));
    StackFit {
        regression: fit_softmax_regression(&features, targets, classes, &prior, l2),
        l2,
        tried,
        out_of_fold,
        images: targets.len(),
    }
}

/// One part of the images, with the fit to the others.
struct Part {
    /// The images of the part.
    places: Vec<usize>,
    unseen: Vec<f64>,
    /// Features and classes of the others.
    seen: Vec<f64>,
    right: Vec<usize>,
    fit: SoftmaxRegression,
}

impl Part {
    fn new(
        part: usize,
        folds: &[usize],
        features: &[f64],
        targets: &[usize],
        width: usize,
        classes: usize,
        prior: &[f64],
    ) -> Self {
        let of = |inside: bool| -> Vec<usize> {
            let places = 0..targets.len();
            places.filter(|at| (folds[*at] == part) == inside).collect()
        };
        let take = |images: &[usize]| -> Vec<f64> {
            let rows = images
                .iter()
                .flat_map(|at| &features[at * width..][..width]);
            rows.copied().collect()
        };
        let (places, others) = (of(true), of(false));
        Self {
            unseen: take(&places),
            seen: take(&others),
            right: others.iter().map(|at| targets[*at]).collect(),
            fit: SoftmaxRegression {
                classes,
                weights: prior.to_vec(),
                bias: vec![0.0; classes],
            },
            places,
        }
    }
}

/// The mean log loss of logits.
pub(super) fn log_loss(logits: &[f32], targets: &[usize], classes: usize) -> f64 {
    let rows = logits.chunks(classes.max(1)).zip(targets);
    let each = rows.map(|(row, &right)| {
        log_sum_exp(row.iter().map(|logit| f64::from(*logit))) - f64::from(row[right])
    });
    each.sum::<f64>() / targets.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_data::OutputKind;

    use crate::ensemble::{MeanOf, mean_of_rows};

    fn probabilities(row: &[f32]) -> Vec<f32> {
        let mut row = row.to_vec();
        OutputKind::Distribution.activate(&mut row);
        row
    }

    #[test]
    fn what_weights_are_drawn_to_is_the_mean_of_logits() {
        let rows: [&[f32]; 2] = [&[2.0, -1.0, 0.5], &[7.0, 9.0, 8.0]];
        let start = SoftmaxRegression {
            classes: 3,
            weights: weights_of_mean(2, 3),
            bias: vec![0.0; 3],
        };
        let said = start.logits(&features_of(&rows, 3));
        let mean = mean_of_rows(OutputKind::Distribution, MeanOf::Logits, &[0.5, 0.5], &rows);
        let pairs = probabilities(&said).into_iter().zip(probabilities(&mean));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn a_model_that_mixes_up_two_classes_in_a_known_way_is_put_right() {
        // It says 1 for 0, and 0 for 1, always.
        let targets: Vec<usize> = (0..60).map(|at| at % 3).collect();
        let swapped = |class: usize| [1, 0, 2][class];
        let says = |class: usize| [0, 1, 2].map(|at| if at == swapped(class) { 3.0 } else { 0.0 });
        let rows: Vec<f32> = targets.iter().flat_map(|class| says(*class)).collect();
        let folds: Vec<usize> = (0..60).map(|at| at / 3 % 5).collect();
        let fit = fit_stack(&[&rows], &targets, 3, &folds);
        assert!(fit.l2 < 1.0, "{:?}", fit.tried);
        let loss = |logits: &[f32]| log_loss(logits, &targets, 3);
        assert!(loss(&fit.out_of_fold) < 0.1 && loss(&rows) > 2.0);
        assert_eq!(fit.images, 60);
    }

    #[test]
    fn models_that_are_right_in_their_mean_are_left_at_it() {
        // Answers by chance with the very probabilities that the models say: nothing can be learned.
        let rows: Vec<f32> = (0..40).flat_map(|_| [0.0f32, 0.0]).collect();
        let targets: Vec<usize> = (0..40).map(|at| usize::from(at * 7 % 10 > 4)).collect();
        let folds: Vec<usize> = (0..40).map(|at| at % 5).collect();
        let fit = fit_stack(&[&rows, &rows], &targets, 2, &folds);
        assert_eq!(fit.l2, 10_000.0);
    }
}
