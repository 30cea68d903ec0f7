//! Convolutions whose kernel covers the whole image, as those of the linear layers at the end of AlexNet and VGG do: matrix products with
//! one row for each image. So few rows meet so many weights that reading these is most of the work; they are read once, where they lie,
//! while the other convolutions pack them first. The products are of `f32` in any precision: the weights would be read as such, too.

use std::ops::Range;

use super::epilogue::Epilogue;
use super::product::Finish;
use crate::ConvShape;
use crate::buffer::{Buffer, streams};
use crate::layout::{nchw_to_nhwc, nhwc_to_nchw};
use crate::parallel::{Shared, for_each};
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// Images of a part at most: a run of each stays in the second-level cache while weights pass.
const IMAGES: usize = 128;

/// Weights from which this way is the faster one: fewer stay in the caches.
const WEIGHTS: usize = 1 << 18;

/// Numbers of a row that meet all images before the next: those of the weights stay in the first-level cache meanwhile.
const RUN: usize = 1024;

/// Parts that keep the threads of a large machine busy.
const PARTS: usize = 32;

/// Columns of a part of a gradient, and rows of its right factor that are read before the next: together they stay in the second-level
/// cache, and a row's columns are so many that the processor's prefetchers help.
const COLUMNS: usize = 512;
const DEPTH: usize = 32;

/// Columns of the gradient of the weight that are written row by row, so that the images' numbers stay in the first-level cache.
const NARROW: usize = 256;

/// Whether this way is the faster one.
pub(super) fn wins(shape: &ConvShape) -> bool {
    applies(shape) && shape.weight_len() >= WEIGHTS
}

/// Whether the convolution can be computed this way.
pub(super) fn applies(shape: &ConvShape) -> bool {
    let undilated = |dim: usize| shape.kernel[dim] == 1 || shape.dilation[dim] == 1;
    shape.kernel == [shape.height, shape.width]
        && shape.padding == [[0; 2]; 2]
        && shape.groups == 1
        && undilated(0)
        && undilated(1)
}

/// Weights of one output.
fn depth(shape: &ConvShape) -> usize {
    shape.channels_in * shape.height * shape.width
}

/// The images in the order of the weights, `[batch, channels, height, width]`; none where both orders are the same.
fn in_order(shape: &ConvShape, x: &[f32]) -> Option<Buffer> {
    if shape.height * shape.width == 1 {
        return None;
    }
    let mut ordered = Buffer::unspecified(x.len());
    nhwc_to_nchw(x, shape.batch, shape.channels_in, &mut ordered);
    Some(ordered)
}

/// `out = activation(convolution + bias + residual)`.
pub(super) fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let level = Level::current();
    let ordered = in_order(shape, x);
    let x = ordered.as_deref().unwrap_or(x);
    let outputs = shape.channels_out;
    let per_part = outputs.div_ceil(PARTS).next_multiple_of(DOT_ROWS);
    let parts = outputs.div_ceil(per_part);
    let out = Shared::new(out);
    let finish = Finish::onto(epilogue, out, 0, false);
    for_each(parts * shape.batch.div_ceil(IMAGES), |part| {
        let (output, image) = (part % parts * per_part, part / parts * IMAGES);
        let dots = Dots {
            x,
            weight,
            depth: depth(shape),
            outputs,
            images: image..(image + IMAGES).min(shape.batch),
            part: output..(output + per_part).min(outputs),
            out,
            finish,
        };
        dispatch_at(level, dots);
    });
}

/// The gradient of the input, to which the residual of the epilogue is added.
pub(super) fn backward_input(
    shape: &ConvShape,
    dy: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    dx: &mut [f32],
) {
    let mut ordered = (shape.height * shape.width > 1).then(|| Buffer::unspecified(dx.len()));
    let product = Product {
        left: dy,
        depth: shape.channels_out,
        right: weight,
        columns: depth(shape),
    };
    product.compute(COLUMNS, ordered.as_deref_mut().unwrap_or(dx));
    if let Some(ordered) = ordered {
        nchw_to_nhwc(&ordered, shape.batch, shape.channels_in, dx);
    }
    if let Some(other) = epilogue.residual {
        crate::elementwise::add_to(other, dx);
    }
}

