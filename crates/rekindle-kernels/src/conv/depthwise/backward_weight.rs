//! The gradient of the weight: per block of channels the taps' sums stay in registers over a tile of pixels.
//!
//! The rows of the output are cut into chunks and the channels into spans, both by the shape alone; each pair sums into its own part of
//! a scratch buffer, and the chunks' parts are added in order, so the result does not depend on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::ahead::{Ahead, Cursor};
use super::correlation::load;
use super::packed::{GROUP, row_below, unroll};
use super::tiles::{Line, Tile, cut, is_wide};
use crate::ConvShape;
use crate::simd::{Kernel, Level, Simd, dispatch_at, dispatch_specialised};

/// As [`conv_backward_weight`](crate::conv_backward_weight) for a shape that [is depthwise](ConvShape::is_depthwise).
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let level = Level::current();
    let plan = Plan::new(shape);
    let tiles = tiles(level, shape);
    let mut sums = vec![0.0; plan.chunks * plan.chunk_len()];
    let work = |chunk: usize, span: usize, sums: &mut [f32]| {
        let start = chunk * plan.rows;
        let rows = [
            start,
            (start + plan.rows).min(shape.batch * shape.out_height()),
        ];
        let from = span * plan.span * GROUP;
        let channels = [from, (from + plan.span * GROUP).min(shape.channels_in)];
        accumulate(
            level,
            Job {
                shape,
                whole: shape,
                x,
                upcoming: x,
                lead: 0,
                dy,
                tiles: &tiles,
                rows,
                channels,
                sums: sums.as_mut_ptr(),
            },
            sums.len(),
        );
    };
    if plan.chunks * plan.spans == 1 {
        work(0, 0, &mut sums);
    } else {
        sums.par_chunks_mut(plan.chunk_len())
            .enumerate()
            .for_each(|(chunk, sums)| {
                sums.par_chunks_mut(plan.span * plan.taps * GROUP)
                    .enumerate()
                    .for_each(|(span, sums)| work(chunk, span, sums));
            });
    }
    combine(&plan, &sums, dw);
}

/// A row of the output in tiles.
fn tiles(level: Level, shape: &ConvShape) -> Vec<Tile> {
    let line = Line {
        size: shape.width,
        outputs: shape.out_width(),
        kernel: shape.kernel[1],
        stride: shape.stride[1],
        dilation: shape.dilation[1],
        origin: -(shape.padding[1][0] as isize),
    };
    cut(&line, if is_wide(level) { 8 } else { 4 })
}

/// The gradient of the weight, image by image.
pub(super) struct ByImages {
    level: Level,
    shape: ConvShape,
    /// The shape of one image.
    image: ConvShape,
    /// Whose chunks are the images.
    plan: Plan,
    tiles: Vec<Tile>,
}

impl ByImages {
    pub(super) fn new(level: Level, shape: &ConvShape) -> Self {
        /// Sums of a span, which stay in the first-level cache.
        const SUMS: usize = 4 << 10;
        let taps = shape.kernel[0] * shape.kernel[1];
        let groups = shape.channels_in.div_ceil(GROUP);
        let span = (SUMS / (taps * GROUP)).clamp(1, groups);
        let plan = Plan {
            taps,
            groups,
            chunks: shape.batch,
            rows: shape.out_height(),
            spans: groups.div_ceil(span),
            span,
        };
        Self {
            level,
            shape: *shape,
            image: ConvShape { batch: 1, ..*shape },
            tiles: tiles(level, shape),
            plan,
        }
    }

    /// Numbers in the sums of an image.
    pub(super) fn sums_len(&self) -> usize {
        self.plan.chunk_len()
    }

