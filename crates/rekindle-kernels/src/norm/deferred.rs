//! A normalisation that is left to the operation that reads the map, which does it row by row in the caches: neither the normalised map
//! is stored nor its gradient, only that in front of the activation.

use super::NormActBackward;
use super::backward::gamma_gradient;
use crate::Activation;
use crate::buffer::Buffer;
use crate::channels::Pattern;
use crate::parallel::Shared;
use crate::simd::Level;

/// The map `activation(y * scale + shift)`, of which `y` is in memory. Scale and shift come from the batch's own
/// [`Moments`](super::Moments), as those of [`NormActBackward`].
#[derive(Debug, Clone, Copy)]
pub struct Deferred<'a> {
    /// The input of the normalisation, `[pixels, channels]`.
    pub y: &'a [f32],
    /// `gamma * inv_std`, `[channels]`.
    pub scale: &'a [f32],
    /// `beta - mean * scale`, `[channels]`.
    pub shift: &'a [f32],
    /// The batch's mean, `[channels]`.
    pub mean: &'a [f32],
    /// `1 / sqrt(variance + epsilon)`, `[channels]`.
    pub inv_std: &'a [f32],
    /// What follows the normalisation.
    pub activation: Activation,
}

/// What its reader does with some pixels of a [`Deferred`] map.
pub(crate) struct Reading<'a> {
    map: Deferred<'a>,
    pattern: Pattern,
    scale: Buffer,
    shift: Buffer,
    mean: Buffer,
}

impl<'a> Reading<'a> {
    /// # Panics
    ///
    /// When a slice has another length than its documentation says.
    pub(crate) fn new(map: &Deferred<'a>) -> Self {
        let pattern = Pattern::new(map.scale.len(), map.y.len(), "a deferred normalisation");
        assert_eq!(map.inv_std.len(), map.scale.len(), "deviation");
        Self {
            map: *map,
            pattern,
            scale: pattern.expand(map.scale),
            shift: pattern.expand(map.shift),
            mean: pattern.expand(map.mean),
        }
    }

    /// The input of the normalisation.
    pub(crate) fn memory(&self) -> &'a [f32] {
        self.map.y
    }

    /// Numbers in the sums of [`mask`](Self::mask).
    pub(crate) fn sums_len(&self) -> usize {
        2 * self.map.scale.len()
    }

    /// Computes the map's numbers from `start`, a pixel's first, on.
    pub(crate) fn read(&self, level: Level, start: usize, out: &mut [f32]) {
        let y = &self.map.y[start..start + out.len()];
        super::normalize::part(
            level,
            self.pattern,
            self.map.activation,
            (y, &self.scale, &self.shift),
            out,
        );
    }

    /// Turns a gradient of the map's numbers from `start`, a pixel's first, on into that in front of the activation, and adds what the
    /// gradients of beta and gamma are made of to `sums`. With `stream`, `masked` is aligned, and written past the caches.
    pub(crate) fn mask(
        &self,
        level: Level,
        start: usize,
        gradient: &[f32],
        masked: &mut [f32],
        sums: &mut [f64],
        stream: bool,
    ) {
        assert_eq!(masked.len(), gradient.len());
        let norm = NormActBackward {
            y: &self.map.y[start..start + gradient.len()],
            scale: self.map.scale,
            shift: self.map.shift,
            mean: self.map.mean,
            inv_std: self.map.inv_std,
            residual: None,
            output: None,
            activation: self.map.activation,
            gradient,
        };
        let expanded = [&self.scale[..], &self.shift, &self.mean];
        norm.mask_part(
            level,
            self.pattern,
            expanded,
            Shared::new(masked),
            sums,
            stream,
        );
    }

    /// The gradients of beta and gamma from the sums of all pixels.
    pub(crate) fn gradients(&self, sums: &[f64]) -> (Vec<f32>, Vec<f32>) {
        gamma_gradient(sums, self.map.inv_std)
    }
}
