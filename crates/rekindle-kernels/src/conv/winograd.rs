//! 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin & Gray 2015): a tile of 4x4 outputs takes 36
//! products where the definition takes 144, so that the whole becomes 36 matrix products over tiles and channels.
//!
//! With `d` a 6x6 tile of the input, `g` the kernel and `m` the product per frequency: `y = A' [(G g G') (B' d B)] A`. The gradient of
//! the weight is the adjoint of the same algorithm: `dg = G' [(B' d B) (A dy A')] G`, summed over tiles.
//! The transforms multiply by up to 8 and cost about two digits of the 24 bits; the tests hold the result to 1e-4 of the largest value.

use std::ops::Range;

use super::Epilogue;
use super::product::{Finish, rows_times_panel};
use super::weight_gradient::{Pixels, Tap, accumulate_into, sums_len};
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::{Kernel, Level, Simd, dispatch_at};
use crate::{Activation, ConvShape, Precision};

/// Frequencies of a tile.
const FREQUENCIES: usize = 36;
/// Outputs of a tile in each direction.
const STEP: usize = 4;

/// Whether the algorithm computes this convolution.
pub(super) fn applies(shape: &ConvShape) -> bool {
    shape.kernel == [3, 3]
        && shape.stride == [1, 1]
        && shape.dilation == [1, 1]
        && shape.groups == 1
        && shape.padding.iter().flatten().all(|&pad| pad <= 2)
}

/// Whether it is the faster one (measured): channels enough that the products outweigh the transforms, and images that fill the tiles.
pub(super) fn wins(shape: &ConvShape) -> bool {
    let (height, width) = (shape.out_height(), shape.out_width());
    let covered = height.next_multiple_of(STEP) * width.next_multiple_of(STEP);
    applies(shape)
        && shape.channels_in >= 32
        && shape.channels_out >= 32
        && covered <= 2 * height * width
        && shape.batch * covered >= 14 * STEP * STEP
}

#[inline(always)]
fn input_transform<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
    let (four, two) = (s.splat(4.0), s.splat(2.0));
    let (four_less, five_less) = (s.splat(-4.0), s.splat(-5.0));
    let even = s.mul_add(four_less, d[2], d[4]);
    let odd = s.mul_add(four_less, d[1], d[3]);
    let low = s.sub(d[4], d[2]);
    let high = s.mul(two, s.sub(d[3], d[1]));
    [
        s.mul_add(four, d[0], s.mul_add(five_less, d[2], d[4])),
        s.add(even, odd),
        s.sub(even, odd),
        s.add(low, high),
        s.sub(low, high),
        s.mul_add(four, d[1], s.mul_add(five_less, d[3], d[5])),
    ]
}

#[inline(always)]
fn output_transform<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
    let (sum, difference) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (sum2, difference2) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(sum, sum2)),
        s.mul_add(s.splat(2.0), difference2, difference),
        s.mul_add(s.splat(4.0), sum2, sum),
        s.add(s.mul_add(s.splat(8.0), difference2, difference), m[5]),
    ]
}

/// The adjoint of [`output_transform`].
#[inline(always)]
fn gradient_transform<S: Simd>(s: S, y: [S::V; 4]) -> [S::V; 6] {
    let (even, odd) = (s.add(y[0], y[2]), s.add(y[1], y[3]));
    let even2 = s.mul_add(s.splat(4.0), y[2], y[0]);
    let odd2 = s.mul(s.splat(2.0), s.mul_add(s.splat(4.0), y[3], y[1]));
    [
        y[0],
        s.add(even, odd),
        s.sub(even, odd),
        s.add(even2, odd2),
        s.sub(even2, odd2),
        y[3],
    ]
}

#[inline(always)]
fn weight_transform<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 6] {
    let sum = s.add(g[0], g[2]);
    let sum2 = s.mul(s.splat(1.0 / 24.0), s.mul_add(s.splat(4.0), g[2], g[0]));
    let odd2 = s.mul(s.splat(1.0 / 12.0), g[1]);
    let sixth = s.splat(-1.0 / 6.0);
    [
        s.mul(s.splat(0.25), g[0]),
        s.mul(sixth, s.add(sum, g[1])),
        s.mul(sixth, s.sub(sum, g[1])),
        s.add(sum2, odd2),
        s.sub(sum2, odd2),
        g[2],
    ]
}

