//! The inner loops of a correlation: two rows of outputs at a time, tile by tile. Those of the usual kernels are in `window`.

use super::ahead::Cursor;
use super::correlation::{Correlation, Target, load, store};
use super::packed::{GROUP, unroll};
use super::tiles::{Line, Phases, Tile};
use super::window::Window;
use crate::Activation;
use crate::simd::{Kernel, Level, Simd, dispatch_at, dispatch_specialised};

impl Correlation<'_> {
    /// Computes the outputs of row `row` and, if `pair`, of the next.
    ///
    /// # Safety
    ///
    /// Every pixel of the row or rows at `target` can be written.
    pub unsafe fn rows(&self, image: &[f32], row: usize, pair: bool, target: Target) {
        let Self {
            vertical,
            horizontal,
            ..
        } = self;
        assert_eq!(image.len(), vertical.size * horizontal.size * self.channels);
        debug_assert!(!pair || self.pairs());
        macro_rules! window {
            ($height:literal x $width:literal, $stride:literal) => {
                dispatch_specialised(
                    self.level,
                    Window::<$height, $width, $stride> {
                        of: self,
                        image,
                        row,
                        pair,
                        target,
                    },
                )
            };
        }
        let plain = vertical.dilation == 1
            && horizontal.dilation == 1
            && vertical.stride == horizontal.stride
            && self.level != Level::Portable;
        match (vertical.kernel, horizontal.kernel, horizontal.stride) {
            (3, 3, 1) if plain => window!(3 x 3, 1),
            (5, 5, 1) if plain => window!(5 x 5, 1),
            (3, 3, 2) if plain => window!(3 x 3, 2),
            (5, 5, 2) if plain => window!(5 x 5, 2),
            // The classes of the gradient of the input where the stride is 2.
            (1, 1, 1) if plain => window!(1 x 1, 1),
            (1, 2, 1) if plain => window!(1 x 2, 1),
            (2, 1, 1) if plain => window!(2 x 1, 1),
            (2, 2, 1) if plain => window!(2 x 2, 1),
            (2, 3, 1) if plain => window!(2 x 3, 1),
            (3, 2, 1) if plain => window!(3 x 2, 1),
            _ => dispatch_at(
                self.level,
                Rows {
                    of: self,
                    image,
                    row,
                    pair,
                    target,
                },
            ),
        }
        self.activate(target, pair, self.channels);
    }

    /// Applies the activation to `channels` channels of a row or two, which were just written.
    pub fn activate(&self, target: Target, pair: bool, channels: usize) {
        if let Some(activation) = self.activation {
            dispatch_at(
                self.level,
                Activate {
                    activation,
                    target,
                    rows: if pair { 2 } else { 1 },
                    columns: self.horizontal.outputs,
                    channels,
                },
            );
        }
    }
}

/// One or two rows of outputs of any kernel.
struct Rows<'a> {
    of: &'a Correlation<'a>,
    image: &'a [f32],
    row: usize,
    pair: bool,
    target: Target,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let of = self.of;
        let phases = Phases::new(&of.vertical, self.row, self.pair);
        let top = (self.row * of.vertical.stride) as isize + of.vertical.origin;
        let steps = of.tiles.len() * of.channels.div_ceil(S::LANES) * phases.rows();
        let mut ahead = self.target.ahead.map(|piece| piece.over(steps));
        for tile in &of.tiles {
            let pixel = top * of.horizontal.size as isize + tile.column;
            let place = Place {
                of,
                tile,
                phases: &phases,
                image: self
                    .image
                    .as_ptr()
                    .wrapping_offset(pixel * of.channels as isize),
                out: self.target.out.wrapping_add(tile.first * self.target.pixel),
                target: self.target,
                pair: self.pair,
            };
            // SAFETY: the image has the size that the tile and the phases were made for (asserted by `rows`, the only caller), and the
            // outputs of the tile can be written by that function's contract.
            unsafe { place.compute::<S>(s, &mut ahead) }
        }
    }
}

