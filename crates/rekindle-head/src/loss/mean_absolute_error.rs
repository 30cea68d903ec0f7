//! Mean absolute error. Owns the formula.

use burn::tensor::Tensor;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::rule::Loss;
use crate::targets::Targets;

/// The mean of `|x - y|` over samples and numbers; its best constant is the median, so single wild targets pull less.
///
/// Checked against `torch.nn.functional.l1_loss`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanAbsoluteError {}

impl Loss for MeanAbsoluteError {
    const TARGETS: Targets = Targets::Numbers;

    fn check(&self, _: usize) -> Result<(), SettingError> {
        Ok(())
    }

    fn forward(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        outputs.sub(targets).abs().mean()
    }
}
