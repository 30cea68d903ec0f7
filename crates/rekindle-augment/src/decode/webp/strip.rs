//! The rows of pixels that are being worked on.
//!
//! Owns: one row of macroblocks and the rows above it that are still needed, small enough for the cache; where a macroblock lies
//! in it, and the way of its edges to the filters.

use pulp::bytemuck::cast;

use super::header::{FilterKind, FilterStrength};
use super::loop_filter::{Across, Edge, smooth};
use super::predict::Work;
use crate::decode::planes::exchange;

/// Rows of the macroblocks above that are kept: the filters reach three pixels up, and colours are enlarged with the row above.
pub(super) const KEPT: usize = 8;
/// Columns to spare on each side.
const MARGIN: usize = 8;

/// Samples of one kind.
struct Plane {
    samples: Vec<u8>,
    stride: usize,
}

impl Plane {
    fn new(width: usize, rows: usize) -> Self {
        let stride = width + 2 * MARGIN;
        Self {
            samples: vec![0; stride * (KEPT + rows)],
            stride,
        }
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> usize {
        row * self.stride + MARGIN + column
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut values = [0; N];
        values.copy_from_slice(&self.samples[at..at + N]);
        values
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, at: usize, values: &[u8; N]) {
        self.samples[at..at + N].copy_from_slice(values);
    }

    /// Makes the last rows the kept ones.
    fn step_down(&mut self) {
        let start = self.samples.len() - KEPT * self.stride;
        self.samples.copy_within(start.., 0);
    }

    /// Samples of a row of the strip.
    fn row(&self, row: usize, columns: std::ops::Range<usize>) -> &[u8] {
        let start = self.at(row, 0);
        &self.samples[start + columns.start..start + columns.end]
    }
}

/// A row of macroblocks.
pub(super) struct Strip {
    luma: Plane,
    /// U and V.
    chroma: [Plane; 2],
    /// Number of the row.
    row: usize,
}

impl Strip {
    /// The first row, of so many macroblocks.
    pub(super) fn new(macroblocks: usize) -> Self {
        Self {
            luma: Plane::new(16 * macroblocks, 16),
            chroma: [(); 2].map(|()| Plane::new(8 * macroblocks, 8)),
            row: 0,
        }
    }

    /// Goes on to the next row.
    pub(super) fn step_down(&mut self) {
        self.row += 1;
        self.luma.step_down();
        self.chroma.iter_mut().for_each(Plane::step_down);
    }

    /// Luma of a row of the picture.
    pub(super) fn luma(&self, row: usize, columns: std::ops::Range<usize>) -> &[u8] {
        self.luma.row(KEPT + row - 16 * self.row, columns)
    }

    /// U (0) or V (1) of a row of the picture at half the size.
    pub(super) fn chroma(
        &self,
        plane: usize,
        row: usize,
        columns: std::ops::Range<usize>,
    ) -> &[u8] {
        self.chroma[plane].row(KEPT + row - 8 * self.row, columns)
    }

    /// Puts a macroblock into its place.
    #[inline(always)]
    pub(super) fn store(&mut self, column: usize, work: &Work) {
        let start = self.luma.at(KEPT, 16 * column);
        for (row, pixels) in work.luma_rows().iter().enumerate() {
            self.luma.store(start + row * self.luma.stride, pixels);
        }
        let start = self.chroma[0].at(KEPT, 8 * column);
        for (row, pixels) in work.chroma_rows().iter().enumerate() {
            let (u, v) = halves(pixels);
            let at = start + row * self.chroma[0].stride;
            self.chroma[0].store(at, &u);
            self.chroma[1].store(at, &v);
        }
    }

    /// Smooths the edges of a macroblock to the left and above, and those inside of it where `inside` says so.
    #[inline(always)]
    pub(super) fn filter(
        &mut self,
        kind: FilterKind,
        column: usize,
        strength: FilterStrength,
        inside: bool,
    ) {
        let outer_columns = column > 0;
        let outer_rows = self.row > 0;
        match kind {
            _ if strength.limit == 0 => {}
            FilterKind::None => {}
            FilterKind::Simple => {
                let edges = (Edge::SimpleOuter, Edge::SimpleInner);
                if outer_columns || inside {
                    self.luma_columns(column, edges, strength, [outer_columns, inside]);
                }
                self.luma_rows(column, edges, strength, [outer_rows, inside]);
            }
            FilterKind::Normal => {
                let edges = (Edge::Outer, Edge::Inner);
                if outer_columns || inside {
                    self.luma_columns(column, edges, strength, [outer_columns, inside]);
                    self.chroma_columns(column, strength, [outer_columns, inside]);
                }
                self.luma_rows(column, edges, strength, [outer_rows, inside]);
                self.chroma_rows(column, strength, [outer_rows, inside]);
            }
        }
    }

