//! Prediction of a macroblock from the pixels around it, and the residuals added to it.
//!
//! Owns: the work area of a macroblock and every mode. It reads no data.
//!
//! Source: RFC 6386, section 12; pixels outside the picture are libwebp's.

use super::modes::{Luma, Subblock, Whole};
use super::residual::{GROUPS, Rows};
use super::transform::Content;

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
        let mut rows = [[0; 16]; 16];
        for (row, pixels) in rows.iter_mut().zip(&self.luma[1..]) {
            row.copy_from_slice(&pixels[LEFT..LEFT + 16]);
        }
        rows
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
                    let places = self.luma[4 * group + 1..4 * group + 5].iter_mut();
                    for (place, residuals) in places.zip(&rows[4 * group..]) {
                        add(&mut place[LEFT..LEFT + 16], residuals);
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
                    let around = Around::new(self.around(row, column));
                    let block = predict_subblock(*mode, &around);
                    let places = self.luma[row + 1..row + 5].iter_mut();
                    for ((place, mut pixels), residuals) in places.zip(block).zip(&rows[row..]) {
                        add(&mut pixels, &residuals[column..column + 4]);
                        place[LEFT + column..LEFT + column + 4].copy_from_slice(&pixels);
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
        below.luma.copy_from_slice(&self.luma[16][LEFT..LEFT + 16]);
        below.chroma = self.chroma[8];
        below
    }

    #[inline(always)]
    fn predict_luma(&mut self, mode: Whole, edges: Edges) {
        let mut above = [0; 16];
        above.copy_from_slice(&self.luma[0][LEFT..LEFT + 16]);
        let corner = self.luma[0][LEFT - 1];
        let mut mean = 0;
        if mode == Whole::Mean {
            let mut left = [0; 16];
            for (pixel, row) in left.iter_mut().zip(&self.luma[1..]) {
                *pixel = row[LEFT - 1];
            }
            mean = mean_of(&above, &left, edges);
        }
        for row in &mut self.luma[1..] {
            let left = row[LEFT - 1];
            let row = &mut row[LEFT..LEFT + 16];
            match mode {
                Whole::Mean => row.fill(mean),
                Whole::Vertical => row.copy_from_slice(&above),
                Whole::Horizontal => row.fill(left),
                Whole::TrueMotion => true_motion(row, &above, left, corner),
            }
        }
    }

    #[inline(always)]
    fn predict_chroma(&mut self, mode: Whole, edges: Edges) {
        for plane in 0..2 {
            let columns = 8 * plane..8 * plane + 8;
            let mut above = [0; 8];
            above.copy_from_slice(&self.chroma[0][columns.clone()]);
            let corner = self.chroma_left[0][plane];
            let mut mean = 0;
            if mode == Whole::Mean {
                let mut left = [0; 8];
                for (pixel, pixels) in left.iter_mut().zip(&self.chroma_left[1..]) {
                    *pixel = pixels[plane];
                }
                mean = mean_of(&above, &left, edges);
            }
            for (row, left) in self.chroma[1..].iter_mut().zip(&self.chroma_left[1..]) {
                let row = &mut row[columns.clone()];
                match mode {
                    Whole::Mean => row.fill(mean),
                    Whole::Vertical => row.copy_from_slice(&above),
                    Whole::Horizontal => row.fill(left[plane]),
                    Whole::TrueMotion => true_motion(row, &above, left[plane], corner),
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
fn mean_of<const N: usize>(above: &[u8; N], left: &[u8; N], edges: Edges) -> u8 {
    let (above, left) = (sum(above), sum(left));
    let count = N as u32;
    let value = match (edges.is_first_row, edges.is_first_column) {
        (true, true) => 128,
        (true, false) => (left + count / 2) / count,
        (false, true) => (above + count / 2) / count,
        (false, false) => (above + left + count) / (2 * count),
    };
    value as u8
}

#[inline(always)]
fn sum(pixels: &[u8]) -> u32 {
    let mut sum = 0;
    for pixel in pixels {
        sum += u32::from(*pixel);
    }
    sum
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

/// The pixels around a block, from the lowest left one over the corner to the last one above, and their means.
struct Around {
    pixels: [u8; 13],
    /// Of each pixel and the next one.
    twos: [u8; 12],
    /// Of each pixel and the two behind it, of which the next one counts twice.
    threes: [u8; 11],
}

/// The corner's place in [`Around`].
const CORNER: usize = 4;

impl Around {
    #[inline(always)]
    fn new(pixels: [u8; 13]) -> Self {
        let mut around = Self {
            pixels,
            twos: [0; 12],
            threes: [0; 11],
        };
        for (place, two) in around.twos.iter_mut().enumerate() {
            *two = mean_of_two(pixels[place], pixels[place + 1]);
        }
        for (place, three) in around.threes.iter_mut().enumerate() {
            *three = mean_of_three(pixels[place], pixels[place + 1], pixels[place + 2]);
        }
        around
    }

    /// Four means of two, from this place on.
    #[inline(always)]
    fn two(&self, place: usize) -> [u8; 4] {
        let twos = &self.twos[place..place + 4];
        [twos[0], twos[1], twos[2], twos[3]]
    }

    /// Four means of three, from this place on.
    #[inline(always)]
    fn three(&self, place: usize) -> [u8; 4] {
        let threes = &self.threes[place..place + 4];
        [threes[0], threes[1], threes[2], threes[3]]
    }
}

#[inline(always)]
fn mean_of_two(a: u8, b: u8) -> u8 {
    ((u16::from(a) + u16::from(b) + 1) >> 1) as u8
}

#[inline(always)]
fn mean_of_three(a: u8, b: u8, c: u8) -> u8 {
    ((u16::from(a) + 2 * u16::from(b) + u16::from(c) + 2) >> 2) as u8
}

/// Predicts a block. Most modes follow a direction: its rows are parts of the smoothed border.
#[inline(always)]
fn predict_subblock(mode: Subblock, around: &Around) -> [[u8; 4]; 4] {
    let Around {
        pixels,
        twos,
        threes,
    } = around;
    match mode {
        Subblock::Mean => {
            let sum = sum(&pixels[..CORNER]) + sum(&pixels[CORNER + 1..CORNER + 5]);
            [[((sum + 4) >> 3) as u8; 4]; 4]
        }
        Subblock::TrueMotion => {
            let mut block = [[0; 4]; 4];
            for (row, left) in block.iter_mut().rev().zip(pixels) {
                true_motion(row, &pixels[CORNER + 1..CORNER + 5], *left, pixels[CORNER]);
            }
            block
        }
        Subblock::Vertical => [around.three(CORNER); 4],
        Subblock::Horizontal => {
            let last = mean_of_three(pixels[1], pixels[0], pixels[0]);
            [[threes[2]; 4], [threes[1]; 4], [threes[0]; 4], [last; 4]]
        }
        Subblock::RightDown => [
            around.three(3),
            around.three(2),
            around.three(1),
            around.three(0),
        ],
        Subblock::LeftDown => {
            let last = mean_of_three(pixels[11], pixels[12], pixels[12]);
            let [_, b, c, d] = around.three(7);
            [
                around.three(5),
                around.three(6),
                around.three(7),
                [b, c, d, last],
            ]
        }
        Subblock::VerticalRight => {
            let (even, odd) = (around.two(CORNER), around.three(3));
            [
                even,
                odd,
                [threes[2], even[0], even[1], even[2]],
                [threes[1], odd[0], odd[1], odd[2]],
            ]
        }
        Subblock::VerticalLeft => {
            let (even, odd) = (around.two(5), around.three(5));
            [
                even,
                odd,
                [even[1], even[2], even[3], threes[9]],
                [odd[1], odd[2], odd[3], threes[10]],
            ]
        }
        Subblock::HorizontalDown => [
            [twos[3], threes[3], threes[4], threes[5]],
            [twos[2], threes[2], twos[3], threes[3]],
            [twos[1], threes[1], twos[2], threes[2]],
            [twos[0], threes[0], twos[1], threes[1]],
        ],
        Subblock::HorizontalUp => {
            let last = pixels[0];
            let end = mean_of_three(pixels[1], last, last);
            [
                [twos[2], threes[1], twos[1], threes[0]],
                [twos[1], threes[0], twos[0], end],
                [twos[0], end, last, last],
                [last; 4],
            ]
        }
    }
}
