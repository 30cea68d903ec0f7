//! Images cut into tiles, and the tiles split over the threads.

use std::ops::Range;

use super::sizes::STEP;
use crate::ConvShape;
use crate::parallel::for_each;

/// Images cut into tiles.
#[derive(Clone, Copy)]
pub(super) struct Tiling {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// Tiles per column and row of an image.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Pixels of the image before the first tile's first.
    pub(super) top: usize,
    pub(super) left: usize,
}

impl Tiling {
    /// The tiles that cover an output of the size `covered`, on the side with `before` pixels before its first.
    pub(super) fn new(
        size: [usize; 2],
        channels: usize,
        covered: [usize; 2],
        before: [usize; 2],
    ) -> Self {
        Self {
            height: size[0],
            width: size[1],
            channels,
            rows: covered[0].div_ceil(STEP),
            columns: covered[1].div_ceil(STEP),
            top: before[0],
            left: before[1],
        }
    }

    /// The input and the output of a convolution.
    pub(super) fn sides(shape: &ConvShape) -> [Self; 2] {
        let size = [shape.out_height(), shape.out_width()];
        let before = [shape.padding[0][0], shape.padding[1][0]];
        [
            Self::new([shape.height, shape.width], shape.channels_in, size, before),
            Self::new(size, shape.channels_out, size, [0; 2]),
        ]
    }

    /// Image, and the tile's first pixel in it, which may lie outside.
    #[inline(always)]
    pub(super) fn tile(&self, index: usize) -> (usize, isize, isize) {
        let area = self.rows * self.columns;
        let (image, rest) = (index / area, index % area);
        let y = (rest / self.columns * STEP) as isize - self.top as isize;
        let x = (rest % self.columns * STEP) as isize - self.left as isize;
        (image, y, x)
    }
}

/// Splits a range of tiles over the threads.
pub(super) fn for_pieces(range: Range<usize>, work: impl Fn(Range<usize>) + Send + Sync) {
    const PIECE: usize = 4;
    for_each(range.len().div_ceil(PIECE), |piece| {
        let start = range.start + piece * PIECE;
        work(start..(start + PIECE).min(range.end));
    });
}
