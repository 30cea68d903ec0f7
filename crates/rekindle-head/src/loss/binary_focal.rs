//! Focal loss of each label by itself. Owns the formula.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::rule::Loss;
use super::shared::check_gamma;
use crate::targets::Targets;

/// Focal loss on logits of labels: binary cross-entropy whose terms are scaled down where the label is predicted well already.
///
/// With `p = sigmoid(x)` the loss of a label is `-(y (1 - p)^gamma log p + (1 - y) p^gamma log(1 - p))`, and the two terms are
/// multiplied by `alpha` and `1 - alpha` where `alpha` is given. The batch's loss is the mean over its samples and labels;
/// `gamma = 0` is [`BinaryCrossEntropy`](super::BinaryCrossEntropy).
///
/// Source: [Lin et al. 2017](https://arxiv.org/abs/1708.02002); numbers checked against PyTorch's arithmetic, whose result on targets
/// of 0 and 1 is that of `torchvision.ops.sigmoid_focal_loss`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BinaryFocal {
    /// How strongly well-predicted labels are scaled down, at least 0. Default 2, the paper's best.
    pub gamma: f64,
    /// Weight of labels that are there, between 0 and 1, against `1 - alpha` of those that are not. Default none.
    pub alpha: Option<f64>,
}

impl Default for BinaryFocal {
    fn default() -> Self {
        Self {
            gamma: 2.0,
            alpha: None,
        }
    }
}

impl Loss for BinaryFocal {
    const TARGETS: Targets = Targets::Indicators;

    fn check(&self, _: usize) -> Result<(), SettingError> {
        check_gamma(self.gamma)?;
        match self.alpha {
            Some(alpha) if !(alpha > 0.0 && alpha < 1.0) => Err(SettingError::new(
                "alpha",
                alpha,
                "a number above 0 and below 1 (the paper's is 0.25)",
            )),
            _ => Ok(()),
        }
    }

    fn forward(&self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let [log_p, log_rest] = [logits.clone(), logits.neg()].map(log_sigmoid);
        // (1 - p)^gamma as an exponential, whose gradient is finite everywhere.
        let power = |log: &Tensor<2>| log.clone().mul_scalar(self.gamma).exp();
        let absent = targets.clone().neg().add_scalar(1.0);
        let mut present = targets.mul(power(&log_rest)).mul(log_p.clone());
        let mut absent = absent.mul(power(&log_p)).mul(log_rest);
        if let Some(alpha) = self.alpha {
            present = present.mul_scalar(alpha);
            absent = absent.mul_scalar(1.0 - alpha);
        }
        present.add(absent).mean().neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_key() {
        let error = |gamma, alpha| {
            BinaryFocal { gamma, alpha }
                .check(3)
                .unwrap_err()
                .key()
                .to_owned()
        };
        assert_eq!(error(-1.0, None), "gamma");
        assert_eq!(error(2.0, Some(1.0)), "alpha");
        BinaryFocal::default().check(3).unwrap();
    }
}
