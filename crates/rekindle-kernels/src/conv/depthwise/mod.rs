//! Depthwise convolution: each channel alone with its own kernel.
//!
//! With the channels side by side a register holds a block of channels of one pixel, and a tap is one multiply-add of that register
//! with the same channels of the weight. Tiles of neighbouring output pixels, two rows high where there are registers for it, are
//! summed in registers so that each loaded pixel serves all the taps that see it: [`rows`] for any kernel, [`window`] for the
//! usual ones. The forward pass is one such correlation; the gradient of the input is one per residue of the pixel's position by the
//! stride ([`backward_input`]); the gradient of the weight keeps the taps in registers and walks over the pixels ([`backward_weight`]);
//! both together, from a gradient that is never stored, are [`backward`]. In inference the map may be [`produced`] panel by panel in a
//! [`frame`] of zeros.

mod ahead;
mod backward;
mod backward_input;
mod backward_weight;
mod correlation;
mod forward;
mod frame;
mod images;
mod packed;
mod produced;
mod rows;
#[cfg(test)]
mod tests;
mod tiles;
mod window;

pub(crate) use backward::{backward, takes_images};
pub(crate) use backward_input::backward_input;
pub(crate) use backward_weight::backward_weight;
pub(crate) use forward::{Weights, forward, forward_moments, forward_with};
pub(crate) use frame::{Frame, Places};
pub(crate) use images::Source;
pub(crate) use produced::{Producer, forward_of, wins};
