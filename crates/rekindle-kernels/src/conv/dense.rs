//! Dense and grouped convolution as one matrix product over the whole batch, its left factor read from the images in place
//! (implicit GEMM; the indirection is that of Dukhan 2019, "The Indirect Convolution Algorithm").

use std::ops::Range;

use super::Epilogue;
#[cfg(target_arch = "x86_64")]
use super::bf16;
use super::gather::Gather;
use super::product::{Finish, rows_times_panel, store};
use crate::buffer::{Buffer, streams};
use crate::parallel::{Shared, for_each};
use crate::precision::pair;
#[cfg(target_arch = "x86_64")]
use crate::simd::dispatch_pairs;
use crate::simd::{Kernel, Level, Simd, dispatch_at};
use crate::{Activation, ConvShape, Precision};

/// Right factors, packed for the tile of one instruction set: `[panel][segment][depth][tile columns]`, zeros behind the last column.
/// In `bf16` the depth counts pairs, each in the place of one `f32`.
pub(super) struct Panels {
    data: Buffer,
    columns: usize,
    level: Level,
    precision: Precision,
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
        let packed_depth = match precision {
            Precision::F32 => depth,
            Precision::Bf16 => depth.div_ceil(2),
        };
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
                            pair_rows(&scratch[..count * width], width, to);
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

