//! How what a model says depends on what each of its networks says. Owns the derivatives of what `rows.rs`, `stack.rs` and temperatures do,
//! for one image; how networks depend on pictures is `probe.rs`'s.
//!
//! Logits of classes say the same with a constant added to all of them, and a mean of probabilities leaves that constant open. Here it is
//! the mean of those of the members, so that the score of a class, its logit, is that of a network where all members are this network:
//!
//! `score(c) = ln sum_m w_m p_m(c) + sum_m w_m ln sum_j exp(z_m(j))`
//!
//! The whole model's own temperature is left out, as it is for a network alone.

use rekindle_data::OutputKind;

use super::after::Member;
use super::rows::{MeanOf, log_sum_exp, softplus};
use super::softmax_regression::SoftmaxRegression;
use crate::model_file::ModelInfo;
use crate::network::Network;

/// A network on one of its views: what a model's answer begins with.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// What its own file says of it.
    pub info: &'a ModelInfo,
    /// The network, its batch norms folded.
    pub network: &'a Network,
    /// The place of the view in [`Predictor::pipelines`](crate::Predictor::pipelines).
    pub view: usize,
    /// Whether it sees the view mirrored, left to right.
    pub mirrored: bool,
    /// The weight by which it enters the whole, in means of means their product; under a meta-learner all are alike. All sum to 1.
    pub weight: f64,
}

/// What a model says of one image, with what it depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Slopes {
    /// The outputs before the model's own temperature: scores, or standardised numbers.
    pub outputs: Vec<f64>,
    /// The derivative of one output by the outputs of each leaf, in their order.
    pub of_leaves: Vec<Vec<f64>>,
}

/// A model's arithmetic, without its networks.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A leaf's outputs as they are.
    Leaf,
    /// A weighted mean.
    Mean(OutputKind, MeanOf, Vec<f64>, Vec<Branch<'a>>),
    /// A meta-learner.
    Stack(&'a SoftmaxRegression, Vec<Branch<'a>>),
}

/// What goes into a step: another, cooled, and in the order and on the scale of the whole.
#[derive(Debug)]
pub(super) struct Branch<'a> {
    pub step: Step<'a>,
    pub temperature: f64,
    /// The member with what the whole says of itself; none of a view.
    pub member: Option<(&'a Member, &'a ModelInfo)>,
}

impl Step<'_> {
    /// The outputs, from those of the leaves, which are taken in order.
    pub fn outputs<'r>(&self, leaves: &mut impl Iterator<Item = &'r [f32]>) -> Vec<f64> {
        match self {
            Self::Leaf => leaves.next().map_or(Vec::new(), widened),
            Self::Mean(kind, of, weights, branches) => {
                let rows = outputs_of(branches, leaves);
                mean(*kind, *of, weights, &rows)
            }
            Self::Stack(regression, branches) => {
                let rows = outputs_of(branches, leaves);
                let features: Vec<f64> = rows.iter().flat_map(|row| centred(row)).collect();
                let width = features.len().max(1);
                let weights = regression.weights.chunks(width).zip(&regression.bias);
                weights
                    .map(|(weights, bias)| bias + dot(weights, &features))
                    .collect()
            }
        }
    }

    /// Hands the derivative by this step's outputs, `slope`, down to the leaves.
    pub fn hand_down<'r>(
        &self,
        slope: &[f64],
        leaves: &mut impl Iterator<Item = &'r [f32]>,
        found: &mut Vec<Vec<f64>>,
    ) {
        let (branches, slopes) = match self {
            Self::Leaf => {
                leaves.next();
                found.push(slope.to_vec());
                return;
            }
            Self::Mean(kind, of, weights, branches) => {
                let rows = taken(branches, leaves);
                let outputs: Vec<Vec<f64>> = outputs_of(branches, &mut rows.iter().copied());
                let slopes = slopes_of_mean(*kind, *of, weights, &outputs, slope);
                (branches, (rows, slopes))
            }
            Self::Stack(regression, branches) => {
                let rows = taken(branches, leaves);
                let classes = regression.classes;
                let width = classes * branches.len();
                let of_feature = |feature: usize| -> f64 {
                    let weights = (0..classes).map(|row| regression.weights[row * width + feature]);
                    weights
                        .zip(slope)
                        .map(|(weight, slope)| weight * slope)
                        .sum()
                };
                let features: Vec<f64> = (0..width).map(of_feature).collect();
                let slopes = features.chunks(classes.max(1)).map(centred).collect();
                (branches, (rows, slopes))
            }
        };
        let (rows, slopes): (Vec<&[f32]>, Vec<Vec<f64>>) = slopes;
        let mut rows = rows.into_iter();
        for (branch, slope) in branches.iter().zip(&slopes) {
            let own = branch.handed_down(slope);
            branch.step.hand_down(&own, &mut rows, found);
        }
    }

    fn leaves(&self) -> usize {
        match self {
            Self::Leaf => 1,
            Self::Mean(.., branches) | Self::Stack(_, branches) => {
                branches.iter().map(|branch| branch.step.leaves()).sum()
            }
        }
    }
}