/// The adjoint of [`weight_transform`].
#[inline(always)]
fn weight_gradient_transform<S: Simd>(s: S, u: [S::V; 6]) -> [S::V; 3] {
    let (sum, sum2) = (s.add(u[1], u[2]), s.add(u[3], u[4]));
    let (difference, difference2) = (s.sub(u[2], u[1]), s.sub(u[3], u[4]));
    let sixth = s.splat(1.0 / 6.0);
    let first = s.mul_add(s.splat(0.25), u[0], s.mul(s.splat(1.0 / 24.0), sum2));
    [
        s.sub(first, s.mul(sixth, sum)),
        s.mul_add(sixth, difference, s.mul(s.splat(1.0 / 12.0), difference2)),
        s.mul_add(sixth, s.sub(sum2, sum), u[5]),
    ]
}

/// Transformed weights, `[frequency][panel][depth][tile columns]`.
pub(super) struct Weights {
    data: Buffer,
    depth: usize,
    columns: usize,
    level: Level,
}

impl Weights {
    /// For the forward pass.
    pub(super) fn forward(level: Level, shape: &ConvShape, weight: &[f32]) -> Self {
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
    fn backward(level: Level, shape: &ConvShape, weight: &[f32]) -> Self {
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

/// Images cut into tiles.
#[derive(Clone, Copy)]
struct Tiling {
    height: usize,
    width: usize,
    channels: usize,
    /// Tiles per column and row of an image.
    rows: usize,
    columns: usize,
    /// Pixels of the image before the first tile's first.
    top: usize,
    left: usize,
}

impl Tiling {
    /// Image, and the tile's first pixel in it, which may lie outside.
    #[inline(always)]
    fn tile(&self, index: usize) -> (usize, isize, isize) {
        let area = self.rows * self.columns;
        let (image, rest) = (index / area, index % area);
        let y = (rest / self.columns * STEP) as isize - self.top as isize;
        let x = (rest % self.columns * STEP) as isize - self.left as isize;
        (image, y, x)
    }
}

/// Transforms tiles of images to frequencies: 6x6 pixels by `B'`, or 4x4 pixels of a gradient by `A`.
struct ToFrequencies<'a> {
    x: &'a [f32],
    tiling: Tiling,
    tiles: Range<usize>,
    gradient: bool,
    out: Shared<f32>,
    /// Distance of frequencies in `out`; the first tile's place is 0.
    frequency: usize,
    first: usize,
}

/// A transform by name: a function passed as a value would not be inlined into the code of its instruction set.
trait Transform<const N: usize> {
    fn apply<S: Simd>(s: S, x: [S::V; N]) -> [S::V; 6];
}

struct OfInput;

impl Transform<6> for OfInput {
    #[inline(always)]
    fn apply<S: Simd>(s: S, x: [S::V; 6]) -> [S::V; 6] {
        input_transform(s, x)
    }
}

struct OfGradient;

impl Transform<4> for OfGradient {
    #[inline(always)]
    fn apply<S: Simd>(s: S, x: [S::V; 4]) -> [S::V; 6] {
        gradient_transform(s, x)
    }
}

impl Kernel for ToFrequencies<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.gradient {
            self.tiles::<S, 4, OfGradient>(s);
        } else {
            self.tiles::<S, 6, OfInput>(s);
        }
    }
}

