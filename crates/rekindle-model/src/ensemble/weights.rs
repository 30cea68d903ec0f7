//! Weights of a mean of models, fitted to images with known answers: those of the smallest loss, 0 or more each, with the sum 1.
//!
//! The loss is convex in the weights, for means of probabilities and of logits alike, so there is one best value. It is found by Newton's
//! steps: the quadratic model of the loss is minimised on the simplex exactly enough (by moving weight from one model to another, the pair
//! that gains most first), then the step is shortened until the loss falls. Checked against SciPy's SLSQP (`tests/data/combine.py`).

use rekindle_data::OutputKind;

use super::rows::{MeanOf, log_softmax, log_sum_exp, softplus};

/// Newton's steps at most; a dozen are enough as a rule.
const STEPS: usize = 100;
/// Moves of weight within a step at most.
const MOVES: usize = 20_000;
/// The loss, which is of the order of 1, is done falling below this.
const ENOUGH: f64 = 1e-13;

/// What a mean is fitted to: what each model says of each image, in the order of the outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fitted<'a> {
    pub kind: OutputKind,
    pub of: MeanOf,
    /// `[model][image * outputs]`.
    pub rows: &'a [&'a [f32]],
    /// What was right, as rows of outputs: 1 for the class, 1 for each label, standardised numbers.
    pub targets: &'a [f32],
    pub outputs: usize,
}

/// A value of the loss with its first and second derivatives.
#[derive(Debug, Clone)]
struct Local {
    value: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

impl Local {
    fn zero(models: usize) -> Self {
        Self {
            value: 0.0,
            gradient: vec![0.0; models],
            hessian: vec![0.0; models * models],
        }
    }

    /// Adds one term.
    fn add(&mut self, value: f64, gradient: &[f64], hessian: impl Fn(usize, usize) -> f64) {
        let models = gradient.len();
        self.value += value;
        for (i, part) in gradient.iter().enumerate() {
            self.gradient[i] += part;
            for j in 0..models {
                self.hessian[i * models + j] += hessian(i, j);
            }
        }
    }

    fn divided(mut self, by: f64) -> Self {
        self.value /= by;
        let all = self.gradient.iter_mut().chain(&mut self.hessian);
        all.for_each(|part| *part /= by);
        self
    }
}

/// The weights with which a mean of models has the smallest mean loss: the log loss of classes, that of each label, or the squared error
/// of standardised numbers.
///
/// # Shapes
///
/// `rows`: `[images * outputs]` of each model; `targets`: `[images * outputs]`, 1 for what is right, or numbers.
///
/// # Panics
///
/// Where they do not fit each other.
pub fn fit_weights(
    kind: OutputKind,
    of: MeanOf,
    rows: &[&[f32]],
    targets: &[f32],
    outputs: usize,
) -> Vec<f64> {
    assert!(
        rows.iter().all(|row| row.len() == targets.len()),
        "rows of the same images"
    );
    let fitted = Fitted {
        kind,
        of,
        rows,
        targets,
        outputs,
    };
    let models = rows.len();
    let mut weights = vec![1.0 / models.max(1) as f64; models];
    if models < 2 || targets.is_empty() {
        return weights;
    }
    for _ in 0..STEPS {
        let here = fitted.local(&weights);
        let wanted = minimum_on_simplex(&here, &weights);
        let direction: Vec<f64> = wanted
            .iter()
            .zip(&weights)
            .map(|(to, from)| to - from)
            .collect();
        let slope: f64 = direction
            .iter()
            .zip(&here.gradient)
            .map(|(a, b)| a * b)
            .sum();
        if slope > -ENOUGH {
            break;
        }
        let at = |length: f64| -> Vec<f64> {
            weights
                .iter()
                .zip(&direction)
                .map(|(from, step)| (from + length * step).max(0.0))
                .collect()
        };
        let mut length = 1.0;
        let mut next = at(length);
        while fitted.value(&next) > here.value + 1e-4 * length * slope && length > 1e-12 {
            length /= 2.0;
            next = at(length);
        }
        let sum: f64 = next.iter().sum();
        weights = next.into_iter().map(|weight| weight / sum).collect();
        if length <= 1e-12 {
            break;
        }
    }
    weights
}

/// The minimum of the quadratic model around `from` on the simplex.
fn minimum_on_simplex(local: &Local, from: &[f64]) -> Vec<f64> {
    let models = from.len();
    let mut weights = from.to_vec();
    let mut gradient = local.gradient.clone();
    let largest = (0..models)
        .map(|i| local.hessian[i * models + i])
        .fold(0.0, f64::max);
    for _ in 0..MOVES {
        let lower = |a: &usize, b: &usize| gradient[*a].total_cmp(&gradient[*b]);
        let to = (0..models).min_by(lower);
        let giver = (0..models).filter(|i| weights[*i] > 0.0).max_by(lower);
        let (Some(to), Some(giver)) = (to, giver) else {
            break;
        };
        let gain = gradient[giver] - gradient[to];
        if gain <= ENOUGH || to == giver {
            break;
        }
        let h = |i: usize, j: usize| local.hessian[i * models + j];
        let curvature = h(to, to) + h(giver, giver) - 2.0 * h(to, giver);
        let amount = (gain / curvature.max(1e-12 * largest.max(1e-300))).min(weights[giver]);
        weights[to] += amount;
        weights[giver] -= amount;
        for (i, slope) in gradient.iter_mut().enumerate() {
            *slope += amount * (h(i, to) - h(i, giver));
        }
    }
    weights
}

impl Fitted<'_> {
    fn value(&self, weights: &[f64]) -> f64 {
        self.local(weights).value
    }