    /// Adds some rows of an image's output to its sums, on this thread. `upcoming` is the image that the rows after these come from.
    pub(super) fn add(
        &self,
        [x, upcoming]: [&[f32]; 2],
        dy: &[f32],
        rows: Range<usize>,
        sums: &mut [f32],
    ) {
        let plan = &self.plan;
        let spans = sums.chunks_mut(plan.span * plan.taps * GROUP);
        for (span, sums) in spans.enumerate() {
            let from = span * plan.span * GROUP;
            let job = Job {
                shape: &self.image,
                whole: &self.shape,
                x,
                upcoming,
                lead: rows.len() - 1,
                dy,
                tiles: &self.tiles,
                rows: [rows.start, rows.end],
                channels: [from, (from + plan.span * GROUP).min(self.shape.channels_in)],
                sums: sums.as_mut_ptr(),
            };
            accumulate(self.level, job, sums.len());
        }
    }

    /// The gradient from the sums of all images, one after the other.
    pub(super) fn finish(&self, sums: &[f32], dw: &mut [f32]) {
        combine(&self.plan, sums, dw);
    }
}

/// How the work is cut.
struct Plan {
    taps: usize,
    /// Groups of channels.
    groups: usize,
    /// Chunks of rows, and rows in each.
    chunks: usize,
    rows: usize,
    /// Spans of channels, and groups in each.
    spans: usize,
    span: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        /// Pixels over which the taps' sums are worth a part of the scratch buffer.
        const PIXELS: usize = 256;
        /// Work items that keep many threads busy, and multiply-adds that are worth one.
        const ITEMS: usize = 64;
        const WORK: usize = 1 << 18;
        let all_rows = shape.batch * shape.out_height();
        let taps = shape.kernel[0] * shape.kernel[1];
        let groups = shape.channels_in.div_ceil(GROUP);
        let rows = PIXELS
            .div_ceil(shape.out_width())
            .max(all_rows.div_ceil(ITEMS))
            .min(all_rows);
        let chunks = all_rows.div_ceil(rows);
        let group_work = rows * shape.out_width() * taps * GROUP;
        let span = groups
            .div_ceil(ITEMS.div_ceil(chunks))
            .max(WORK.div_ceil(group_work))
            .min(groups);
        Self {
            taps,
            groups,
            chunks,
            rows,
            spans: groups.div_ceil(span),
            span,
        }
    }

    fn chunk_len(&self) -> usize {
        self.groups * self.taps * GROUP
    }
}

/// Adds the chunks' sums in order, and brings them into the weight's order.
fn combine(plan: &Plan, sums: &[f32], dw: &mut [f32]) {
    let group_len = plan.taps * GROUP;
    let mut total = vec![0.0; group_len];
    for (group, dw) in dw.chunks_mut(group_len).enumerate() {
        total.fill(0.0);
        for chunk in sums.chunks_exact(plan.chunk_len()) {
            for (total, part) in total.iter_mut().zip(&chunk[group * group_len..]) {
                *total += part;
            }
        }
        for (channel, dw) in dw.chunks_exact_mut(plan.taps).enumerate() {
            for (tap, dw) in dw.iter_mut().enumerate() {
                *dw = total[tap * GROUP + channel];
            }
        }
    }
}

/// A chunk of rows and a span of channels.
#[derive(Clone, Copy)]
struct Job<'a> {
    shape: &'a ConvShape,
    /// With all images: its size says whether memory is asked for ahead.
    whole: &'a ConvShape,
    x: &'a [f32],
    /// Where the rows that follow will be read, as `x`, and how many rows of the output ahead.
    upcoming: &'a [f32],
    lead: usize,
    dy: &'a [f32],
    tiles: &'a [Tile],
    /// Rows of the output of all images.
    rows: [usize; 2],
    channels: [usize; 2],
    /// `[groups of the span][taps][GROUP]`.
    sums: *mut f32,
}

