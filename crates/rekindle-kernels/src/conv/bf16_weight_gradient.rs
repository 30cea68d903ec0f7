//! The gradient of a dense convolution's weight from factors rounded to `bf16`: the product runs over pixels, so that neighbouring
//! pixels of one channel make a pair. Both factors are paired in scratch, some pixels at a time.

use std::ops::Range;

use super::weight_gradient::{Accumulate, PIXELS, ROWS};
use crate::buffer::Buffer;
use crate::simd::{Avx512, Avx512Bf16, PairKernel, Simd};

const LANES: usize = Avx512::LANES;
const COLUMNS: usize = Avx512::COLS;
const WIDTH: usize = COLUMNS * LANES;

/// Bytes of the input's pairs of one visit at most, so that they stay in the second-level cache while the panels pass.
const INPUT_BYTES: usize = 256 << 10;

/// One part, computed in pairs.
pub(super) struct AccumulatePairs<'a>(pub Accumulate<'a>);

impl PairKernel for AccumulatePairs<'_> {
    #[inline(always)]
    fn run(self, s: Avx512Bf16) {
        let part = self.0;
        let rows = part.rows.len();
        if rows == 0 {
            return;
        }
        let pitch = rows.next_multiple_of(LANES);
        let most = (INPUT_BYTES / (pitch * 4) * 2).clamp(2, PIXELS);
        let mut visit = Visit {
            input: Buffer::unspecified(most / 2 * pitch),
            gradient: Buffer::unspecified(most / 2 * WIDTH),
            pitch,
            pairs: 0,
        };
        let mut places = Vec::with_capacity(most);
        for index in part.taps.clone() {
            let tap = &part.pixels.taps[index];
            for image in part.images.clone() {
                for row in tap.rows.clone() {
                    for column in tap.columns.clone() {
                        places.push(part.pixels.place(tap, [image, row, column]));
                        if places.len() == most {
                            visit.add(s, &part, index, &places);
                            places.clear();
                        }
                    }
                }
            }
            if !places.is_empty() {
                visit.add(s, &part, index, &places);
                places.clear();
            }
        }
    }
}

/// Scratch for some pixels: `[pair][channel]` pairs of the input and of one panel of the gradient.
struct Visit {
    input: Buffer,
    gradient: Buffer,
    pitch: usize,
    pairs: usize,
}

impl Visit {
    #[inline(always)]
    fn add(&mut self, s: Avx512Bf16, part: &Accumulate<'_>, tap: usize, places: &[(usize, usize)]) {
        let pixels = part.pixels;
        let plain = s.plain();
        self.pairs = places.len().div_ceil(2);
        let pitch = self.pitch;
        let rows = part.rows.clone();
        pack(
            s,
            &mut self.input,
            pitch,
            pixels.x,
            places.iter().map(|place| place.0 + rows.start),
            rows.len(),
        );
        for panel in part.panels.clone() {
            let channel = panel * WIDTH;
            let columns = (pixels.columns - channel).min(WIDTH);
            let starts = places.iter().map(|place| place.1 + channel);
            pack(s, &mut self.gradient, WIDTH, pixels.dy, starts, columns);
            let base = part.start + (panel * pixels.taps.len() + tap) * pixels.depth * WIDTH;
            let mut row = 0;
            while row < rows.len() {
                let used = (rows.len() - row).min(ROWS);
                // SAFETY: this part owns these rows of this chunk, tap and panel.
                unsafe {
                    let sums = part.sums.get().add(base + (rows.start + row) * WIDTH);
                    self.tile(s, plain, row, used, sums);
                }
                row += ROWS;
            }
        }
    }

    /// Adds the products of `used` rows from `row` with the panel.
    ///
    /// # Safety
    ///
    /// `used` rows of `WIDTH` numbers can be read and written at `sums`.
    #[inline(always)]
    unsafe fn tile(&self, s: Avx512Bf16, plain: Avx512, row: usize, used: usize, sums: *mut f32) {
        let mut held = [[plain.zero(); COLUMNS]; ROWS];
        // The slices check what the pointers rely on. The input's rows are padded to a multiple of the tile's.
        let input = self.input[row..][..(self.pairs - 1) * self.pitch + ROWS]
            .as_ptr()
            .cast::<u32>();
        let gradient = self.gradient[..self.pairs * WIDTH].as_ptr().cast::<u32>();
        for pair in 0..self.pairs {
            // SAFETY: pair by pair inside the slices just taken.
            unsafe {
                let g: [_; COLUMNS] =
                    std::array::from_fn(|c| s.load(gradient.add(pair * WIDTH + c * LANES)));
                for (r, held) in held.iter_mut().enumerate() {
                    let a = s.splat(*input.add(pair * self.pitch + r));
                    for (held, g) in held.iter_mut().zip(g) {
                        *held = s.dot(a, g, *held);
                    }
                }
            }
        }
        for (r, held) in held.iter().enumerate().take(used) {
            for (c, held) in held.iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    let at = sums.add(r * WIDTH + c * LANES);
                    plain.store(at, plain.add(plain.load(at), *held));
                }
            }
        }
    }
}

/// Pairs the numbers of neighbouring starts: `[pair][pitch]`, zeros behind the last pixel and behind `count` numbers.
#[inline(always)]
fn pack(
    s: Avx512Bf16,
    to: &mut Buffer,
    pitch: usize,
    source: &[f32],
    mut starts: impl Iterator<Item = usize>,
    count: usize,
) {
    let plain = s.plain();
    let mut rows = to.chunks_exact_mut(pitch);
    while let Some(first) = starts.next() {
        let first = &source[first..first + count];
        let second = starts.next().map(|second| &source[second..second + count]);
        let Some(row) = rows.next() else { return };
        let chunks: Range<usize> = 0..pitch.div_ceil(LANES);
        for chunk in chunks {
            let at = chunk * LANES;
            let left = count.saturating_sub(at).min(LANES);
            // SAFETY: `left` numbers of each pixel are read; the row has a multiple of LANES places.
            unsafe {
                let a = plain.load_partial(first.as_ptr().wrapping_add(at), left);
                let b = match second {
                    Some(second) => plain.load_partial(second.as_ptr().wrapping_add(at), left),
                    None => plain.zero(),
                };
                s.store(row.as_mut_ptr().add(at).cast(), s.pair(a, b));
            }
        }
    }
}
