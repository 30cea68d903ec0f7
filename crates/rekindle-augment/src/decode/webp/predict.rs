//! Prediction of a macroblock from the pixels around it, and the residuals added to it.
//!
//! Owns: the work area of a macroblock and every mode. It reads no data.
//!
//! Source: RFC 6386, section 12; pixels outside the picture are libwebp's.

use super::modes::{Luma, Subblock, Whole};
use super::residual::{Content, GROUPS, Rows};

/// Columns before the macroblock in [`Work::luma`]; the last of them are its neighbours to the left.
const LEFT: usize = 4;
/// Pixels outside the picture, above and to the left of it.
const ABOVE_PICTURE: u8 = 127;
const LEFT_OF_PICTURE: u8 = 129;

/// Pixels of the row above that a macroblock touches, not smoothed yet: of luma, of U beside V.
#[derive(Debug, Clone, Copy)]
pub(super) struct Above {
    pub(super) luma: [u8; 16],
    pub(super) chroma: [u8; 16],
}

impl Default for Above {
    fn default() -> Self {
        Self {
            luma: [ABOVE_PICTURE; 16],
            chroma: [ABOVE_PICTURE; 16],
        }
    }
}

/// A macroblock's pixels and those around it.
pub(super) struct Work {
    /// The row above and 16 rows: four columns to the left, the macroblock, four columns to the right, and room to spare.
    luma: [[u8; 32]; 17],
    /// The same of chroma, U beside V, without neighbours to the left.
    chroma: [[u8; 16]; 9],
    /// Those of U and V: the corner and 8 rows.
    chroma_left: [[u8; 2]; 9],
}

/// Where a macroblock lies at the edge of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edges {
    pub(super) is_first_row: bool,
    pub(super) is_first_column: bool,
}

impl Work {
    pub(super) fn new() -> Self {
        Self {
            luma: [[0; 32]; 17],
            chroma: [[0; 16]; 9],
            chroma_left: [[0; 2]; 9],
        }
    }

    /// Makes the neighbours of the first macroblock of a row those outside the picture.
    pub(super) fn start_row(&mut self, is_first_row: bool) {
        for row in &mut self.luma {
            row[LEFT - 1] = LEFT_OF_PICTURE;
        }
        self.chroma_left = [[LEFT_OF_PICTURE; 2]; 9];
        if is_first_row {
            self.luma[0][LEFT - 1] = ABOVE_PICTURE;
            self.chroma_left[0] = [ABOVE_PICTURE; 2];
        }
    }

    /// The macroblock's rows of luma.
    #[inline(always)]
    pub(super) fn luma_rows(&self) -> [[u8; 16]; 16] {
        std::array::from_fn(|row| {
            let mut pixels = [0; 16];
            pixels.copy_from_slice(&self.luma[row + 1][LEFT..LEFT + 16]);
            pixels
        })
    }

    /// The macroblock's rows of chroma, U beside V.
    #[inline(always)]
    pub(super) fn chroma_rows(&self) -> &[[u8; 16]] {
        &self.chroma[1..]
    }

    /// Predicts a macroblock and adds its residuals, after the one to the left of it in the same row.
    ///
    /// `right` are the four pixels above the next macroblock.
    #[inline(always)]
    pub(super) fn reconstruct(
        &mut self,
        (luma, chroma): (&Luma, Whole),
        edges: Edges,
        above: &Above,
        right: [u8; 4],
        rows: &Rows,
        contents: &[Content; GROUPS],
    ) {
        self.luma[0][LEFT..LEFT + 16].copy_from_slice(&above.luma);
        self.chroma[0] = above.chroma;
        match luma {
            Luma::Whole(mode) => {
                self.predict_luma(*mode, edges);
                for (group, content) in contents[..4].iter().enumerate() {
                    if *content == Content::Zero {
                        continue;
                    }
                    for row in 4 * group..4 * group + 4 {
                        add(&mut self.luma[row + 1][LEFT..LEFT + 16], &rows[row]);
                    }
                }
            }
            Luma::Subblocks(modes) => {
                // The blocks at the right edge see the same pixels, whatever is known to the right of them.
                for row in [0, 4, 8, 12] {
                    self.luma[row][LEFT + 16..LEFT + 20].copy_from_slice(&right);
                }
                for (number, mode) in modes.iter().enumerate() {
                    let (row, column) = (4 * (number / 4), 4 * (number % 4));
                    let block = predict_subblock(*mode, self.around(row, column));
                    for (down, mut pixels) in block.into_iter().enumerate() {
                        add(&mut pixels, &rows[row + down][column..column + 4]);
                        self.luma[row + down + 1][LEFT + column..LEFT + column + 4]
                            .copy_from_slice(&pixels);
                    }
                }
            }
        }
        self.predict_chroma(chroma, edges);
        for (group, content) in contents[4..].iter().enumerate() {
            if *content == Content::Zero {
                continue;
            }
            for row in 4 * group..4 * group + 4 {
                add(&mut self.chroma[row + 1], &rows[16 + row]);
            }
        }
    }

