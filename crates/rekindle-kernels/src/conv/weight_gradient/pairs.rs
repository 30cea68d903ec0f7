//! The products of a tap from factors rounded to `bf16`: they run over pixels, so that neighbouring pixels of one channel
//! make a pair. Both factors are paired in scratch, some pixels at a time.

use std::ops::Range;

use super::part::{Accumulate, Pixels, tiles};
use crate::buffer::Buffer;
use crate::simd::{Kernel, Simd};

/// Registers of a panel.
const COLUMNS: usize = 2;

/// Pixels of one visit at most: their gradients for one panel of channels stay in the first-level cache while the input's channels pass.
const PIXELS: usize = 128;

/// Bytes of the input's pairs of one visit at most, so that they stay in the second-level cache while the panels pass.
const INPUT_BYTES: usize = 256 << 10;

/// Numbers in a cache line, and places of a pair of pixels in a tile's copies.
const LINE: usize = 16;

/// One part, computed in pairs.
pub(super) struct AccumulatePairs<'a>(pub Accumulate<'a>);

impl Kernel for AccumulatePairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        assert!((S::LANES, S::COLS) == (LINE, COLUMNS) && S::ROWS <= LINE);
        let part = self.0;
        if part.rows.is_empty() {
            return;
        }
        let tiles = tiles(&part.rows, S::ROWS);
        let pair_bytes = tiles.len() * LINE * size_of::<f32>();
        let most = (INPUT_BYTES / pair_bytes * 2).clamp(2, PIXELS);
        let mut visit = Visit {
            part: &part,
            input: Buffer::unspecified((most / 2 + 1) * tiles.len() * LINE),
            gradient: Buffer::unspecified(most / 2 * COLUMNS * LINE),
            tiles,
        };
        let (mut now, mut next) = (Vec::with_capacity(most), Vec::with_capacity(most));
        for index in part.taps.clone() {
            let tap = &part.pixels.taps[index];
            let images = part.images.clone();
            let rows = images.flat_map(|image| tap.rows.clone().map(move |row| [image, row]));
            let mut pixels =
                rows.flat_map(|[image, row]| tap.columns.clone().map(move |x| [image, row, x]));
            let mut fill = |places: &mut Vec<_>| {
                places.clear();
                let pixels = pixels.by_ref().take(most);
                places.extend(pixels.map(|pixel| part.pixels.place(tap, pixel)));
            };
            fill(&mut now);
            while !now.is_empty() {
                fill(&mut next);
                visit.add(s, index, [&now, &next]);
                std::mem::swap(&mut now, &mut next);
            }
        }
    }
}

/// Some pixels of a part, and room for their pairs.
struct Visit<'a> {
    part: &'a Accumulate<'a>,
    /// The rows of each tile.
    tiles: Vec<Range<usize>>,
    /// `[tile][pair][row of the tile]`, with a line behind each tile: at a power of two, tiles would compete for the first-level cache.
    input: Buffer,
    /// `[pair][column of a panel]`.
    gradient: Buffer,
}

/// Where a pixel starts in the input and in the gradient.
type Place = (usize, usize);

impl Visit<'_> {
    /// Adds the products of the pixels `now`, and asks for those that come `next`.
    #[inline(always)]
    fn add<S: Simd>(&mut self, s: S, tap: usize, [now, next]: [&[Place]; 2]) {
        let part = self.part;
        let Pixels {
            x,
            dy,
            depth,
            columns,
            ..
        } = *part.pixels;
        let width = COLUMNS * LINE;
        let pairs = now.len().div_ceil(2);
        let size = (pairs + 1) * LINE;
        for (at, pixels) in now.chunks(2).enumerate() {
            let mut rows = [None; 2];
            for (row, pixel) in rows.iter_mut().zip(pixels) {
                *row = Some(&x[pixel.0..][..depth]);
            }
            for (tile, to) in self.tiles.iter().zip(self.input.chunks_exact_mut(size)) {
                pair(s, rows, tile.clone(), &mut to[at * LINE..][..LINE]);
            }
        }
        let panels = part.panels.len();
        for (at, panel) in part.panels.clone().enumerate() {
            let share = |index: usize| next.len() * index / panels;
            ask(s, part, &next[share(at)..share(at + 1)]);
            let channels = panel * width..columns.min((panel + 1) * width);
            let narrow = channels.len() <= LINE;
            let start = (panel * part.pixels.taps.len() + tap) * depth * width;
            // SAFETY: this part owns its rows of this chunk, tap and panel.
            let sums = unsafe { part.sums.get().add(part.start + start) };
            let pitch = if narrow { LINE } else { width };
            let gradient = &mut self.gradient[..pairs * pitch];
            for (pixels, to) in now.chunks(2).zip(gradient.chunks_exact_mut(pitch)) {
                let mut rows = [None; 2];
                for (row, pixel) in rows.iter_mut().zip(pixels) {
                    *row = Some(&dy[pixel.1..][..columns]);
                }
                pair(s, rows, channels.clone(), to);
            }
            for (rows, input) in self.tiles.iter().zip(self.input.chunks_exact(size)) {
                let tile = Tile {
                    input: &input[..pairs * LINE],
                    gradient,
                    // SAFETY: as above.
                    sums: unsafe { sums.add(rows.start * width) },
                };
                macro_rules! add {
                    ($($rows:literal)*) => {
                        match (rows.len(), narrow) {
                            $(
                                ($rows, false) => tile.add::<S, $rows, COLUMNS>(s),
                                ($rows, true) => tile.add::<S, $rows, 1>(s),
                            )*
                            _ => unreachable!("a tile of {rows:?}"),
                        }
                    };
                }
                add!(1 2 4 6 8 10 12 14)
            }
        }
    }
}

