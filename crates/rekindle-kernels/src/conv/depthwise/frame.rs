//! Some channels of a few images with zeros around them, so that the convolution finds every pixel that it sees at a distance known to
//! the compiler, at the border as elsewhere.

use super::correlation::{Correlation, Target, store};
use super::packed::{GROUP, unroll};
use crate::ConvShape;
use crate::buffer::Buffer;
use crate::simd::{Kernel, Simd};

/// Images with a panel of channels: `[image][row][column][width]`, rows and columns with the convolution's padding.
pub(crate) struct Frame {
    data: Buffer,
    /// Numbers of a pixel.
    width: usize,
    /// Numbers from a row to the next, and from an image to the next.
    row: usize,
    image: usize,
    /// Where the first pixel of the first image starts.
    start: usize,
    /// Pixels of an image.
    height: usize,
    columns: usize,
}

impl Frame {
    /// A frame of zeros; the pixels are unspecified.
    pub(super) fn new(shape: &ConvShape, images: usize, width: usize) -> Self {
        let [[top, bottom], [left, right]] = shape.padding;
        let row = (left + shape.width + right) * width;
        let image = (top + shape.height + bottom) * row;
        // A last tile, and a second row where there is only one, read behind the last image.
        let behind =
            (shape.stride[0] + shape.kernel[0]) * row + LARGEST_TILE * shape.stride[1] * width;
        let mut data = Buffer::unspecified(images * image + behind);
        for image in data.chunks_exact_mut(image).take(images) {
            for (y, row) in image.chunks_exact_mut(row).enumerate() {
                if (top..top + shape.height).contains(&y) {
                    row[..left * width].fill(0.0);
                    row[(left + shape.width) * width..].fill(0.0);
                } else {
                    row.fill(0.0);
                }
            }
        }
        data[images * image..].fill(0.0);
        Self {
            data,
            width,
            row,
            image,
            start: top * row + left * width,
            height: shape.height,
            columns: shape.width,
        }
    }

    /// The places of the pixels from `first` on, counted over all images.
    pub(crate) fn places_from(&self, first: usize) -> Places {
        let area = self.height * self.columns;
        let (y, x) = (first % area / self.columns, first % self.columns);
        Places {
            place: self.start + first / area * self.image + y * self.row + x * self.width,
            left: [self.height - y, self.columns - x],
            columns: self.columns,
            height: self.height,
            width: self.width,
            to_next_row: self.row - self.columns * self.width,
            to_next_image: self.image - self.height * self.row,
        }
    }

    /// The numbers, of which those of the pixels may be written.
    pub(crate) fn data(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

/// Outputs of a tile at most.
const LARGEST_TILE: usize = 8;

/// A walk over the pixels of a [`Frame`], image by image and row by row.
pub(crate) struct Places {
    place: usize,
    /// Rows of the image and pixels of the row that are left.
    left: [usize; 2],
    columns: usize,
    height: usize,
    width: usize,
    to_next_row: usize,
    to_next_image: usize,
}

impl Places {
    /// Where the next `count` pixels start, if they lie in one row that goes on behind them.
    #[inline(always)]
    pub(crate) fn side_by_side(&mut self, count: usize) -> Option<usize> {
        (self.left[1] > count).then(|| {
            let place = self.place;
            self.place += count * self.width;
            self.left[1] -= count;
            place
        })
    }

    /// Where the next pixel starts.
    #[inline(always)]
    pub(crate) fn step(&mut self) -> usize {
        let place = self.place;
        self.place += self.width;
        self.left[1] -= 1;
        if self.left[1] == 0 {
            self.left[1] = self.columns;
            self.place += self.to_next_row;
            self.left[0] -= 1;
            if self.left[0] == 0 {
                self.left[0] = self.height;
                self.place += self.to_next_image;
            }
        }
        place
    }
}

/// One or two rows of outputs of a kernel of `SIZE` by `SIZE` taps, from a frame.
pub(super) struct FromFrame<'a, const SIZE: usize, const STRIDE: usize> {
    pub of: &'a Correlation<'a>,
    pub frame: &'a Frame,
    /// Image of the frame.
    pub image: usize,
    /// The panel's channels.
    pub channels: [usize; 2],
    pub row: usize,
    pub pair: bool,
    pub target: Target,
}

impl<const SIZE: usize, const STRIDE: usize> Kernel for FromFrame<'_, SIZE, STRIDE> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { frame, .. } = self;
        assert_eq!(frame.width, S::COLS * S::LANES);
        let seen = &frame.data[self.image * frame.image + self.row * STRIDE * frame.row..];
        // Not known to the compiler, which would unroll the loop over rows and mix them until no register is free.
        let size = std::hint::black_box(SIZE).min(SIZE);
        let mut first = 0;
        let outputs = self.of.horizontal.outputs;
        while first < outputs {
            let count = outputs - first;
            let from = &seen[first * STRIDE * frame.width..];
            // SAFETY: the frame's rows and columns that the tile sees exist, those behind the last image included (asserted by `tile`).
            unsafe {
                if S::ROWS * S::COLS >= 24 && count > 7 {
                    self.tile::<S, 8>(s, size, from, first, count.min(8));
                    first += 8;
                } else if count > 4 {
                    self.tile::<S, 7>(s, size, from, first, count.min(7));
                    first += 7;
                } else {
                    self.tile::<S, 4>(s, size, from, first, count.min(4));
                    first += 4;
                }
            }
        }
    }
}

