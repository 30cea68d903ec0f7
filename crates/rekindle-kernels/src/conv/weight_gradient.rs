//! The gradient of a dense convolution's weight: for each tap, the product of the input's pixels, transposed, with the output's
//! gradients, summed over all pixels: the long dimension of the product runs over pixels in both factors.

mod pairs;
mod part;
mod runs;

use std::ops::Range;

use super::panels::weight_gradient_precision;
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::{Kernel, Level, Simd, dispatch_at, dispatch_pairs};
use crate::{ConvShape, Precision};
use pairs::AccumulatePairs;
use part::PIXELS;
pub(super) use part::{Accumulate, Pixels, Tap};

/// Rows (input channels) of the tile at most, where several taps share pixels; rows are cut into parts of whole such tiles.
const ROWS: usize = 8;

/// Rows of an instruction set's tile, given those of its matrix product's: the accumulators stay in registers.
const fn tile_rows(rows: usize) -> usize {
    if rows < ROWS { rows } else { ROWS }
}

/// The gradient of the weight, in Burn's order.
pub(super) fn backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let taps = shape.kernel[0] * shape.kernel[1];
    let depth = shape.channels_in / shape.groups;
    let columns = shape.channels_out / shape.groups;
    for group in 0..shape.groups {
        let pixels = Pixels::new(shape, group, x, dy);
        let (sums, width) = accumulate(Level::current(), weight_gradient_precision(shape), &pixels);
        let dw = &mut dw[group * columns * depth * taps..][..columns * depth * taps];
        reorder(&sums, width, taps, depth, dw);
    }
}

/// `[panel][tap][depth][width]` to `[columns][depth][taps]`.
pub(super) fn reorder(sums: &[f32], width: usize, taps: usize, depth: usize, dw: &mut [f32]) {
    // Of each block, both the rows that are read and the stretches that are written stay in the first-level cache.
    const BLOCK: usize = 16;
    let columns = dw.len() / (depth * taps);
    let blocks = depth.div_ceil(BLOCK);
    let shared = Shared::new(dw);
    for_each(columns.div_ceil(width) * blocks, |part| {
        let (panel, block) = (part / blocks, part % blocks);
        let rows = block * BLOCK..((block + 1) * BLOCK).min(depth);
        for lane in 0..width.min(columns - panel * width) {
            let start = ((panel * width + lane) * depth + rows.start) * taps;
            // SAFETY: each part writes its own rows of its own columns.
            let to = unsafe {
                std::slice::from_raw_parts_mut(shared.get().add(start), rows.len() * taps)
            };
            for (k, to) in rows.clone().zip(to.chunks_exact_mut(taps)) {
                for (tap, to) in to.iter_mut().enumerate() {
                    *to = sums[((panel * taps + tap) * depth + k) * width + lane];
                }
            }
        }
    });
}

/// The products of all taps, `[panel][tap][depth][width]`, and that width.
fn accumulate(level: Level, precision: Precision, pixels: &Pixels<'_>) -> (Buffer, usize) {
    let mut sums = Buffer::zeros(sums_len(
        level,
        pixels.taps.len(),
        pixels.depth,
        pixels.columns,
    ));
    accumulate_into(level, precision, pixels, &mut sums);
    (sums, level.tile().1)
}

/// Numbers in the sums of [`accumulate_into`].
pub(super) fn sums_len(level: Level, taps: usize, depth: usize, columns: usize) -> usize {
    columns.next_multiple_of(level.tile().1) * taps * depth
}