impl Branch<'_> {
    fn outputs<'r>(&self, leaves: &mut impl Iterator<Item = &'r [f32]>) -> Vec<f64> {
        let own: Vec<f64> = self.step.outputs(leaves);
        let Some((member, whole)) = self.member else {
            return own;
        };
        let each = |(place, &at): (usize, &usize)| {
            let scales = (&member.info.number_scale, &whole.number_scale);
            match scales {
                (Some(from), Some(to)) => to.standardise(place, from.restore(at, own[at])),
                _ => own[at] / self.temperature,
            }
        };
        member.order.iter().enumerate().map(each).collect()
    }

    /// The derivative by the step's own outputs, from that by what it gives.
    fn handed_down(&self, slope: &[f64]) -> Vec<f64> {
        let Some((member, whole)) = self.member else {
            return slope.to_vec();
        };
        let mut own = vec![0.0; slope.len()];
        for (place, &at) in member.order.iter().enumerate() {
            own[at] = match (&member.info.number_scale, &whole.number_scale) {
                (Some(from), Some(to)) => slope[place] * from.std[at] / to.std[place],
                _ => slope[place] / self.temperature,
            };
        }
        own
    }
}

fn outputs_of<'r>(
    branches: &[Branch],
    leaves: &mut impl Iterator<Item = &'r [f32]>,
) -> Vec<Vec<f64>> {
    let mut rows = Vec::with_capacity(branches.len());
    for branch in branches {
        rows.push(branch.outputs(&mut *leaves));
    }
    rows
}

/// The rows of the leaves of these branches.
fn taken<'r>(branches: &[Branch], leaves: &mut impl Iterator<Item = &'r [f32]>) -> Vec<&'r [f32]> {
    let count = branches.iter().map(|branch| branch.step.leaves()).sum();
    leaves.by_ref().take(count).collect()
}

fn widened(row: &[f32]) -> Vec<f64> {
    row.iter().map(|value| f64::from(*value)).collect()
}

fn centred(row: &[f64]) -> Vec<f64> {
    let mean = row.iter().sum::<f64>() / row.len().max(1) as f64;
    row.iter().map(|value| value - mean).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn used<'r>(
    weights: &'r [f64],
    rows: &'r [Vec<f64>],
) -> impl Iterator<Item = (f64, &'r Vec<f64>)> + Clone {
    let all = weights.iter().copied().zip(rows);
    all.filter(|(weight, _)| *weight > 0.0)
}

/// The log of the constant that a row's exponentials sum to.
fn constant(row: &[f64]) -> f64 {
    log_sum_exp(row.iter().copied())
}

