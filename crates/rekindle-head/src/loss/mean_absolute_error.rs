//! Mean absolute error. Owns the formula.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The mean of `|x - y|` over samples and numbers; its best constant is the median, so single wild targets pull less.
///
/// Checked against `torch.nn.functional.l1_loss`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanAbsoluteError {}

impl MeanAbsoluteError {
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
        outputs.sub(targets).abs().mean()
    }
}
