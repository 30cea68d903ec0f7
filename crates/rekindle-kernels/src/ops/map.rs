//! A feature map between two operations.

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use super::growing::Growing;
#[cfg(feature = "flex")]
use super::tracked_norm::Unfinished;

/// A feature map `[batch, height, width, channels]`: numbers, a convolution's result whose normalisation is left to whoever reads it, or
/// maps whose channels nobody has put side by side yet ([`grow`](super::grow)).
pub struct Map(pub(super) Content);

#[cfg_attr(
    feature = "flex",
    expect(clippy::large_enum_variant, reason = "few of them live at a time")
)]
pub(super) enum Content {
    Tensor(Tensor<4>),
    #[cfg(feature = "flex")]
    Unfinished(Box<Unfinished>),
    #[cfg(feature = "flex")]
    Growing(Box<Growing>),
}

impl Map {
    /// `[batch, height, width, channels]`.
    pub fn dims(&self) -> [usize; 4] {
        match &self.0 {
            Content::Tensor(tensor) => tensor.dims(),
            #[cfg(feature = "flex")]
            Content::Unfinished(unfinished) => unfinished.dims(),
            #[cfg(feature = "flex")]
            Content::Growing(growing) => growing.dims(),
        }
    }

    /// Whether operations on it are recorded for gradients.
    pub fn is_autodiff(&self) -> bool {
        match &self.0 {
            Content::Tensor(tensor) => tensor.is_autodiff(),
            #[cfg(feature = "flex")]
            Content::Unfinished(_) | Content::Growing(_) => true,
        }
    }

    /// The numbers, normalised.
    pub fn into_tensor(self) -> Tensor<4> {
        match self.0 {
            Content::Tensor(tensor) => tensor,
            #[cfg(feature = "flex")]
            Content::Unfinished(unfinished) => unfinished.normalize(),
            #[cfg(feature = "flex")]
            Content::Growing(growing) => growing.into_tensor(),
        }
    }

    /// The numbers, if there is nothing left to do.
    #[cfg(feature = "flex")]
    pub(super) fn tensor(&self) -> Option<&Tensor<4>> {
        match &self.0 {
            Content::Tensor(tensor) => Some(tensor),
            Content::Unfinished(_) | Content::Growing(_) => None,
        }
    }
}

impl From<Tensor<4>> for Map {
    fn from(tensor: Tensor<4>) -> Self {
        Self(Content::Tensor(tensor))
    }
}
