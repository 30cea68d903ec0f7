//! The forward pass: scale, shift, residual and activation in one.

use std::marker::PhantomData;

use crate::Activation;
use crate::buffer::streams;
use crate::channels::{Access, Known, Pass, Pattern, Registers, with_known};
use crate::parallel::Shared;
use crate::simd::{Level, Simd};

/// `out = activation(y * scale + shift + residual)`, with one scale and shift per channel.
///
/// With a batch's [`Moments`](super::Moments), `scale = gamma / sqrt(variance + epsilon)` and `shift = beta - mean * scale`. `y`,
/// `residual` and `out` are `[pixels, channels]`, `scale` and `shift` `[channels]`.
///
/// # Panics
///
/// When a slice has another length.
pub fn normalize_act(
    y: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    let pattern = Pattern::new(scale.len(), y.len(), "the input of the normalisation");
    assert_eq!(out.len(), y.len(), "output of the normalisation");
    let (scale, shift) = (pattern.expand(scale), pattern.expand(shift));
    let stream = streams(out);
    let (scale, shift, out) = (&scale[..], &shift[..], Shared::new(out));
    match residual {
        None => with_known!(activation, K => pattern.for_each(Normalize::<K, false> {
            y, scale, shift, residual: y, out, stream, activation: PhantomData
        })),
        Some(residual) => {
            assert_eq!(residual.len(), y.len(), "residual of the normalisation");
            with_known!(activation, K => pattern.for_each(Normalize::<K, true> {
                y, scale, shift, residual, out, stream, activation: PhantomData
            }));
        }
    }
}

/// The same without a residual for some pixels, `y` and `out`, on this thread; scale and shift are expanded to the pattern.
pub(super) fn part(
    level: Level,
    pattern: Pattern,
    activation: Activation,
    (y, scale, shift): (&[f32], &[f32], &[f32]),
    out: &mut [f32],
) {
    assert_eq!(out.len(), y.len(), "output of the normalisation");
    let (len, out) = (y.len(), Shared::new(out));
    with_known!(activation, K => pattern.map_part(level, Normalize::<K, false> {
        y, scale, shift, residual: y, out, stream: false, activation: PhantomData
    }, 0, len));
}

#[derive(Clone, Copy)]
struct Normalize<'a, K, const RESIDUAL: bool> {
    y: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    residual: &'a [f32],
    out: Shared<f32>,
    stream: bool,
    activation: PhantomData<K>,
}

impl<K: Known, const RESIDUAL: bool> Pass for Normalize<'_, K, RESIDUAL> {
    #[inline(always)]
    fn streams(&self) -> bool {
        self.stream
    }

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays and the pattern by the caller's promise.
        unsafe {
            let scale = at.pattern(s, self.scale);
            let shift = at.pattern(s, self.shift);
            for r in 0..R {
                let mut u = s.mul_add(at.load(s, r, self.y), scale, shift);
                if RESIDUAL {
                    u = s.add(u, at.load(s, r, self.residual));
                }
                at.store_or_stream(s, r, self.out, K::ACTIVATION.vector(s, u), self.stream);
            }
        }
    }
}
