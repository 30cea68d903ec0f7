//! The two passes of the backward pass: the sums over a channel, and the gradient of the input that they lead to.

use super::source::Source;
use crate::buffer::Buffer;
use crate::channels::{Access, Pass, Registers};
use crate::parallel::Shared;
use crate::simd::Simd;

/// `sum(g)` and `sum(g * (y - mean))`; with `STORE`, `g` is kept in `masked`.
#[derive(Clone, Copy)]
pub(super) struct GradientSums<'a, G, const STORE: bool> {
    pub(super) y: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) source: G,
    pub(super) masked: Shared<f32>,
    pub(super) stream: bool,
}

impl<G: Source, const STORE: bool> Pass for GradientSums<'_, G, STORE> {
    const SUMS: usize = 2;
    const TOGETHER: bool = STORE;

    #[inline(always)]
    fn streams(&self) -> bool {
        self.stream
    }

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays, the pattern and the sums by the caller's promise.
        unsafe {
            let scale = at.pattern(s, self.scale);
            let shift = self.source.shift(s, at);
            let mean = at.pattern(s, self.mean);
            let (mut sum, mut product) = (s.zero(), s.zero());
            for r in 0..R {
                let y = at.load(s, r, self.y);
                let g = self.source.gradient(s, at, r, y, scale, shift);
                if STORE {
                    at.store_or_stream(s, r, self.masked, g, self.stream);
                }
                sum = s.add(sum, g);
                product = s.mul_add(g, s.sub(y, mean), product);
            }
            at.add_to_sum(s, 0, sum);
            at.add_to_sum(s, 1, product);
        }
    }
}

/// `scale * g - constant - slope * (y - mean)`, per channel.
pub(super) struct Terms {
    pub(super) scale: Buffer,
    pub(super) mean: Buffer,
    pub(super) constant: Buffer,
    pub(super) slope: Buffer,
}

impl Terms {
    pub(super) fn pass<'a, G: Source>(
        &'a self,
        y: &'a [f32],
        source: G,
        out: Shared<f32>,
        stream: bool,
    ) -> InputGradient<'a, G> {
        InputGradient {
            y,
            scale: &self.scale,
            mean: &self.mean,
            constant: &self.constant,
            slope: &self.slope,
            source,
            out,
            stream,
        }
    }
}

/// The gradient of the normalisation's input, by [`Terms`].
#[derive(Clone, Copy)]
pub(super) struct InputGradient<'a, G> {
    y: &'a [f32],
    scale: &'a [f32],
    mean: &'a [f32],
    constant: &'a [f32],
    slope: &'a [f32],
    source: G,
    out: Shared<f32>,
    stream: bool,
}

impl<G: Source> Pass for InputGradient<'_, G> {
    #[inline(always)]
    fn streams(&self) -> bool {
        self.stream
    }

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays and the pattern by the caller's promise.
        unsafe {
            let scale = at.pattern(s, self.scale);
            let shift = self.source.shift(s, at);
            let mean = at.pattern(s, self.mean);
            let constant = at.pattern(s, self.constant);
            let slope = at.pattern(s, self.slope);
            for r in 0..R {
                let y = at.load(s, r, self.y);
                let g = self.source.gradient(s, at, r, y, scale, shift);
                let mean_part = s.mul_add(s.sub(y, mean), slope, constant);
                let dy = s.sub(s.mul(scale, g), mean_part);
                at.store_or_stream(s, r, self.out, dy, self.stream);
            }
        }
    }
}