    /// Makes the last columns the neighbours of the next macroblock.
    #[inline(always)]
    pub(super) fn step_right(&mut self) {
        for row in &mut self.luma {
            row[LEFT - 1] = row[LEFT + 15];
        }
        for (left, row) in self.chroma_left.iter_mut().zip(&self.chroma) {
            *left = [row[7], row[15]];
        }
    }

    /// The last rows, which the macroblock below touches.
    #[inline(always)]
    pub(super) fn below(&self) -> Above {
        let mut below = Above::default();
        below
            .luma
            .copy_from_slice(&self.luma[16][LEFT..LEFT + 16]);
        below.chroma = self.chroma[8];
        below
    }

    #[inline(always)]
    fn predict_luma(&mut self, mode: Whole, edges: Edges) {
        let left: [u8; 17] = std::array::from_fn(|row| self.luma[row][LEFT - 1]);
        let mut above = [0; 16];
        above.copy_from_slice(&self.luma[0][LEFT..LEFT + 16]);
        let mean = match mode {
            Whole::Mean => mean(&above, &left[1..], edges),
            _ => 0,
        };
        for (row, left_pixel) in self.luma[1..].iter_mut().zip(&left[1..]) {
            let row = &mut row[LEFT..LEFT + 16];
            match mode {
                Whole::Mean => row.fill(mean),
                Whole::Vertical => row.copy_from_slice(&above),
                Whole::Horizontal => row.fill(*left_pixel),
                Whole::TrueMotion => true_motion(row, &above, *left_pixel, left[0]),
            }
        }
    }

    #[inline(always)]
    fn predict_chroma(&mut self, mode: Whole, edges: Edges) {
        let left = self.chroma_left;
        let above = self.chroma[0];
        let means = match mode {
            Whole::Mean => [0, 1].map(|plane: usize| {
                let left: [u8; 8] = std::array::from_fn(|row| left[row + 1][plane]);
                mean(&above[8 * plane..8 * plane + 8], &left, edges)
            }),
            _ => [0; 2],
        };
        for (row, left_pixels) in self.chroma[1..].iter_mut().zip(&left[1..]) {
            for plane in 0..2 {
                let columns = 8 * plane..8 * plane + 8;
                let (row, above) = (&mut row[columns.clone()], &above[columns]);
                match mode {
                    Whole::Mean => row.fill(means[plane]),
                    Whole::Vertical => row.copy_from_slice(above),
                    Whole::Horizontal => row.fill(left_pixels[plane]),
                    Whole::TrueMotion => {
                        true_motion(row, above, left_pixels[plane], left[0][plane]);
                    }
                }
            }
        }
    }

    /// The pixels around a block: four to the left from below to above, the corner, eight above.
    #[inline(always)]
    fn around(&self, row: usize, column: usize) -> [u8; 13] {
        let mut around = [0; 13];
        let left = LEFT + column - 1;
        for (down, pixel) in around[..4].iter_mut().rev().enumerate() {
            *pixel = self.luma[row + 1 + down][left];
        }
        around[4..].copy_from_slice(&self.luma[row][left..left + 9]);
        around
    }
}

/// The mean of the pixels that lie in the picture.
#[inline(always)]
fn mean(above: &[u8], left: &[u8], edges: Edges) -> u8 {
    let sum = |pixels: &[u8]| pixels.iter().map(|pixel| u32::from(*pixel)).sum::<u32>();
    let count = above.len() as u32;
    let value = match (edges.is_first_row, edges.is_first_column) {
        (true, true) => 128,
        (true, false) => (sum(left) + count / 2) / count,
        (false, true) => (sum(above) + count / 2) / count,
        (false, false) => (sum(above) + sum(left) + count) / (2 * count),
    };
    value as u8
}

