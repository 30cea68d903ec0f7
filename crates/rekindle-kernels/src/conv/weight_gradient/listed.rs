//! The products of a tap that shares no pixels with others (a 1x1 kernel's, a Winograd frequency's): some pixels at a time, listed from
//! whichever rows and images they come.

use super::{Accumulate, PIXELS, Pixels, ROWS, Tap, tile_rows};
use crate::buffer::Buffer;
use crate::simd::Simd;

/// Rows of the product from which the gradients of a panel are copied side by side: they are then read so often that it matters where in
/// the first-level cache they lie, and in how many pages.
const OFTEN: usize = 64;

/// Numbers in a cache line.
const LINE: usize = 16;

/// Some pixels, by where they start.
struct Listed {
    x: Vec<*const f32>,
    dy: Vec<*const f32>,
}

impl Listed {
    fn new() -> Self {
        Self {
            x: Vec::with_capacity(PIXELS),
            dy: Vec::with_capacity(PIXELS),
        }
    }

    /// Takes the next pixels of a walk over those of a tap; none behind its end.
    #[inline(always)]
    fn fill(&mut self, pixels: &Pixels<'_>, tap: &Tap, walk: &mut Walk) {
        self.x.clear();
        self.dy.clear();
        while self.x.len() < PIXELS && walk.image < walk.images && !tap.columns.is_empty() {
            let count = (tap.columns.end - walk.column).min(PIXELS - self.x.len());
            let (x, dy) = pixels.place(tap, [walk.image, walk.row, walk.column]);
            let [x_step, dy_step] = [pixels.x_steps[2], pixels.dy_steps[2]];
            // The slices check what the pointers rely on.
            let x = pixels.x[x..][..(count - 1) * x_step + pixels.depth].as_ptr();
            let dy = pixels.dy[dy..][..(count - 1) * dy_step + pixels.columns].as_ptr();
            for column in 0..count {
                self.x.push(x.wrapping_add(column * x_step));
                self.dy.push(dy.wrapping_add(column * dy_step));
            }
            walk.column += count;
            if walk.column == tap.columns.end {
                walk.column = tap.columns.start;
                walk.row += 1;
            }
            if walk.row == tap.rows.end {
                walk.row = tap.rows.start;
                walk.image += 1;
            }
        }
    }
}

/// The next pixel, and the image behind the last.
struct Walk {
    image: usize,
    row: usize,
    column: usize,
    images: usize,
}

/// Adds the products of a part.
#[inline(always)]
pub(super) fn accumulate<S: Simd, const C: usize>(part: Accumulate<'_>, s: S) {
    let width = C * S::LANES;
    let mut scratch = Buffer::unspecified(PIXELS * width);
    let start: *mut f32 = scratch.as_mut_ptr();
    // All reading and writing goes through these, as long as `scratch` lives.
    let copies: Vec<*const f32> = (0..PIXELS)
        .map(|pixel| start.wrapping_add(pixel * width).cast_const())
        .collect();
    let (mut now, mut next) = (Listed::new(), Listed::new());
    for index in part.taps.clone() {
        let tap = &part.pixels.taps[index];
        if tap.rows.is_empty() {
            continue;
        }
        let mut walk = Walk {
            image: part.images.start,
            row: tap.rows.start,
            column: tap.columns.start,
            images: part.images.end,
        };
        now.fill(part.pixels, tap, &mut walk);
        while !now.x.is_empty() {
            next.fill(part.pixels, tap, &mut walk);
            let first = index * part.pixels.depth * width;
            // SAFETY: the copies are places for PIXELS pixels of `width` numbers.
            unsafe { visit::<S, C>(s, &part, first, [&now, &next], &copies) };
            std::mem::swap(&mut now, &mut next);
        }
    }
}

