//! Mean squared error. Owns the formula.

use burn::tensor::Tensor;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::rule::Loss;
use crate::targets::Targets;

/// The mean of `(x - y)^2` over samples and numbers; its best constant is the mean.
///
/// Checked against `torch.nn.functional.mse_loss`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanSquaredError {}

impl Loss for MeanSquaredError {
    const TARGETS: Targets = Targets::Numbers;

    fn check(&self, _: usize) -> Result<(), SettingError> {
        Ok(())
    }

    fn forward(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let error = outputs.sub(targets);
        error.clone().mul(error).mean()
    }
}
