//! The loop over the pixels of the array that a pass writes, in parallel by rows, and over their channels in registers.

use std::ops::Range;

use super::PoolShape;
use crate::channels::{Access, CHUNK, Part, Whole, in_parts};
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// Calls `pass` for every pixel of the output.
pub(super) fn over_output<P: Pixel>(shape: &PoolShape, pass: P) {
    over_pixels(shape.batch, shape.out, shape.channels, pass);
}

/// Calls `pass` for every pixel of the input's gradient.
pub(super) fn over_input<P: Pixel>(shape: &PoolShape, pass: P) {
    let size = [shape.height, shape.width];
    over_pixels(shape.batch, size, shape.channels, pass);
}

/// Calls `pass` for every pixel of a batch, in parallel by rows.
fn over_pixels<P: Pixel>(batch: usize, [height, width]: [usize; 2], channels: usize, pass: P) {
    let level = Level::current();
    let rows = batch * height;
    let together = (CHUNK / (width * channels)).max(1);
    let part = |i: usize| {
        let rows = i * together..rows.min((i + 1) * together);
        dispatch_at(
            level,
            Rows {
                pass,
                rows,
                height,
                width,
                channels,
            },
        );
    };
    in_parts(rows.div_ceil(together), &part);
}

/// A pixel of the array that a pass writes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) image: usize,
    pub(super) y: usize,
    pub(super) x: usize,
    pub(super) channel: usize,
}

/// What a pass does at one pixel.
pub(super) trait Pixel: Copy + Send + Sync {
    /// Handles `N` registers of channels. Must be `#[inline(always)]`.
    ///
    /// # Safety
    ///
    /// The lanes of `access` lie inside the pixel of the array that the pass writes, and no other thread is given the same place.
    unsafe fn registers<S: Simd, A: Access<S> + Lanes, const N: usize>(
        &self,
        s: S,
        access: A,
        place: Place,
    );
}

/// How many lanes an [`Access`] has, for the taps, which are bytes.
pub(super) trait Lanes: Copy {
    fn count<S: Simd>(self) -> usize;
}

impl Lanes for Whole {
    #[inline(always)]
    fn count<S: Simd>(self) -> usize {
        S::LANES
    }
}

impl Lanes for Part {
    #[inline(always)]
    fn count<S: Simd>(self) -> usize {
        self.0
    }
}

/// Some rows of the array, counted over all images.
struct Rows<P> {
    pass: P,
    rows: Range<usize>,
    height: usize,
    width: usize,
    channels: usize,
}

impl<P: Pixel> Kernel for Rows<P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            pass,
            rows,
            height,
            width,
            channels,
        } = self;
        for row in rows {
            let (image, y) = (row / height, row % height);
            for x in 0..width {
                let mut place = Place {
                    image,
                    y,
                    x,
                    channel: 0,
                };
                while place.channel + 4 * S::LANES <= channels {
                    // SAFETY: whole registers inside the pixel.
                    unsafe { pass.registers::<S, Whole, 4>(s, Whole, place) };
                    place.channel += 4 * S::LANES;
                }
                while place.channel + S::LANES <= channels {
                    // SAFETY: a whole register inside the pixel.
                    unsafe { pass.registers::<S, Whole, 1>(s, Whole, place) };
                    place.channel += S::LANES;
                }
                if place.channel < channels {
                    let rest = Part(channels - place.channel);
                    // SAFETY: the pixel's remaining channels.
                    unsafe { pass.registers::<S, Part, 1>(s, rest, place) };
                }
            }
        }
    }
}

/// The index of a number in `[batch, size[0], size[1], channels]`.
#[inline(always)]
pub(super) fn index(place: Place, size: [usize; 2], channels: usize) -> usize {
    ((place.image * size[0] + place.y) * size[1] + place.x) * channels + place.channel
}
