//! Batch normalisation fused with the activation and the residual sum around it, forward and backward (Ioffe & Szegedy 2015).
//!
//! All arrays are `[pixels, channels]`, channels last, with the pixels of the whole batch. Each file below owns one pass; how memory is
//! walked is the business of `channels`.

mod act_backward;
mod backward;
mod deferred;
mod gradients;
mod moments;
mod normalize;
mod settle;
mod source;
#[cfg(test)]
mod tests;

pub use act_backward::{Derivative, act_backward};
pub use backward::{InputGradientParts, NormActBackward};
pub use deferred::Deferred;
pub(crate) use deferred::Reading;
pub(crate) use moments::{Combined, part_moments};
pub use moments::{Moments, moments};
pub use normalize::normalize_act;
pub use settle::settle;
