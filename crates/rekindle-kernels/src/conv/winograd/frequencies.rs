//! Tiles as frequencies: the transforms of whole tiles there and back, with the epilogue on the way back.

use std::ops::Range;

use super::sizes::{FREQUENCIES, STEP};
use super::tiling::Tiling;
use super::transforms::{gradient_transform, input_transform, output_transform};
use crate::Activation;
use crate::buffer::Buffer;
use crate::conv::product::Finish;
use crate::parallel::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// Transformed tiles, `[frequency][tile][channels]`.
pub(super) struct Frequencies {
    pub(super) data: Buffer,
    /// Numbers from one frequency to the next: never a multiple of a page, on which all would share a place in the cache.
    pub(super) distance: usize,
}

impl Frequencies {
    /// Memory for so many tiles.
    pub(super) fn unspecified(tiles: usize, channels: usize) -> Self {
        let distance = (tiles * channels).next_multiple_of(16) + 16;
        Self {
            data: Buffer::unspecified(FREQUENCIES * distance),
            distance,
        }
    }

    /// To be written by several threads.
    pub(super) fn shared(&mut self) -> SharedFrequencies {
        SharedFrequencies {
            data: Shared::new(&mut self.data),
            distance: self.distance,
        }
    }
}

/// [`Frequencies`] that are being written.
#[derive(Clone, Copy)]
pub(super) struct SharedFrequencies {
    pub(super) data: Shared<f32>,
    pub(super) distance: usize,
}

/// Some channels of images in tiles.
pub(super) struct Images<'a> {
    pub(super) x: &'a [f32],
    pub(super) tiling: Tiling,
    pub(super) channels: Range<usize>,
}

impl Images<'_> {
    /// Transforms some tiles, of which `first` has the first place in `out`; with `gradient`, those of a result's gradient.
    pub(super) fn transform(
        &self,
        level: Level,
        tiles: Range<usize>,
        first: usize,
        gradient: bool,
        out: SharedFrequencies,
    ) {
        let kernel = ToFrequencies {
            images: self,
            tiles,
            gradient,
            out,
            first,
        };
        dispatch_at(level, kernel);
    }
}

/// Transforms tiles of images to frequencies, `[frequency][tile][channels]`: 6x6 pixels by `B'`, or 4x4 pixels of a gradient by `A`.
struct ToFrequencies<'a> {
    images: &'a Images<'a>,
    tiles: Range<usize>,
    gradient: bool,
    out: SharedFrequencies,
    /// The tile whose place in `out` is 0.
    first: usize,
}

/// A transform by name: a function passed as a value would not be inlined into the code of its instruction set.
trait Transform<const N: usize> {
    fn apply<S: Simd>(s: S, x: [S::V; N]) -> [S::V; 6];
}

struct OfInput;

impl Transform<6> for OfInput {
    #[inline(always)]
    fn apply<S: Simd>(s: S, x: [S::V; 6]) -> [S::V; 6] {
        input_transform(s, x)
    }
}

struct OfGradient;

impl Transform<4> for OfGradient {
    #[inline(always)]
    fn apply<S: Simd>(s: S, x: [S::V; 4]) -> [S::V; 6] {
        gradient_transform(s, x)
    }
}

impl Kernel for ToFrequencies<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.gradient {
            self.tiles::<S, 4, OfGradient>(s);
        } else {
            self.tiles::<S, 6, OfInput>(s);
        }
    }
}

