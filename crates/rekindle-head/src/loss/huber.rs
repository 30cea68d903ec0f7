//! Huber loss. Owns the formula.

use burn::tensor::Tensor;
use rekindle_settings::{SettingError, positive};
use serde::{Deserialize, Serialize};

use super::rule::Loss;
use crate::targets::Targets;

/// Huber loss: squared for small errors, straight for large ones, so that single wild targets pull less.
///
/// The loss of an error `e` is `e^2 / 2` up to `delta`, and `delta (|e| - delta / 2)` beyond; the batch's loss is the mean over samples
/// and numbers. Errors are those of standardised numbers, so a `delta` of 1 is one standard deviation of the training targets. With
/// `delta = 1` it is also called smooth L1.
///
/// Source: Huber, "Robust estimation of a location parameter" (1964); checked against `torch.nn.functional.huber_loss`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Huber {
    /// Where the loss becomes straight, above 0. Default 1, as PyTorch.
    pub delta: f64,
}

impl Default for Huber {
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl Loss for Huber {
    const TARGETS: Targets = Targets::Numbers;

    fn check(&self, _: usize) -> Result<(), SettingError> {
        positive("delta", self.delta)
    }

    fn forward(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let error = outputs.sub(targets).abs();
        // With m = min(|e|, delta): m (|e| - m / 2) is both branches.
        let small = error.clone().clamp_max(self.delta);
        let rest = error.sub(small.clone().mul_scalar(0.5));
        small.mul(rest).mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_settings::Within;

    #[test]
    fn a_delta_that_is_not_above_zero_is_refused() {
        for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = Huber { delta }.check(3).within("loss").unwrap_err();
            assert_eq!(error.key(), "loss.delta");
        }
    }
}
