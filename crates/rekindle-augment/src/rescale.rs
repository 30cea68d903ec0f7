//! Bytes to the floating-point input of a network: the only normalisation in rekindle.
//!
//! Owns: the scale of the values and the change from interleaved pixels to colour planes. It does not own sizes.
//!
//! [`RescaleSpec`] is what a recipe asks for; it becomes a [`Rescale`], with [`ChannelMoments`] of the training images where
//! it is to be fitted on them. A model file holds the [`Rescale`], numbers included, so prediction fits nothing. All of this is numbers on
//! the host; `batch` alone makes a tensor of them, and is there with the feature `burn`.

#[cfg(feature = "burn")]
mod batch;
mod moments;
mod pixels;
mod scale;
mod spec;
mod whitening;

#[cfg(feature = "burn")]
pub use self::batch::{network_input, rescale};
pub use self::moments::ChannelMoments;
pub use self::pixels::RgbBatch;
pub use self::scale::Rescale;
pub(crate) use self::scale::{check_mean, check_std};
pub use self::spec::RescaleSpec;
pub use self::whitening::{pca_whitening, zca_whitening};
