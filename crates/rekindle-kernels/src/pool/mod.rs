//! Pooling over channels-last images: the largest and the mean of a window, and the mean of a whole image; forward and backward.
//!
//! Backward passes gather: every number of the input's gradient is written once, from the windows that hold it, so nothing is cleared
//! first and no two threads meet. Here is the surface alone: `max`, `average` and `global` own one pooling each, `windows` which pixels
//! a window reads, `walk` the loop over pixels and `backward` what the gradients of windows share.

mod average;
mod backward;
mod global;
mod max;
mod shape;
#[cfg(test)]
mod tests;
mod walk;
mod windows;

pub use average::{average_pool, average_pool_backward};
#[cfg(feature = "flex")]
pub(crate) use global::global_average_pool_backward_adding;
pub use global::{global_average_pool, global_average_pool_backward};
pub use max::{max_pool, max_pool_backward};
pub use shape::PoolShape;
