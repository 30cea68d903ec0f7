//! The pixels that a gradient is summed over, and the part of it that one thread computes.

use std::ops::Range;

use crate::ConvShape;
use crate::parallel::Shared;

/// Pixels of one visit: their gradients for one panel of channels stay in the first-level cache while the input's channels pass.
pub(super) const PIXELS: usize = 128;

/// Channels of the input and of the result from which the taps are better taken one by one (measured).
const DEEP: usize = 64;
const WIDE: usize = 128;

/// Rows in tiles of at most so many, as even as can be: the sums of a small tile wait for each other. A tile has an even number of rows,
/// or one.
pub(in crate::conv) fn tiles(rows: &Range<usize>, most: usize) -> Vec<Range<usize>> {
    let mut tiles = Vec::with_capacity(rows.len().div_ceil(most) + 2);
    let mut start = rows.start;
    while start < rows.end {
        let left = rows.end - start;
        let share = left.div_ceil(left.div_ceil(most));
        let count = match share {
            1 => 1,
            even if even.is_multiple_of(2) => even,
            odd if odd < left => odd + 1,
            odd => odd - 1,
        };
        tiles.push(start..start + count);
        start += count;
    }
    tiles
}

/// Input and output of the product as grids of pixels.
pub(in crate::conv) struct Pixels<'a> {
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
    /// Whether each tap is taken by itself, in parts of its own: taps share no numbers, or these meet so many others that it is better to
    /// copy them for each tap.
    pub separate_taps: bool,
}

impl Pixels<'_> {
    /// Where a pixel that meets a tap starts in the input and in the gradient.
    #[inline(always)]
    pub(in crate::conv) fn place(
        &self,
        tap: &Tap,
        [image, row, column]: [usize; 3],
    ) -> (usize, usize) {
        let at = |steps: [usize; 3]| image * steps[0] + row * steps[1] + column * steps[2];
        // A tap's start may lie before the input; none of its pixels does.
        let x = (at(self.x_steps) as isize + tap.start) as usize;
        (x, tap.dy_start + at(self.dy_steps))
    }
}

/// The pixels that meet one tap.
pub(in crate::conv) struct Tap {
    /// Output rows and columns at which the tap is inside the input.
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    /// Number of `x` at output row 0, column 0 (it may lie outside).
    pub start: isize,
    /// The same of `dy`.
    pub dy_start: usize,
}

impl<'a> Pixels<'a> {
    pub(super) fn new(shape: &ConvShape, group: usize, x: &'a [f32], dy: &'a [f32]) -> Self {
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
                    start: y * row as isize
                        + x * shape.channels_in as isize
                        + (group * depth) as isize,
                    dy_start: group * columns,
                });
            }
        }
        Self {
            x,
            dy,
            batch: shape.batch,
            x_steps: [
                shape.height * row,
                shape.stride[0] * row,
                shape.stride[1] * shape.channels_in,
            ],
            dy_steps: [
                out_height * out_width * shape.channels_out,
                out_width * shape.channels_out,
                shape.channels_out,
            ],
            depth,
            columns,
            taps,
            separate_taps: depth >= DEEP && columns >= WIDE,
        }
    }
}

/// One part: the pixels of some images, for some taps, panels of output channels and rows (input channels) of the result.
pub(in crate::conv) struct Accumulate<'a> {
    pub pixels: &'a Pixels<'a>,
    pub sums: Shared<f32>,
    /// Where this chunk's sums start.
    pub start: usize,
    pub images: Range<usize>,
    pub taps: Range<usize>,
    pub panels: Range<usize>,
    pub rows: Range<usize>,
}
