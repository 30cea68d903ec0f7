//! Focal loss on soft targets. Owns the formula.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::rule::Loss;
use super::shared::{batch_divisor, batch_mean, check_gamma, check_weights};
use crate::targets::Targets;

/// Smallest `1 - p`; keeps the gradient finite for exponents below 1.
const SMALLEST_REMAINDER: f64 = 1e-6;

/// Focal loss: cross-entropy whose terms are scaled down where the class is predicted well already.
///
/// With `p = softmax(logits)` the loss of a sample is `-sum_c weight_c * y_c * (1 - p_c)^gamma * log p_c`. The batch's
/// mean is taken as in [`CrossEntropy`](super::CrossEntropy), which `gamma = 0` equals.
///
/// Source: [Lin et al. 2017](https://arxiv.org/abs/1708.02002), in its form for several classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Focal {
    /// How strongly well-predicted classes are scaled down, at least 0. Default 2, the paper's best.
    pub gamma: f64,
    /// One positive weight per class. Default none: every class counts the same.
    pub class_weights: Option<Vec<f32>>,
}

impl Default for Focal {
    fn default() -> Self {
        Self {
            gamma: 2.0,
            class_weights: None,
        }
    }
}

impl Loss for Focal {
    const TARGETS: Targets = Targets::Distribution;

    fn check(&self, classes: usize) -> Result<(), SettingError> {
        check_gamma(self.gamma)?;
        check_weights("class_weights", self.class_weights.as_deref(), classes)
    }

    fn divisor(&self, targets: &Tensor<2>) -> f64 {
        batch_divisor(targets, self.class_weights.as_deref())
    }

    fn forward(&self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let log_probabilities = log_softmax(logits, 1);
        let mut losses = log_probabilities.clone().mul(targets.clone()).neg();
        if self.gamma != 0.0 {
            let remainder = log_probabilities
                .exp()
                .neg()
                .add_scalar(1.0)
                .clamp_min(SMALLEST_REMAINDER);
            losses = losses.mul(remainder.powf_scalar(self.gamma));
        }
        batch_mean(losses, targets, self.class_weights.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_gamma_is_refused() {
        for gamma in [-1.0, f64::NAN, f64::INFINITY] {
            let loss = Focal {
                gamma,
                ..Default::default()
            };
            assert_eq!(loss.check(3).unwrap_err().key(), "gamma");
        }
    }
}