fn mean(kind: OutputKind, of: MeanOf, weights: &[f64], rows: &[Vec<f64>]) -> Vec<f64> {
    let outputs = rows.first().map_or(0, Vec::len);
    match (kind, of) {
        (OutputKind::Numbers, _) | (_, MeanOf::Logits) => {
            let each = |place: usize| used(weights, rows).map(move |(w, row)| w * row[place]);
            (0..outputs).map(|place| each(place).sum()).collect()
        }
        (OutputKind::Distribution, MeanOf::Probabilities) => {
            let constants: Vec<f64> = used(weights, rows).map(|(_, row)| constant(row)).collect();
            let kept: f64 = used(weights, rows)
                .zip(&constants)
                .map(|((weight, _), constant)| weight * constant)
                .sum();
            let each = |place: usize| {
                let terms = used(weights, rows).zip(&constants);
                let terms =
                    terms.map(|((weight, row), constant)| weight.ln() + row[place] - constant);
                log_sum_exp(terms) + kept
            };
            (0..outputs).map(each).collect()
        }
        (OutputKind::Indicators, MeanOf::Probabilities) => {
            let side = |place: usize, sign: f64| {
                let terms = used(weights, rows);
                log_sum_exp(terms.map(move |(w, row)| w.ln() - softplus(-sign * row[place])))
            };
            let each = |place: usize| side(place, 1.0) - side(place, -1.0);
            (0..outputs).map(each).collect()
        }
    }
}

