//! The gradient of the weight: products over tiles of the transformed input and the transformed gradient, transformed back.

use std::ops::Range;

use super::frequencies::{Frequencies, ToFrequencies};
use super::tiling::{Tiling, for_pieces};
use super::transforms::weight_gradient_transform;
use super::{FREQUENCIES, SHARED_BYTES};
use crate::buffer::Buffer;
use crate::conv::weight_gradient::{Pixels, Tap, accumulate_into, sums_len};
use crate::parallel::{Shared, for_each};
use crate::simd::{Kernel, Level, Simd, dispatch_at};
use crate::{ConvShape, Precision};

/// The gradient of the weight.
pub(in crate::conv) fn backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let level = Level::current();
    let width = level.tile().1;
    let [from, to] = Tiling::sides(shape);
    let tiles = shape.batch * to.rows * to.columns;
    let (depth, columns) = (shape.channels_in, shape.channels_out);
    let tile_bytes = FREQUENCIES * (depth + columns) * 4;
    let together = (SHARED_BYTES / tile_bytes).clamp(1, tiles);
    let mut sums = Buffer::zeros(sums_len(level, FREQUENCIES, depth, columns));
    for first in (0..tiles).step_by(together) {
        let range = first..(first + together).min(tiles);
        let mut v = Frequencies::unspecified(range.len(), depth);
        let mut m = Frequencies::unspecified(range.len(), columns);
        let (v_frequency, m_frequency) = (v.distance, m.distance);
        let (shared_v, shared_m) = (Shared::new(&mut v.data), Shared::new(&mut m.data));
        for_pieces(range.clone(), |tiles| {
            let kernel = |x, tiling, gradient, out, frequency| ToFrequencies {
                x,
                tiling,
                tiles: tiles.clone(),
                gradient,
                out,
                frequency,
                first,
            };
            dispatch_at(level, kernel(x, from, false, shared_v, v_frequency));
            dispatch_at(level, kernel(dy, to, true, shared_m, m_frequency));
        });
        let taps = (0..FREQUENCIES).map(|frequency| Tap {
            rows: 0..1,
            columns: 0..range.len(),
            start: (frequency * v_frequency) as isize,
            dy_start: frequency * m_frequency,
        });
        let pixels = Pixels {
            x: &v.data,
            dy: &m.data,
            batch: 1,
            x_steps: [0, 0, depth],
            dy_steps: [0, 0, columns],
            depth,
            columns,
            taps: taps.collect(),
            separate_taps: true,
        };
        accumulate_into(level, Precision::F32, &pixels, &mut sums);
    }
    const PIECE: usize = 16;
    let (panels, pieces) = (columns.div_ceil(width), depth.div_ceil(PIECE));
    let shared = Shared::new(dw);
    for_each(panels * pieces, |part| {
        let (panel, piece) = (part / pieces, part % pieces);
        dispatch_at(
            level,
            WeightGradient {
                sums: &sums[panel * FREQUENCIES * depth * width..][..FREQUENCIES * depth * width],
                depth,
                rows: piece * PIECE..((piece + 1) * PIECE).min(depth),
                columns: panel * width..((panel + 1) * width).min(columns),
                out: shared,
            },
        );
    });
}

/// Transforms the sums of one panel, `[frequency][depth][tile columns]`, back to kernels.
struct WeightGradient<'a> {
    sums: &'a [f32],
    depth: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    /// `[columns][depth][9]`.
    out: Shared<f32>,
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const WIDEST: usize = 32;
        let width = S::COLS * S::LANES;
        assert_eq!(self.sums.len(), FREQUENCIES * self.depth * width);
        let mut taps = [[0.0f32; WIDEST]; 9];
        for k in self.rows.clone() {
            for c in 0..S::COLS {
                // SAFETY: row k of each frequency is inside the sums, whose length was checked; a panel is at most WIDEST wide.
                unsafe {
                    let from = self.sums.as_ptr().add(k * width + c * S::LANES);
                    let mut lines = [[s.zero(); 6]; 3];
                    for x in 0..6 {
                        let mut column = [s.zero(); 6];
                        for (y, u) in column.iter_mut().enumerate() {
                            *u = s.load(from.add((y * 6 + x) * self.depth * width));
                        }
                        for (line, g) in lines.iter_mut().zip(weight_gradient_transform(s, column))
                        {
                            line[x] = g;
                        }
                    }
                    for (y, line) in lines.into_iter().enumerate() {
                        for (x, g) in weight_gradient_transform(s, line).into_iter().enumerate() {
                            s.store(taps[y * 3 + x].as_mut_ptr().add(c * S::LANES), g);
                        }
                    }
                }
            }
            for (lane, column) in self.columns.clone().enumerate() {
                // SAFETY: the part's own kernel.
                let kernel = unsafe {
                    std::slice::from_raw_parts_mut(
                        self.out.get().add((column * self.depth + k) * 9),
                        9,
                    )
                };
                for (to, tap) in kernel.iter_mut().zip(&taps) {
                    *to = tap[lane];
                }
            }
        }
    }
}
