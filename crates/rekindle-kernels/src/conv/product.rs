//! The inner loop of every dense convolution: a small tile of a matrix product, held in registers.

use super::epilogue::Epilogue;
use crate::Activation;
use crate::parallel::Shared;
use crate::simd::{Kernel, Simd};

/// A kernel that is compiled for the tile of each instruction set: `R` rows of `C` registers.
pub(super) struct InTiles<T>(pub T);

/// What a kernel in tiles does.
pub(super) trait Tiled {
    /// Must be `#[inline(always)]`.
    fn tiles<S: Simd, const R: usize, const C: usize>(self, s: S);
}

impl<T: Tiled> Kernel for InTiles<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match (S::ROWS, S::COLS) {
            (14, 2) => self.0.tiles::<S, 14, 2>(s),
            (6, 4) => self.0.tiles::<S, 6, 4>(s),
            (6, 2) => self.0.tiles::<S, 6, 2>(s),
            (4, 1) => self.0.tiles::<S, 4, 1>(s),
            _ => unreachable!("every instruction set's tile is listed"),
        }
    }
}

/// What is added to each row of a tile: the bias of `columns` channels from `channel` on, zeros where it is null.
///
/// # Safety
///
/// The bias has a number for each of these channels, or is null.
#[inline(always)]
pub(super) unsafe fn bias_of<S: Simd, const C: usize>(
    s: S,
    bias: *const f32,
    channel: usize,
    columns: usize,
) -> [S::V; C] {
    let mut held = [s.zero(); C];
    if !bias.is_null() {
        for (c, held) in held.iter_mut().enumerate() {
            let left = columns.saturating_sub(c * S::LANES).min(S::LANES);
            // SAFETY: the caller's promise.
            *held = unsafe { s.load_partial(bias.wrapping_add(channel + c * S::LANES), left) };
        }
    }
    held
}

/// `sums[r][c] += a[r][k] * b[k][c]` over `k < depth`, the [dot](Simd::dot) of places, with the rows of `a` anywhere and `b` packed
/// `[depth][width]`, of which the first `C * LANES` columns are used.
///
/// The rows that come `next`, if any, numbers that are not in places yet, are asked for meanwhile: the processor's own prefetchers lose
/// so many rows side by side.
///
/// # Safety
///
/// `depth` places can be read at each row, `depth * width` at `b`. The next rows need not exist.
#[inline(always)]
pub(super) unsafe fn rows_times_panel<S: Simd, const R: usize, const C: usize>(
    s: S,
    sums: &mut [[S::V; C]; R],
    rows: &[*const f32; R],
    depth: usize,
    (b, width): (*const f32, usize),
    next: Option<&[*const f32; R]>,
) {
    /// Numbers in a cache line.
    const LINE: usize = 16;
    let mut held = *sums;
    let pitch = if s.has_rows_at_pitch::<R, C>() && width == C * S::LANES {
        equal_distance(rows)
    } else {
        None
    };
    let rows = *rows;
    let mut b = b;
    let run = if next.is_some() { LINE } else { depth.max(1) };
    for line in (0..depth).step_by(run) {
        if let Some(next) = next {
            for row in next {
                for ahead in 0..S::DEPTH {
                    s.prefetch(row.wrapping_add(line * S::DEPTH + ahead * LINE));
                }
            }
        }
        if let Some(pitch) = pitch {
            let count = run.min(depth - line);
            // SAFETY: row r starts `r * pitch` numbers behind the first; `count` numbers are left of each and of the panel.
            unsafe {
                s.rows_at_pitch(&mut held, (rows[0].add(line), pitch), count, b);
                b = b.add(count * width);
            }
            continue;
        }
        for k in line..(line + run).min(depth) {
            let mut panel = [s.zero(); C];
            for (c, panel) in panel.iter_mut().enumerate() {
                // SAFETY: inside the packed panel.
                *panel = unsafe { s.load(b.add(c * S::LANES)) };
            }
            for (held, row) in held.iter_mut().zip(rows) {
                // SAFETY: k < depth.
                let a = s.splat(unsafe { *row.add(k) });
                for (held, panel) in held.iter_mut().zip(panel) {
                    *held = s.dot(a, panel, *held);
                }
            }
            // SAFETY: at most one past the panel's end.
            b = unsafe { b.add(width) };
        }
    }
    *sums = held;
}

/// The numbers from each row to the next, where they are as many for all.
#[inline(always)]
fn equal_distance<const R: usize>(rows: &[*const f32; R]) -> Option<usize> {
    let distance = (rows[1] as usize).wrapping_sub(rows[0] as usize);
    let mut equal = distance.is_multiple_of(size_of::<f32>());
    for r in 2..R {
        equal &= (rows[r] as usize).wrapping_sub(rows[r - 1] as usize) == distance;
    }
    equal.then_some(distance / size_of::<f32>())
}