/// Adds the products of all taps to `sums`, `[panel][tap][depth][width]`.
pub(super) fn accumulate_into(
    level: Level,
    precision: Precision,
    pixels: &Pixels<'_>,
    sums: &mut [f32],
) {
    let (rows, width) = level.tile();
    let rows_of_tile = tile_rows(rows);
    // Pairs are made anew for each tap.
    let by_taps = pixels.separate_taps || precision == Precision::Bf16;
    let split = Split::new(pixels, by_taps, rows_of_tile, width);
    let size = sums.len();
    // The first chunk adds to the sums themselves; each part of the others begins with zeros.
    let mut others = Buffer::unspecified((split.chunks - 1) * size);
    let (shared, shared_others) = (Shared::new(sums), Shared::new(&mut others));
    for_each(
        split.chunks * split.tap_parts * split.panel_parts * split.row_parts,
        |part| {
            let (part, row_part) = (part / split.row_parts, part % split.row_parts);
            let (part, panel_part) = (part / split.panel_parts, part % split.panel_parts);
            let (chunk, tap_part) = (part / split.tap_parts, part % split.tap_parts);
            let range = |index: usize, parts: usize, count: usize| {
                count * index / parts..count * (index + 1) / parts
            };
            let tiles = pixels.depth.div_ceil(rows_of_tile);
            let rows = range(row_part, split.row_parts, tiles);
            let part = Accumulate {
                pixels,
                sums: if chunk == 0 { shared } else { shared_others },
                start: chunk.saturating_sub(1) * size,
                images: range(chunk, split.chunks, pixels.batch),
                taps: range(tap_part, split.tap_parts, pixels.taps.len()),
                panels: range(panel_part, split.panel_parts, split.panels),
                rows: rows.start * rows_of_tile..(rows.end * rows_of_tile).min(pixels.depth),
            };
            if chunk > 0 {
                part.clear(width);
            }
            part.run_in(level, precision);
        },
    );
    add_chunks(sums, &others);
}

/// Adds the sums of other chunks, one after the other, to those of the first.
pub(super) fn add_chunks(sums: &mut [f32], others: &[f32]) {
    const PIECE: usize = 4096;
    if others.is_empty() {
        return;
    }
    let size = sums.len();
    let shared = Shared::new(sums);
    for_each(size.div_ceil(PIECE), |piece| {
        let range = piece * PIECE..((piece + 1) * PIECE).min(size);
        // SAFETY: each part owns its piece of the sums.
        let sums =
            unsafe { std::slice::from_raw_parts_mut(shared.get().add(range.start), range.len()) };
        for chunk in others.chunks_exact(size) {
            sums.iter_mut()
                .zip(&chunk[range.clone()])
                .for_each(|(sum, other)| *sum += other);
        }
    });
}

/// How the work is cut: by images, each chunk with sums of its own, where these are small; by taps, panels and rows of the result.
struct Split {
    chunks: usize,
    tap_parts: usize,
    panels: usize,
    panel_parts: usize,
    row_parts: usize,
}

impl Split {
    /// Chunks at most.
    const CHUNKS: usize = 16;

    /// Parts wanted for each thread, so that all finish together. Whatever their number, a sum is of one part, in the same order.
    const PARTS: usize = 4;

    /// Numbers in the sums of all chunks at most.
    const SUMS: usize = 1 << 19;

    fn new(pixels: &Pixels<'_>, by_taps: bool, rows: usize, width: usize) -> Self {
        let panels = pixels.columns.div_ceil(width);
        let size = panels * width * pixels.depth * pixels.taps.len();
        let chunks = (Self::SUMS / size).clamp(1, Self::CHUNKS).min(pixels.batch);
        let tap_parts = if by_taps { pixels.taps.len() } else { 1 };
        let left = (Self::PARTS * rayon::current_num_threads()).div_ceil(chunks * tap_parts);
        let tiles = pixels.depth.div_ceil(rows);
        let cut = |panel_parts: usize| [panel_parts, left.div_ceil(panel_parts).min(tiles)];
        // Each cut of the panels reads the input again, each cut of the rows the gradients.
        let reads = |[panel_parts, row_parts]: [usize; 2]| {
            let few = panel_parts * row_parts < left;
            (few, panel_parts * pixels.depth + row_parts * pixels.columns)
        };
        let [panel_parts, row_parts] = (1..=panels.min(left))
            .map(cut)
            .min_by_key(|&cut| reads(cut))
            .unwrap_or([1, 1]);
        Self {
            chunks,
            tap_parts,
            panels,
            panel_parts,
            row_parts,
        }
    }
}

