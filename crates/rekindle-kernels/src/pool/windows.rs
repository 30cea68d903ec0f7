//! Which pixels a window reads, and which windows read a pixel.

use std::ops::Range;

use super::PoolShape;
use super::walk::{Place, index};

/// The taps of a window that fall inside the input, and where the first does.
pub(super) struct Window {
    pub(super) taps: Range<usize>,
    pub(super) start: usize,
}

/// A tap that reads a pixel, and its window.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub(super) tap: usize,
    pub(super) out: usize,
}

/// The places that a window reads, as seen from the first channel.
pub(super) struct Taps {
    /// Rows and columns.
    pub(super) count: [usize; 2],
    /// The first tap's number.
    pub(super) first: usize,
    /// The first tap's place in the array.
    pub(super) start: usize,
    /// From row to row and from column to column.
    pub(super) step: [usize; 2],
}

impl PoolShape {
    fn size(&self, dim: usize) -> usize {
        [self.height, self.width][dim]
    }

    /// Where tap `tap` of window `out` reads, if inside the input.
    fn place(&self, dim: usize, out: usize, tap: usize) -> Option<usize> {
        let at =
            (out * self.stride[dim] + tap * self.dilation[dim]).checked_sub(self.padding[dim])?;
        (at < self.size(dim)).then_some(at)
    }

    /// The windows of one dimension (0 height, 1 width).
    pub(super) fn windows(&self, dim: usize) -> Vec<Window> {
        let window = |out| {
            let inside = |tap: &usize| self.place(dim, out, *tap).is_some();
            let first = (0..self.kernel[dim]).find(inside).unwrap_or(0);
            let taps = first..first + (first..self.kernel[dim]).take_while(inside).count();
            let start = self.place(dim, out, first).unwrap_or(0);
            Window { taps, start }
        };
        (0..self.out[dim]).map(window).collect()
    }

    /// For every pixel of one dimension, the taps that read it and their windows.
    pub(super) fn readers(&self, dim: usize) -> Vec<Vec<Reader>> {
        let mut readers = vec![Vec::new(); self.size(dim)];
        for out in 0..self.out[dim] {
            for tap in 0..self.kernel[dim] {
                if let Some(at) = self.place(dim, out, tap) {
                    readers[at].push(Reader { tap, out });
                }
            }
        }
        readers
    }

    /// One over the number of pixels in each window, `[out[0], out[1]]`; those of the padding are among them where it counts.
    pub(super) fn inverse_counts(&self) -> Vec<f32> {
        if self.counted {
            let inverse = 1.0 / (self.kernel[0] * self.kernel[1]) as f32;
            return vec![inverse; self.out[0] * self.out[1]];
        }
        let [rows, columns] = [self.windows(0), self.windows(1)];
        let pairs = rows
            .iter()
            .flat_map(|y| columns.iter().map(move |x| y.taps.len() * x.taps.len()));
        pairs.map(|count| 1.0 / count as f32).collect()
    }

    /// What the window at `place` of the output reads.
    #[inline(always)]
    pub(super) fn taps(&self, windows: &[&[Window]; 2], place: Place) -> Taps {
        let (rows, columns) = (&windows[0][place.y], &windows[1][place.x]);
        let start = Place {
            y: rows.start,
            x: columns.start,
            ..place
        };
        Taps {
            count: [rows.taps.len(), columns.taps.len()],
            first: rows.taps.start * self.kernel[1] + columns.taps.start,
            start: index(start, [self.height, self.width], self.channels),
            step: [
                self.dilation[0] * self.width * self.channels,
                self.dilation[1] * self.channels,
            ],
        }
    }
}