impl<const SIZE: usize, const STRIDE: usize> FromFrame<'_, SIZE, STRIDE> {
    /// # Safety
    ///
    /// The `count` outputs from `first` can be written.
    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize>(
        &self,
        s: S,
        size: usize,
        from: &[f32],
        first: usize,
        count: usize,
    ) {
        let Self { of, frame, .. } = self;
        let pixel = S::COLS * S::LANES;
        let [channel, end] = self.channels;
        assert!(from.len() >= (SIZE + STRIDE - 1) * frame.row + ((T - 1) * STRIDE + SIZE) * pixel);
        let mut at = 0;
        while channel + at < end {
            let group = ((channel + at) / GROUP) * SIZE * SIZE * GROUP + (channel + at) % GROUP;
            let weight = of.weight.as_ptr().wrapping_add(group);
            let weight = |row: usize| weight.wrapping_add(row * SIZE * GROUP);
            let image = |row: usize| from.as_ptr().wrapping_add(row * frame.row + at);
            // SAFETY: the bias and the packed weight are padded to whole registers; the pixels are those of the assertion above.
            unsafe {
                let bias = s.load(of.bias.as_ptr().add(channel + at));
                let rows = if self.pair { 2 } else { 1 };
                if S::ROWS * S::COLS < 24 {
                    // Few registers: they hold one row of outputs, and the weights.
                    for i in 0..rows {
                        let mut sums = [[bias; T]; 2];
                        for r in 0..size {
                            let (image, weights) = (image(i * STRIDE + r), [weight(r); 2]);
                            products::<S, SIZE, STRIDE, T, true, false>(
                                s, image, weights, &mut sums,
                            );
                        }
                        self.store(s, i, at, (first, count), &sums[0]);
                    }
                } else {
                    let mut sums = [[bias; T]; 2];
                    for r in 0..SIZE.min(STRIDE) {
                        let weights = [weight(r); 2];
                        products::<S, SIZE, STRIDE, T, true, false>(
                            s,
                            image(r),
                            weights,
                            &mut sums,
                        );
                    }
                    for r in STRIDE..SIZE {
                        let weights = [weight(r), weight(r - STRIDE)];
                        products::<S, SIZE, STRIDE, T, true, true>(s, image(r), weights, &mut sums);
                    }
                    for r in SIZE.max(STRIDE)..SIZE + STRIDE {
                        let weights = [weight(r - STRIDE); 2];
                        products::<S, SIZE, STRIDE, T, false, true>(
                            s,
                            image(r),
                            weights,
                            &mut sums,
                        );
                    }
                    self.store(s, 0, at, (first, count), &sums[0]);
                    if self.pair {
                        self.store(s, 1, at, (first, count), &sums[1]);
                    }
                }
            }
            at += S::LANES;
        }
    }

    /// Stores the `count` outputs from `first` of row `i`, for the panel's channels from `at` on.
    ///
    /// # Safety
    ///
    /// These outputs can be written.
    #[inline(always)]
    unsafe fn store<S: Simd, const T: usize>(
        &self,
        s: S,
        i: usize,
        at: usize,
        (first, count): (usize, usize),
        sums: &[S::V; T],
    ) {
        let Target {
            out, pixel, row, ..
        } = self.target;
        let [channel, end] = self.channels;
        let out = (out.wrapping_add(i * row + first * pixel + at), pixel);
        let lanes = S::LANES.min(end - channel - at);
        // SAFETY: the caller's promise; `lanes` channels of the panel are left.
        unsafe {
            if lanes == S::LANES {
                store::<S, T, false>(s, self.of.last, out, count, lanes, sums);
            } else {
                store::<S, T, true>(s, self.of.last, out, count, lanes, sums);
            }
        }
    }
}

/// Adds the products of one row of the frame to the first (`A`), the second (`B`) or both rows of outputs.
///
/// # Safety
///
/// The pixels that the tile sees can be read from `image` on, and the rows of packed `weights`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // A tap's index chooses the output.
unsafe fn products<
    S: Simd,
    const SIZE: usize,
    const STRIDE: usize,
    const T: usize,
    const A: bool,
    const B: bool,
>(
    s: S,
    image: *const f32,
    weights: [*const f32; 2],
    sums: &mut [[S::V; T]; 2],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let w: [[S::V; SIZE]; 2] =
            weights.map(|row| std::array::from_fn(|tap| s.load(row.add(tap * GROUP))));
        unroll!(j, {
            if j < (T - 1) * STRIDE + SIZE {
                let pixel = s.load(image.add(j * S::COLS * S::LANES));
                for tap in 0..SIZE {
                    if j >= tap && (j - tap).is_multiple_of(STRIDE) && (j - tap) / STRIDE < T {
                        let t = (j - tap) / STRIDE;
                        if A {
                            sums[0][t] = s.mul_add(w[0][tap], pixel, sums[0][t]);
                        }
                        if B {
                            sums[1][t] = s.mul_add(w[1][tap], pixel, sums[1][t]);
                        }
                    }
                }
            }
        });
    }
}
