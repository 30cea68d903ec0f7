//! The inner loops for the kernels that networks have, whose size and stride the compiler knows.
//!
//! The pixels that a tile sees are found through a table of pointers, made once for all its channels; those outside the image point at
//! zeros. So a tile at the border is computed as any other, without a branch (the indirection is that of Dukhan 2019, "The Indirect
//! Convolution Algorithm").

use super::correlation::{Correlation, Target, load, store};
use super::packed::{GROUP, unroll};
use super::tiles::Tile;
use crate::simd::{Kernel, Simd};

/// Rows and columns that a tile sees at most: two rows of eight outputs of a 5x5 kernel at stride 2.
const ROWS: usize = 7;
const COLUMNS: usize = 19;

/// Where the pixels that a tile sees lie.
type Table = [[*const f32; COLUMNS]; ROWS];

/// One or two rows of outputs of a kernel of `HEIGHT` by `WIDTH` taps.
pub(super) struct Window<'a, const HEIGHT: usize, const WIDTH: usize, const STRIDE: usize> {
    pub of: &'a Correlation<'a>,
    pub image: &'a [f32],
    pub row: usize,
    pub pair: bool,
    pub target: Target,
}

impl<const HEIGHT: usize, const WIDTH: usize, const STRIDE: usize> Kernel
    for Window<'_, HEIGHT, WIDTH, STRIDE>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let of = self.of;
        let (vertical, horizontal, pixel) = (&of.vertical, &of.horizontal, of.channels);
        debug_assert!(vertical.kernel == HEIGHT && vertical.dilation == 1);
        debug_assert!(horizontal.kernel == WIDTH && horizontal.stride == STRIDE);
        let zeros = of.zeros[..pixel].as_ptr();
        let mut table: Table = [[zeros; COLUMNS]; ROWS];
        let top = (self.row * STRIDE) as isize + vertical.origin;
        let blocks = pixel.div_ceil(S::LANES);
        let mut ahead = self
            .target
            .ahead
            .map(|piece| piece.over(of.tiles.len() * blocks));
        // Not known to the compiler, which would unroll the loop over rows and mix them until no register is free.
        let height = std::hint::black_box(HEIGHT).min(HEIGHT);
        let fetches = !ahead.iter().all(|cursor| cursor.is_done());
        for tile in &of.tiles {
            for (r, places) in table.iter_mut().enumerate().take(HEIGHT + STRIDE) {
                let y = top + r as isize;
                // Rows outside stay zeros for all tiles.
                if y < 0 || y >= vertical.size as isize {
                    continue;
                }
                let line = &self.image[y as usize * horizontal.size * pixel..];
                let columns = (tile.width - 1) * STRIDE + WIDTH;
                for (j, place) in places.iter_mut().enumerate().take(columns) {
                    let x = tile.column + j as isize;
                    *place = if x >= 0 && x < horizontal.size as isize {
                        line[x as usize * pixel..].as_ptr()
                    } else {
                        zeros
                    };
                }
            }
            let mut at = 0;
            while at < pixel {
                if fetches {
                    ahead.iter_mut().for_each(|cursor| cursor.step(s));
                }
                let lanes = S::LANES.min(pixel - at);
                // SAFETY: every pixel of the table has `pixel` channels, of which `lanes` from `at` are read, a whole register without
                // `PARTIAL`; the tile's outputs can be written by the caller's promise.
                unsafe {
                    match (tile.width, lanes == S::LANES) {
                        (8, true) if S::ROWS * S::COLS >= 24 => {
                            self.block::<S, 8, false>(s, &table, tile, height, at, lanes)
                        }
                        (8, false) if S::ROWS * S::COLS >= 24 => {
                            self.block::<S, 8, true>(s, &table, tile, height, at, lanes)
                        }
                        (7, true) => self.block::<S, 7, false>(s, &table, tile, height, at, lanes),
                        (7, false) => self.block::<S, 7, true>(s, &table, tile, height, at, lanes),
                        (_, true) => self.block::<S, 4, false>(s, &table, tile, height, at, lanes),
                        (_, false) => self.block::<S, 4, true>(s, &table, tile, height, at, lanes),
                    }
                }
                at += S::LANES;
            }
        }
    }
}

