//! The gradient of a dense convolution's weight: for each tap, the product of the input's pixels, transposed, with the output's
//! gradients, summed over all pixels. Nothing is copied: the long dimension of the product runs over pixels in both factors.

use std::ops::Range;

use crate::ConvShape;
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// Pixels of one visit: their gradients for one panel of channels stay in the first-level cache while the input's channels pass.
const PIXELS: usize = 128;

/// Rows (input channels) of the tile.
const ROWS: usize = 8;

/// Input and output of the product as grids of pixels.
pub(super) struct Pixels<'a> {
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub batch: usize,
    /// Numbers of `x` from one image to the next, one output row, one output column.
    pub x_steps: [usize; 3],
    /// The same of `dy`.
    pub dy_steps: [usize; 3],
    /// Numbers of `x` per pixel that are rows of the product.
    pub depth: usize,
    /// Channels of `dy` that are columns of the product.
    pub columns: usize,
    /// One product for each.
    pub taps: Vec<Tap>,
}

/// The pixels that meet one tap.
pub(super) struct Tap {
    /// Output rows and columns at which the tap is inside the input.
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    /// Number of `x` at output row 0, column 0 (it may lie outside).
    pub start: isize,
    /// The same of `dy`.
    pub dy_start: usize,
}

impl<'a> Pixels<'a> {
    fn new(shape: &ConvShape, group: usize, x: &'a [f32], dy: &'a [f32]) -> Self {
        let [kernel_height, kernel_width] = shape.kernel;
        let depth = shape.channels_in / shape.groups;
        let columns = shape.channels_out / shape.groups;
        let row = shape.width * shape.channels_in;
        let (out_height, out_width) = (shape.out_height(), shape.out_width());
        let mut taps = Vec::new();
        for ky in 0..kernel_height {
            for kx in 0..kernel_width {
                let y = (ky * shape.dilation[0]) as isize - shape.padding[0][0] as isize;
                let x = (kx * shape.dilation[1]) as isize - shape.padding[1][0] as isize;
                taps.push(Tap {
                    rows: shape.valid(0, ky),
                    columns: shape.valid(1, kx),
                    start: y * row as isize + x * shape.channels_in as isize + (group * depth) as isize,
                    dy_start: group * columns,
                });
            }
        }
        Self {
            x,
            dy,
            batch: shape.batch,
            x_steps: [shape.height * row, shape.stride[0] * row, shape.stride[1] * shape.channels_in],
            dy_steps: [
                out_height * out_width * shape.channels_out,
                out_width * shape.channels_out,
                shape.channels_out,
            ],
            depth,
            columns,
            taps,
        }
    }
}

/// The gradient of the weight, in Burn's order.
pub(super) fn backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let taps = shape.kernel[0] * shape.kernel[1];
    let depth = shape.channels_in / shape.groups;
    let columns = shape.channels_out / shape.groups;
    for group in 0..shape.groups {
        let pixels = Pixels::new(shape, group, x, dy);
        let (sums, width) = accumulate(Level::current(), &pixels);
        let dw = &mut dw[group * columns * depth * taps..][..columns * depth * taps];
        // [panel][tap][depth][width] to [columns][depth][taps].
        let shared = Shared::new(dw);
        for_each(columns, |column| {
            // SAFETY: each part writes its own output channel.
            let row = unsafe { std::slice::from_raw_parts_mut(shared.get().add(column * depth * taps), depth * taps) };
            let (panel, lane) = (column / width, column % width);
            for tap in 0..taps {
                for k in 0..depth {
                    row[k * taps + tap] = sums[((panel * taps + tap) * depth + k) * width + lane];
                }
            }
        });
    }
}

/// The products of all taps, `[panel][tap][depth][width]`, and that width.
pub(super) fn accumulate(level: Level, pixels: &Pixels<'_>) -> (Buffer, usize) {
    let width = level.tile().1;
    let panels = pixels.columns.div_ceil(width);
    let taps = pixels.taps.len();
    let mut sums = Buffer::zeros(panels * taps * pixels.depth * width);
    let shared = Shared::new(&mut sums);
    // A part owns some rows of some taps of one panel and sees all pixels, so that no sums need to be joined afterwards.
    let rows_at_once = if panels * taps >= 16 {
        pixels.depth
    } else {
        pixels.depth.div_ceil(16usize.div_ceil(panels * taps)).next_multiple_of(ROWS)
    };
    let row_parts = pixels.depth.div_ceil(rows_at_once);
    // Taps of a panel go together as long as there are parts enough: they share the gradients in the cache.
    let taps_at_once = if panels * row_parts >= 16 { taps } else { taps.div_ceil(16usize.div_ceil(panels * row_parts)) };
    let tap_parts = taps.div_ceil(taps_at_once);
    for_each(panels * tap_parts * row_parts, |part| {
        let row_part = part % row_parts;
        let tap_part = part / row_parts % tap_parts;
        let panel = part / row_parts / tap_parts;
        dispatch_at(
            level,
            Accumulate {
                pixels,
                sums: shared,
                panel,
                taps: tap_part * taps_at_once..((tap_part + 1) * taps_at_once).min(taps),
                rows: row_part * rows_at_once..((row_part + 1) * rows_at_once).min(pixels.depth),
            },
        );
    });
    (sums, width)
}

struct Accumulate<'a> {
    pixels: &'a Pixels<'a>,
    sums: Shared<f32>,
    panel: usize,
    taps: Range<usize>,
    rows: Range<usize>,
}