fn accumulate(level: Level, job: Job<'_>, sums_len: usize) {
    let shape = job.shape;
    assert_eq!(job.x.len(), shape.input_len());
    assert_eq!(job.dy.len(), shape.output_len());
    assert!(
        (job.channels[1] - job.channels[0]).next_multiple_of(GROUP)
            * shape.kernel[0]
            * shape.kernel[1]
            <= sums_len
    );
    match (shape.kernel[1], shape.stride[1], shape.dilation[1]) {
        _ if level == Level::Portable => dispatch_at(level, Accumulate::<0, 0>(job)),
        (3, 1, 1) => dispatch_specialised(level, Accumulate::<3, 1>(job)),
        (5, 1, 1) => dispatch_specialised(level, Accumulate::<5, 1>(job)),
        (3, 2, 1) => dispatch_specialised(level, Accumulate::<3, 2>(job)),
        (5, 2, 1) => dispatch_specialised(level, Accumulate::<5, 2>(job)),
        _ => dispatch_at(level, Accumulate::<0, 0>(job)),
    }
}

/// The sums with a kernel's width and stride known to the compiler, or any if `WIDTH` is zero.
struct Accumulate<'a, const WIDTH: usize, const STRIDE: usize>(Job<'a>);

/// Pointers for some rows of the kernel, a tile of the output and a block of channels.
struct Block<'a> {
    shape: &'a ConvShape,
    tile: &'a Tile,
    /// The pixel of the first output's first tap in the first of the kernel's rows; it may lie outside.
    x: *const f32,
    dy: *const f32,
    sums: *mut f32,
    lanes: usize,
}

impl<const WIDTH: usize, const STRIDE: usize> Kernel for Accumulate<'_, WIDTH, STRIDE> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Job {
            rows,
            channels,
            tiles,
            ..
        } = self.0;
        for row in rows[0]..rows[1] {
            let place = self.place(row);
            let mut ahead = self.ahead(row).map(|piece| {
                piece.over(tiles.len() * (channels[1] - channels[0]).div_ceil(S::LANES))
            });
            for tile in tiles {
                // SAFETY: the slices have the shape's sizes, and `sums` holds the span's groups (asserted by `accumulate`, the only
                // caller); the row of the output exists, and so do the rows of the input at its taps.
                unsafe { self.tile(s, &place, tile, &mut ahead) };
            }
        }
    }
}

/// A row of the output.
struct Place {
    /// Its index in the tensor.
    row: usize,
    /// The index in the tensor of the input's row at the first of `taps`.
    input_row: usize,
    /// The kernel's rows that fall inside the image.
    taps: [usize; 2],
}