    /// The mean loss at these weights.
    fn local(&self, weights: &[f64]) -> Local {
        let mut local = Local::zero(weights.len());
        let images = self.targets.len() / self.outputs.max(1);
        for image in 0..images {
            let range = image * self.outputs..(image + 1) * self.outputs;
            let rows: Vec<&[f32]> = self.rows.iter().map(|row| &row[range.clone()]).collect();
            self.add_image(&mut local, weights, &rows, &self.targets[range]);
        }
        local.divided(images.max(1) as f64)
    }

    fn add_image(&self, local: &mut Local, weights: &[f64], rows: &[&[f32]], targets: &[f32]) {
        match (self.kind, self.of) {
            (OutputKind::Numbers, _) => {
                let share = 1.0 / self.outputs as f64;
                for (place, target) in targets.iter().enumerate() {
                    let says: Vec<f64> = rows.iter().map(|row| f64::from(row[place])).collect();
                    let mean: f64 = weights.iter().zip(&says).map(|(a, b)| a * b).sum();
                    let error = mean - f64::from(*target);
                    let slopes: Vec<f64> =
                        says.iter().map(|says| 2.0 * share * error * says).collect();
                    local.add(share * error * error, &slopes, |i, j| {
                        2.0 * share * says[i] * says[j]
                    });
                }
            }
            (OutputKind::Distribution, MeanOf::Probabilities) => {
                let right = likeliest(targets);
                let logs = rows
                    .iter()
                    .map(|row| log_softmax(row).nth(right).unwrap_or(0.0));
                add_mixture(local, weights, &logs.collect::<Vec<f64>>(), 1.0);
            }
            (OutputKind::Distribution, MeanOf::Logits) => {
                add_softmax(local, weights, rows, likeliest(targets));
            }
            (OutputKind::Indicators, MeanOf::Probabilities) => {
                for (place, target) in targets.iter().enumerate() {
                    let sign = if *target > 0.5 { 1.0 } else { -1.0 };
                    let logs = rows
                        .iter()
                        .map(|row| -softplus(-sign * f64::from(row[place])));
                    let logs: Vec<f64> = logs.collect();
                    add_mixture(local, weights, &logs, 1.0 / self.outputs as f64);
                }
            }
            (OutputKind::Indicators, MeanOf::Logits) => {
                let share = 1.0 / self.outputs as f64;
                for (place, target) in targets.iter().enumerate() {
                    let says: Vec<f64> = rows.iter().map(|row| f64::from(row[place])).collect();
                    let logit: f64 = weights.iter().zip(&says).map(|(a, b)| a * b).sum();
                    let probability = (-softplus(-logit)).exp();
                    let target = f64::from(*target);
                    let loss = softplus(logit) - target * logit;
                    let slopes: Vec<f64> = says
                        .iter()
                        .map(|says| share * (probability - target) * says)
                        .collect();
                    let bend = share * probability * (1.0 - probability);
                    local.add(share * loss, &slopes, |i, j| bend * says[i] * says[j]);
                }
            }
        }
    }
}

