//! The matrix products of dense convolutions with factors rounded to `bf16`: pairs of neighbours along the product's depth are
//! multiplied at once and summed in `f32`.
//!
//! Images stay `f32` in memory; each part rounds the pixels that it needs into scratch that the caches hold.

use std::ops::Range;

use super::gather::Gather;
use super::multiply::order;
use super::product::{Finish, join_moments, store};
use crate::buffer::Buffer;
use crate::parallel::Shared;
use crate::simd::{Avx512, Avx512Bf16, PairKernel, Simd};

const ROWS: usize = Avx512::ROWS;
const COLUMNS: usize = Avx512::COLS;

/// Columns of a panel.
pub(super) const WIDTH: usize = COLUMNS * Avx512::LANES;

/// Rounds each two rows of [`WIDTH`] numbers to one of pairs.
pub(super) struct PairRows<'a> {
    pub rows: &'a [f32],
    pub to: &'a mut [f32],
}

impl PairKernel for PairRows<'_> {
    #[inline(always)]
    fn run(self, s: Avx512Bf16) {
        let plain = s.plain();
        let rows = self.rows.chunks_exact(2 * WIDTH);
        for (rows, to) in rows.zip(self.to.chunks_exact_mut(WIDTH)) {
            for at in (0..WIDTH).step_by(Avx512::LANES) {
                // SAFETY: both rows and the place of the pairs have WIDTH numbers.
                unsafe {
                    let first = plain.load(rows.as_ptr().add(at));
                    let second = plain.load(rows.as_ptr().add(WIDTH + at));
                    s.store(to.as_mut_ptr().add(at).cast(), s.pair(first, second));
                }
            }
        }
    }
}

/// One part of a product: some tiles of rows times some panels.
pub(super) struct Multiply<'a> {
    pub gather: &'a Gather,
    pub source: &'a [f32],
    /// `[panel][segment][pairs of the depth][WIDTH]` pairs.
    pub panels: &'a [f32],
    /// Columns of all panels.
    pub columns: usize,
    pub out: Shared<f32>,
    pub finish: Finish,
    pub tiles: Range<usize>,
    pub panel_range: Range<usize>,
    /// The [`ColumnMoments`](super::multiply::ColumnMoments) of the block, if wanted.
    pub moments: Option<Shared<f32>>,
}