impl<const WIDTH: usize, const STRIDE: usize> Accumulate<'_, WIDTH, STRIDE> {
    #[inline(always)]
    fn place(&self, row: usize) -> Place {
        let shape = self.0.shape;
        let (image, y) = (row / shape.out_height(), row % shape.out_height());
        let top = (y * shape.stride[0]) as isize - shape.padding[0][0] as isize;
        let steps = |pixels: isize| (pixels.max(0) as usize).div_ceil(shape.dilation[0]);
        let taps = [
            steps(-top),
            steps(shape.height as isize - top).min(shape.kernel[0]),
        ];
        let y = top + (taps[0] * shape.dilation[0]) as isize;
        Place {
            row,
            input_row: image * shape.height + y.max(0) as usize,
            taps,
        }
    }

    /// What the next row will read.
    #[inline(always)]
    fn ahead(&self, row: usize) -> [Ahead; 2] {
        let Job {
            shape,
            upcoming,
            lead,
            dy,
            channels,
            whole,
            ..
        } = self.0;
        let (line, out_line) = (
            shape.width * shape.channels_in,
            shape.out_width() * shape.channels_in,
        );
        let (image, y) = (row / shape.out_height(), row % shape.out_height());
        let below = (image * shape.height) as isize + row_below(shape, y + lead);
        [
            Ahead::new(upcoming, below * line as isize, shape.stride[0] * line)
                .channels(shape.channels_in, channels),
            Ahead::new(dy, ((row + 1) * out_line) as isize, out_line)
                .channels(shape.channels_in, channels),
        ]
        .map(|piece| piece.if_large(whole))
    }

    /// A tile for all blocks of the span's channels.
    ///
    /// # Safety
    ///
    /// The slices have the sizes of the shape, `sums` holds the span's groups, and `place` is of one of the output's rows.
    #[inline(always)]
    unsafe fn tile<S: Simd>(&self, s: S, place: &Place, tile: &Tile, ahead: &mut [Cursor; 2]) {
        let Job {
            shape,
            x,
            dy,
            sums,
            channels: [from, to],
            ..
        } = self.0;
        let channels = shape.channels_in;
        let pixel = (place.input_row * shape.width) as isize + tile.column;
        let x = x.as_ptr().wrapping_offset(pixel * channels as isize);
        let dy = dy
            .as_ptr()
            .wrapping_add((place.row * shape.out_width() + tile.first) * channels);
        let group = shape.kernel[0] * shape.kernel[1] * GROUP;
        for at in (from..to).step_by(S::LANES) {
            ahead.iter_mut().for_each(|cursor| cursor.step(s));
            let block = Block {
                shape,
                tile,
                x: x.wrapping_add(at),
                dy: dy.wrapping_add(at),
                sums: sums.wrapping_add((at - from) / GROUP * group + (at - from) % GROUP),
                lanes: S::LANES.min(to - at),
            };
            // SAFETY: the same contract; the block's channels exist.
            unsafe {
                match (tile.width, tile.edge || block.lanes < S::LANES) {
                    (8, false) if S::ROWS * S::COLS >= 24 => {
                        block.rows::<S, WIDTH, STRIDE, 8, false>(s, place.taps)
                    }
                    (8, true) if S::ROWS * S::COLS >= 24 => {
                        block.rows::<S, WIDTH, STRIDE, 8, true>(s, place.taps)
                    }
                    (7, false) if S::ROWS * S::COLS >= 24 => {
                        block.rows::<S, WIDTH, STRIDE, 7, false>(s, place.taps)
                    }
                    (7, true) if S::ROWS * S::COLS >= 24 => {
                        block.rows::<S, WIDTH, STRIDE, 7, true>(s, place.taps)
                    }
                    (_, false) => block.rows::<S, WIDTH, STRIDE, 4, false>(s, place.taps),
                    (_, true) => block.rows::<S, WIDTH, STRIDE, 4, true>(s, place.taps),
                }
            }
        }
    }
}