    /// Edges that go down, of luma: columns are made rows for it, from four to the left of the macroblock on.
    #[inline(always)]
    fn luma_columns(
        &mut self,
        column: usize,
        (outer_edge, inner_edge): (Edge, Edge),
        strength: FilterStrength,
        [outer, inside]: [bool; 2],
    ) {
        let plane = &mut self.luma;
        let at = |plane: &Plane, row: usize, part: usize| {
            plane.at(KEPT + row, 16 * column + 8 * part) - 4
        };
        let mut columns = [[0u8; 16]; 24];
        for (part, turned) in columns.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let mut rows = [[[0; 8]; 2]; 8];
            for (row, blocks) in rows.iter_mut().enumerate() {
                for (half, pixels) in blocks.iter_mut().enumerate() {
                    *pixels = plane.load(at(plane, row + 8 * half, part));
                }
            }
            *turned = turn(rows);
        }
        if outer {
            smooth_at(&mut columns, 0, outer_edge, strength);
        }
        if inside {
            for first in [4, 8, 12] {
                smooth_at(&mut columns, first, inner_edge, strength);
            }
        }
        for (part, turned) in columns.as_chunks::<8>().0.iter().enumerate() {
            for (row, pixels) in turn_back(turned).into_iter().enumerate() {
                for (half, pixels) in pixels.iter().enumerate() {
                    let at = at(plane, row + 8 * half, part);
                    plane.store(at, pixels);
                }
            }
        }
    }

    /// The same of both planes of chroma at once.
    #[inline(always)]
    fn chroma_columns(
        &mut self,
        column: usize,
        strength: FilterStrength,
        [outer, inside]: [bool; 2],
    ) {
        let planes = &mut self.chroma;
        let at = |plane: &Plane, row: usize, part: usize| {
            plane.at(KEPT + row, 8 * column + 8 * part) - 4
        };
        let mut columns = [[0u8; 16]; 16];
        for (part, turned) in columns.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let mut rows = [[[0; 8]; 2]; 8];
            for (row, blocks) in rows.iter_mut().enumerate() {
                for (plane, pixels) in planes.iter().zip(blocks) {
                    *pixels = plane.load(at(plane, row, part));
                }
            }
            *turned = turn(rows);
        }
        if outer {
            smooth_at(&mut columns, 0, Edge::Outer, strength);
        }
        if inside {
            smooth_at(&mut columns, 4, Edge::Inner, strength);
        }
        for (part, turned) in columns.as_chunks::<8>().0.iter().enumerate() {
            for (row, pixels) in turn_back(turned).into_iter().enumerate() {
                for (plane, pixels) in planes.iter_mut().zip(&pixels) {
                    plane.store(at(plane, row, part), pixels);
                }
            }
        }
    }

    /// Edges that go across, of luma.
    #[inline(always)]
    fn luma_rows(
        &mut self,
        column: usize,
        (outer_edge, inner_edge): (Edge, Edge),
        strength: FilterStrength,
        [outer, inside]: [bool; 2],
    ) {
        let plane = &mut self.luma;
        for row in [0, 4, 8, 12] {
            let (edge, is_smoothed) = match row {
                0 => (outer_edge, outer),
                _ => (inner_edge, inside),
            };
            if !is_smoothed {
                continue;
            }
            let start = plane.at(KEPT + row - 4, 16 * column);
            let mut across: Across = [[0; 16]; 8];
            for (row, pixels) in across.iter_mut().enumerate() {
                *pixels = plane.load(start + row * plane.stride);
            }
            smooth(edge, &mut across, strength);
            for (row, pixels) in across.iter().enumerate().take(7).skip(1) {
                plane.store(start + row * plane.stride, pixels);
            }
        }
    }

    /// Edges that go across, of both planes of chroma at once.
    #[inline(always)]
    fn chroma_rows(&mut self, column: usize, strength: FilterStrength, [outer, inside]: [bool; 2]) {
        let [u_plane, v_plane] = &mut self.chroma;
        for (row, edge, is_smoothed) in [(0, Edge::Outer, outer), (4, Edge::Inner, inside)] {
            if !is_smoothed {
                continue;
            }
            let start = u_plane.at(KEPT + row - 4, 8 * column);
            let stride = u_plane.stride;
            let mut across: Across = [[0; 16]; 8];
            for (row, pixels) in across.iter_mut().enumerate() {
                let at = start + row * stride;
                *pixels = joined(u_plane.load(at), v_plane.load(at));
            }
            smooth(edge, &mut across, strength);
            for (row, pixels) in across.iter().enumerate().take(7).skip(1) {
                let (u, v) = halves(pixels);
                u_plane.store(start + row * stride, &u);
                v_plane.store(start + row * stride, &v);
            }
        }
    }
}

