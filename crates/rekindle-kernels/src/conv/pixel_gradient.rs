//! What a backward pass may be given in place of a stored gradient.

use std::ops::Range;

use crate::simd::Level;

/// A gradient of a convolution's result that is computed where it is needed.
pub trait PixelGradient: Sync {
    /// The gradient of these pixels of the batch, `[pixels, channels_out]`, with kernels of this level.
    fn compute(&self, level: Level, pixels: Range<usize>, out: &mut [f32]);
}
