//! The gradient of a weight of few channels, in blocks of rows (input channels) and columns (output channels): the sums of all
//! frequencies of a block stay in the second-level cache, beside the frequencies of some tiles. These are transformed anew for each block
//! that they meet; a time or two that is quicker than to fetch them from further away.

use std::ops::Range;

use super::{Back, FREQUENCIES, products};
use crate::ConvShape;
use crate::buffer::Buffer;
use crate::cache::second_level;
use crate::conv::weight_gradient::{Accumulate, add_chunks, sums_len};
use crate::conv::winograd::frequencies::{Frequencies, Images};
use crate::conv::winograd::tiling::Tiling;
use crate::parallel::{Shared, for_each};
use crate::simd::{Level, dispatch_at};

/// Channels of the input and of the output up to which blocks are the faster way (measured).
const FEW: usize = 128;

/// Rows and columns of a block at most.
const BLOCK: usize = 64;

/// Sixteenths of the second-level cache that the sums of a block take at most; its rows are halved until they do.
const SUMS_SIXTEENTHS: usize = 10;

/// Parts that keep the threads of a large machine busy.
const PARTS: usize = 16;

/// Whether this way is the faster one.
pub(super) fn wins(shape: &ConvShape) -> bool {
    shape.channels_in <= FEW && shape.channels_out <= FEW
}

/// How the work is cut.
struct Blocks {
    level: Level,
    depth: usize,
    columns: usize,
    /// Rows and columns of a block.
    size: [usize; 2],
    /// Parts of the tiles, each with sums of its own.
    chunks: usize,
    /// Tiles that are transformed together: they fill what the sums leave of the cache.
    together: usize,
}

impl Blocks {
    /// For a second-level cache of `cache` bytes.
    fn new(cache: usize, level: Level, [depth, columns]: [usize; 2], tiles: usize) -> Self {
        let mut size = [BLOCK.min(depth), BLOCK.min(columns)];
        let bytes = |[rows, columns]: [usize; 2]| FREQUENCIES * rows * columns * size_of::<f32>();
        while bytes(size) > cache / 16 * SUMS_SIXTEENTHS && size[0] > 16 {
            size[0] = (size[0] / 2).next_multiple_of(8);
        }
        let tile = FREQUENCIES * (size[0] + size[1]) * size_of::<f32>();
        // The order in which numbers are added does not depend on the cache.
        let usual = depth.div_ceil(BLOCK) * columns.div_ceil(BLOCK);
        Self {
            level,
            depth,
            columns,
            size,
            chunks: PARTS.div_ceil(usual).min(tiles),
            together: (cache.saturating_sub(bytes(size)) / tile).max(8),
        }
    }

    fn count(&self) -> usize {
        self.depth.div_ceil(self.size[0]) * self.columns.div_ceil(self.size[1])
    }

    /// Rows and columns of a block.
    fn block(&self, index: usize) -> [Range<usize>; 2] {
        let across = self.columns.div_ceil(self.size[1]);
        let range =
            |index: usize, size: usize, all: usize| index * size..((index + 1) * size).min(all);
        [
            range(index / across, self.size[0], self.depth),
            range(index % across, self.size[1], self.columns),
        ]
    }

    /// Numbers of a block's sums.
    fn sums_len(&self) -> usize {
        sums_len(self.level, FREQUENCIES, self.size[0], self.size[1])
    }
}

/// The gradient of the weight.
pub(super) fn backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    backward_weight_in(second_level(), shape, x, dy, dw);
}

/// The same in blocks for a second-level cache of `cache` bytes; the numbers do not depend on it.
fn backward_weight_in(cache: usize, shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let level = Level::current();
    let [from, to] = Tiling::sides(shape);
    let tiles = shape.batch * to.rows * to.columns;
    let blocks = Blocks::new(cache, level, [shape.channels_in, shape.channels_out], tiles);
    let (count, len) = (blocks.count(), blocks.sums_len());
    let mut sums = Buffer::unspecified(blocks.chunks * count * len);
    let shared = Shared::new(&mut sums);
    for_each(blocks.chunks * count, |part| {
        let (chunk, block) = (part / count, part % count);
        let [rows, columns] = blocks.block(block);
        let input = Images {
            x,
            tiling: from,
            channels: rows,
        };
        let gradient = Images {
            x: dy,
            tiling: to,
            channels: columns,
        };
        let tiles = tiles * chunk / blocks.chunks..tiles * (chunk + 1) / blocks.chunks;
        // SAFETY: each part has its own sums.
        let sums = unsafe { std::slice::from_raw_parts_mut(shared.get().add(part * len), len) };
        sums.fill(0.0);
        add_tiles(level, &input, &gradient, tiles, blocks.together, sums);
    });
    let (first, others) = sums.split_at_mut(count * len);
    add_chunks(first, others);
    let (first, dw) = (&*first, Shared::new(dw));
    let width = level.tile().1;
    for_each(count, |block| {
        let [rows, columns] = blocks.block(block);
        let panel_len = FREQUENCIES * rows.len() * width;
        let panels = first[block * len..].chunks_exact(panel_len);
        for (column, sums) in columns.clone().step_by(width).zip(panels) {
            let back = Back {
                sums,
                count: rows.len(),
                rows: 0..rows.len(),
                columns: column..(column + width).min(columns.end),
                first_row: rows.start,
                depth: shape.channels_in,
                out: dw,
            };
            dispatch_at(level, back);
        }
    });
}

/// Adds the products over some tiles, `together` at a time, to `sums`, `[panel][frequency][row][tile columns]`.
fn add_tiles(
    level: Level,
    input: &Images<'_>,
    gradient: &Images<'_>,
    tiles: Range<usize>,
    together: usize,
    sums: &mut [f32],
) {
    let sums = Shared::new(sums);
    let sides = [input.channels.len(), gradient.channels.len()];
    let [mut v, mut m] = sides.map(|channels| Frequencies::unspecified(together, channels));
    for first in tiles.clone().step_by(together) {
        let tiles = first..(first + together).min(tiles.end);
        let count = tiles.len();
        input.transform(level, tiles.clone(), first, false, v.shared());
        gradient.transform(level, tiles, first, true, m.shared());
        let part = Accumulate {
            pixels: &products(&v, &m, sides, count),
            sums,
            start: 0,
            images: 0..1,
            taps: 0..FREQUENCIES,
            panels: 0..sides[1].div_ceil(level.tile().1),
            rows: 0..sides[0],
        };
        dispatch_at(level, part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{at_each_level, numbers};
    use crate::conv::reference_backward_weight;

    #[test]
    fn blocks_for_any_cache_give_the_same_bytes() {
        // Blocks at the end of the rows and of the columns are smaller.
        let shape = ConvShape::new(2, [13, 22], [100, 72], 3);
        let [x, dy] = [shape.input_len(), shape.output_len()].map(|len| numbers(len, len as u64));
        let mut expected = vec![0.0; shape.weight_len()];
        reference_backward_weight(&shape, &x, &dy, &mut expected);
        let scale = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        at_each_level(|| {
            let [all @ .., usual] = [256 << 10, 512 << 10, 4 << 20, 1 << 20].map(|cache| {
                let mut dw = vec![f32::NAN; shape.weight_len()];
                backward_weight_in(cache, &shape, &x, &dy, &mut dw);
                dw
            });
            for dw in all {
                assert!(dw == usual, "{:?}", Level::current());
            }
            for (a, b) in usual.iter().zip(&expected) {
                assert!(
                    (a - b).abs() <= 1e-4 * scale,
                    "{:?}: {a}, {b}",
                    Level::current()
                );
            }
        });
    }
}