impl PairKernel for Multiply<'_> {
    #[inline(always)]
    fn run(self, s: Avx512Bf16) {
        let gather = self.gather;
        let (depth, segments) = (gather.depth, gather.segments.len());
        let pairs = depth.div_ceil(2);
        let points = gather.points();
        let count = self.tiles.len();
        let mut places = vec![[0usize; ROWS]; count];
        // Where each segment of each row starts in the source.
        let mut from = vec![[None; ROWS]; count * segments];
        let mut walk = gather.points_from(self.tiles.start * ROWS);
        let mut point = [0; 3];
        for (at, tile) in self.tiles.clone().enumerate() {
            for r in 0..ROWS {
                // Rows behind the last repeat it and are not stored.
                if tile * ROWS + r < points {
                    point = walk.step();
                }
                places[at][r] = gather.place(point);
                for (segment, &offset) in gather.segments.iter().enumerate() {
                    from[at * segments + segment][r] = gather.from(point, offset);
                }
            }
        }
        let scratch = Rounded::new(s, self.source, depth, segments, &mut from);
        let base = scratch.as_ptr();
        let panel_size = segments * pairs * WIDTH;
        for (at, panel) in order(self.panel_range.clone(), panel_size, count) {
            let packed = &self.panels[panel * panel_size..][..panel_size];
            let channel = panel * WIDTH;
            let columns = (self.columns - channel).min(WIDTH);
            let used = (points - (self.tiles.start + at) * ROWS).min(ROWS);
            let places = &places[at][..used];
            let rows = &from[at * segments..(at + 1) * segments];
            if columns <= Avx512::LANES {
                self.tile::<1>(s, packed, base, places, rows, (channel, columns), at * ROWS);
            } else {
                self.tile::<COLUMNS>(s, packed, base, places, rows, (channel, columns), at * ROWS);
            }
        }
        if self.finish.stream {
            s.plain().fence();
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of the loop above, cut out for its second width"
    )]
    fn tile<const C: usize>(
        &self,
        s: Avx512Bf16,
        packed: &[f32],
        base: *const u16,
        places: &[usize],
        rows: &[[Option<usize>; ROWS]],
        (channel, columns): (usize, usize),
        before: usize,
    ) {
        let plain = s.plain();
        let pairs = self.gather.depth.div_ceil(2);
        let mut sums = [[plain.zero(); C]; ROWS];
        for (segment, rows) in rows.iter().enumerate() {
            let mut b = packed[segment * pairs * WIDTH..][..pairs * WIDTH]
                .as_ptr()
                .cast::<u32>();
            // Every row has a place in the scratch by now.
            let rows: [*const u16; ROWS] =
                std::array::from_fn(|r| base.wrapping_add(rows[r].unwrap_or(0)));
            for k in 0..pairs {
                // SAFETY: the packed panel has `pairs * WIDTH` pairs from its start, the scratch `pairs` pairs from each row's.
                unsafe {
                    let panel: [_; C] = std::array::from_fn(|c| s.load(b.add(c * Avx512::LANES)));
                    for (sums, row) in sums.iter_mut().zip(rows) {
                        let a = s.splat(row.add(2 * k).cast::<u32>().read_unaligned());
                        for (sum, panel) in sums.iter_mut().zip(panel) {
                            *sum = s.dot(a, panel, *sum);
                        }
                    }
                    b = b.add(WIDTH);
                }
            }
        }
        if let Some(all) = self.moments {
            // SAFETY: two rows of each panel; a panel's tiles come in order.
            unsafe {
                let to = all.get().add(2 * channel);
                join_moments::<Avx512, ROWS, C>(plain, &sums, places.len(), to, WIDTH, before);
            }
        }
        // SAFETY: the places are distinct points of the grid, each `columns` numbers wide from `channel`; no other part has this pair of
        // tile and panel.
        unsafe {
            store::<Avx512, ROWS, C>(
                plain,
                &sums,
                self.out.get(),
                places,
                channel,
                columns,
                self.finish,
            )
        }
    }
}

/// Rounded pixels; the starts of the rows are rewritten to places in here.
struct Rounded(Buffer);

impl Rounded {
    #[inline(always)]
    fn new(
        s: Avx512Bf16,
        source: &[f32],
        depth: usize,
        segments: usize,
        from: &mut [[Option<usize>; ROWS]],
    ) -> Self {
        // One number more where the depth is odd: the last pair's second, whose weight is zero.
        let row = depth.next_multiple_of(2);
        let (numbers, first) = if segments == 1 {
            (from.len() * ROWS * row, 0)
        } else {
            let starts = || from.iter().flatten().flatten();
            let first = starts().min().copied().unwrap_or(0);
            let last = starts().max().map_or(first, |last| last + depth);
            ((last - first).next_multiple_of(2) + 2, first)
        };
        let zeros = numbers;
        let mut buffer = Buffer::unspecified((numbers + row) / 2);
        // SAFETY: the buffer holds so many 16-bit numbers; it is not read as anything else.
        let to = unsafe {
            std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<u16>(), numbers + row)
        };
        to[zeros..].fill(0);
        if segments == 1 {
            for (start, to) in from.iter_mut().flatten().zip(to.chunks_exact_mut(row)) {
                let Some(at) = *start else { continue };
                s.round(&source[at..at + depth], &mut to[..depth]);
                to[depth..].fill(0);
            }
            for (at, start) in from.iter_mut().flatten().enumerate() {
                *start = Some(if start.is_some() { at * row } else { zeros });
            }
        } else {
            let used = (numbers - 2).min(source.len() - first);
            s.round(&source[first..first + used], &mut to[..used]);
            to[used..numbers].fill(0);
            for start in from.iter_mut().flatten() {
                *start = Some(start.map_or(zeros, |start| start - first));
            }
        }
        Self(buffer)
    }

    fn as_ptr(&self) -> *const u16 {
        self.0.as_ptr().cast()
    }
}
