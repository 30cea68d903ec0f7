//! Classes that are levels, one above the other: what a head's outputs are then. Owns the formula; the loss is `loss/corn.rs`.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Tensor, TensorData};

/// The logarithms of the probabilities of all levels, from a logit for each step from a level to the next.
///
/// Logit `k` says whether what has reached level `k` goes beyond it, `P(level > k | level >= k) = sigmoid(logit_k)`, so that
/// `P(level = k)` is the product of the steps below and of stopping there. Whatever the logits, the probabilities of going beyond a level
/// fall from level to level and those of all levels add up to 1. A softmax of the result gives the probabilities, as of any head.
///
/// # Shapes
///
/// `[batch, levels - 1]` to `[batch, levels]`.
///
/// Source: [Shi, Cao and Raschka 2021](https://arxiv.org/abs/2111.08851) (CORN); numbers checked against coral-pytorch.
pub fn log_probabilities(logits: Tensor<2>) -> Tensor<2> {
    let [_, steps] = logits.dims();
    let device = logits.device();
    let [goes, stops] = [goes_matrix(steps), stops_matrix(steps)]
        .map(|matrix| Tensor::<2>::from_data(TensorData::new(matrix, [steps, steps + 1]), &device));
    let beyond = log_sigmoid(logits.clone());
    // log(1 - sigmoid(z)) = log(sigmoid(z)) - z.
    let stop = beyond.clone() - logits;
    beyond.matmul(goes) + stop.matmul(stops)
}

/// `[steps, levels]`, row by row: which steps have been gone at which level.
pub fn goes_matrix(steps: usize) -> Vec<f32> {
    matrix(steps, |step, level| step < level)
}

/// `[steps, levels]`, row by row: at which step each level but the last stops.
pub fn stops_matrix(steps: usize) -> Vec<f32> {
    matrix(steps, |step, level| step == level)
}

fn matrix(steps: usize, one: impl Fn(usize, usize) -> bool) -> Vec<f32> {
    let places = (0..steps).flat_map(|step| (0..=steps).map(move |level| (step, level)));
    let number = |(step, level)| if one(step, level) { 1.0 } else { 0.0 };
    places.map(number).collect()
}

/// The logits at which all levels are as probable.
pub(crate) fn even_logits(levels: usize) -> Vec<f32> {
    let above = |step: usize| ((levels - 1 - step) as f32).ln();
    (0..levels - 1).map(above).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use burn::tensor::activation::softmax;

    fn probabilities(logits: Vec<f32>) -> Vec<f32> {
        let data = TensorData::new(logits.clone(), [1, logits.len()]);
        let logits = Tensor::<2>::from_data(data, &Device::flex());
        let found = log_probabilities(logits);
        let sums = found.clone().exp().sum().into_scalar::<f32>();
        assert!((sums - 1.0).abs() < 1e-6, "{sums}");
        softmax(found, 1).into_data().iter::<f32>().collect()
    }

    #[test]
    fn even_logits_make_all_levels_as_probable() {
        for levels in [2, 3, 7] {
            for probability in probabilities(even_logits(levels)) {
                assert!((probability - 1.0 / levels as f32).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn large_logits_stay_finite() {
        let found = probabilities(vec![200.0, -200.0, 0.0]);
        assert!((found[1] - 1.0).abs() < 1e-6, "{found:?}");
    }
}
