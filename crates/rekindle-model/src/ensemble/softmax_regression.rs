//! Multinomial logistic regression with L2, by L-BFGS. Owns the loss, its gradient and the solver; what it is fitted to is `stack.rs`'s.
//!
//! Minimises `sum of log losses + l2 / 2 * ||W - prior||^2` over weights `W` and a bias that is not penalised. With a prior of zero it is
//! scikit-learn's `LogisticRegression(C = 1 / l2)`, against which it is checked (`tests/data/combine.py`).

use std::collections::VecDeque;

use super::rows::log_sum_exp;

/// Steps at most.
const STEPS: usize = 2000;
/// Pairs that the curvature is learned from.
const MEMORY: usize = 20;
/// The largest part of the gradient, per image, at which it is done.
const ENOUGH: f64 = 1e-9;
/// The same where fits are compared, whose losses differ in the third digit.
pub(super) const ENOUGH_TO_COMPARE: f64 = 1e-5;

/// Weights and bias of a logistic regression of several classes.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftmaxRegression {
    /// How many classes.
    pub classes: usize,
    /// `[classes, features]`, row by row.
    pub weights: Vec<f64>,
    /// `[classes]`; of a fit they sum to 0.
    pub bias: Vec<f64>,
}

impl SoftmaxRegression {
    /// How many features.
    pub fn features(&self) -> usize {
        self.weights.len() / self.classes.max(1)
    }

    /// Logits, `[images * classes]`, of features `[images * features]`.
    pub fn logits(&self, features: &[f64]) -> Vec<f32> {
        let rows = features.chunks(self.features().max(1));
        rows.flat_map(|row| self.row(row))
            .map(|logit| logit as f32)
            .collect()
    }

    fn row<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let weights = self.weights.chunks(row.len().max(1)).zip(&self.bias);
        weights.map(|(weights, bias)| bias + dot(weights, row))
    }
}

/// Fits a logistic regression.
///
/// # Shapes
///
/// `features`: `[images * features]`; `targets`: a class of each image, below `classes`; `prior`: `[classes * features]`, what the
/// weights are drawn to, from which the solver starts.
///
/// # Panics
///
/// Where they do not fit each other.
pub fn fit_softmax_regression(
    features: &[f64],
    targets: &[usize],
    classes: usize,
    prior: &[f64],
    l2: f64,
) -> SoftmaxRegression {
    let start = SoftmaxRegression {
        classes,
        weights: prior.to_vec(),
        bias: vec![0.0; classes],
    };
    fit_from(&start, features, targets, prior, l2, ENOUGH)
}

/// The same from a start, until the gradient is as small as `enough`.
pub(super) fn fit_from(
    start: &SoftmaxRegression,
    features: &[f64],
    targets: &[usize],
    prior: &[f64],
    l2: f64,
    enough: f64,
) -> SoftmaxRegression {
    let classes = start.classes;
    let width = prior.len() / classes.max(1);
    assert_eq!(
        features.len(),
        targets.len() * width,
        "features of each image"
    );
    assert!(
        targets.iter().all(|class| *class < classes),
        "a class of each image"
    );
    let problem = Problem {
        features,
        targets,
        classes,
        width,
        prior,
        l2,
    };
    let mut at = [&start.weights[..], &start.bias].concat();
    problem.minimise(&mut at, enough);
    let mut bias = at.split_off(prior.len());
    // A constant on all logits says nothing; that of the smallest bias is kept.
    let mean = bias.iter().sum::<f64>() / classes.max(1) as f64;
    bias.iter_mut().for_each(|bias| *bias -= mean);
    SoftmaxRegression {
        classes,
        weights: at,
        bias,
    }
}

struct Problem<'a> {
    features: &'a [f64],
    targets: &'a [usize],
    classes: usize,
    width: usize,
    prior: &'a [f64],
    l2: f64,
}