    /// The weights for the forward pass over joined rows: each row of the kernel is one segment.
    pub(super) fn joined(level: Level, shape: &ConvShape, weight: &[f32]) -> Self {
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
        Self::pack(level, precision(shape), &layout, &ordered)
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

/// Rounds each two rows to one of pairs.
fn pair_rows(rows: &[f32], width: usize, to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if width == bf16::WIDTH {
        return dispatch_pairs(bf16::PairRows { rows, to });
    }
    for (rows, to) in rows.chunks_exact(2 * width).zip(to.chunks_exact_mut(width)) {
        let (first, second) = rows.split_at(width);
        for ((to, first), second) in to.iter_mut().zip(first).zip(second) {
            *to = pair(*first, *second);
        }
    }
}

/// In which precision the products of a shape are computed: rounding the images' pixels costs more than it gains where they meet few
/// weights.
pub(super) fn precision(shape: &ConvShape) -> Precision {
    let taps = shape.kernel[0] * shape.kernel[1];
    chosen(shape, shape.channels_in / shape.groups * taps)
}

/// The same for the gradient of the weight, which rounds the pixels anew for each tap.
pub(super) fn weight_gradient_precision(shape: &ConvShape) -> Precision {
    chosen(shape, shape.channels_in / shape.groups)
}

fn chosen(shape: &ConvShape, depth: usize) -> Precision {
    let columns = shape.channels_out / shape.groups;
    if depth >= 16 && columns >= 24 && shape.precision.is_available() {
        shape.precision
    } else {
        Precision::F32
    }
}

/// `out = activation(convolution + bias + residual)`.
pub(super) fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let level = Level::current();
    if joins_rows(shape) {
        return forward_joined(
            shape,
            x,
            &Panels::joined(level, shape, weight),
            epilogue,
            out,
        );
    }
    let panels: Vec<_> = (0..shape.groups)
        .map(|group| Panels::forward(level, shape, group, weight))
        .collect();
    forward_with(shape, x, &panels, epilogue, out);
}

/// The same with each group's panels.
pub(super) fn forward_with(
    shape: &ConvShape,
    x: &[f32],
    panels: &[Panels],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    for (group, panels) in panels.iter().enumerate() {
        multiply(&Gather::forward(shape, group), x, panels, epilogue, out);
    }
}

/// The same with panels over [joined rows](joins_rows).
pub(super) fn forward_joined(
    shape: &ConvShape,
    x: &[f32],
    panels: &Panels,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let (padded, gather) = join_rows(shape, x);
    multiply(&gather, &padded, panels, epilogue, out);
}

/// Whether the taps of a kernel row are joined into one segment: with few channels (an image's three) a tap alone is too short.
pub(super) fn joins_rows(shape: &ConvShape) -> bool {
    shape.groups == 1 && shape.channels_in < 8 && shape.kernel[1] > 1 && shape.dilation[1] == 1
}

/// The padded input, in which the pixels under a kernel row lie side by side, and the product over it.
pub(super) fn join_rows(shape: &ConvShape, x: &[f32]) -> (Buffer, Gather) {
    let [[top, bottom], [left, right]] = shape.padding;
    let (height, width) = (shape.height + top + bottom, shape.width + left + right);
    let channels = shape.channels_in;
    let row = width * channels;
    let mut padded = Buffer::unspecified(shape.batch * height * row);
    let shared = Shared::new(&mut padded);
    for_each(shape.batch, |image| {
        // SAFETY: each part writes its own image.
        let padded = unsafe {
            std::slice::from_raw_parts_mut(shared.get().add(image * height * row), height * row)
        };
        for (y, padded) in padded.chunks_exact_mut(row).enumerate() {
            if y < top || y >= top + shape.height {
                padded.fill(0.0);
                continue;
            }
            let from = (image * shape.height + y - top) * shape.width * channels;
            let (before, rest) = padded.split_at_mut(left * channels);
            let (inside, after) = rest.split_at_mut(shape.width * channels);
            before.fill(0.0);
            inside.copy_from_slice(&x[from..from + inside.len()]);
            after.fill(0.0);
        }
    });
    let padding = [[0; 2]; 2];
    let mut gather = Gather::forward(
        &ConvShape {
            height,
            width,
            padding,
            ..*shape
        },
        0,
    );
    let rows = (0..shape.kernel[0]).map(|ky| [(ky * shape.dilation[0]) as isize, 0]);
    gather.segments = rows.collect();
    gather.depth = shape.kernel[1] * channels;
    (padded, gather)
}

/// The gradient of the input.
pub(super) fn backward_input(shape: &ConvShape, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    let level = Level::current();
    for group in 0..shape.groups {
        for gather in Gather::backward(shape, group) {
            let panels = Panels::backward(level, shape, group, weight, &gather);
            multiply(&gather, dy, &panels, Epilogue::default(), dx);
        }
    }
}

/// Tiles of rows in one part at most: their rows of the left factor stay in the second-level cache while the panels pass.
const LEFT_BYTES: usize = 448 << 10;

/// Computes every point of `gather` and stores it in `out`.
pub(super) fn multiply(
    gather: &Gather,
    source: &[f32],
    panels: &Panels,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let (tile_rows, width) = panels.level.tile();
    let tiles = gather.points().div_ceil(tile_rows);
    let panel_count = panels.columns.div_ceil(width);
    // A segment overlaps with its neighbours, so that the pixels of a tile count once.
    let number_bytes = match panels.precision {
        Precision::F32 => 4,
        Precision::Bf16 => 2,
    };
    let tile_bytes = tile_rows * gather.depth * gather.step[0] * gather.step[1] * number_bytes;
    let block = (LEFT_BYTES / tile_bytes).clamp(1, 64).min(tiles);
    let blocks = tiles.div_ceil(block);
    // Few rows: the panels are split too.
    let panels_at_once = if blocks >= 16 {
        panel_count
    } else {
        panel_count.div_ceil(16usize.div_ceil(blocks))
    };
    let splits = panel_count.div_ceil(panels_at_once);
    let zeros = Buffer::zeros(gather.depth);
    let stream = streams(out)
        && gather.to.iter().all(|step| step.is_multiple_of(16))
        && gather.to_start.is_multiple_of(16);
    let finish = Finish::new(epilogue, gather.to_start_channel(), stream);
    let shared = Shared::new(out);
    for_each(blocks * splits, |part| {
        let (part_block, split) = (part / splits, part % splits);
        let tiles = part_block * block..((part_block + 1) * block).min(tiles);
        let panel_range = split * panels_at_once..((split + 1) * panels_at_once).min(panel_count);
        #[cfg(target_arch = "x86_64")]
        if panels.precision == Precision::Bf16 {
            return dispatch_pairs(bf16::Multiply {
                gather,
                source,
                panels: &panels.data,
                columns: panels.columns,
                out: shared,
                finish,
                tiles,
                panel_range,
            });
        }
        dispatch_at(
            panels.level,
            Multiply {
                gather,
                source,
                zeros: &zeros,
                panels,
                out: shared,
                finish,
                tiles,
                columns: panel_range,
            },
        );
    });
}

impl Gather {
    /// The channel of the destination at which this group starts.
    fn to_start_channel(&self) -> usize {
        self.to_start % self.to[2]
    }
}

/// One part: some tiles of rows times some panels.
struct Multiply<'a> {
    gather: &'a Gather,
    source: &'a [f32],
    zeros: &'a [f32],
    panels: &'a Panels,
    out: Shared<f32>,
    finish: Finish,
    tiles: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match (S::ROWS, S::COLS) {
            (14, 2) => self.tiles::<S, 14, 2>(s),
            (6, 4) => self.tiles::<S, 6, 4>(s),
            (6, 2) => self.tiles::<S, 6, 2>(s),
            (4, 1) => self.tiles::<S, 4, 1>(s),
            _ => unreachable!("every instruction set's tile is listed"),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const C: usize>(self, s: S) {
        let gather = self.gather;
        let (depth, segments) = (gather.depth, gather.segments.len());
        let points = gather.points();
        let count = self.tiles.len();
        // Of each tile: where its rows go, and where each segment of each row comes from.
        let mut places = vec![[0usize; R]; count];
        let mut rows = vec![[self.zeros.as_ptr(); R]; count * segments];
        for (at, tile) in self.tiles.clone().enumerate() {
            for r in 0..R {
                // Rows behind the last repeat it and are not stored.
                let point = gather.point((tile * R + r).min(points - 1));
                places[at][r] = gather.place(point);
                for (segment, &offset) in gather.segments.iter().enumerate() {
                    if let Some(from) = gather.from(point, offset) {
                        rows[at * segments + segment][r] = self.source[from..from + depth].as_ptr();
                    }
                }
            }
        }
        let width = C * S::LANES;
        let panel_size = segments * depth * width;
        for panel in self.columns.clone() {
            let packed = &self.panels.data[panel * panel_size..][..panel_size];
            let channel = panel * width;
            let columns = (self.panels.columns - channel).min(width);
            for (at, tile) in self.tiles.clone().enumerate() {
                let used = (points - tile * R).min(R);
                let (places, rows) = (
                    &places[at][..used],
                    &rows[at * segments..(at + 1) * segments],
                );
                // A last panel that fills one register at most is computed with one.
                if C > 1 && columns <= S::LANES {
                    self.tile::<S, R, 1>(s, packed, width, places, rows, channel, columns);
                } else {
                    self.tile::<S, R, C>(s, packed, width, places, rows, channel, columns);
                }
            }
        }
        if self.finish.stream {
            s.fence();
        }
    }

    #[inline(always)]
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of the loop above, cut out for its second width"
    )]
    fn tile<S: Simd, const R: usize, const C: usize>(
        &self,
        s: S,
        packed: &[f32],
        width: usize,
        places: &[usize],
        rows: &[[*const f32; R]],
        channel: usize,
        columns: usize,
    ) {
        let depth = self.gather.depth;
        let mut sums = [[s.zero(); C]; R];
        for (segment, rows) in rows.iter().enumerate() {
            let b = packed[segment * depth * width..][..depth * width].as_ptr();
            // SAFETY: every row was taken from a slice of `depth` numbers; the packed panel has `depth * width` from here.
            unsafe { rows_times_panel::<S, R, C>(s, &mut sums, rows, depth, b, width) };
        }
        let finish = self.finish;
        let out = self.out.get();
        macro_rules! finish_as {
            ($activation:expr) => {
                // SAFETY: the places are distinct points of the grid, each `columns` numbers wide from `channel`; no other part has
                // this pair of tile and panel.
                unsafe {
                    store::<S, R, C>(s, &sums, out, places, channel, columns, Finish { activation: $activation, ..finish })
                }
            };
        }
        // Told apart here, so that each loop is compiled for one.
        match finish.activation {
            Activation::Identity => finish_as!(Activation::Identity),
            Activation::Relu => finish_as!(Activation::Relu),
            Activation::Relu6 => finish_as!(Activation::Relu6),
            Activation::HardSwish => finish_as!(Activation::HardSwish),
            other => finish_as!(other),
        }
    }
}