/// A tile of one or two rows of outputs.
struct Place<'a> {
    of: &'a Correlation<'a>,
    tile: &'a Tile,
    phases: &'a Phases,
    /// The pixel of the first output's first tap, which may lie outside.
    image: *const f32,
    /// The first output.
    out: *mut f32,
    target: Target,
    pair: bool,
}

/// Pointers for a block of channels.
#[derive(Clone, Copy)]
struct Block {
    image: *const f32,
    out: *mut f32,
    weight: *const f32,
    bias: *const f32,
    /// Channels that exist.
    lanes: usize,
}

impl Place<'_> {
    /// # Safety
    ///
    /// The image is of the size that `of` says, and the tile's outputs can be written.
    #[inline(always)]
    unsafe fn compute<S: Simd>(&self, s: S, ahead: &mut [Cursor; 2]) {
        // SAFETY: the same contract.
        unsafe {
            match (self.tile.width, self.tile.edge) {
                (8, false) if S::ROWS * S::COLS >= 24 => self.channels::<S, 8, false>(s, ahead),
                (8, true) if S::ROWS * S::COLS >= 24 => self.channels::<S, 8, true>(s, ahead),
                (7, false) => self.channels::<S, 7, false>(s, ahead),
                (7, true) => self.channels::<S, 7, true>(s, ahead),
                (_, false) => self.channels::<S, 4, false>(s, ahead),
                (_, true) => self.channels::<S, 4, true>(s, ahead),
            }
        }
    }

    /// The tile for all blocks of channels.
    ///
    /// # Safety
    ///
    /// As [`compute`](Self::compute); `T` is the tile's width, and `EDGE` is set if the tile is one.
    #[inline(always)]
    unsafe fn channels<S: Simd, const T: usize, const EDGE: bool>(
        &self,
        s: S,
        ahead: &mut [Cursor; 2],
    ) {
        let channels = self.of.channels;
        let mut at = 0;
        while at + S::LANES <= channels {
            // SAFETY: the same contract; the block's channels exist.
            unsafe { self.tile::<S, T, EDGE, false>(s, self.block(at, S::LANES), ahead) };
            at += S::LANES;
        }
        if at < channels {
            // SAFETY: the same contract; the block's channels exist, and only those are read and written.
            unsafe { self.tile::<S, T, true, true>(s, self.block(at, channels - at), ahead) };
        }
    }

    #[inline(always)]
    fn block(&self, at: usize, lanes: usize) -> Block {
        let taps = self.of.vertical.kernel * self.of.horizontal.kernel;
        let group = (at / GROUP) * taps * GROUP + at % GROUP;
        Block {
            image: self.image.wrapping_add(at),
            out: self.out.wrapping_add(at),
            weight: self.of.weight.as_ptr().wrapping_add(group),
            bias: self.of.bias.as_ptr().wrapping_add(at),
            lanes,
        }
    }

    /// # Safety
    ///
    /// As [`channels`](Self::channels) for the block's channels; without `PARTIAL` they fill a register.
    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize, const EDGE: bool, const PARTIAL: bool>(
        &self,
        s: S,
        block: Block,
        ahead: &mut [Cursor; 2],
    ) {
        let Phases {
            first,
            both,
            second,
            shift,
        } = *self.phases;
        let line = self.of.vertical.dilation * self.of.horizontal.size * self.of.channels;
        let taps = self.of.horizontal.kernel * GROUP;
        let image = |row: usize| block.image.wrapping_add(row * line);
        let weight = |row: usize| block.weight.wrapping_add(row * taps);
        // SAFETY: the bias is padded to whole registers. The phases hold only rows of the image that exist and only the kernel's rows;
        // columns are the tile's.
        unsafe {
            let bias = s.load(block.bias);
            let mut sums = [[bias; T]; 2];
            let mut fetch = || ahead.iter_mut().for_each(|cursor| cursor.step(s));
            for row in first[0]..first[1] {
                fetch();
                let weights = [weight(row), weight(row)];
                self.row::<S, T, EDGE, PARTIAL, true, false>(
                    s,
                    image(row),
                    weights,
                    block.lanes,
                    &mut sums,
                );
            }
            for row in both[0]..both[1] {
                fetch();
                let weights = [weight(row), weight(row - shift)];
                self.row::<S, T, EDGE, PARTIAL, true, true>(
                    s,
                    image(row),
                    weights,
                    block.lanes,
                    &mut sums,
                );
            }
            for row in second[0]..second[1] {
                fetch();
                let weights = [weight(row - shift), weight(row - shift)];
                self.row::<S, T, EDGE, PARTIAL, false, true>(
                    s,
                    image(row),
                    weights,
                    block.lanes,
                    &mut sums,
                );
            }
            let Target { pixel, row, .. } = self.target;
            let rows = if self.pair { 2 } else { 1 };
            for (i, sums) in sums.iter().enumerate().take(rows) {
                let out = (block.out.wrapping_add(i * row), pixel);
                store::<S, T, PARTIAL>(s, self.of.last, out, self.tile.count, block.lanes, sums);
            }
        }
    }

    /// Adds the products of one row of the image to the first (`A`), the second (`B`) or both rows of outputs.
    ///
    /// # Safety
    ///
    /// `image` is the pixel of the tile's first column in a row that exists, `weights` the kernel's rows for the two rows of outputs.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, unused_assignments)] // A tap's index chooses the output; the last step is not read.
    unsafe fn row<
        S: Simd,
        const T: usize,
        const EDGE: bool,
        const PARTIAL: bool,
        const A: bool,
        const B: bool,
    >(
        &self,
        s: S,
        image: *const f32,
        weights: [*const f32; 2],
        lanes: usize,
        sums: &mut [[S::V; T]; 2],
    ) {
        let channels = self.of.channels;
        let [low, high] = self.tile.inside;
        // SAFETY: without `EDGE` all columns of the tile are inside the image, else those from `low` to `high` are and others are not
        // read. Of a pixel, `lanes` channels are read, which fill a register without `PARTIAL`. The packed weight has whole registers.
        unsafe {
            let Line {
                kernel,
                stride,
                dilation,
                ..
            } = self.of.horizontal;
            for tap in 0..kernel {
                let w = weights.map(|row| s.load(row.add(tap * GROUP)));
                unroll!(t < 8, {
                    let column = t * stride + tap * dilation;
                    if t < T && (!EDGE || (column >= low && column < high)) {
                        let pixel =
                            load::<S, PARTIAL>(s, image.wrapping_add(column * channels), lanes);
                        if A {
                            sums[0][t % T] = s.mul_add(w[0], pixel, sums[0][t % T]);
                        }
                        if B {
                            sums[1][t % T] = s.mul_add(w[1], pixel, sums[1][t % T]);
                        }
                    }
                });
            }
        }
    }
}

/// Applies an activation to rows of outputs, which were just written.
struct Activate {
    activation: Activation,
    target: Target,
    rows: usize,
    columns: usize,
    channels: usize,
}

impl Kernel for Activate {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for row in 0..self.rows {
            for column in 0..self.columns {
                let at = row * self.target.row + column * self.target.pixel;
                let out = self.target.out.wrapping_add(at);
                for channel in (0..self.channels).step_by(S::LANES) {
                    let lanes = S::LANES.min(self.channels - channel);
                    // SAFETY: `lanes` channels of an output, which `rows_of` may write.
                    unsafe {
                        let out = out.add(channel);
                        if lanes == S::LANES {
                            s.store(out, self.activation.vector(s, s.load(out)));
                        } else {
                            let value = self.activation.vector(s, s.load_partial(out, lanes));
                            s.store_partial(out, value, lanes);
                        }
                    }
                }
            }
        }
    }
}
