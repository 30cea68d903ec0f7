//! The products of a tap that is taken by itself (a 1x1 kernel's, a Winograd frequency's, one of many channels): some pixels at a time,
//! from whichever rows and images they come.

use std::ops::Range;

use super::part::{Accumulate, PIXELS, Pixels, Tap, tiles};
use crate::buffer::Buffer;
use crate::simd::Simd;

/// Rows of the product from which the gradients of a panel are copied side by side: they are then read so often that it matters where in
/// the first-level cache they lie, and in how many pages.
const OFTEN: usize = 64;

/// Panels for which the numbers of a tile's rows are copied side by side, where the rows are many too: each panel reads them again.
const PANELS: usize = 3;

/// Numbers in a cache line.
const LINE: usize = 16;

/// Some pixels, by the runs in which they lie side by side.
struct Runs {
    runs: Vec<Run>,
    /// Pixels of all runs.
    count: usize,
}

/// Pixels at equal distances, those of the walk that the run was taken from.
#[derive(Clone, Copy)]
struct Run {
    x: *const f32,
    dy: *const f32,
    count: usize,
}

impl Runs {
    fn new() -> Self {
        Self {
            runs: Vec::with_capacity(PIXELS),
            count: 0,
        }
    }

    /// Takes the next `at_once` pixels of a walk over those of a tap; none behind its end.
    #[inline(always)]
    fn fill(&mut self, pixels: &Pixels<'_>, tap: &Tap, walk: &mut Walk, at_once: usize) {
        self.runs.clear();
        self.count = 0;
        let [x_step, dy_step] = [pixels.x_steps[2], pixels.dy_steps[2]];
        while self.count < at_once && walk.image < walk.images && !tap.columns.is_empty() {
            let count = (tap.columns.end - walk.column).min(at_once - self.count);
            let (x, dy) = pixels.place(tap, [walk.image, walk.row, walk.column]);
            // What the pointers rely on.
            assert!(x + (count - 1) * x_step + pixels.depth <= pixels.x.len());
            assert!(dy + (count - 1) * dy_step + pixels.columns <= pixels.dy.len());
            let x = pixels.x.as_ptr().wrapping_add(x);
            let dy = pixels.dy.as_ptr().wrapping_add(dy);
            match self.runs.last_mut() {
                // Rows and images that follow without a gap are one run.
                Some(run)
                    if run.x.wrapping_add(run.count * x_step) == x
                        && run.dy.wrapping_add(run.count * dy_step) == dy =>
                {
                    run.count += count;
                }
                _ => self.runs.push(Run { x, dy, count }),
            }
            self.count += count;
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

/// A walk over pixels that will be needed, to ask for some of them at a time.
struct Ahead<'a> {
    runs: &'a Runs,
    /// Pixels that were asked for, of all and of the first run that has others.
    asked: usize,
    run: usize,
    in_run: usize,
}

impl Ahead<'_> {
    /// Asks for the pixels up to number `until`: for these channels of `x` and of `dy`.
    #[inline(always)]
    fn ask<S: Simd>(
        &mut self,
        s: S,
        pixels: &Pixels<'_>,
        until: usize,
        x: &Range<usize>,
        dy: &Range<usize>,
    ) {
        while self.asked < until {
            let run = self.runs.runs[self.run];
            let x_start = run.x.wrapping_add(self.in_run * pixels.x_steps[2]);
            let dy_start = run.dy.wrapping_add(self.in_run * pixels.dy_steps[2]);
            for at in x.clone().step_by(LINE) {
                s.prefetch_far(x_start.wrapping_add(at));
            }
            for at in dy.clone().step_by(LINE) {
                s.prefetch_far(dy_start.wrapping_add(at));
            }
            self.asked += 1;
            self.in_run += 1;
            if self.in_run == run.count {
                self.run += 1;
                self.in_run = 0;
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
    let wide = tiles(&part.rows, S::ROWS);
    let packs = part.rows.len() >= OFTEN && part.panels.len() >= PANELS;
    let mut held = Held {
        // One register holds a narrow panel's columns: more rows then keep the arithmetic busy.
        narrow: tiles(&part.rows, if S::ROWS == 6 { 12 } else { S::ROWS }),
        gradients: Buffer::unspecified(PIXELS * width),
        rows: Buffer::unspecified(if packs {
            wide.len() * packed_tile::<S>(PIXELS)
        } else {
            0
        }),
        wide,
    };
    let (mut now, mut next) = (Runs::new(), Runs::new());
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
        now.fill(part.pixels, tap, &mut walk, PIXELS);
        while now.count > 0 {
            next.fill(part.pixels, tap, &mut walk, PIXELS);
            let first = index * part.pixels.depth * width;
            visit::<S, C>(s, &part, first, [&now, &next], &mut held);
            std::mem::swap(&mut now, &mut next);
        }
    }
}

/// What a part keeps from visit to visit.
struct Held {
    /// The rows of each tile of a panel, and of one that fills one register at most.
    wide: Vec<Range<usize>>,
    narrow: Vec<Range<usize>>,
    /// Room for a panel's gradients of each pixel.
    gradients: Buffer,
    /// Room for each wide tile's numbers of each pixel; empty where they are not copied.
    rows: Buffer,
}

/// Adds the products of the pixels `now`, and asks for those that come `next`. `first` is where the tap's sums start in those of a panel.
#[inline(always)]
fn visit<S: Simd, const C: usize>(
    s: S,
    part: &Accumulate<'_>,
    first: usize,
    [now, next]: [&Runs; 2],
    held: &mut Held,
) {
    let (width, pixels) = (C * S::LANES, part.pixels);
    let all = held.wide.len() * part.panels.len();
    let gradients = part.panels.start * width..(part.panels.end * width).min(pixels.columns);
    let mut ahead = Ahead {
        runs: next,
        asked: 0,
        run: 0,
        in_run: 0,
    };
    let mut met = 0;
    let packed = !held.rows.is_empty();
    let packed_tile = packed_tile::<S>(now.count);
    if packed {
        pack_rows(s, now, pixels.x_steps[2], &held.wide, &mut held.rows);
    }
    for panel in part.panels.clone() {
        let channel = panel * width;
        let columns = (pixels.columns - channel).min(width);
        let fills = columns == width || (C == 2 && columns == S::LANES);
        let copied = !fills || part.rows.len() >= OFTEN;
        if copied {
            let copies = &mut held.gradients;
            pack::<S, C>(s, now, pixels.dy_steps[2], channel, columns, copies);
        }
        let start = part.start + panel * pixels.taps.len() * pixels.depth * width + first;
        let narrow = C == 2 && columns <= S::LANES;
        let tiles = if narrow { &held.narrow } else { &held.wide };
        for (at, rows) in tiles.iter().enumerate() {
            // The share of the next pixels that belongs to this tile.
            met += 1;
            let until = (next.count * met / all).min(next.count);
            ahead.ask(s, pixels, until, &part.rows, &gradients);
            let packed =
                (packed && !narrow).then(|| held.rows[at * packed_tile..][..packed_tile].as_ptr());
            let tile = Tile {
                runs: &now.runs,
                x_step: match packed {
                    Some(_) => packed_row::<S>(),
                    None => pixels.x_steps[2],
                },
                packed,
                dy_step: if copied { width } else { pixels.dy_steps[2] },
                copies: copied.then_some(&*held.gradients),
                row: rows.start,
                channel,
                width,
                // SAFETY: this part owns these rows of this chunk, tap and panel.
                sums: unsafe { part.sums.get().add(start + rows.start * width) },
            };
            if narrow {
                match rows.len() {
                    1 => tile.add::<S, 1, 1>(s),
                    2 => tile.add::<S, 2, 1>(s),
                    4 => tile.add::<S, 4, 1>(s),
                    6 => tile.add::<S, 6, 1>(s),
                    8 => tile.add::<S, 8, 1>(s),
                    10 => tile.add::<S, 10, 1>(s),
                    12 => tile.add::<S, 12, 1>(s),
                    14 => tile.add::<S, 14, 1>(s),
                    _ => unreachable!("a tile has one row or an even number up to 14"),
                }
            } else {
                match (rows.len(), S::ROWS) {
                    (1, _) => tile.add::<S, 1, C>(s),
                    (2, _) => tile.add::<S, 2, C>(s),
                    (4, _) => tile.add::<S, 4, C>(s),
                    (6, 6..) => tile.add::<S, 6, C>(s),
                    (8, 14) => tile.add::<S, 8, C>(s),
                    (10, 14) => tile.add::<S, 10, C>(s),
                    (12, 14) => tile.add::<S, 12, C>(s),
                    (14, 14) => tile.add::<S, 14, C>(s),
                    _ => unreachable!("a tile has one row or an even number up to the level's"),
                }
            }
        }
    }
}

/// Numbers from one pixel's numbers in a tile's copies to the next one's: whole registers.
const fn packed_row<S: Simd>() -> usize {
    S::ROWS.next_multiple_of(S::LANES)
}

/// Numbers from the copies of one tile to those of the next, of so many pixels: not a power of two, so that those of a pixel do not
/// compete for a set of the first-level cache while they are written.
fn packed_tile<S: Simd>(pixels: usize) -> usize {
    pixels * packed_row::<S>() + LINE
}

/// The numbers of each tile side by side, pixel by pixel. What follows a tile's own numbers up to whole registers is never used.
#[inline(always)]
fn pack_rows<S: Simd>(
    s: S,
    pixels: &Runs,
    step: usize,
    tiles: &[Range<usize>],
    packed: &mut [f32],
) {
    let tile = packed_tile::<S>(pixels.count);
    assert!(packed.len() >= tiles.len() * tile);
    let end = tiles.last().map_or(0, |rows| rows.end);
    let mut at = packed.as_mut_ptr();
    for run in &pixels.runs {
        let mut x = run.x;
        for _ in 0..run.count {
            let mut to = at;
            for rows in tiles {
                for lane in (0..S::ROWS).step_by(S::LANES) {
                    let left = (end - rows.start).saturating_sub(lane);
                    let from = x.wrapping_add(rows.start + lane);
                    // SAFETY: `left` numbers of the pixel follow; the copies have whole registers for each pixel and tile.
                    unsafe {
                        let v = if left >= S::LANES {
                            s.load(from)
                        } else {
                            s.load_partial(from, left)
                        };
                        s.store(to.wrapping_add(lane), v);
                    }
                }
                to = to.wrapping_add(tile);
            }
            at = at.wrapping_add(packed_row::<S>());
            x = x.wrapping_add(step);
        }
    }
}

/// The gradients of a panel side by side, zeros behind the last column.
#[inline(always)]
fn pack<S: Simd, const C: usize>(
    s: S,
    pixels: &Runs,
    step: usize,
    channel: usize,
    columns: usize,
    copies: &mut [f32],
) {
    assert!(copies.len() >= pixels.count * C * S::LANES);
    let mut to = copies.as_mut_ptr();
    for run in &pixels.runs {
        let mut dy = run.dy.wrapping_add(channel);
        for _ in 0..run.count {
            for c in 0..C {
                let left = columns.saturating_sub(c * S::LANES).min(S::LANES);
                // SAFETY: `columns` numbers from the channel on belong to the pixel; the copies have room for all pixels.
                unsafe {
                    let from = dy.wrapping_add(c * S::LANES);
                    let v = if left == S::LANES {
                        s.load(from)
                    } else {
                        s.load_partial(from, left)
                    };
                    s.store(to.wrapping_add(c * S::LANES), v);
                }
            }
            dy = dy.wrapping_add(step);
            to = to.wrapping_add(C * S::LANES);
        }
    }
}

/// Some rows of the product and one panel of columns.
struct Tile<'a> {
    runs: &'a [Run],
    /// From a pixel's numbers to the next one's, in the copies if there are any.
    x_step: usize,
    /// The copies of the tile's rows.
    packed: Option<*const f32>,
    /// From a pixel's gradients to the next one's, in the copies if there are any.
    dy_step: usize,
    /// The panel's gradients of all pixels.
    copies: Option<&'a [f32]>,
    row: usize,
    channel: usize,
    width: usize,
    sums: *mut f32,
}

impl Tile<'_> {
    /// Adds the products of `R` rows with the panel's first `C` registers.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const C: usize>(&self, s: S) {
        let mut held = [[s.zero(); C]; R];
        // SAFETY: `sums` has R rows of `width` numbers, at least C registers.
        unsafe {
            for (r, held) in held.iter_mut().enumerate() {
                for (c, held) in held.iter_mut().enumerate() {
                    *held = s.load(self.sums.add(r * self.width + c * S::LANES));
                }
            }
        }
        let mut packed = self.packed;
        let mut copies = self.copies.map_or(std::ptr::null(), <[f32]>::as_ptr);
        for run in self.runs {
            let mut x = packed.unwrap_or_else(|| run.x.wrapping_add(self.row));
            let mut dy = if self.copies.is_some() {
                copies
            } else {
                run.dy.wrapping_add(self.channel)
            };
            // Steps rather than a list of places, whose loads would wait in line with those of the numbers.
            for _ in 0..run.count {
                // SAFETY: a run's pixels have `depth` numbers, of which R from `row` are read, and their gradients fill C registers.
                unsafe {
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
                x = x.wrapping_add(self.x_step);
                dy = dy.wrapping_add(self.dy_step);
            }
            copies = dy;
            packed = packed.map(|_| x);
        }
        // SAFETY: as above.
        unsafe {
            for (r, held) in held.iter().enumerate() {
                for (c, held) in held.iter().enumerate() {
                    s.store(self.sums.add(r * self.width + c * S::LANES), *held);
                }
            }
        }
    }
}
