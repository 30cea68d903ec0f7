//! Weights transformed to frequencies and packed for the products.

use std::ops::Range;

use super::sizes::FREQUENCIES;
use super::transforms::weight_transform;
use crate::ConvShape;
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// Transformed weights, `[frequency][panel][depth][tile columns]`.
pub(in crate::conv) struct Weights {
    pub(super) data: Buffer,
    pub(super) depth: usize,
    pub(super) columns: usize,
    pub(super) level: Level,
}

impl Weights {
    /// For the forward pass.
    pub(in crate::conv) fn forward(level: Level, shape: &ConvShape, weight: &[f32]) -> Self {
        Self::new(
            level,
            shape.channels_in,
            shape.channels_out,
            weight,
            [shape.channels_in * 9, 9],
            false,
        )
    }

    /// For the gradient of the input: a convolution with the kernel turned by half and its channels swapped.
    pub(super) fn backward(level: Level, shape: &ConvShape, weight: &[f32]) -> Self {
        Self::new(
            level,
            shape.channels_out,
            shape.channels_in,
            weight,
            [9, shape.channels_in * 9],
            true,
        )
    }

    /// `steps`: numbers of `weight` from one column to the next, and from one row (depth) to the next.
    fn new(
        level: Level,
        depth: usize,
        columns: usize,
        weight: &[f32],
        steps: [usize; 2],
        turned: bool,
    ) -> Self {
        let width = level.tile().1;
        let panels = columns.div_ceil(width);
        let mut data = Buffer::unspecified(FREQUENCIES * panels * depth * width);
        let shared = Shared::new(&mut data);
        const PIECE: usize = 32;
        let pieces = depth.div_ceil(PIECE);
        for_each(panels * pieces, |part| {
            let (panel, piece) = (part / pieces, part % pieces);
            dispatch_at(
                level,
                TransformWeights {
                    weight,
                    steps,
                    turned,
                    depth: piece * PIECE..((piece + 1) * PIECE).min(depth),
                    columns: panel * width..((panel + 1) * width).min(columns),
                    out: shared,
                    place: panel * depth * width,
                    frequency: panels * depth * width,
                },
            );
        });
        Self {
            data,
            depth,
            columns,
            level,
        }
    }
}

struct TransformWeights<'a> {
    weight: &'a [f32],
    steps: [usize; 2],
    turned: bool,
    depth: Range<usize>,
    columns: Range<usize>,
    out: Shared<f32>,
    /// Where the panel starts, and the distance of frequencies.
    place: usize,
    frequency: usize,
}

impl Kernel for TransformWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const WIDEST: usize = 32;
        let width = S::COLS * S::LANES;
        let mut taps = [[0.0f32; WIDEST]; 9];
        for k in self.depth.clone() {
            for (lane, column) in self.columns.clone().enumerate() {
                let from = column * self.steps[0] + k * self.steps[1];
                let kernel = &self.weight[from..from + 9];
                for (tap, &value) in kernel.iter().enumerate() {
                    taps[if self.turned { 8 - tap } else { tap }][lane] = value;
                }
            }
            for c in 0..S::COLS {
                // SAFETY: WIDEST is at least the panel's width; the panel's row k belongs to this part.
                unsafe {
                    let mut g = [s.zero(); 9];
                    for (g, tap) in g.iter_mut().zip(&taps) {
                        *g = s.load(tap.as_ptr().add(c * S::LANES));
                    }
                    let mut columns = [[s.zero(); 3]; 6];
                    for x in 0..3 {
                        let t = weight_transform(s, [g[x], g[3 + x], g[6 + x]]);
                        for y in 0..6 {
                            columns[y][x] = t[y];
                        }
                    }
                    for (y, column) in columns.into_iter().enumerate() {
                        for (x, u) in weight_transform(s, column).into_iter().enumerate() {
                            let at = (y * 6 + x) * self.frequency
                                + self.place
                                + k * width
                                + c * S::LANES;
                            s.store(self.out.get().add(at), u);
                        }
                    }
                }
            }
        }
    }
}