/// Smooths the edge behind the fourth of eight rows.
#[inline(always)]
fn smooth_at(rows: &mut [[u8; 16]], first: usize, edge: Edge, strength: FilterStrength) {
    if let Some(across) = rows[first..].first_chunk_mut() {
        smooth(edge, across, strength);
    }
}

#[inline(always)]
fn halves(pixels: &[u8; 16]) -> ([u8; 8], [u8; 8]) {
    let [first, second]: [[u8; 8]; 2] = cast(*pixels);
    (first, second)
}

#[inline(always)]
fn joined(first: [u8; 8], second: [u8; 8]) -> [u8; 16] {
    cast([first, second])
}

/// The eight columns of two blocks of 8 by 8 pixels, those of the first block beside those of the second.
#[inline(always)]
fn turn(rows: [[[u8; 8]; 2]; 8]) -> [[u8; 16]; 8] {
    let mut numbers = [[0; 2]; 8];
    for (numbers, [first, second]) in numbers.iter_mut().zip(rows) {
        *numbers = [u64::from_le_bytes(first), u64::from_le_bytes(second)];
    }
    let mut columns = [[0; 16]; 8];
    for (column, [first, second]) in columns.iter_mut().zip(transpose(numbers)) {
        *column = joined(first.to_le_bytes(), second.to_le_bytes());
    }
    columns
}

/// The rows of two blocks from what [`turn`] made of them.
#[inline(always)]
fn turn_back(columns: &[[u8; 16]; 8]) -> [[[u8; 8]; 2]; 8] {
    let mut numbers = [[0; 2]; 8];
    for (numbers, column) in numbers.iter_mut().zip(columns) {
        let (first, second) = halves(column);
        *numbers = [u64::from_le_bytes(first), u64::from_le_bytes(second)];
    }
    let mut rows = [[[0; 8]; 2]; 8];
    for (blocks, [first, second]) in rows.iter_mut().zip(transpose(numbers)) {
        *blocks = [first.to_le_bytes(), second.to_le_bytes()];
    }
    rows
}

/// Rows for columns in two blocks of 8 by 8 bytes, where a number is a row, its first byte the lowest.
///
/// Quarters of 4 by 4 bytes change places, then those of 2 by 2 inside of them, then single bytes.
#[inline(always)]
fn transpose([a, b, c, d, e, f, g, h]: [[u64; 2]; 8]) -> [[u64; 2]; 8] {
    let ((a, e), (b, f)) = (exchange::<32, 2>(a, e), exchange::<32, 2>(b, f));
    let ((c, g), (d, h)) = (exchange::<32, 2>(c, g), exchange::<32, 2>(d, h));
    let ((a, c), (b, d)) = (exchange::<16, 2>(a, c), exchange::<16, 2>(b, d));
    let ((e, g), (f, h)) = (exchange::<16, 2>(e, g), exchange::<16, 2>(f, h));
    let ((a, b), (c, d)) = (exchange::<8, 2>(a, b), exchange::<8, 2>(c, d));
    let ((e, f), (g, h)) = (exchange::<8, 2>(e, f), exchange::<8, 2>(g, h));
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_turned_and_turned_back() {
        let rows: [[[u8; 8]; 2]; 8] = std::array::from_fn(|row| {
            [0, 1].map(|block: usize| {
                std::array::from_fn(|column| (64 * block + 8 * row + column) as u8)
            })
        });
        let columns = turn(rows);
        for (number, column) in columns.iter().enumerate() {
            for (place, value) in column.iter().enumerate() {
                assert_eq!(*value, rows[place % 8][place / 8][number]);
            }
        }
        assert_eq!(turn_back(&columns), rows);
    }
}
