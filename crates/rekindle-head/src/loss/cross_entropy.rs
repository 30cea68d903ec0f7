//! Cross-entropy on soft targets. Owns the formula; Burn's own layer takes class indices only.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use rekindle_settings::{SettingError, non_negative};
use serde::{Deserialize, Serialize};

use super::rule::Loss;
use super::shared::{batch_divisor, batch_mean, check_smoothing, check_weights};
use crate::targets::Targets;

/// Cross-entropy between logits and soft targets, with label smoothing and class weights.
///
/// With `y' = (1 - s) y + s / classes` and `s` the smoothing, the loss of a sample is
/// `-sum_c weight_c * y'_c * log softmax(logits)_c`.
///
/// The batch's loss is the mean over its samples; with class weights it is the sum divided by the targets' weights,
/// `sum_n sum_c weight_c * y_nc`. On class indices as one-hot rows both are what PyTorch gives. On soft targets with
/// weights PyTorch divides by the batch size instead; the rule here does not change with the kind of target.
///
/// With `logit_adjustment` the logits are raised by `logit_adjustment * ln(prior_c)` first, so that a head trained on many images of some
/// classes and few of others ranks all alike, whose prediction is then that of balanced classes.
///
/// Source: [Szegedy et al. 2015](https://arxiv.org/abs/1512.00567) for the smoothing, [Menon et al. 2020](https://arxiv.org/abs/2007.07314)
/// for the adjustment; numbers checked against `torch.nn.functional.cross_entropy`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropy {
    /// Share of every target that is spread over all classes, at least 0 and below 1. Default 0.
    pub label_smoothing: f64,
    /// One positive weight per class. Default none: every class counts the same.
    pub class_weights: Option<Vec<f32>>,
    /// How much of each class's share of the training images is taken off what the head has to learn: 1 for all of it, 0 for nothing.
    /// Default 0. For classes of very different sizes whose errors count alike.
    #[serde(skip_serializing_if = "is_off")]
    pub logit_adjustment: f64,
    /// The share of each class, for `logit_adjustment`. Default none: a plan fills in those of its training images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priors: Option<Vec<f32>>,
}

impl Loss for CrossEntropy {
    const TARGETS: Targets = Targets::Distribution;

    fn check(&self, classes: usize) -> Result<(), SettingError> {
        check_smoothing(self.label_smoothing)?;
        non_negative("logit_adjustment", self.logit_adjustment)?;
        check_weights("priors", self.priors.as_deref(), classes)?;
        check_weights("class_weights", self.class_weights.as_deref(), classes)
    }

    fn divisor(&self, targets: &Tensor<2>) -> f64 {
        batch_divisor(targets, self.class_weights.as_deref())
    }

    fn forward(&self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let [_, classes] = logits.dims();
        let smoothed = match self.label_smoothing {
            0.0 => targets.clone(),
            share => targets
                .clone()
                .mul_scalar(1.0 - share)
                .add_scalar(share / classes as f64),
        };
        let logits = match (&self.priors, self.logit_adjustment) {
            (_, 0.0) | (None, _) => logits,
            (Some(priors), strength) => {
                let shift = |prior: &f32| (strength * f64::from(*prior).ln()) as f32;
                let shifts: Vec<f32> = priors.iter().map(shift).collect();
                let shifts = TensorData::new(shifts, [1, classes]);
                logits.clone() + Tensor::from_data(shifts, &logits.device())
            }
        };
        let losses = log_softmax(logits, 1).mul(smoothed).neg();
        batch_mean(losses, targets, self.class_weights.as_deref())
    }
}

fn is_off(strength: &f64) -> bool {
    *strength == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothing_of_one_is_refused() {
        for label_smoothing in [1.0, -0.1, f64::NAN] {
            let loss = CrossEntropy {
                label_smoothing,
                ..Default::default()
            };
            assert_eq!(loss.check(3).unwrap_err().key(), "label_smoothing");
        }
    }

    #[test]
    fn weights_must_be_positive() {
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let loss = CrossEntropy {
                class_weights: Some(vec![1.0, bad]),
                ..Default::default()
            };
            assert_eq!(loss.check(2).unwrap_err().key(), "class_weights");
        }
    }
}
