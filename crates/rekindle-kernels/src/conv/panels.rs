//! Right factors of the products: weights packed for the tile of an instruction set, and in which precision they are.

use std::ops::Range;

use super::gather::Gather;
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::{Kernel, Level, Simd, dispatch_pairs};
use crate::{ConvShape, Precision};

/// Right factors, packed for the tile of one instruction set: `[panel][segment][depth][tile columns]`, zeros behind the last column.
/// In `bf16` the depth counts pairs, each in the place of one `f32`.
pub(super) struct Panels {
    pub data: Buffer,
    pub columns: usize,
    pub level: Level,
    pub precision: Precision,
}

/// Where the numbers of a right factor lie in the weight: (segment, depth index, column) at
/// `starts[segment] + k * per_depth + column * per_column`.
struct Layout {
    starts: Vec<usize>,
    depth: usize,
    columns: usize,
    per_depth: usize,
    per_column: usize,
}

/// Rows of a panel that are gathered at a time: they stay in the first-level cache while columns are written one by one.
const PACKED_ROWS: usize = 64;

impl Layout {
    /// Numbers of `rows` of a segment, for `columns`, to `to`, `[rows][width]` with zeros behind the last column.
    fn gather(
        &self,
        weight: &[f32],
        segment: usize,
        rows: Range<usize>,
        columns: Range<usize>,
        width: usize,
        to: &mut [f32],
    ) {
        let start = self.starts[segment] + rows.start * self.per_depth;
        let count = columns.len();
        if self.per_column == 1 {
            for (row, to) in to.chunks_exact_mut(width).take(rows.len()).enumerate() {
                let from = start + row * self.per_depth + columns.start;
                to[..count].copy_from_slice(&weight[from..from + count]);
                to[count..].fill(0.0);
            }
            return;
        }
        if count < width {
            to[..rows.len() * width].fill(0.0);
        }
        for (at, column) in columns.enumerate() {
            let from = weight[start + column * self.per_column..].iter();
            let to = to[..rows.len() * width].iter_mut().skip(at);
            let from = from.step_by(self.per_depth);
            for (to, from) in to.step_by(width).zip(from) {
                *to = *from;
            }
        }
    }
}

impl Panels {
    fn pack(level: Level, precision: Precision, layout: &Layout, weight: &[f32]) -> Self {
        let Layout { depth, columns, .. } = *layout;
        let segments = layout.starts.len();
        let width = level.tile().1;
        let panels = columns.div_ceil(width);
        let packed_depth = precision.places(depth);
        let size = segments * packed_depth * width;
        let mut data = Buffer::unspecified(panels * size);
        let shared = Shared::new(&mut data);
        for_each(panels, |panel| {
            // SAFETY: each part writes its own panel.
            let packed =
                unsafe { std::slice::from_raw_parts_mut(shared.get().add(panel * size), size) };
            let of_panel = panel * width..((panel + 1) * width).min(columns);
            let mut scratch = match precision {
                Precision::F32 => Buffer::unspecified(0),
                Precision::Bf16 => Buffer::unspecified(PACKED_ROWS * width),
            };
            for segment in 0..segments {
                let packed = &mut packed[segment * packed_depth * width..][..packed_depth * width];
                for first in (0..depth).step_by(PACKED_ROWS) {
                    let rows = first..(first + PACKED_ROWS).min(depth);
                    let columns = of_panel.clone();
                    match precision {
                        Precision::F32 => {
                            let to = &mut packed[first * width..rows.end * width];
                            layout.gather(weight, segment, rows, columns, width, to);
                        }
                        Precision::Bf16 => {
                            let count = rows.len().next_multiple_of(2);
                            // An odd depth ends with a row of zeros.
                            scratch[rows.len() * width..count * width].fill(0.0);
                            layout.gather(weight, segment, rows, columns, width, &mut scratch);
                            let to = &mut packed[first / 2 * width..][..count / 2 * width];
                            let rows = &scratch[..count * width];
                            dispatch_pairs(PairRows { rows, width, to });
                        }
                    }
                }
            }
        });
        Self {
            data,
            columns,
            level,
            precision,
        }
    }

