//! Inference of a whole network: its layers in order, each one step with everything folded into it, over images in parts that stay in
//! the caches.
//!
//! Training must keep every layer's result; inference need not. So a part of the batch is taken through several layers before the
//! next part, as many images at a time as the caches hold ([`InferencePlan::run`]), the parts side by side on the threads, and the memory of a
//! result is given to the next layer as soon as its last reader has finished. Weights are prepared once.
//!
//! `builder` makes a plan of the `layers`, `step` computes one of them (`channels` those that only move numbers, `norms` those that
//! normalise), `segments` runs several on parts of the batch, `stripes` several convolutions on parts of an image.

mod builder;
mod channels;
mod inference;
mod layers;
mod norms;
mod segments;
mod step;
mod stripes;
#[cfg(test)]
mod tests;
mod value;

pub use builder::PlanBuilder;
pub use channels::PlannedChannels;
pub use inference::InferencePlan;
pub use layers::{PlanPadding, PlannedConv, PlannedPool};
pub use norms::PlannedNorm;
pub use value::Value;