/// Asks for what pixels have of a part's rows and panels.
#[inline(always)]
fn ask<S: Simd>(s: S, part: &Accumulate<'_>, places: &[Place]) {
    let width = COLUMNS * LINE;
    let (x, dy) = (part.pixels.x.as_ptr(), part.pixels.dy.as_ptr());
    let columns = part.panels.start * width..part.pixels.columns.min(part.panels.end * width);
    for &(of_x, of_dy) in places {
        for at in part.rows.clone().step_by(LINE) {
            s.prefetch_far(x.wrapping_add(of_x + at));
        }
        for at in columns.clone().step_by(LINE) {
            s.prefetch_far(dy.wrapping_add(of_dy + at));
        }
    }
}

/// The pairs of one tile and one panel.
struct Tile<'a> {
    input: &'a [f32],
    gradient: &'a [f32],
    sums: *mut f32,
}

impl Tile<'_> {
    /// Adds the products of `R` rows with the panel's first `C` registers.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const C: usize>(&self, s: S) {
        let width = COLUMNS * LINE;
        let mut held = [[s.zero(); C]; R];
        // SAFETY: there are R rows of a panel's columns at `sums`.
        unsafe {
            for (r, held) in held.iter_mut().enumerate() {
                for (c, held) in held.iter_mut().enumerate() {
                    *held = s.load(self.sums.add(r * width + c * LINE));
                }
            }
        }
        let input = self.input.chunks_exact(LINE);
        for (input, gradient) in input.zip(self.gradient.chunks_exact(C * LINE)) {
            let mut g = [s.zero(); C];
            for (c, g) in g.iter_mut().enumerate() {
                // SAFETY: C registers of the gradient.
                *g = unsafe { s.load(gradient.as_ptr().add(c * LINE)) };
            }
            for (r, held) in held.iter_mut().enumerate() {
                // SAFETY: R is at most a line.
                let a = s.splat(unsafe { *input.as_ptr().add(r) });
                for (held, g) in held.iter_mut().zip(g) {
                    *held = s.dot(a, g, *held);
                }
            }
        }
        // SAFETY: as above.
        unsafe {
            for (r, held) in held.iter().enumerate() {
                for (c, held) in held.iter().enumerate() {
                    s.store(self.sums.add(r * width + c * LINE), *held);
                }
            }
        }
    }
}

/// Pairs these numbers of two pixels, or of one and zeros: whole registers, with zeros behind the last number.
#[inline(always)]
fn pair<S: Simd>(s: S, pixels: [Option<&[f32]>; 2], numbers: Range<usize>, to: &mut [f32]) {
    for (chunk, to) in to.chunks_exact_mut(S::LANES).enumerate() {
        let start = numbers.start + chunk * S::LANES;
        let left = numbers.end.saturating_sub(start).min(S::LANES);
        let mut of_pixels = [s.zero(); 2];
        for (v, pixel) in of_pixels.iter_mut().zip(pixels) {
            if let Some(pixel) = pixel {
                assert!(numbers.end <= pixel.len());
                // SAFETY: `left` numbers of the pixel are read, none behind its end.
                *v = unsafe { s.load_partial(pixel.as_ptr().wrapping_add(start), left) };
            }
        }
        // SAFETY: a chunk has LANES places.
        unsafe { s.store(to.as_mut_ptr(), s.pair(of_pixels[0], of_pixels[1])) };
    }
}