/// Adds the products of the pixels `now`, and asks for those that come `next`. `first` is where the tap's sums start in those of a panel.
///
/// # Safety
///
/// Each of the `copies` can be written, a panel's columns wide, and there is one for each pixel.
#[inline(always)]
unsafe fn visit<S: Simd, const C: usize>(
    s: S,
    part: &Accumulate<'_>,
    first: usize,
    [now, next]: [&Listed; 2],
    copies: &[*const f32],
) {
    let (width, pixels) = (C * S::LANES, part.pixels);
    let tiles = part.rows.len().div_ceil(tile_rows(S::ROWS)) * part.panels.len();
    let gradients = part.panels.start * width..(part.panels.end * width).min(pixels.columns);
    let mut asked = (0, 0);
    for panel in part.panels.clone() {
        let channel = panel * width;
        let columns = (pixels.columns - channel).min(width);
        let fills = columns == width || (C == 2 && columns == S::LANES);
        let copied = !fills || part.rows.len() >= OFTEN;
        if copied {
            // SAFETY: the caller's promise.
            unsafe { pack::<S, C>(s, &now.dy, channel, columns, copies) };
        }
        let start = part.start + panel * pixels.taps.len() * pixels.depth * width + first;
        let mut row = part.rows.start;
        while row < part.rows.end {
            // The share of the next pixels that belongs to this tile.
            asked.0 += 1;
            let until = (next.x.len() * asked.0 / tiles).min(next.x.len());
            for pixel in asked.1..until {
                for at in part.rows.clone().step_by(LINE) {
                    s.prefetch(next.x[pixel].wrapping_add(at));
                }
                for at in gradients.clone().step_by(LINE) {
                    s.prefetch(next.dy[pixel].wrapping_add(at));
                }
            }
            asked.1 = until;
            let left = part.rows.end - row;
            let tile = Tile {
                x: &now.x,
                dy: if copied { copies } else { &now.dy },
                row,
                channel: if copied { 0 } else { channel },
                width,
                // SAFETY: this part owns these rows of this chunk, tap and panel.
                sums: unsafe { part.sums.get().add(start + row * width) },
            };
            // One register holds the last panel's columns: more rows then keep the arithmetic busy.
            row += if C == 2 && columns <= S::LANES {
                match (left, tile_rows(S::ROWS)) {
                    (1, _) => tile.add::<S, 1, 1>(s),
                    (2..4, _) => tile.add::<S, 2, 1>(s),
                    (16.., ROWS) => tile.add::<S, 16, 1>(s),
                    (12.., 6) => tile.add::<S, 12, 1>(s),
                    (8.., _) => tile.add::<S, 8, 1>(s),
                    _ => tile.add::<S, 4, 1>(s),
                }
            } else {
                match (left, tile_rows(S::ROWS)) {
                    (1, _) => tile.add::<S, 1, C>(s),
                    (2..4, _) => tile.add::<S, 2, C>(s),
                    (8.., ROWS) => tile.add::<S, ROWS, C>(s),
                    (6.., 6) => tile.add::<S, 6, C>(s),
                    _ => tile.add::<S, 4, C>(s),
                }
            };
        }
    }
}

/// The gradients of a panel side by side, zeros behind the last column.
///
/// # Safety
///
/// C registers can be written at each of the `copies`.
#[inline(always)]
unsafe fn pack<S: Simd, const C: usize>(
    s: S,
    dy: &[*const f32],
    channel: usize,
    columns: usize,
    copies: &[*const f32],
) {
    for (dy, to) in dy.iter().zip(copies) {
        for c in 0..C {
            let left = columns.saturating_sub(c * S::LANES).min(S::LANES);
            // SAFETY: `columns` numbers from the channel on belong to the pixel; the copy's place by the caller's promise.
            unsafe {
                let v = s.load_partial(dy.wrapping_add(channel + c * S::LANES), left);
                s.store(to.cast_mut().add(c * S::LANES), v);
            }
        }
    }
}

/// Some rows of the product and one panel of columns.
struct Tile<'a> {
    x: &'a [*const f32],
    dy: &'a [*const f32],
    row: usize,
    /// Where the panel starts behind each of `dy`.
    channel: usize,
    width: usize,
    sums: *mut f32,
}

impl Tile<'_> {
    /// Adds the products of `R` rows with the panel's first `C` registers; returns `R`.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const C: usize>(&self, s: S) -> usize {
        let mut held = [[s.zero(); C]; R];
        // SAFETY: `sums` has R rows of `width` numbers, at least C registers.
        unsafe {
            for (r, held) in held.iter_mut().enumerate() {
                for (c, held) in held.iter_mut().enumerate() {
                    *held = s.load(self.sums.add(r * self.width + c * S::LANES));
                }
            }
        }
        for (x, dy) in self.x.iter().zip(self.dy) {
            // SAFETY: a listed pixel has `depth` numbers, of which R from `row` are read, and its gradients fill C registers.
            unsafe {
                let (x, dy) = (x.add(self.row), dy.add(self.channel));
                let mut g = [s.zero(); C];
                for (c, g) in g.iter_mut().enumerate() {
                    *g = s.load(dy.add(c * S::LANES));
                }
                for (r, held) in held.iter_mut().enumerate() {
                    let a = s.splat(*x.add(r));
                    for (held, g) in held.iter_mut().zip(g) {
                        *held = s.mul_add(a, g, *held);
                    }
                }
            }
        }
        // SAFETY: as above.
        unsafe {
            for (r, held) in held.iter().enumerate() {
                for (c, held) in held.iter().enumerate() {
                    s.store(self.sums.add(r * self.width + c * S::LANES), *held);
                }
            }
        }
        R
    }
}