impl Block<'_> {
    /// All rows of the kernel inside the image, as many at a time as registers can hold the sums of.
    ///
    /// # Safety
    ///
    /// The tile's outputs exist for `lanes` channels, and so do the rows of the image at the taps, the first of them at `x`; without
    /// `EDGE` the channels fill a register and all columns of the tile are inside the image. `T` is the tile's width.
    #[inline(always)]
    unsafe fn rows<
        S: Simd,
        const WIDTH: usize,
        const STRIDE: usize,
        const T: usize,
        const EDGE: bool,
    >(
        &self,
        s: S,
        [first, end]: [usize; 2],
    ) {
        let line = self.shape.dilation[0] * self.shape.width * self.shape.channels_in;
        let most = if S::ROWS * S::COLS >= 24 || WIDTH < 5 {
            3
        } else {
            2
        };
        let mut tap = first;
        while tap < end {
            let block = Block {
                x: self.x.wrapping_add((tap - first) * line),
                sums: self.sums.wrapping_add(tap * self.shape.kernel[1] * GROUP),
                ..*self
            };
            // Two and two rather than three and one: a single row's sums are too few to hide the latency.
            let count = if end - tap == 4 {
                2
            } else {
                most.min(end - tap)
            };
            // SAFETY: the same contract; `count` rows of the kernel are left.
            unsafe {
                match (count, EDGE && self.lanes < S::LANES) {
                    _ if WIDTH == 0 => block.any(s),
                    (3, false) if most == 3 => block.add::<S, WIDTH, STRIDE, 3, T, EDGE, false>(s),
                    (3, true) if most == 3 => block.add::<S, WIDTH, STRIDE, 3, T, EDGE, true>(s),
                    (2, false) => block.add::<S, WIDTH, STRIDE, 2, T, EDGE, false>(s),
                    (2, true) => block.add::<S, WIDTH, STRIDE, 2, T, EDGE, true>(s),
                    (_, false) => block.add::<S, WIDTH, STRIDE, 1, T, EDGE, false>(s),
                    (_, true) => block.add::<S, WIDTH, STRIDE, 1, T, EDGE, true>(s),
                }
            }
            tap += if WIDTH == 0 { 1 } else { count };
        }
    }

    /// # Safety
    ///
    /// The tile's outputs, the pixels that they see in `G` rows, and the sums of `G` rows of the kernel exist for `lanes` channels;
    /// without `PARTIAL` those fill a register, without `EDGE` all columns of the tile are inside the image.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, unused_assignments)] // A tap's index chooses the output; the last step is not read.
    unsafe fn add<
        S: Simd,
        const WIDTH: usize,
        const STRIDE: usize,
        const G: usize,
        const T: usize,
        const EDGE: bool,
        const PARTIAL: bool,
    >(
        &self,
        s: S,
    ) {
        let (channels, lanes) = (self.shape.channels_in, self.lanes);
        let line = self.shape.dilation[0] * self.shape.width * channels;
        let [low, high] = self.tile.inside;
        // SAFETY: the contract; columns outside `low..high` and outputs behind `count` are not read. The sums have whole registers.
        unsafe {
            let mut sums: [[S::V; WIDTH]; G] = std::array::from_fn(|row| {
                std::array::from_fn(|tap| s.load(self.sums.add((row * WIDTH + tap) * GROUP)))
            });
            let dy: [S::V; T] = std::array::from_fn(|t| {
                if !EDGE || t < self.tile.count {
                    load::<S, PARTIAL>(s, self.dy.wrapping_add(t * channels), lanes)
                } else {
                    s.zero()
                }
            });
            let mut at = self.x;
            unroll!(j, {
                if j < (T - 1) * STRIDE + WIDTH {
                    if !EDGE || (j >= low && j < high) {
                        for row in 0..G {
                            let x = load::<S, PARTIAL>(s, at.wrapping_add(row * line), lanes);
                            for tap in 0..WIDTH {
                                if j >= tap
                                    && (j - tap).is_multiple_of(STRIDE)
                                    && (j - tap) / STRIDE < T
                                {
                                    sums[row][tap] =
                                        s.mul_add(x, dy[(j - tap) / STRIDE], sums[row][tap]);
                                }
                            }
                        }
                    }
                    at = at.wrapping_add(channels);
                }
            });
            for (row, sums) in sums.iter().enumerate() {
                for (tap, &sum) in sums.iter().enumerate() {
                    s.store(self.sums.add((row * WIDTH + tap) * GROUP), sum);
                }
            }
        }
    }

    /// One row of a kernel of any width.
    ///
    /// # Safety
    ///
    /// As [`add`](Self::add) with one row.
    #[inline(always)]
    unsafe fn any<S: Simd>(&self, s: S) {
        let channels = self.shape.channels_in;
        let [low, high] = self.tile.inside;
        for tap in 0..self.shape.kernel[1] {
            // SAFETY: the contract; columns outside `low..high` and outputs behind `count` are not read. The sums have whole registers.
            unsafe {
                let to = self.sums.add(tap * GROUP);
                let mut sum = s.load(to);
                for t in 0..self.tile.count {
                    let column = t * self.shape.stride[1] + tap * self.shape.dilation[1];
                    if column >= low && column < high {
                        let x = s.load_partial(self.x.wrapping_add(column * channels), self.lanes);
                        let dy = s.load_partial(self.dy.wrapping_add(t * channels), self.lanes);
                        sum = s.mul_add(x, dy, sum);
                    }
                }
                s.store(to, sum);
            }
        }
    }
}