/// `-ln` of the weighted sum of the probabilities that models give to what is right.
fn add_mixture(local: &mut Local, weights: &[f64], logs: &[f64], share: f64) {
    let terms = weights
        .iter()
        .zip(logs)
        .filter(|(weight, _)| **weight > 0.0);
    let sum = log_sum_exp(terms.map(|(weight, log)| weight.ln() + log));
    // A model without weight may know far better; what it would gain stays a number.
    let ratios: Vec<f64> = logs
        .iter()
        .map(|log| (log - sum).min(300.0).exp())
        .collect();
    let slopes: Vec<f64> = ratios.iter().map(|ratio| -share * ratio).collect();
    local.add(-share * sum, &slopes, |i, j| share * ratios[i] * ratios[j]);
}

/// The log loss of the softmax of a weighted sum of logits.
fn add_softmax(local: &mut Local, weights: &[f64], rows: &[&[f32]], right: usize) {
    let classes = rows.first().map_or(0, |row| row.len());
    let logit = |class: usize| -> f64 {
        weights
            .iter()
            .zip(rows)
            .map(|(weight, row)| weight * f64::from(row[class]))
            .sum()
    };
    let logits: Vec<f64> = (0..classes).map(logit).collect();
    let sum = log_sum_exp(logits.iter().copied());
    let shares: Vec<f64> = logits.iter().map(|logit| (logit - sum).exp()).collect();
    let mean = |row: &[f32]| -> f64 {
        shares
            .iter()
            .zip(row)
            .map(|(share, value)| share * f64::from(*value))
            .sum()
    };
    let means: Vec<f64> = rows.iter().map(|row| mean(row)).collect();
    let slopes: Vec<f64> = rows
        .iter()
        .zip(&means)
        .map(|(row, mean)| mean - f64::from(row[right]))
        .collect();
    local.add(sum - logits[right], &slopes, |i, j| {
        let products = shares.iter().enumerate().map(|(class, share)| {
            share * (f64::from(rows[i][class]) - means[i]) * (f64::from(rows[j][class]) - means[j])
        });
        products.sum()
    });
}

/// The place of the largest value.
pub(super) fn likeliest(row: &[f32]) -> usize {
    (0..row.len())
        .rev()
        .max_by(|a, b| row[*a].total_cmp(&row[*b]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes, one model that is right and one that guesses.
    const RIGHT: [f32; 8] = [2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.5, 0.0];
    const GUESS: [f32; 8] = [0.0, 0.1, 0.1, 0.0, -0.1, 0.0, 0.0, 1.0];
    const TARGETS: [f32; 8] = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];

    #[test]
    fn a_model_that_knows_nothing_of_use_gets_little_and_twins_share() {
        for of in [MeanOf::Probabilities, MeanOf::Logits] {
            let fit =
                |rows: &[&[f32]]| fit_weights(OutputKind::Distribution, of, rows, &TARGETS, 2);
            let pair = fit(&[&RIGHT, &GUESS]);
            assert!(pair[0] > 0.5, "{of:?} {pair:?}");
            assert!((pair.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let twins = fit(&[&RIGHT, &RIGHT]);
            assert_eq!(twins, [0.5, 0.5]);
        }
    }

    #[test]
    fn numbers_of_opposite_errors_are_averaged() {
        let [low, high, right] = [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [0.5, 1.5, 2.5]];
        let weights = fit_weights(
            OutputKind::Numbers,
            MeanOf::Probabilities,
            &[&low, &high],
            &right,
            1,
        );
        assert!((weights[0] - 0.75).abs() < 1e-9, "{weights:?}");
    }

    #[test]
    fn no_images_and_one_model_change_nothing() {
        let none = fit_weights(
            OutputKind::Distribution,
            MeanOf::Logits,
            &[&[], &[]],
            &[],
            2,
        );
        assert_eq!(none, [0.5, 0.5]);
        let one = fit_weights(
            OutputKind::Distribution,
            MeanOf::Logits,
            &[&RIGHT],
            &TARGETS,
            2,
        );
        assert_eq!(one, [1.0]);
    }
}