impl Kernel for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::COLS {
            4 => self.panel::<S, 4>(s),
            2 => self.panel::<S, 2>(s),
            1 => self.panel::<S, 1>(s),
            _ => unreachable!("every instruction set's tile is listed"),
        }
    }
}

impl Accumulate<'_> {
    #[inline(always)]
    fn panel<S: Simd, const C: usize>(self, s: S) {
        let pixels = self.pixels;
        let width = C * S::LANES;
        let channel = self.panel * width;
        let columns = (pixels.columns - channel).min(width);
        let out_rows = pixels.taps[self.taps.clone()].iter().map(|tap| tap.rows.end).max().unwrap_or(0);
        let longest = pixels.taps[self.taps.clone()].iter().map(|tap| tap.columns.len()).max().unwrap_or(0);
        let rows_at_once = (PIXELS / longest.max(1)).max(1);
        for image in 0..pixels.batch {
            for first in (0..out_rows).step_by(rows_at_once) {
                for index in self.taps.clone() {
                    let tap = &pixels.taps[index];
                    let rows = first.max(tap.rows.start)..(first + rows_at_once).min(tap.rows.end);
                    if rows.is_empty() || tap.columns.is_empty() {
                        continue;
                    }
                    let base = (self.panel * pixels.taps.len() + index) * pixels.depth * width;
                    let mut row = self.rows.start;
                    while row < self.rows.end {
                        let left = self.rows.end - row;
                        // SAFETY: this part owns these rows of this tap and panel.
                        let sums = unsafe { self.sums.get().add(base + row * width) };
                        let visit = Visit { pixels, tap, image, rows: rows.clone(), row, channel, columns };
                        match left {
                            1 => visit.add::<S, 1, C>(s, sums),
                            2 => visit.add::<S, 2, C>(s, sums),
                            3 => visit.add::<S, 3, C>(s, sums),
                            4..8 => visit.add::<S, 4, C>(s, sums),
                            _ => visit.add::<S, ROWS, C>(s, sums),
                        }
                        row += match left {
                            1..=3 => left,
                            4..8 => 4,
                            _ => ROWS,
                        };
                    }
                }
            }
        }
    }
}

/// One tile and the pixels it sums over.
struct Visit<'a> {
    pixels: &'a Pixels<'a>,
    tap: &'a Tap,
    image: usize,
    rows: Range<usize>,
    row: usize,
    channel: usize,
    columns: usize,
}

impl Visit<'_> {
    #[inline(always)]
    fn add<S: Simd, const R: usize, const C: usize>(self, s: S, sums: *mut f32) {
        let Self { pixels, tap, image, rows, row, channel, columns } = self;
        let count = tap.columns.len();
        let [x_image, x_row, x_column] = pixels.x_steps;
        let [dy_image, dy_row, dy_column] = pixels.dy_steps;
        let mut held = [[s.zero(); C]; R];
        // SAFETY: `sums` has R rows of C registers.
        unsafe {
            for (r, held) in held.iter_mut().enumerate() {
                for (c, held) in held.iter_mut().enumerate() {
                    *held = s.load(sums.add((r * C + c) * S::LANES));
                }
            }
        }
        for out_row in rows {
            let from = (image * x_image + out_row * x_row + tap.columns.start * x_column) as isize + tap.start + row as isize;
            let from = from as usize;
            let to = tap.dy_start + image * dy_image + out_row * dy_row + tap.columns.start * dy_column + channel;
            // The slices check what the pointers below rely on.
            let x = &pixels.x[from..][..(count - 1) * x_column + R];
            let dy = &pixels.dy[to..][..(count - 1) * dy_column + columns];
            let (mut x, mut dy) = (x.as_ptr(), dy.as_ptr());
            if columns == C * S::LANES {
                for _ in 0..count {
                    // SAFETY: pixel by pixel inside the slices just taken.
                    unsafe {
                        let mut g = [s.zero(); C];
                        for (c, g) in g.iter_mut().enumerate() {
                            *g = s.load(dy.add(c * S::LANES));
                        }
                        for (r, held) in held.iter_mut().enumerate() {
                            let a = s.splat(*x.add(r));
                            for (held, g) in held.iter_mut().zip(g) {
                                *held = s.mul_add(a, g, *held);
                            }
                        }
                        x = x.wrapping_add(x_column);
                        dy = dy.wrapping_add(dy_column);
                    }
                }
            } else {
                for _ in 0..count {
                    // SAFETY: pixel by pixel inside the slices just taken; only `columns` numbers of the gradient are read.
                    unsafe {
                        let mut g = [s.zero(); C];
                        for (c, g) in g.iter_mut().enumerate() {
                            let left = columns.saturating_sub(c * S::LANES).min(S::LANES);
                            *g = s.load_partial(dy.wrapping_add(c * S::LANES), left);
                        }
                        for (r, held) in held.iter_mut().enumerate() {
                            let a = s.splat(*x.add(r));
                            for (held, g) in held.iter_mut().zip(g) {
                                *held = s.mul_add(a, g, *held);
                            }
                        }
                        x = x.wrapping_add(x_column);
                        dy = dy.wrapping_add(dy_column);
                    }
                }
            }
        }
        // SAFETY: `sums` has R rows of C registers.
        unsafe {
            for (r, held) in held.iter().enumerate() {
                for (c, held) in held.iter().enumerate() {
                    s.store(sums.add((r * C + c) * S::LANES), *held);
                }
            }
        }
    }
}