/// The gradient of the weight.
pub(super) fn backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let ordered = in_order(shape, x);
    let mut of_outputs = Buffer::unspecified(dy.len());
    nhwc_to_nchw(dy, 1, shape.channels_out, &mut of_outputs);
    let product = Product {
        left: &of_outputs,
        depth: shape.batch,
        right: ordered.as_deref().unwrap_or(x),
        columns: depth(shape),
    };
    product.compute(NARROW, dw);
}

/// Rows of weights that a part is a multiple of: those of the largest tile.
const DOT_ROWS: usize = 6;

/// Some outputs of all images: each a sum over a row of weights and a row of numbers of an image.
struct Dots<'a> {
    /// `[images, depth]`.
    x: &'a [f32],
    /// `[outputs, depth]`.
    weight: &'a [f32],
    depth: usize,
    outputs: usize,
    images: Range<usize>,
    part: Range<usize>,
    /// `[images, outputs]`.
    out: Shared<f32>,
    finish: Finish,
}

impl Kernel for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        assert!(self.weight.len() == self.outputs * self.depth);
        assert!(self.part.end <= self.outputs && self.images.end * self.depth <= self.x.len());
        // What the registers hold: sums, as many weights as rows, and a number of an image. With AVX2 there are 16, else 32.
        match S::LANES {
            8 => self.tiles::<S, 3, 4>(s),
            _ => self.tiles::<S, DOT_ROWS, 4>(s),
        }
    }
}

impl Dots<'_> {
    /// In tiles of `R` outputs and `I` images.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const I: usize>(&self, s: S) {
        let groups = self.images.len().div_ceil(I);
        let per_group = R * I * S::LANES;
        let mut sums = Buffer::unspecified(groups * per_group);
        for first in self.part.clone().step_by(R) {
            let used = R.min(self.part.end - first);
            for start in (0..self.depth).step_by(RUN) {
                let run = RUN.min(self.depth - start);
                for group in 0..groups {
                    // Behind the last, what is computed is of the last once more, and not stored.
                    let mut rows = [self.weight.as_ptr(); R];
                    for (r, row) in rows.iter_mut().enumerate() {
                        *row = self.weight[(first + r.min(used - 1)) * self.depth + start..][..run]
                            .as_ptr();
                    }
                    let mut images = [self.x.as_ptr(); I];
                    for (i, image) in images.iter_mut().enumerate() {
                        let of = (self.images.start + group * I + i).min(self.images.end - 1);
                        *image = self.x[of * self.depth + start..][..run].as_ptr();
                    }
                    let to = sums[group * per_group..][..per_group].as_mut_ptr();
                    // SAFETY: `run` numbers of each row and image, and `R * I` registers of sums, which the first run writes.
                    unsafe { dots::<S, R, I>(s, (&rows, &images), run, to, start == 0) };
                }
            }
            for (at, image) in self.images.clone().enumerate() {
                let from = at / I * per_group + at % I * S::LANES;
                let mut found = [0.0; R];
                for (r, found) in found.iter_mut().enumerate() {
                    let sums = &sums[from + r * I * S::LANES..][..S::LANES];
                    // SAFETY: a register of sums.
                    *found = s.sum(unsafe { s.load(sums.as_ptr()) });
                }
                // SAFETY: these outputs of this image belong to this part.
                unsafe {
                    self.finish(s, &found[..used], first, image * self.outputs + first);
                }
            }
        }
    }

    /// Stores outputs from `channel` on at `place`.
    ///
    /// # Safety
    ///
    /// The places lie in the output, and belong to this part.
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, sums: &[f32], channel: usize, place: usize) {
        let Finish {
            bias,
            residual,
            activation,
            ..
        } = self.finish;
        for at in (0..sums.len()).step_by(S::LANES) {
            let left = (sums.len() - at).min(S::LANES);
            // SAFETY: `left` numbers of each, the residual being of the output's shape.
            unsafe {
                let mut v = s.load_partial(sums[at..].as_ptr(), left);
                if !bias.is_null() {
                    v = s.add(v, s.load_partial(bias.add(channel + at), left));
                }
                if !residual.is_null() {
                    v = s.add(v, s.load_partial(residual.add(place + at), left));
                }
                let v = activation.vector(s, v);
                s.store_partial(self.out.get().add(place + at), v, left);
            }
        }
    }
}