impl Problem<'_> {
    /// The loss divided by the number of images, and its gradient.
    fn value(&self, at: &[f64], gradient: &mut [f64]) -> f64 {
        let (weights, bias) = at.split_at(self.prior.len());
        gradient.fill(0.0);
        let (slopes, of_bias) = gradient.split_at_mut(self.prior.len());
        let mut value = 0.0;
        let mut logits = vec![0.0; self.classes];
        for (row, &right) in self.features.chunks(self.width.max(1)).zip(self.targets) {
            for (class, logit) in logits.iter_mut().enumerate() {
                *logit = bias[class] + dot(&weights[class * self.width..][..self.width], row);
            }
            let sum = log_sum_exp(logits.iter().copied());
            value += sum - logits[right];
            for (class, logit) in logits.iter().enumerate() {
                let error = (logit - sum).exp() - f64::from(u8::from(class == right));
                of_bias[class] += error;
                let slopes = &mut slopes[class * self.width..][..self.width];
                slopes
                    .iter_mut()
                    .zip(row)
                    .for_each(|(slope, value)| *slope += error * value);
            }
        }
        for ((slope, weight), prior) in slopes.iter_mut().zip(weights).zip(self.prior) {
            value += 0.5 * self.l2 * (weight - prior) * (weight - prior);
            *slope += self.l2 * (weight - prior);
        }
        let images = self.targets.len().max(1) as f64;
        gradient.iter_mut().for_each(|slope| *slope /= images);
        value / images
    }

    /// L-BFGS (Nocedal and Wright, 2006, algorithm 7.5) with steps halved until the loss falls enough, which is all that a convex loss
    /// needs.
    fn minimise(&self, at: &mut Vec<f64>, enough: f64) {
        let mut gradient = vec![0.0; at.len()];
        let mut value = self.value(at, &mut gradient);
        let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
        for _ in 0..STEPS {
            if gradient.iter().all(|slope| slope.abs() < enough) {
                return;
            }
            let mut direction = two_loops(&gradient, &pairs);
            let mut slope = dot(&direction, &gradient);
            if slope >= 0.0 {
                pairs.clear();
                direction = gradient.iter().map(|slope| -slope).collect();
                slope = dot(&direction, &gradient);
            }
            let mut length = 1.0;
            let mut next_gradient = vec![0.0; at.len()];
            let (next, next_value) = loop {
                let next: Vec<f64> = at
                    .iter()
                    .zip(&direction)
                    .map(|(from, step)| from + length * step)
                    .collect();
                let found = self.value(&next, &mut next_gradient);
                if found <= value + 1e-4 * length * slope {
                    break (next, found);
                }
                length /= 2.0;
                if length < 1e-20 {
                    // The loss is as small as its last digit tells.
                    return;
                }
            };
            let step: Vec<f64> = next.iter().zip(&*at).map(|(a, b)| a - b).collect();
            let change: Vec<f64> = next_gradient
                .iter()
                .zip(&gradient)
                .map(|(a, b)| a - b)
                .collect();
            if dot(&step, &change) > 1e-16 * dot(&change, &change) {
                pairs.push_back((step, change));
                if pairs.len() > MEMORY {
                    pairs.pop_front();
                }
            }
            *at = next;
            (gradient, value) = (next_gradient, next_value);
        }
    }
}

/// Minus the product of the learned inverse curvature and a gradient.
fn two_loops(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for (step, change) in pairs.iter().rev() {
        let share = dot(step, &direction) / dot(step, change);
        add(&mut direction, -share, change);
        shares.push(share);
    }
    if let Some((step, change)) = pairs.back() {
        let scale = dot(step, change) / dot(change, change);
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for ((step, change), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let other = dot(change, &direction) / dot(step, change);
        add(&mut direction, share - other, step);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, of: &[f64]) {
    to.iter_mut()
        .zip(of)
        .for_each(|(to, of)| *to += factor * of);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strong_pull_keeps_the_prior_and_none_fits() {
        let features = [1.0, 0.0, 0.0, 1.0, 1.0, 0.2, 0.1, 1.0];
        let targets = [0, 1, 0, 1];
        let prior = [0.5, 0.0, 0.0, 0.5];
        let near = fit_softmax_regression(&features, &targets, 2, &prior, 1e9);
        assert!(
            near.weights
                .iter()
                .zip(prior)
                .all(|(a, b)| (a - b).abs() < 1e-6),
            "{near:?}"
        );
        let free = fit_softmax_regression(&features, &targets, 2, &prior, 1e-3);
        let logits = free.logits(&features);
        for (row, right) in logits.chunks(2).zip(targets) {
            assert!(row[right] - row[1 - right] > 3.0, "{logits:?}");
        }
        assert!(free.bias.iter().sum::<f64>().abs() < 1e-9);
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let features = [0.3, -1.0, 2.0, 0.5, -0.4, 0.9];
        let problem = Problem {
            features: &features,
            targets: &[2, 0, 1],
            classes: 3,
            width: 2,
            prior: &[0.1, 0.0, 0.2, 0.0, 0.0, -0.3],
            l2: 0.7,
        };
        let at = [0.4, -0.2, 0.1, 0.5, -0.6, 0.3, 0.2, -0.1, 0.05];
        let mut gradient = vec![0.0; 9];
        problem.value(&at, &mut gradient);
        for (place, expected) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut at = at;
                at[place] += by;
                problem.value(&at, &mut [0.0; 9])
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (slope - expected).abs() < 1e-8,
                "{place}: {slope} {}",
                expected
            );
        }
    }
}