impl Accumulate<'_> {
    /// Adds the part's products, in a precision that the level has.
    pub(super) fn run_in(self, level: Level, precision: Precision) {
        match precision {
            Precision::F32 => dispatch_at(level, self),
            Precision::Bf16 => dispatch_pairs(AccumulatePairs(self)),
        }
    }

    /// Sets the part's sums to zero, with panels of `width` columns.
    fn clear(&self, width: usize) {
        for panel in self.panels.clone() {
            for tap in self.taps.clone() {
                let tap = panel * self.pixels.taps.len() + tap;
                let at = self.start + (tap * self.pixels.depth + self.rows.start) * width;
                // SAFETY: the part owns these rows of its chunk, panels and taps, whose numbers are initialised memory.
                unsafe {
                    self.sums
                        .get()
                        .add(at)
                        .write_bytes(0, self.rows.len() * width)
                };
            }
        }
    }
}

impl Kernel for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let alone = self.pixels.separate_taps || self.pixels.taps.len() == 1;
        match (S::COLS, alone) {
            (4, false) => self.visits::<S, 4>(s),
            (2, false) => self.visits::<S, 2>(s),
            (1, false) => self.visits::<S, 1>(s),
            (4, true) => runs::accumulate::<S, 4>(self, s),
            (2, true) => runs::accumulate::<S, 2>(self, s),
            (1, true) => runs::accumulate::<S, 1>(self, s),
            _ => unreachable!("every instruction set's tile is listed"),
        }
    }
}

impl Accumulate<'_> {
    #[inline(always)]
    fn visits<S: Simd, const C: usize>(self, s: S) {
        let pixels = self.pixels;
        let width = C * S::LANES;
        let out_rows = pixels
            .taps
            .iter()
            .map(|tap| tap.rows.end)
            .max()
            .unwrap_or(0);
        let longest = pixels
            .taps
            .iter()
            .map(|tap| tap.columns.len())
            .max()
            .unwrap_or(0);
        let rows_at_once = (PIXELS / longest.max(1)).max(1);
        for image in self.images.clone() {
            // Visits of some rows at a time, whose pixels the taps and panels share.
            for first in (0..out_rows).step_by(rows_at_once) {
                for panel in self.panels.clone() {
                    let channel = panel * width;
                    let columns = (pixels.columns - channel).min(width);
                    for index in self.taps.clone() {
                        let tap = &pixels.taps[index];
                        let rows =
                            first.max(tap.rows.start)..(first + rows_at_once).min(tap.rows.end);
                        if rows.is_empty() || tap.columns.is_empty() {
                            continue;
                        }
                        let base =
                            self.start + (panel * pixels.taps.len() + index) * pixels.depth * width;
                        let mut row = self.rows.start;
                        while row < self.rows.end {
                            let left = self.rows.end - row;
                            // SAFETY: this part owns these rows of this chunk, tap and panel.
                            let sums = unsafe { self.sums.get().add(base + row * width) };
                            let visit = Visit {
                                pixels,
                                tap,
                                image,
                                rows: rows.clone(),
                                row,
                                channel,
                                columns,
                            };
                            row += match (left, tile_rows(S::ROWS)) {
                                (1, _) => visit.add::<S, 1, C>(s, sums),
                                (2, _) => visit.add::<S, 2, C>(s, sums),
                                (3, _) => visit.add::<S, 3, C>(s, sums),
                                (8.., ROWS) => visit.add::<S, ROWS, C>(s, sums),
                                (6.., 6) => visit.add::<S, 6, C>(s, sums),
                                _ => visit.add::<S, 4, C>(s, sums),
                            };
                        }
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
    /// Adds the products of `R` rows; returns `R`.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const C: usize>(self, s: S, sums: *mut f32) -> usize {
        let Self {
            pixels,
            tap,
            image,
            rows,
            row,
            channel,
            columns,
        } = self;
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
            let from = (image * x_image + out_row * x_row + tap.columns.start * x_column) as isize
                + tap.start
                + row as isize;
            let from = from as usize;
            let to = tap.dy_start
                + image * dy_image
                + out_row * dy_row
                + tap.columns.start * dy_column
                + channel;
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
        R
    }
}