/// Adds the products of `run` numbers of each row and each image to `sums`, `[row][image]` registers; the first run starts them.
///
/// # Safety
///
/// `run` numbers can be read at each row and image, and `R * I` registers be written at `sums`, and read unless this is the first run.
#[inline(always)]
unsafe fn dots<S: Simd, const R: usize, const I: usize>(
    s: S,
    (rows, images): (&[*const f32; R], &[*const f32; I]),
    run: usize,
    sums: *mut f32,
    first: bool,
) {
    let mut held = [[s.zero(); I]; R];
    // SAFETY: the caller's promise.
    unsafe {
        if !first {
            for (r, held) in held.iter_mut().enumerate() {
                for (i, held) in held.iter_mut().enumerate() {
                    *held = s.load(sums.add((r * I + i) * S::LANES));
                }
            }
        }
        let whole = run - run % S::LANES;
        let mut k = 0;
        while k < whole {
            let mut weights = [s.zero(); R];
            for (weight, row) in weights.iter_mut().zip(rows) {
                *weight = s.load(row.add(k));
            }
            for (i, image) in images.iter().enumerate() {
                let x = s.load(image.add(k));
                for (held, weight) in held.iter_mut().zip(weights) {
                    held[i] = s.mul_add(weight, x, held[i]);
                }
            }
            k += S::LANES;
        }
        let left = run - whole;
        if left > 0 {
            let mut weights = [s.zero(); R];
            for (weight, row) in weights.iter_mut().zip(rows) {
                *weight = s.load_partial(row.add(k), left);
            }
            for (i, image) in images.iter().enumerate() {
                let x = s.load_partial(image.add(k), left);
                for (held, weight) in held.iter_mut().zip(weights) {
                    held[i] = s.mul_add(weight, x, held[i]);
                }
            }
        }
        for (r, held) in held.iter().enumerate() {
            for (i, &held) in held.iter().enumerate() {
                s.store(sums.add((r * I + i) * S::LANES), held);
            }
        }
    }
}

/// A matrix product, both factors as they lie in memory.
#[derive(Clone, Copy)]
struct Product<'a> {
    /// `[rows, depth]`.
    left: &'a [f32],
    depth: usize,
    /// `[depth, columns]`.
    right: &'a [f32],
    columns: usize,
}

impl Product<'_> {
    /// Computes `out`, `[rows, columns]`, in blocks of so many columns.
    fn compute(self, block: usize, out: &mut [f32]) {
        let rows = self.left.len() / self.depth;
        assert_eq!(self.left.len(), rows * self.depth, "left factor");
        assert_eq!(self.right.len(), self.depth * self.columns, "right factor");
        assert_eq!(out.len(), rows * self.columns, "product");
        let level = Level::current();
        let blocks = self.columns.div_ceil(block);
        // Rows are shared out only where they are many: each part of them reads the right factor.
        let shared_out = rows.div_ceil(PARTS.div_ceil(blocks)).max(IMAGES);
        let per_part = shared_out.next_multiple_of(PRODUCT_ROWS);
        let stream = streams(out) && self.columns.is_multiple_of(16) && self.depth <= DEPTH;
        let out = Shared::new(out);
        for_each(rows.div_ceil(per_part) * blocks, |part| {
            let (row, column) = (part / blocks * per_part, part % blocks * block);
            let part = Part {
                product: self,
                rows: row..(row + per_part).min(rows),
                columns: column..(column + block).min(self.columns),
                out,
                stream,
            };
            dispatch_at(level, part);
        });
    }
}

/// Rows that a part is a multiple of where they are shared out: those of the largest tile.
const PRODUCT_ROWS: usize = 8;

/// A part of a product.
struct Part<'a> {
    product: Product<'a>,
    rows: Range<usize>,
    columns: Range<usize>,
    out: Shared<f32>,
    /// Whether whole registers are written past the caches.
    stream: bool,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::LANES {
            8 => self.tiles::<S, 4, 2>(s),
            _ => self.tiles::<S, PRODUCT_ROWS, 2>(s),
        }
        if self.stream {
            s.fence();
        }
    }
}