#[inline(always)]
fn true_motion(row: &mut [u8], above: &[u8], left: u8, corner: u8) {
    let step = i16::from(left) - i16::from(corner);
    for (pixel, above) in row.iter_mut().zip(above) {
        *pixel = (i16::from(*above) + step).clamp(0, 255) as u8;
    }
}

#[inline(always)]
fn add(pixels: &mut [u8], residuals: &[i16]) {
    for (pixel, residual) in pixels.iter_mut().zip(residuals) {
        *pixel = i16::from(*pixel).wrapping_add(*residual).clamp(0, 255) as u8;
    }
}

/// Predicts a block from the pixels around it, which go from the lowest left one over the corner to the last one above.
///
/// Most modes follow a direction: rows or columns of the block are parts of the smoothed border.
#[inline(always)]
fn predict_subblock(mode: Subblock, around: [u8; 13]) -> [[u8; 4]; 4] {
    const CORNER: usize = 4;
    let pixel = |place: usize| u16::from(around[place]);
    // Of two and of three neighbours, the first of which is given.
    let two = |place: usize| ((pixel(place) + pixel(place + 1) + 1) >> 1) as u8;
    let three =
        |place: usize| ((pixel(place) + 2 * pixel(place + 1) + pixel(place + 2) + 2) >> 2) as u8;
    let threes = |place: usize| [0, 1, 2, 3].map(|step| three(place + step));
    let twos = |place: usize| [0, 1, 2, 3].map(|step| two(place + step));
    let left = [3, 2, 1, 0].map(|place: usize| around[place]);
    match mode {
        Subblock::Mean => {
            let above = (CORNER + 1..CORNER + 5).map(pixel).sum::<u16>();
            let left = (0..4).map(pixel).sum::<u16>();
            [[((above + left + 4) >> 3) as u8; 4]; 4]
        }
        Subblock::TrueMotion => left.map(|left| {
            let mut row = [0; 4];
            true_motion(&mut row, &around[CORNER + 1..CORNER + 5], left, around[CORNER]);
            row
        }),
        Subblock::Vertical => [threes(CORNER); 4],
        Subblock::Horizontal => {
            let last = ((pixel(1) + 3 * pixel(0) + 2) >> 2) as u8;
            [three(2), three(1), three(0), last].map(|value| [value; 4])
        }
        Subblock::RightDown => [3, 2, 1, 0].map(threes),
        Subblock::LeftDown => {
            let last = ((pixel(11) + 3 * pixel(12) + 2) >> 2) as u8;
            let [a, b, c] = [5, 6, 7].map(threes);
            [a, b, c, [c[1], c[2], c[3], last]]
        }
        Subblock::VerticalRight => {
            let (even, odd) = (twos(CORNER), threes(3));
            [
                even,
                odd,
                [three(2), even[0], even[1], even[2]],
                [three(1), odd[0], odd[1], odd[2]],
            ]
        }
        Subblock::VerticalLeft => {
            let (even, odd) = (twos(5), threes(5));
            [
                even,
                odd,
                [even[1], even[2], even[3], three(9)],
                [odd[1], odd[2], odd[3], three(10)],
            ]
        }
        Subblock::HorizontalDown => {
            let row = |place: usize| [two(place), three(place)];
            let (a, b, c, d) = (row(3), row(2), row(1), row(0));
            [
                [a[0], a[1], three(4), three(5)],
                [b[0], b[1], a[0], a[1]],
                [c[0], c[1], b[0], b[1]],
                [d[0], d[1], c[0], c[1]],
            ]
        }
        Subblock::HorizontalUp => {
            let [i, j, k, l] = [3, 2, 1, 0].map(pixel);
            let two = |a: u16, b: u16| ((a + b + 1) >> 1) as u8;
            let three = |a: u16, b: u16, c: u16| ((a + 2 * b + c + 2) >> 2) as u8;
            let (a, b, c) = (two(i, j), two(j, k), two(k, l));
            let (d, e, f) = (three(i, j, k), three(j, k, l), three(k, l, l));
            let last = l as u8;
            [
                [a, d, b, e],
                [b, e, c, f],
                [c, f, last, last],
                [last; 4],
            ]
        }
    }
}
