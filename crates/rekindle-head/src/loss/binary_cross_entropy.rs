//! Binary cross-entropy on logits: each label by itself. Owns the formula.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Tensor, TensorData};
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::rule::Loss;
use super::shared::{check_smoothing, check_weights};
use crate::targets::Targets;

/// Binary cross-entropy between logits and targets from 0 to 1, for images with any number of labels.
///
/// With `y' = (1 - s) y + s / 2` and `s` the smoothing, the loss of a label is
/// `-(w_c * y' * log sigmoid(x) + (1 - y') * log sigmoid(-x))`, `w_c` the label's positive weight. The batch's loss is the mean over
/// its samples and labels.
///
/// Numbers checked against `torch.nn.functional.binary_cross_entropy_with_logits` (its `pos_weight`); the smoothing is that of
/// Keras' `BinaryCrossentropy`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BinaryCrossEntropy {
    /// Share by which every target is moved to one half, at least 0 and below 1. Default 0.
    pub label_smoothing: f64,
    /// One positive weight per label, on the images that have it: above 1 finds more of a rare label, at the price of more false
    /// ones. Default none: 1 for all.
    pub positive_weights: Option<Vec<f32>>,
}

impl Loss for BinaryCrossEntropy {
    const TARGETS: Targets = Targets::Indicators;

    fn check(&self, labels: usize) -> Result<(), SettingError> {
        check_smoothing(self.label_smoothing)?;
        let weights = self.positive_weights.as_deref();
        check_weights("positive_weights", weights, labels)
    }

    fn forward(&self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let targets = match self.label_smoothing {
            0.0 => targets,
            share => targets.mul_scalar(1.0 - share).add_scalar(share / 2.0),
        };
        let absent = targets.clone().neg().add_scalar(1.0);
        let mut present = log_sigmoid(logits.clone()).mul(targets);
        if let Some(weights) = &self.positive_weights {
            let data = TensorData::new(weights.clone(), [1, weights.len()]);
            present = present.mul(Tensor::from_data(data, &logits.device()));
        }
        present
            .add(log_sigmoid(logits.neg()).mul(absent))
            .mean()
            .neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn weights_and_smoothing_out_of_range_are_refused_by_key() {
        let weights = BinaryCrossEntropy {
            positive_weights: Some(vec![1.0, -2.0]),
            ..Default::default()
        };
        assert_eq!(weights.check(2).unwrap_err().key(), "positive_weights");
        assert!(weights.check(3).is_err());
        let smoothing = BinaryCrossEntropy {
            label_smoothing: 1.0,
            ..Default::default()
        };
        assert_eq!(smoothing.check(2).unwrap_err().key(), "label_smoothing");
    }

    #[test]
    fn large_logits_give_finite_losses_and_gradients() {
        let device = Device::flex().autodiff();
        let logits = Tensor::<2>::from_data([[500.0f32, -500.0]], &device).require_grad();
        let targets = Tensor::<2>::from_data([[0.0f32, 1.0]], &device);
        let loss = BinaryCrossEntropy::default().forward(logits.clone(), targets);
        let gradients = loss.backward();
        assert_eq!(loss.into_data(), [500.0f32].into());
        let gradient = logits.grad(&gradients).unwrap().into_data();
        assert_eq!(gradient, [[0.5f32, -0.5]].into());
    }
}