impl ToFrequencies<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const N: usize, T: Transform<N>>(&self, s: S) {
        let Tiling {
            height,
            width,
            channels,
            ..
        } = self.images.tiling;
        let of = &self.images.channels;
        assert!(of.end <= channels);
        for tile in self.tiles.clone() {
            let (image, y0, x0) = self.images.tiling.tile(tile);
            // Offsets of the tile's pixels, or none outside the image.
            let mut places = [[usize::MAX; N]; N];
            for (dy, places) in places.iter_mut().enumerate() {
                for (dx, place) in places.iter_mut().enumerate() {
                    let (y, x) = (y0 + dy as isize, x0 + dx as isize);
                    if (0..height as isize).contains(&y) && (0..width as isize).contains(&x) {
                        *place = ((image * height + y as usize) * width + x as usize) * channels;
                    }
                }
            }
            let inside = places.iter().flatten().all(|&place| place != usize::MAX);
            let count = of.len();
            let out = (tile - self.first) * count;
            for channel in (0..count).step_by(S::LANES) {
                let left = (count - channel).min(S::LANES);
                // SAFETY: pixels inside the image, channels below the count; the tile's rows of `out` belong to this part.
                unsafe {
                    let x = self.images.x.as_ptr().add(of.start + channel);
                    let mut columns = [[s.zero(); N]; 6];
                    for dx in 0..N {
                        let mut d = [s.zero(); N];
                        for dy in 0..N {
                            let place = places[dy][dx];
                            if inside && left == S::LANES {
                                d[dy] = s.load(x.add(place));
                            } else if place != usize::MAX {
                                d[dy] = s.load_partial(x.add(place), left);
                            }
                        }
                        let t = T::apply(s, d);
                        for y in 0..6 {
                            columns[y][dx] = t[y];
                        }
                    }
                    let to = self.out.data.get().add(out + channel);
                    for (y, column) in columns.into_iter().enumerate() {
                        for (x, v) in T::apply(s, column).into_iter().enumerate() {
                            let to = to.add((y * 6 + x) * self.out.distance);
                            if left == S::LANES {
                                s.store(to, v);
                            } else {
                                s.store_partial(to, v, left);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Transforms frequencies back to 4x4 pixels of the output.
pub(super) struct FromFrequencies<'a> {
    pub(super) m: &'a Frequencies,
    pub(super) first: usize,
    pub(super) tiles: Range<usize>,
    pub(super) tiling: Tiling,
    pub(super) out: Shared<f32>,
    pub(super) finish: Finish,
}

impl Kernel for FromFrequencies<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.finish.activation {
            Activation::Identity => self.tiles(s, Activation::Identity),
            Activation::Relu => self.tiles(s, Activation::Relu),
            other => self.tiles(s, other),
        }
    }
}

impl FromFrequencies<'_> {
    #[inline(always)]
    fn tiles<S: Simd>(&self, s: S, activation: Activation) {
        let Tiling {
            height,
            width,
            channels,
            ..
        } = self.tiling;
        let (m, frequency) = (self.m.data.as_ptr(), self.m.distance);
        for tile in self.tiles.clone() {
            let (image, y0, x0) = self.tiling.tile(tile);
            let (y0, x0) = (y0 as usize, x0 as usize);
            let (rows, columns) = ((height - y0).min(STEP), (width - x0).min(STEP));
            for channel in (0..channels).step_by(S::LANES) {
                let left = (channels - channel).min(S::LANES);
                // SAFETY: frequencies of this tile are inside `m`; the tile's pixels of `out` belong to this part.
                unsafe {
                    let m = m.add((tile - self.first) * channels + channel);
                    let mut lines = [[s.zero(); 6]; STEP];
                    #[expect(clippy::needless_range_loop, reason = "x is a column of both arrays")]
                    for x in 0..6 {
                        let mut column = [s.zero(); 6];
                        for (y, v) in column.iter_mut().enumerate() {
                            let from = m.add((y * 6 + x) * frequency);
                            *v = if left == S::LANES {
                                s.load(from)
                            } else {
                                s.load_partial(from, left)
                            };
                        }
                        let t = output_transform(s, column);
                        for y in 0..STEP {
                            lines[y][x] = t[y];
                        }
                    }
                    let bias = if self.finish.bias.is_null() {
                        s.zero()
                    } else {
                        s.load_partial(self.finish.bias.add(channel), left)
                    };
                    for (y, line) in lines.into_iter().enumerate().take(rows) {
                        for (x, v) in output_transform(s, line)
                            .into_iter()
                            .enumerate()
                            .take(columns)
                        {
                            let at =
                                ((image * height + y0 + y) * width + x0 + x) * channels + channel;
                            let mut v = s.add(v, bias);
                            if left == S::LANES {
                                if !self.finish.residual.is_null() {
                                    v = s.add(v, s.load(self.finish.residual.add(at)));
                                }
                                s.store(self.out.get().add(at), activation.vector(s, v));
                            } else {
                                if !self.finish.residual.is_null() {
                                    v = s
                                        .add(v, s.load_partial(self.finish.residual.add(at), left));
                                }
                                s.store_partial(
                                    self.out.get().add(at),
                                    activation.vector(s, v),
                                    left,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