/// The derivative by each row of a mean, from that by the mean.
fn slopes_of_mean(
    kind: OutputKind,
    of: MeanOf,
    weights: &[f64],
    rows: &[Vec<f64>],
    slope: &[f64],
) -> Vec<Vec<f64>> {
    let outputs = slope.len();
    let nothing = || vec![0.0; outputs];
    match (kind, of) {
        (OutputKind::Numbers, _) | (_, MeanOf::Logits) => weights
            .iter()
            .map(|weight| slope.iter().map(|slope| weight * slope).collect())
            .collect(),
        (OutputKind::Distribution, MeanOf::Probabilities) => {
            let all = mean(kind, of, weights, rows);
            let kept: f64 = used(weights, rows).map(|(w, row)| w * constant(row)).sum();
            let total: f64 = slope.iter().sum();
            let each = |(weight, row): (&f64, &Vec<f64>)| {
                if *weight <= 0.0 {
                    return nothing();
                }
                let constant = constant(row);
                let shares: Vec<f64> = row.iter().map(|value| (value - constant).exp()).collect();
                // How much of the mean's probability is this row's.
                let part = |place: usize| {
                    (weight.ln() + row[place] - constant - (all[place] - kept)).exp()
                };
                let parts: Vec<f64> = (0..outputs).map(part).collect();
                let taken_off = weight * total - dot(&parts, slope);
                (0..outputs)
                    .map(|place| parts[place] * slope[place] + shares[place] * taken_off)
                    .collect()
            };
            weights.iter().zip(rows).map(each).collect()
        }
        (OutputKind::Indicators, MeanOf::Probabilities) => {
            let side = |place: usize, sign: f64| {
                let terms = used(weights, rows);
                log_sum_exp(terms.map(move |(w, row)| w.ln() - softplus(-sign * row[place])))
            };
            let sides: Vec<[f64; 2]> = (0..outputs)
                .map(|place| [side(place, 1.0), side(place, -1.0)])
                .collect();
            let each = |(weight, row): (&f64, &Vec<f64>)| {
                if *weight <= 0.0 {
                    return nothing();
                }
                let place = |place: usize| {
                    let [yes, no] = [1.0, -1.0].map(|sign: f64| -softplus(-sign * row[place]));
                    let [of_yes, of_no] = sides[place];
                    let rise = (weight.ln() + yes - of_yes + no).exp();
                    let fall = (weight.ln() + no - of_no + yes).exp();
                    slope[place] * (rise + fall)
                };
                (0..outputs).map(place).collect()
            };
            weights.iter().zip(rows).map(each).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::mean_of_rows;

    const ROWS: [&[f32]; 3] = [&[2.0, -1.0, 0.5], &[-0.5, 0.25, 1.0], &[0.1, 0.2, 3.0]];
    const KINDS: [(OutputKind, MeanOf); 5] = [
        (OutputKind::Distribution, MeanOf::Probabilities),
        (OutputKind::Distribution, MeanOf::Logits),
        (OutputKind::Indicators, MeanOf::Probabilities),
        (OutputKind::Indicators, MeanOf::Logits),
        (OutputKind::Numbers, MeanOf::Probabilities),
    ];

    fn branch(step: Step<'static>) -> Branch<'static> {
        Branch {
            step,
            temperature: 1.0,
            member: None,
        }
    }

    /// A mean of a leaf and a mean of two.
    fn nested(kind: OutputKind, of: MeanOf) -> Step<'static> {
        let two = vec![branch(Step::Leaf), branch(Step::Leaf)];
        let inner = Step::Mean(kind, of, vec![0.25, 0.75], two);
        let both = vec![branch(Step::Leaf), branch(inner)];
        Step::Mean(kind, of, vec![0.4, 0.6], both)
    }

    fn stack(regression: &SoftmaxRegression) -> Step<'_> {
        let three = (0..3).map(|_| branch(Step::Leaf)).collect();
        Step::Stack(regression, three)
    }

    fn regression() -> SoftmaxRegression {
        SoftmaxRegression {
            classes: 3,
            weights: (0..27)
                .map(|at| ((at * 7 % 11) as f64 - 5.0) / 9.0)
                .collect(),
            bias: vec![0.1, -0.2, 0.1],
        }
    }

    /// Steps of the leaves' outputs, and what they do to an output.
    fn check(step: &Step, what: &str) {
        let at = |rows: &[Vec<f32>], output: usize| {
            step.outputs(&mut rows.iter().map(Vec::as_slice))[output]
        };
        let rows: Vec<Vec<f32>> = ROWS.map(<[f32]>::to_vec).into();
        for output in 0..3 {
            let mut slope = vec![0.0; 3];
            slope[output] = 1.0;
            let mut found = Vec::new();
            step.hand_down(&slope, &mut ROWS.into_iter(), &mut found);
            assert_eq!(found.len(), 3);
            for (leaf, slopes) in found.iter().enumerate() {
                for (place, ours) in slopes.iter().enumerate() {
                    let moved = |by: f32| {
                        let mut rows = rows.clone();
                        rows[leaf][place] += by;
                        at(&rows, output)
                    };
                    // A power of two, which f32 adds without rounding.
                    let step = 1.0 / 128.0;
                    let rise = (moved(step) - moved(-step)) / f64::from(2.0 * step);
                    assert!(
                        (ours - rise).abs() < 2e-5,
                        "{what} {output} {leaf} {place}: {ours} {rise}"
                    );
                }
            }
        }
    }

    #[test]
    fn slopes_are_what_small_steps_of_the_leaves_give() {
        for (kind, of) in KINDS {
            check(&nested(kind, of), &format!("{kind:?} {of:?}"));
        }
        check(&stack(&regression()), "stack");
    }

    #[test]
    fn scores_say_what_the_means_say() {
        let weights = [0.2, 0.5, 0.3];
        for (kind, of) in KINDS {
            let mut expected = mean_of_rows(kind, of, &weights, &ROWS);
            let rows: Vec<Vec<f64>> = ROWS.iter().map(|row| widened(row)).collect();
            let found = mean(kind, of, &weights, &rows);
            let mut found: Vec<f32> = found.iter().map(|value| *value as f32).collect();
            kind.activate(&mut expected);
            kind.activate(&mut found);
            let near = found
                .iter()
                .zip(&expected)
                .all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near, "{kind:?} {of:?}: {found:?} {expected:?}");
        }
    }

    #[test]
    fn a_mean_of_equal_rows_is_the_row_with_its_constant() {
        let row = widened(&[7.0, 9.0, -2.0]);
        for (kind, of) in KINDS {
            let found = mean(kind, of, &[0.3, 0.7], &[row.clone(), row.clone()]);
            let near = found.iter().zip(&row).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(near, "{kind:?} {of:?}: {found:?}");
        }
    }

    #[test]
    fn a_row_without_weight_has_no_slope() {
        let rows: Vec<Vec<f64>> = ROWS.iter().map(|row| widened(row)).collect();
        for (kind, of) in KINDS {
            let slopes = slopes_of_mean(kind, of, &[0.5, 0.0, 0.5], &rows, &[1.0, 0.0, 0.0]);
            assert_eq!(slopes[1], [0.0; 3]);
        }
    }
}
