//! The matrix products over tiles and channels, one per frequency.

use std::ops::Range;

use super::frequencies::{Frequencies, SharedFrequencies};
use super::weights::Weights;
use crate::conv::product::rows_times_panel;
use crate::simd::{Kernel, Simd};

/// Products of some frequencies: `m[f] = v[f] * u[f]`.
pub(super) struct Products<'a> {
    pub(super) v: &'a Frequencies,
    pub(super) weights: &'a Weights,
    pub(super) m: SharedFrequencies,
    pub(super) tiles: usize,
    pub(super) frequencies: Range<usize>,
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (depth, width) = (self.weights.depth, S::COLS * S::LANES);
        let panels = self.weights.columns.div_ceil(width);
        for frequency in self.frequencies.clone() {
            for panel in 0..panels {
                let packed = &self.weights.data[(frequency * panels + panel) * depth * width..]
                    [..depth * width];
                let mut tile = 0;
                while tile < self.tiles {
                    tile += match (S::ROWS, S::COLS, self.tiles - tile) {
                        (14, 2, 14..) => self.rows::<S, 14, 2>(s, frequency, panel, packed, tile),
                        (14, 2, 8..) => self.rows::<S, 8, 2>(s, frequency, panel, packed, tile),
                        (14, 2, 4..) => self.rows::<S, 4, 2>(s, frequency, panel, packed, tile),
                        (_, 2, 6..) => self.rows::<S, 6, 2>(s, frequency, panel, packed, tile),
                        (_, 2, 4..) => self.rows::<S, 4, 2>(s, frequency, panel, packed, tile),
                        (_, 2, 2..) => self.rows::<S, 2, 2>(s, frequency, panel, packed, tile),
                        (_, 2, _) => self.rows::<S, 1, 2>(s, frequency, panel, packed, tile),
                        (_, 4, 6..) => self.rows::<S, 6, 4>(s, frequency, panel, packed, tile),
                        (_, 4, _) => self.rows::<S, 1, 4>(s, frequency, panel, packed, tile),
                        (_, 1, 4..) => self.rows::<S, 4, 1>(s, frequency, panel, packed, tile),
                        (_, 1, _) => self.rows::<S, 1, 1>(s, frequency, panel, packed, tile),
                        _ => unreachable!("every instruction set's tile is listed"),
                    };
                }
            }
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const C: usize>(
        &self,
        s: S,
        frequency: usize,
        panel: usize,
        packed: &[f32],
        tile: usize,
    ) -> usize {
        let (depth, columns) = (self.weights.depth, self.weights.columns);
        let width = C * S::LANES;
        let v = &self.v.data[frequency * self.v.distance + tile * depth..][..R * depth];
        let mut rows = [v.as_ptr(); R];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = v[r * depth..].as_ptr();
        }
        let mut sums = [[s.zero(); C]; R];
        let channel = panel * width;
        let used = (columns - channel).min(width);
        // SAFETY: R rows of `depth` numbers, a packed panel, and R rows of `columns` numbers of `m` that belong to this part.
        unsafe {
            let panel = (packed.as_ptr(), width);
            rows_times_panel::<S, R, C>(s, &mut sums, &rows, depth, panel, None);
            let m = self
                .m
                .data
                .get()
                .add(frequency * self.m.distance + tile * columns + channel);
            for (r, sums) in sums.iter().enumerate() {
                for (c, &sum) in sums.iter().enumerate() {
                    let to = m.add(r * columns + c * S::LANES);
                    if used == width {
                        s.store(to, sum);
                    } else if used > c * S::LANES {
                        s.store_partial(to, sum, (used - c * S::LANES).min(S::LANES));
                    }
                }
            }
        }
        R
    }
}