/// What [`store`] adds and applies.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    /// One number per channel of the whole output, or null.
    pub bias: *const f32,
    /// What lies at the same place as the output, the output itself, or null.
    pub residual: *const f32,
    pub activation: Activation,
    /// Whether whole registers are written past the caches: their places are aligned, and the output is too large to be found there.
    pub stream: bool,
}

// SAFETY: the pointers are only followed in `unsafe` code, which reads and answers for their length and life.
unsafe impl Send for Finish {}
// SAFETY: as above.
unsafe impl Sync for Finish {}

impl Finish {
    /// What an epilogue that does not accumulate asks for, of an output that starts with the channel `first`.
    pub(super) fn new(epilogue: Epilogue<'_>, first: usize, stream: bool) -> Self {
        Self {
            bias: epilogue
                .bias
                .map_or(std::ptr::null(), |bias| bias[first..].as_ptr()),
            residual: epilogue
                .residual
                .map_or(std::ptr::null(), |residual| residual.as_ptr()),
            activation: epilogue.activation,
            stream,
        }
    }

    /// The same of an output that is known already, so that the epilogue can accumulate.
    pub(super) fn onto(
        epilogue: Epilogue<'_>,
        out: Shared<f32>,
        first: usize,
        stream: bool,
    ) -> Self {
        let finish = Self::new(epilogue, first, stream);
        match epilogue.accumulate {
            true => Self {
                residual: out.get(),
                ..finish
            },
            false => finish,
        }
    }
}

/// Asks for what [`store`] will read and write, so that it arrives while the sums are computed: the rows of a tile lie too far apart for
/// the processor's own prefetchers. None of it need exist.
#[inline(always)]
pub(super) fn ask_for<S: Simd>(
    s: S,
    out: *const f32,
    places: &[usize],
    channel: usize,
    columns: usize,
    finish: Finish,
) {
    /// Numbers in a cache line.
    const LINE: usize = 16;
    // What is added to lies in the caches, where it was just written.
    if finish.residual == out {
        return;
    }
    macro_rules! ask {
        ($map:expr, $lines:expr) => {
            for &place in places {
                let from = $map.wrapping_add(place + channel);
                for line in 0..$lines {
                    s.prefetch(from.wrapping_add(line * LINE));
                }
            }
        };
    }
    // The usual numbers of lines apart: a loop of unknown length around one instruction costs several times as much.
    macro_rules! ask_all {
        ($map:expr) => {
            match columns.div_ceil(LINE) {
                1 => ask!($map, 1),
                2 => ask!($map, 2),
                lines => ask!($map, lines),
            }
        };
    }
    if !finish.residual.is_null() {
        ask_all!(finish.residual);
    }
    if !finish.stream {
        ask_all!(out);
    }
}

/// As [`store`], with each of the usual activations compiled for itself.
///
/// # Safety
///
/// As for [`store`].
#[inline(always)]
pub(super) unsafe fn finish<S: Simd, const R: usize, const C: usize>(
    s: S,
    sums: &[[S::V; C]; R],
    out: *mut f32,
    places: &[usize],
    channel: usize,
    columns: usize,
    finish: Finish,
) {
    macro_rules! finish_as {
        ($activation:expr) => {{
            let finish = Finish {
                activation: $activation,
                ..finish
            };
            // SAFETY: the caller's promise.
            unsafe { store::<S, R, C>(s, sums, out, places, channel, columns, finish) }
        }};
    }
    match finish.activation {
        Activation::Identity => finish_as!(Activation::Identity),
        Activation::Relu => finish_as!(Activation::Relu),
        Activation::Relu6 => finish_as!(Activation::Relu6),
        Activation::HardSwish => finish_as!(Activation::HardSwish),
        other => finish_as!(other),
    }
}

