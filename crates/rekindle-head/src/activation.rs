//! The non-linearity of hidden layers. Owns its names and what each does.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// The non-linearity of a hidden layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenActivation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// `x * sigmoid(x)`, also called swish.
    Silu,
    /// `x * Φ(x)` with the exact normal distribution function.
    Gelu,
    /// `x * clamp(x + 3, 0, 6) / 6`.
    HardSwish,
    /// `tanh(x)`.
    Tanh,
}

impl HiddenActivation {
    /// Applies the activation to every element.
    pub fn forward<const D: usize>(self, features: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => activation::relu(features),
            Self::Silu => activation::silu(features),
            Self::Gelu => activation::gelu(features),
            Self::HardSwish => activation::hard_swish(features),
            Self::Tanh => activation::tanh(features),
        }
    }
}