    /// Whether they were packed for this shape's precision.
    pub(super) fn fit(&self, shape: &ConvShape) -> bool {
        self.precision == precision(shape)
    }

    /// The weights of one group for the forward pass.
    pub(super) fn forward(level: Level, shape: &ConvShape, group: usize, weight: &[f32]) -> Self {
        let taps = shape.kernel[0] * shape.kernel[1];
        let depth = shape.channels_in / shape.groups;
        let columns = shape.channels_out / shape.groups;
        let first = group * columns * depth * taps;
        let layout = Layout {
            starts: (first..first + taps).collect(),
            depth,
            columns,
            per_depth: taps,
            per_column: depth * taps,
        };
        Self::pack(level, precision(shape), &layout, weight)
    }

    /// The weights of a [stem](super::stem), in `f32`: each row of the kernel is one segment.
    pub(super) fn by_rows(level: Level, shape: &ConvShape, weight: &[f32]) -> Self {
        let [kernel_height, kernel_width] = shape.kernel;
        let channels = shape.channels_in;
        let row = kernel_width * channels;
        // In the order of the segments, a row after the other: these weights are few.
        let mut ordered = Vec::with_capacity(weight.len());
        for weight in weight.chunks_exact(channels * kernel_height * kernel_width) {
            for ky in 0..kernel_height {
                for kx in 0..kernel_width {
                    let taps = weight.chunks_exact(kernel_height * kernel_width);
                    ordered.extend(taps.map(|taps| taps[ky * kernel_width + kx]));
                }
            }
        }
        let layout = Layout {
            starts: (0..kernel_height).map(|ky| ky * row).collect(),
            depth: row,
            columns: shape.channels_out,
            per_depth: 1,
            per_column: kernel_height * row,
        };
        Self::pack(level, Precision::F32, &layout, &ordered)
    }

    /// The weights of one group for the gradient of the input, of the taps that `gather` names.
    pub(super) fn backward(
        level: Level,
        shape: &ConvShape,
        group: usize,
        weight: &[f32],
        gather: &Gather,
    ) -> Self {
        let taps = shape.kernel[0] * shape.kernel[1];
        let columns = shape.channels_in / shape.groups;
        let depth = shape.channels_out / shape.groups;
        let first = group * depth * columns * taps;
        let layout = Layout {
            starts: gather.taps.iter().map(|tap| first + tap).collect(),
            depth,
            columns,
            per_depth: columns * taps,
            per_column: taps,
        };
        Self::pack(level, precision(shape), &layout, weight)
    }
}

/// Rounds each two rows of `width` numbers, whole registers of them, to one of pairs.
struct PairRows<'a> {
    rows: &'a [f32],
    width: usize,
    to: &'a mut [f32],
}

impl Kernel for PairRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.width;
        assert!(width.is_multiple_of(S::LANES));
        let rows = self.rows.chunks_exact(2 * width);
        for (rows, to) in rows.zip(self.to.chunks_exact_mut(width)) {
            for at in (0..width).step_by(S::LANES) {
                // SAFETY: both rows and the place of the pairs have `width` numbers.
                unsafe {
                    let first = s.load(rows.as_ptr().add(at));
                    let second = s.load(rows.as_ptr().add(width + at));
                    s.store(to.as_mut_ptr().add(at), s.pair(first, second));
                }
            }
        }
    }
}

/// In which precision the products of a shape are computed: rounding the images' pixels costs more than it gains where they meet few
/// weights (measured).
pub(super) fn precision(shape: &ConvShape) -> Precision {
    let taps = shape.kernel[0] * shape.kernel[1];
    chosen(shape, shape.channels_in / shape.groups * taps, 24)
}

/// The same for the gradient of the weight, which rounds the pixels anew for each tap.
pub(super) fn weight_gradient_precision(shape: &ConvShape) -> Precision {
    chosen(shape, shape.channels_in / shape.groups, 40)
}

fn chosen(shape: &ConvShape, depth: usize, least: usize) -> Precision {
    let columns = shape.channels_out / shape.groups;
    if depth >= least && columns >= least && shape.precision.is_available() {
        shape.precision
    } else {
        Precision::F32
    }
}