impl<const HEIGHT: usize, const WIDTH: usize, const STRIDE: usize>
    Window<'_, HEIGHT, WIDTH, STRIDE>
{
    /// The tile for the channels from `at`.
    ///
    /// # Safety
    ///
    /// `lanes` channels exist from `at`, which fill a register without `PARTIAL`, and the tile's outputs can be written. `T` is the
    /// tile's width.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // A row of the image meets rows of the kernel too.
    unsafe fn block<S: Simd, const T: usize, const PARTIAL: bool>(
        &self,
        s: S,
        table: &Table,
        tile: &Tile,
        height: usize,
        at: usize,
        lanes: usize,
    ) {
        let of = self.of;
        let group = (at / GROUP) * HEIGHT * WIDTH * GROUP + at % GROUP;
        let weight = of.weight.as_ptr().wrapping_add(group);
        let weight = |row: usize| weight.wrapping_add(row * WIDTH * GROUP);
        // SAFETY: the bias and the packed weight are padded to whole registers; the pixels are the caller's promise.
        unsafe {
            let bias = s.load(of.bias.as_ptr().add(at));
            let rows = if self.pair { 2 } else { 1 };
            if S::ROWS * S::COLS < 24 {
                // Few registers: they hold one row of outputs, and the weights.
                for i in 0..rows {
                    let mut sums = [[bias; T]; 2];
                    for r in 0..height {
                        let (places, weights) = (&table[i * STRIDE + r], [weight(r); 2]);
                        products::<S, WIDTH, STRIDE, T, PARTIAL, true, false>(
                            s, places, weights, at, lanes, &mut sums,
                        );
                    }
                    self.store::<S, T, PARTIAL>(s, i, tile, (at, lanes), &sums[0]);
                }
                return;
            }
            let mut sums = [[bias; T]; 2];
            for r in 0..HEIGHT.min(STRIDE) {
                let weights = [weight(r); 2];
                products::<S, WIDTH, STRIDE, T, PARTIAL, true, false>(
                    s, &table[r], weights, at, lanes, &mut sums,
                );
            }
            for r in STRIDE..HEIGHT {
                let weights = [weight(r), weight(r - STRIDE)];
                products::<S, WIDTH, STRIDE, T, PARTIAL, true, true>(
                    s, &table[r], weights, at, lanes, &mut sums,
                );
            }
            for r in HEIGHT.max(STRIDE)..HEIGHT + STRIDE {
                let weights = [weight(r - STRIDE); 2];
                products::<S, WIDTH, STRIDE, T, PARTIAL, false, true>(
                    s, &table[r], weights, at, lanes, &mut sums,
                );
            }
            self.store::<S, T, PARTIAL>(s, 0, tile, (at, lanes), &sums[0]);
            if self.pair {
                self.store::<S, T, PARTIAL>(s, 1, tile, (at, lanes), &sums[1]);
            }
        }
    }

    /// Stores row `i` of the tile's outputs, `lanes` channels from `at`.
    ///
    /// # Safety
    ///
    /// As for [`block`](Self::block).
    #[inline(always)]
    unsafe fn store<S: Simd, const T: usize, const PARTIAL: bool>(
        &self,
        s: S,
        i: usize,
        tile: &Tile,
        (at, lanes): (usize, usize),
        sums: &[S::V; T],
    ) {
        let Target {
            out, pixel, row, ..
        } = self.target;
        let out = out.wrapping_add(i * row + tile.first * pixel + at);
        // SAFETY: the same contract.
        unsafe {
            store::<S, T, PARTIAL>(s, self.of.last, (out, pixel), tile.count, lanes, sums);
        }
    }
}

/// Adds the products of one row of the image to the first (`A`), the second (`B`) or both rows of outputs.
///
/// # Safety
///
/// `lanes` numbers from `at` can be read at the places of the columns that the tile sees, a whole register without `PARTIAL`, and the
/// rows of packed `weights`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // A tap's index chooses the output.
unsafe fn products<
    S: Simd,
    const WIDTH: usize,
    const STRIDE: usize,
    const T: usize,
    const PARTIAL: bool,
    const A: bool,
    const B: bool,
>(
    s: S,
    places: &[*const f32; COLUMNS],
    weights: [*const f32; 2],
    at: usize,
    lanes: usize,
    sums: &mut [[S::V; T]; 2],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let w: [[S::V; WIDTH]; 2] =
            weights.map(|row| std::array::from_fn(|tap| s.load(row.add(tap * GROUP))));
        unroll!(j, {
            if j < (T - 1) * STRIDE + WIDTH {
                let pixel = load::<S, PARTIAL>(s, places[j].add(at), lanes);
                for tap in 0..WIDTH {
                    if j >= tap && (j - tap).is_multiple_of(STRIDE) && (j - tap) / STRIDE < T {
                        let t = (j - tap) / STRIDE;
                        if A {
                            sums[0][t] = s.mul_add(w[0][tap], pixel, sums[0][t]);
                        }
                        if B {
                            sums[1][t] = s.mul_add(w[1][tap], pixel, sums[1][t]);
                        }
                    }
                }
            }
        });
    }
}