/// Stores `rows` rows of a tile at `out + places[r] + channel`, `columns` numbers of each.
///
/// # Safety
///
/// The places, and those of the residual, lie inside their slices and belong to this part alone.
#[inline(always)]
pub(super) unsafe fn store<S: Simd, const R: usize, const C: usize>(
    s: S,
    sums: &[[S::V; C]; R],
    out: *mut f32,
    places: &[usize],
    channel: usize,
    columns: usize,
    finish: Finish,
) {
    let Finish {
        bias,
        residual,
        activation,
        stream,
    } = finish;
    let whole = columns == C * S::LANES;
    // SAFETY: `columns` numbers of the bias belong to this tile.
    let shift: [S::V; C] = unsafe { bias_of(s, bias, channel, columns) };
    // The usual tile apart, in so few steps that they are all written out: then its sums never leave the registers.
    if let (Ok(places), true) = (<&[usize; R]>::try_from(places), whole) {
        macro_rules! store_all {
            ($store:ident, $adds:literal) => {
                for (sums, place) in sums.iter().zip(places) {
                    for c in 0..C {
                        let at = place + channel + c * S::LANES;
                        let mut v = s.add(sums[c], shift[c]);
                        if $adds {
                            // SAFETY: the residual has the output's shape.
                            v = s.add(v, unsafe { s.load(residual.add(at)) });
                        }
                        let v = activation.vector(s, v);
                        // SAFETY: a whole register belongs to this tile; a streamed place is aligned, which `stream` says.
                        unsafe { s.$store(out.add(at), v) };
                    }
                }
            };
        }
        match (stream, residual.is_null()) {
            (true, true) => store_all!(stream, false),
            (true, false) => store_all!(stream, true),
            (false, true) => store_all!(store, false),
            (false, false) => store_all!(store, true),
        }
        return;
    }
    let shifted = moved(s, sums, shift);
    for (shifted, &place) in shifted.iter().zip(places) {
        for (c, &v) in shifted.iter().enumerate() {
            let at = place + channel + c * S::LANES;
            let left = columns.saturating_sub(c * S::LANES).min(S::LANES);
            if left == 0 {
                break;
            }
            let mut v = v;
            if !residual.is_null() {
                // SAFETY: the residual has the output's shape.
                v = s.add(v, unsafe { s.load_partial(residual.add(at), left) });
            }
            let v = activation.vector(s, v);
            // SAFETY: `left` numbers belong to this tile; a streamed place is aligned, which `stream` says.
            unsafe {
                match (left == S::LANES, stream) {
                    (true, true) => s.stream(out.add(at), v),
                    (true, false) => s.store(out.add(at), v),
                    (false, _) => s.store_partial(out.add(at), v, left),
                }
            }
        }
    }
}

/// A tile in memory with something added to each row, to be walked row by row: a mere copy the compiler would join with the tile itself,
/// whose sums would then be in memory everywhere.
#[inline(always)]
fn moved<S: Simd, const R: usize, const C: usize>(
    s: S,
    tile: &[[S::V; C]; R],
    by: [S::V; C],
) -> [[S::V; C]; R] {
    let mut moved = [[s.zero(); C]; R];
    for (moved, row) in moved.iter_mut().zip(tile) {
        for c in 0..C {
            moved[c] = s.add(row[c], by[c]);
        }
    }
    moved
}

/// Joins a tile to the moments of its columns, two rows of `width` numbers at `to`: the mean of the `before` rows joined so far, and the
/// sum of their squared deviations from it. A tile has a mean of its own, about which its squares are taken while it is in registers,
/// so that nothing is lost where a mean is far from zero or differs between tiles (Chan, Golub & LeVeque 1979).
///
/// # Safety
///
/// Two rows of `width` numbers, at least C registers each, can be written at `to`, and read unless this is the first tile.
#[inline(always)]
pub(super) unsafe fn join_moments<S: Simd, const R: usize, const C: usize>(
    s: S,
    tile: &[[S::V; C]; R],
    used: usize,
    to: *mut f32,
    width: usize,
    before: usize,
) {
    let count = used as f32;
    let share = count / (before + used) as f32;
    let (of_rows, share, weight) = (
        s.splat(1.0 / count),
        s.splat(share),
        s.splat(before as f32 * share),
    );
    // SAFETY: the caller's promise.
    unsafe {
        for c in 0..C {
            let at = to.add(c * S::LANES);
            let mut sum = s.zero();
            let mut square = s.zero();
            let mut mean;
            // A whole tile apart: where the number of rows is known, the sums need not leave the registers.
            if used == R {
                for row in tile {
                    sum = s.add(sum, row[c]);
                }
                mean = s.mul(sum, of_rows);
                for row in tile {
                    let d = s.sub(row[c], mean);
                    square = s.mul_add(d, d, square);
                }
            } else {
                let rows = moved(s, tile, [s.zero(); C]);
                for row in rows.iter().take(used) {
                    sum = s.add(sum, row[c]);
                }
                mean = s.mul(sum, of_rows);
                for row in rows.iter().take(used) {
                    let d = s.sub(row[c], mean);
                    square = s.mul_add(d, d, square);
                }
            }
            if before > 0 {
                let earlier = s.load(at);
                let delta = s.sub(mean, earlier);
                square = s.add(square, s.load(at.add(width)));
                square = s.mul_add(s.mul(delta, delta), weight, square);
                mean = s.mul_add(delta, share, earlier);
            }
            s.store(at, mean);
            s.store(at.add(width), square);
        }
    }
}