impl Part<'_> {
    /// In tiles of `R` rows of `C` registers.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const C: usize>(&self, s: S) {
        let Product {
            left,
            depth,
            right,
            columns: stride,
        } = self.product;
        for k in (0..depth).step_by(DEPTH) {
            let count = DEPTH.min(depth - k);
            for row in self.rows.clone().step_by(R) {
                let used = R.min(self.rows.end - row);
                // Behind the last, what is computed is of the last once more, and not stored.
                let mut rows = [left.as_ptr(); R];
                for (r, place) in rows.iter_mut().enumerate() {
                    *place = left[(row + r.min(used - 1)) * depth + k..][..count].as_ptr();
                }
                // The first rows to read these numbers ask for those that come next.
                let ahead = match row == self.rows.start && k + DEPTH < depth {
                    true => DEPTH * stride,
                    false => 0,
                };
                for column in self.columns.clone().step_by(C * S::LANES) {
                    let width = (C * S::LANES).min(self.columns.end - column);
                    let from =
                        right[k * stride + column..][..(count - 1) * stride + width].as_ptr();
                    // SAFETY: `count` numbers of each row, and `count` rows of `width` numbers, as the slices have checked; the tile lies
                    // in the output and belongs to this part. It is aligned where it is streamed: all columns are multiples of a line.
                    unsafe {
                        let to = self.out.get().add(row * stride + column);
                        let mut tile = Tile {
                            s,
                            sums: [[s.zero(); C]; R],
                            width,
                        };
                        if k > 0 {
                            tile.load((to, stride), used);
                        }
                        tile.add_product(&rows, (from, stride), count, ahead);
                        tile.store((to, stride), used, self.stream);
                    }
                }
            }
        }
    }
}

/// Sums in registers, of which `width` columns are used.
struct Tile<S: Simd, const R: usize, const C: usize> {
    s: S,
    sums: [[S::V; C]; R],
    width: usize,
}

impl<S: Simd, const R: usize, const C: usize> Tile<S, R, C> {
    /// Columns of register `c` that are used.
    #[inline(always)]
    fn left(&self, c: usize) -> usize {
        self.width.saturating_sub(c * S::LANES).min(S::LANES)
    }

    /// # Safety
    ///
    /// `used` rows of `width` numbers can be read, `stride` apart.
    #[inline(always)]
    unsafe fn load(&mut self, (from, stride): (*const f32, usize), used: usize) {
        for r in 0..R {
            for c in 0..C {
                let left = self.left(c);
                if r < used && left > 0 {
                    // SAFETY: the caller's promise.
                    self.sums[r][c] = unsafe {
                        self.s
                            .load_partial(from.add(r * stride + c * S::LANES), left)
                    };
                }
            }
        }
    }

    /// # Safety
    ///
    /// `used` rows of `width` numbers can be written, `stride` apart; streamed ones are aligned.
    #[inline(always)]
    unsafe fn store(&self, (to, stride): (*mut f32, usize), used: usize, stream: bool) {
        for r in 0..R {
            for c in 0..C {
                let left = self.left(c);
                if r >= used || left == 0 {
                    continue;
                }
                // SAFETY: the caller's promise.
                unsafe {
                    let to = to.add(r * stride + c * S::LANES);
                    match (left == S::LANES, stream) {
                        (true, true) => self.s.stream(to, self.sums[r][c]),
                        (true, false) => self.s.store(to, self.sums[r][c]),
                        (false, _) => self.s.store_partial(to, self.sums[r][c], left),
                    }
                }
            }
        }
    }

    /// Adds the products of `count` numbers of each row and as many rows of the right factor; numbers that lie `ahead` of these are asked
    /// for meanwhile.
    ///
    /// # Safety
    ///
    /// `count` numbers can be read at each row, and as many rows of `width` numbers at `from`, `stride` apart.
    #[inline(always)]
    unsafe fn add_product(
        &mut self,
        rows: &[*const f32; R],
        (from, stride): (*const f32, usize),
        count: usize,
        ahead: usize,
    ) {
        let s = self.s;
        let mut sums = self.sums;
        for k in 0..count {
            let from = from.wrapping_add(k * stride);
            let mut right = [s.zero(); C];
            for (c, right) in right.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                *right = unsafe {
                    match self.width == C * S::LANES {
                        true => s.load(from.add(c * S::LANES)),
                        false => s.load_partial(from.wrapping_add(c * S::LANES), self.left(c)),
                    }
                };
            }
            if ahead > 0 {
                for c in 0..C {
                    s.prefetch_far(from.wrapping_add(ahead + c * S::LANES));
                }
            }
            for (sums, row) in sums.iter_mut().zip(rows) {
                // SAFETY: k < count.
                let left = s.splat(unsafe { *row.add(k) });
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = s.mul_add(left, right, *sum);
                }
            }
        }
        self.sums = sums;
    }
}
