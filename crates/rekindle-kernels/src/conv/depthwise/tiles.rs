//! How a row of output pixels is cut into tiles whose widths were compiled, and how two rows share the image's rows.

use crate::simd::Level;

/// Whether the level has the thirty-two registers that the wide tiles need.
pub(super) fn is_wide(level: Level) -> bool {
    matches!(level, Level::Avx512 | Level::Neon)
}

/// The taps along a row: position of input column `tap` of output `o` is `o * stride + tap * dilation + origin`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub size: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    pub origin: isize,
}

/// Neighbouring outputs of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// The first output.
    pub first: usize,
    /// Outputs that exist, at most `width`.
    pub count: usize,
    /// Outputs that the code computes: 8, 7 or 4.
    pub width: usize,
    /// The input column of the first output's first tap; it may lie outside.
    pub column: isize,
    /// The columns from there that lie inside the input and that existing outputs see.
    pub inside: [usize; 2],
    /// Whether some column or output that the code would touch does not exist.
    pub edge: bool,
}

impl Tile {
    fn new(line: &Line, first: usize, count: usize, width: usize) -> Self {
        let column = (first * line.stride) as isize + line.origin;
        let reach = |outputs: usize| {
            (outputs - 1) * line.stride + (line.kernel.max(1) - 1) * line.dilation + 1
        };
        let low = (-column).max(0) as usize;
        let high = (line.size as isize - column).clamp(0, reach(count) as isize) as usize;
        Self {
            first,
            count,
            width,
            column,
            inside: [low.min(high), high],
            edge: low > 0 || high < reach(width),
        }
    }
}

/// The tiles of a row, of `widest` outputs at most: fours, sevens, or eights and sevens where they fill it; a remainder in a tile with
/// room to spare.
pub(super) fn cut(line: &Line, widest: usize) -> Vec<Tile> {
    let outputs = line.outputs;
    let (mut first, mut tiles) = (0, Vec::new());
    let mut push = |count: usize, width: usize| {
        tiles.push(Tile::new(line, first, count, width));
        first += count;
    };
    if widest < 8 {
        (0..outputs / widest).for_each(|_| push(widest, widest));
        match outputs % widest {
            0 => {}
            rest => push(rest, if rest <= 4 { 4 } else { 7 }),
        }
        return tiles;
    }
    let whole = outputs.div_ceil(8);
    if whole * 7 <= outputs {
        let sevens = whole * 8 - outputs;
        (0..whole - sevens).for_each(|_| push(8, 8));
        (0..sevens).for_each(|_| push(7, 7));
    } else {
        (0..outputs / 8).for_each(|_| push(8, 8));
        let rest = outputs % 8;
        push(rest, if rest <= 4 { 4 } else { 7 });
    }
    tiles
}

/// Which of the two rows' kernels see which rows of the image, counted from the first row's first tap in steps of the dilation.
pub(super) struct Phases {
    /// Seen by the first row of outputs only.
    pub first: [usize; 2],
    /// Seen by both.
    pub both: [usize; 2],
    /// Seen by the second only.
    pub second: [usize; 2],
    /// The second row's first tap.
    pub shift: usize,
}

impl Phases {
    pub fn new(line: &Line, row: usize, pair: bool) -> Self {
        let top = (row * line.stride) as isize + line.origin;
        let steps = |pixels: isize| (pixels.max(0) as usize).div_ceil(line.dilation);
        let (low, high) = (steps(-top), steps(line.size as isize - top));
        let kernel = line.kernel;
        let shift = if pair {
            line.stride / line.dilation
        } else {
            kernel
        };
        let within = |from: usize, to: usize| [from.max(low), to.min(high)];
        Self {
            first: within(0, kernel.min(shift)),
            both: within(shift, kernel),
            second: if pair {
                within(kernel.max(shift), kernel + shift)
            } else {
                [0, 0]
            },
            shift,
        }
    }

    /// Rows of the image that some row of outputs sees.
    pub fn rows(&self) -> usize {
        [self.first, self.both, self.second]
            .iter()
            .map(|[from, to]| to.saturating_sub(*from))
            .sum()
    }
}
