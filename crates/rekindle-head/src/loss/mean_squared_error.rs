//! Mean squared error. Owns the formula.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The mean of `(x - y)^2` over samples and numbers; its best constant is the mean.
///
/// Checked against `torch.nn.functional.mse_loss`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanSquaredError {}

impl MeanSquaredError {
    /// The mean loss of a batch.
    ///
    /// # Shapes
    ///
    /// `outputs` and `targets` are `[batch, numbers]`; the loss is `[1]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn forward(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let error = outputs.sub(targets);
        error.clone().mul(error).mean()
    }
}