impl ToFrequencies<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const N: usize, T: Transform<N>>(&self, s: S) {
        let Tiling {
            height,
            width,
            channels,
            ..
        } = self.tiling;
        for tile in self.tiles.clone() {
            let (image, y0, x0) = self.tiling.tile(tile);
            // Offsets of the tile's pixels, or none outside the image.
            let mut places = [[usize::MAX; N]; N];
            for (dy, places) in places.iter_mut().enumerate() {
                for (dx, place) in places.iter_mut().enumerate() {
                    let (y, x) = (y0 + dy as isize, x0 + dx as isize);
                    if (0..height as isize).contains(&y) && (0..width as isize).contains(&x) {
                        *place = ((image * height + y as usize) * width + x as usize) * channels;
                    }
                }
            }
            let inside = places.iter().flatten().all(|&place| place != usize::MAX);
            let out = (tile - self.first) * channels;
            for channel in (0..channels).step_by(S::LANES) {
                let left = (channels - channel).min(S::LANES);
                // SAFETY: pixels inside the image, channels below the count; the tile's rows of `out` belong to this part.
                unsafe {
                    let x = self.x.as_ptr().add(channel);
                    let mut columns = [[s.zero(); N]; 6];
                    for dx in 0..N {
                        let mut d = [s.zero(); N];
                        for dy in 0..N {
                            let place = places[dy][dx];
                            if inside && left == S::LANES {
                                d[dy] = s.load(x.add(place));
                            } else if place != usize::MAX {
                                d[dy] = s.load_partial(x.add(place), left);
                            }
                        }
                        let t = T::apply(s, d);
                        for y in 0..6 {
                            columns[y][dx] = t[y];
                        }
                    }
                    let to = self.out.get().add(out + channel);
                    for (y, column) in columns.into_iter().enumerate() {
                        for (x, v) in T::apply(s, column).into_iter().enumerate() {
                            let to = to.add((y * 6 + x) * self.frequency);
                            if left == S::LANES {
                                s.store(to, v);
                            } else {
                                s.store_partial(to, v, left);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Transforms frequencies back to 4x4 pixels of the output.
struct FromFrequencies<'a> {
    m: &'a [f32],
    frequency: usize,
    first: usize,
    tiles: Range<usize>,
    tiling: Tiling,
    out: Shared<f32>,
    finish: Finish,
}

impl Kernel for FromFrequencies<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.finish.activation {
            Activation::Identity => self.tiles(s, Activation::Identity),
            Activation::Relu => self.tiles(s, Activation::Relu),
            other => self.tiles(s, other),
        }
    }
}

impl FromFrequencies<'_> {
    #[inline(always)]
    fn tiles<S: Simd>(&self, s: S, activation: Activation) {
        let Tiling {
            height,
            width,
            channels,
            ..
        } = self.tiling;
        for tile in self.tiles.clone() {
            let (image, y0, x0) = self.tiling.tile(tile);
            let (y0, x0) = (y0 as usize, x0 as usize);
            let (rows, columns) = ((height - y0).min(STEP), (width - x0).min(STEP));
            for channel in (0..channels).step_by(S::LANES) {
                let left = (channels - channel).min(S::LANES);
                // SAFETY: frequencies of this tile are inside `m`; the tile's pixels of `out` belong to this part.
                unsafe {
                    let m = self
                        .m
                        .as_ptr()
                        .add((tile - self.first) * channels + channel);
                    let mut lines = [[s.zero(); 6]; STEP];
                    #[expect(clippy::needless_range_loop, reason = "x is a column of both arrays")]
                    for x in 0..6 {
                        let mut column = [s.zero(); 6];
                        for (y, v) in column.iter_mut().enumerate() {
                            let from = m.add((y * 6 + x) * self.frequency);
                            *v = if left == S::LANES {
                                s.load(from)
                            } else {
                                s.load_partial(from, left)
                            };
                        }
                        let t = output_transform(s, column);
                        for y in 0..STEP {
                            lines[y][x] = t[y];
                        }
                    }
                    let bias = if self.finish.bias.is_null() {
                        s.zero()
                    } else {
                        s.load_partial(self.finish.bias.add(channel), left)
                    };
                    for (y, line) in lines.into_iter().enumerate().take(rows) {
                        for (x, v) in output_transform(s, line)
                            .into_iter()
                            .enumerate()
                            .take(columns)
                        {
                            let at =
                                ((image * height + y0 + y) * width + x0 + x) * channels + channel;
                            let mut v = s.add(v, bias);
                            if left == S::LANES {
                                if !self.finish.residual.is_null() {
                                    v = s.add(v, s.load(self.finish.residual.add(at)));
                                }
                                s.store(self.out.get().add(at), activation.vector(s, v));
                            } else {
                                if !self.finish.residual.is_null() {
                                    v = s
                                        .add(v, s.load_partial(self.finish.residual.add(at), left));
                                }
                                s.store_partial(
                                    self.out.get().add(at),
                                    activation.vector(s, v),
                                    left,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Products of some frequencies and panels: `m[f] = v[f] * u[f]`.
struct Products<'a> {
    v: &'a [f32],
    v_frequency: usize,
    weights: &'a Weights,
    m: Shared<f32>,
    m_frequency: usize,
    tiles: usize,
    frequencies: Range<usize>,
    panels: Range<usize>,
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (depth, width) = (self.weights.depth, S::COLS * S::LANES);
        let panels = self.weights.columns.div_ceil(width);
        for frequency in self.frequencies.clone() {
            for panel in self.panels.clone() {
                let packed = &self.weights.data[(frequency * panels + panel) * depth * width..]
                    [..depth * width];
                let mut tile = 0;
                while tile < self.tiles {
                    tile += match (S::ROWS, S::COLS, self.tiles - tile) {
                        (14, 2, 14..) => self.rows::<S, 14, 2>(s, frequency, panel, packed, tile),
                        (14, 2, 8..) => self.rows::<S, 8, 2>(s, frequency, panel, packed, tile),
                        (14, 2, 4..) => self.rows::<S, 4, 2>(s, frequency, panel, packed, tile),
                        (_, 2, 6..) => self.rows::<S, 6, 2>(s, frequency, panel, packed, tile),
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
        let v = &self.v[frequency * self.v_frequency + tile * depth..][..R * depth];
        let mut rows = [v.as_ptr(); R];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = v[r * depth..].as_ptr();
        }
        let mut sums = [[s.zero(); C]; R];
        let channel = panel * width;
        let used = (columns - channel).min(width);
        // SAFETY: R rows of `depth` numbers, a packed panel, and R rows of `columns` numbers of `m` that belong to this part.
        unsafe {
            rows_times_panel::<S, R, C>(s, &mut sums, &rows, depth, packed.as_ptr(), width);
            let m = self
                .m
                .get()
                .add(frequency * self.m_frequency + tile * columns + channel);
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

/// Numbers from one frequency to the next for so many tiles: never a multiple of a page, on which all would share a place in the cache.
fn distance(tiles: usize, channels: usize) -> usize {
    (tiles * channels).next_multiple_of(16) + 16
}

/// The whole algorithm: `out = epilogue(convolution of x)`.
fn convolve(
    x: &[f32],
    from: Tiling,
    weights: &Weights,
    to: Tiling,
    batch: usize,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let level = weights.level;
    let (rows, width) = level.tile();
    let tiles = batch * to.rows * to.columns;
    let panels = weights.columns.div_ceil(width);
    let finish = Finish {
        bias: epilogue.bias.map_or(std::ptr::null(), |bias| bias.as_ptr()),
        residual: epilogue
            .residual
            .map_or(std::ptr::null(), |residual| residual.as_ptr()),
        activation: epilogue.activation,
        stream: false,
    };
    let finish = SharedFinish(finish);
    let out = Shared::new(out);
    let forward = |v: Shared<f32>, frequency: usize, first: usize, tiles: Range<usize>| {
        dispatch_at(
            level,
            ToFrequencies {
                x,
                tiling: from,
                tiles,
                gradient: false,
                out: v,
                frequency,
                first,
            },
        );
    };
    let back = |m: &[f32], frequency: usize, first: usize, tiles: Range<usize>| {
        dispatch_at(
            level,
            FromFrequencies {
                m,
                frequency,
                first,
                tiles,
                tiling: to,
                out,
                finish: finish.get(),
            },
        );
    };
    let tile_bytes = FREQUENCIES * (from.channels + to.channels) * 4;
    let weight_bytes = weights.data.len() * 4;
    // Tiles whose frequencies fit in the second-level cache: then a part does all three steps for itself.
    let own = (PRIVATE_BYTES / tile_bytes / rows * rows).min(tiles);
    if own > 0 && weight_bytes <= 4 << 20 && tiles.div_ceil(own) >= 8 {
        for_each(tiles.div_ceil(own), |part| {
            let range = part * own..((part + 1) * own).min(tiles);
            let (v_frequency, m_frequency) = (
                distance(range.len(), from.channels),
                distance(range.len(), to.channels),
            );
            let mut v = Buffer::unspecified(FREQUENCIES * v_frequency);
            let mut m = Buffer::unspecified(FREQUENCIES * m_frequency);
            forward(Shared::new(&mut v), v_frequency, range.start, range.clone());
            let product = Products {
                v: &v,
                v_frequency,
                weights,
                m: Shared::new(&mut m),
                m_frequency,
                tiles: range.len(),
                frequencies: 0..FREQUENCIES,
                panels: 0..panels,
            };
            dispatch_at(level, product);
            back(&m, m_frequency, range.start, range);
        });
        return;
    }
    let together = (SHARED_BYTES / tile_bytes).max(rows).div_ceil(rows) * rows;
    let together = together.min(tiles);
    for first in (0..tiles).step_by(together) {
        let range = first..(first + together).min(tiles);
        let (v_frequency, m_frequency) = (
            distance(range.len(), from.channels),
            distance(range.len(), to.channels),
        );
        let mut v = Buffer::unspecified(FREQUENCIES * v_frequency);
        let mut m = Buffer::unspecified(FREQUENCIES * m_frequency);
        let shared = Shared::new(&mut v);
        for_pieces(range.clone(), |piece| {
            forward(shared, v_frequency, first, piece)
        });
        let shared = Shared::new(&mut m);
        for_each(FREQUENCIES, |frequency| {
            let product = Products {
                v: &v,
                v_frequency,
                weights,
                m: shared,
                m_frequency,
                tiles: range.len(),
                frequencies: frequency..frequency + 1,
                panels: 0..panels,
            };
            dispatch_at(level, product);
        });
        for_pieces(range.clone(), |piece| back(&m, m_frequency, first, piece));
    }
}

/// Frequencies of one part, both sides.
const PRIVATE_BYTES: usize = 640 << 10;
/// Frequencies that all threads work on together: within the last-level cache.
const SHARED_BYTES: usize = 10 << 20;

/// Splits a range of tiles over the threads.
fn for_pieces(range: Range<usize>, work: impl Fn(Range<usize>) + Send + Sync) {
    const PIECE: usize = 4;
    for_each(range.len().div_ceil(PIECE), |piece| {
        let start = range.start + piece * PIECE;
        work(start..(start + PIECE).min(range.end));
    });
}

#[derive(Clone, Copy)]
struct SharedFinish(Finish);

impl SharedFinish {
    fn get(self) -> Finish {
        self.0
    }
}

// SAFETY: its pointers are only read from, and outlive the loop.
unsafe impl Send for SharedFinish {}
// SAFETY: as above.
unsafe impl Sync for SharedFinish {}

/// The tiles that cover an output of this size, on the side with these pixels before its first.
fn tiling(size: [usize; 2], channels: usize, covered: [usize; 2], before: [usize; 2]) -> Tiling {
    Tiling {
        height: size[0],
        width: size[1],
        channels,
        rows: covered[0].div_ceil(STEP),
        columns: covered[1].div_ceil(STEP),
        top: before[0],
        left: before[1],
    }
}

/// `out = activation(convolution + bias + residual)` with weights already transformed.
pub(super) fn forward_with(
    shape: &ConvShape,
    x: &[f32],
    weights: &Weights,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let size = [shape.out_height(), shape.out_width()];
    let before = [shape.padding[0][0], shape.padding[1][0]];
    let from = tiling([shape.height, shape.width], shape.channels_in, size, before);
    let to = tiling(size, shape.channels_out, size, [0; 2]);
    convolve(x, from, weights, to, shape.batch, epilogue, out);
}

/// `out = activation(convolution + bias + residual)`.
pub(super) fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    forward_with(
        shape,
        x,
        &Weights::forward(Level::current(), shape, weight),
        epilogue,
        out,
    );
}

/// The gradient of the input; needs a padding of at most 2.
pub(super) fn backward_input(shape: &ConvShape, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    let weights = Weights::backward(Level::current(), shape, weight);
    let size = [shape.height, shape.width];
    let before = [2 - shape.padding[0][0], 2 - shape.padding[1][0]];
    let from = tiling(
        [shape.out_height(), shape.out_width()],
        shape.channels_out,
        size,
        before,
    );
    let to = tiling(size, shape.channels_in, size, [0; 2]);
    convolve(dy, from, &weights, to, shape.batch, Epilogue::default(), dx);
}

/// The gradient of the weight.
pub(super) fn backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let level = Level::current();
    let width = level.tile().1;
    let size = [shape.out_height(), shape.out_width()];
    let before = [shape.padding[0][0], shape.padding[1][0]];
    let from = tiling([shape.height, shape.width], shape.channels_in, size, before);
    let to = tiling(size, shape.channels_out, size, [0; 2]);
    let tiles = shape.batch * to.rows * to.columns;
    let (depth, columns) = (shape.channels_in, shape.channels_out);
    let tile_bytes = FREQUENCIES * (depth + columns) * 4;
    let together = (SHARED_BYTES / tile_bytes).clamp(1, tiles);
    let mut sums = Buffer::zeros(sums_len(level, FREQUENCIES, depth, columns));
    for first in (0..tiles).step_by(together) {
        let range = first..(first + together).min(tiles);
        let (v_frequency, m_frequency) =
            (distance(range.len(), depth), distance(range.len(), columns));
        let mut v = Buffer::unspecified(FREQUENCIES * v_frequency);
        let mut m = Buffer::unspecified(FREQUENCIES * m_frequency);
        let (shared_v, shared_m) = (Shared::new(&mut v), Shared::new(&mut m));
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
            x: &v,
            dy: &m,
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
