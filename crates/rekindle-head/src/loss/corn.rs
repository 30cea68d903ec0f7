//! The loss of levels, on conditional probabilities. Owns the formula and the divisor.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::rule::Loss;
use crate::targets::Targets;

/// CORN: the binary cross-entropy of each step from a level to the next, among the samples that have reached it.
///
/// On the outputs of a head of [levels](crate::ordinal), that is minus the logarithm of the level's probability. The batch's loss is the sum
/// divided by the number of steps that its samples have to decide, `min(level + 1, levels - 1)` each, as coral-pytorch's `corn_loss`;
/// of mixed targets, by the expected number.
///
/// Source: [Shi, Cao and Raschka 2021](https://arxiv.org/abs/2111.08851); numbers checked against coral-pytorch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Corn {}

impl Loss for Corn {
    const TARGETS: Targets = Targets::Distribution;

    fn check(&self, _: usize) -> Result<(), SettingError> {
        Ok(())
    }

    fn divisor(&self, targets: &Tensor<2>) -> f64 {
        let [_, levels] = targets.dims();
        let shares: Vec<f32> = targets.to_data().iter::<f32>().collect();
        let places = shares.iter().enumerate();
        let steps = places.map(|(place, share)| {
            let level = place % levels;
            f64::from(*share) * (level + 1).min(levels - 1) as f64
        });
        steps.sum()
    }

    fn forward(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let steps = self.divisor(&targets);
        let losses = log_softmax(outputs, 1).mul(targets).neg();
        losses.sum().div_scalar(steps)
    }
}
