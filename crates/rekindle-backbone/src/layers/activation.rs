//! Activation functions by name.

use burn::tensor::{Tensor, activation};

/// An elementwise activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// `max(0, x)`.
    Relu,
    /// `min(max(0, x), 6)` (Howard et al. 2017, MobileNets).
    Relu6,
}

impl Activation {
    /// Applies the function to each element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => activation::relu(x),
            Self::Relu6 => x.clamp(0.0, 6.0),
        }
    }
}
