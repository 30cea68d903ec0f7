//! The product of gathered rows with packed panels, part by part on the threads.

use std::ops::Range;

use super::copies;
use super::epilogue::Epilogue;
use super::gather::Gather;
use super::panels::Panels;
use super::product::{Finish, InTiles, Tiled, ask_for, finish, join_moments, rows_times_panel};
use crate::buffer::{Buffer, streams};
use crate::cache::second_level;
use crate::norm::{Combined, Moments};
use crate::parallel::{Shared, for_each};
use crate::simd::{Simd, dispatch_in};

/// Tiles of rows in one part at most: their rows of the left factor stay in the second-level cache while the panels pass. In sixteenths
/// of that cache where each row is read once; in bytes where several segments share pixels and count them more than once, and where the
/// parts' moments are added up, whose last digits are not to depend on the machine.
const LEFT_SIXTEENTHS: usize = 7;
/// The same where the rows are copied: the originals pass through that cache beside them.
const COPIED_SIXTEENTHS: usize = 5;
const LEFT_BYTES: usize = 448 << 10;

/// Parts of a product that keep the threads of a large machine busy.
const PARTS: usize = 16;

/// Multiply-adds that are worth a part: some tens of microseconds.
const PART_WORK: usize = 4 << 20;

/// Bytes of panels that meet a tile one after the other: they stay in the second-level cache beside the rows of the left factor.
const PANEL_BYTES: usize = 192 << 10;

/// The tiles and panels of a part in the order in which they meet: (tile of the part, panel). As many panels as the cache holds take a
/// tile's rows from the first-level cache, and what they store lies side by side.
#[inline(always)]
pub(super) fn order(
    panels: Range<usize>,
    panel_size: usize,
    tiles: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let group = (PANEL_BYTES / (4 * panel_size).max(1)).max(1);
    let end = panels.end;
    panels.step_by(group).flat_map(move |first| {
        let last = (first + group).min(end);
        (0..tiles).flat_map(move |tile| (first..last).map(move |panel| (tile, panel)))
    })
}

/// Computes every point of `gather` and stores it in `out`.
pub(super) fn multiply(
    gather: &Gather,
    source: &[f32],
    panels: &Panels,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    compute(gather, source, panels, epilogue, out, None);
}

/// Computes every point of `gather` and stores it in `out`, and the moments of its columns in `moments`.
pub(super) fn multiply_measuring(
    gather: &Gather,
    source: &[f32],
    panels: &Panels,
    out: &mut [f32],
    moments: &mut ColumnMoments,
) {
    compute(
        gather,
        source,
        panels,
        Epilogue::default(),
        out,
        Some(moments),
    );
}

/// Moments of the results' columns, block by block of rows.
#[derive(Default)]
pub(super) struct ColumnMoments {
    /// `[block of rows][panel][2][width]`, as [`join_moments`] leaves them.
    moments: Buffer,
    /// Rows of each block.
    rows: Vec<usize>,
}

impl ColumnMoments {
    /// The place of the moments of blocks of so many rows, each of `size` numbers.
    pub(super) fn of_blocks(&mut self, rows: Vec<usize>, size: usize) -> &mut [f32] {
        self.moments = Buffer::unspecified(rows.len() * size);
        self.rows = rows;
        &mut self.moments
    }

    /// The moments of each of `columns` over all blocks.
    pub(super) fn combined(&self, columns: usize, width: usize) -> Moments {
        let mut combined = Combined::new(columns);
        let panels = columns.div_ceil(width);
        for (block, &rows) in self
            .moments
            .chunks_exact(panels * 2 * width)
            .zip(&self.rows)
        {
            combined.add(rows, |column| {
                let at = column / width * 2 * width + column % width;
                (f64::from(block[at]), f64::from(block[at + width]))
            });
        }
        combined.moments()
    }
}

fn compute(
    gather: &Gather,
    source: &[f32],
    panels: &Panels,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
    column_moments: Option<&mut ColumnMoments>,
) {
    let (tile_rows, width) = panels.level.tile();
    let tiles = gather.points().div_ceil(tile_rows);
    let panel_count = panels.columns.div_ceil(width);
    // A segment overlaps with its neighbours, so that the pixels of a tile count once, with those between its points; by the size of
    // their numbers, which pass through the cache even where they are rounded.
    let between = match gather.segments.len() {
        1 => 1,
        _ => gather.step[0] * gather.step[1],
    };
    let tile_bytes = tile_rows * gather.depth * between * size_of::<f32>();
    let sixteenths = match copies::compete(gather, tile_rows) {
        true => COPIED_SIXTEENTHS,
        false => LEFT_SIXTEENTHS,
    };
    let left_bytes = if gather.segments.len() == 1 && column_moments.is_none() {
        second_level() / 16 * sixteenths
    } else {
        LEFT_BYTES
    };
    let block = (left_bytes / tile_bytes).clamp(1, 64).min(tiles);
    // A number of nearly equal blocks at which two or four threads finish together.
    let blocks = match tiles.div_ceil(block) {
        few @ 0..=2 => few,
        more => more.next_multiple_of(4).min(tiles),
    };
    let block = tiles.div_ceil(blocks);
    let blocks = tiles.div_ceil(block);
    // Few rows: the panels are split too, but not into parts that are hardly worth waking a thread.
    let work = gather.points() * gather.depth * gather.segments.len() * panels.columns;
    let wanted = PARTS.min(work.div_ceil(PART_WORK));
    let panels_at_once = if blocks >= wanted {
        panel_count
    } else {
        panel_count.div_ceil(wanted.div_ceil(blocks))
    };
    let splits = panel_count.div_ceil(panels_at_once);
    let zeros = Buffer::zeros(gather.depth);
    let stream = streams(out)
        && gather.to.iter().all(|step| step.is_multiple_of(16))
        && gather.to_start.is_multiple_of(16);
    let shared = Shared::new(out);
    let finish = Finish::onto(epilogue, shared, gather.to_start_channel(), stream);
    let block_moments = panel_count * 2 * width;
    let moments = column_moments.map(|column_moments| {
        let last = gather.points() - (blocks - 1) * block * tile_rows;
        let mut rows = vec![block * tile_rows; blocks];
        rows[blocks - 1] = last;
        Shared::new(column_moments.of_blocks(rows, block_moments))
    });
    for_each(blocks * splits, |part| {
        let (part_block, split) = (part / splits, part % splits);
        // SAFETY: each block has its own moments, each panel of a block is of one part.
        let of_block = |all: Shared<f32>| unsafe { all.get().add(part_block * block_moments) };
        let moments = moments.map(|all| Shared::at(of_block(all)));
        let tiles = part_block * block..((part_block + 1) * block).min(tiles);
        let panel_range = split * panels_at_once..((split + 1) * panels_at_once).min(panel_count);
        dispatch_in(
            panels.level,
            panels.precision,
            InTiles(Multiply {
                gather,
                source,
                zeros: &zeros,
                panels,
                out: shared,
                finish,
                tiles,
                columns: panel_range,
                moments,
            }),
        );
    });
}

/// A product that one thread computes alone, as part of a larger loop.
pub(super) struct Alone<'a> {
    gather: &'a Gather,
    panels: &'a Panels,
    finish: Finish,
    zeros: Buffer,
}

impl<'a> Alone<'a> {
    /// With `stream`, the places of all results are aligned, and written past the caches.
    pub(super) fn new(
        gather: &'a Gather,
        panels: &'a Panels,
        epilogue: Epilogue<'_>,
        stream: bool,
    ) -> Self {
        Self {
            gather,
            panels,
            finish: Finish::new(epilogue, gather.to_start_channel(), stream),
            zeros: Buffer::zeros(gather.depth),
        }
    }

    /// Computes every point of the grid and stores it in `out`, of which no other thread touches those places meanwhile.
    pub(super) fn multiply(&self, source: &[f32], out: Shared<f32>) {
        let (rows, width) = self.panels.level.tile();
        dispatch_in(
            self.panels.level,
            self.panels.precision,
            InTiles(Multiply {
                gather: self.gather,
                source,
                zeros: &self.zeros,
                panels: self.panels,
                out,
                finish: self.finish,
                tiles: 0..self.gather.points().div_ceil(rows),
                columns: 0..self.panels.columns.div_ceil(width),
                moments: None,
            }),
        );
    }
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
    tiles: Range<usize>,
    columns: Range<usize>,
    /// The [`ColumnMoments`] of the block, if wanted.
    moments: Option<Shared<f32>>,
}

impl Tiled for Multiply<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const C: usize>(self, s: S) {
        let gather = self.gather;
        let (depth, segments) = (gather.depth, gather.segments.len());
        let points = gather.points();
        let count = self.tiles.len();
        // Of each tile: where its rows go, and where each segment of each row comes from.
        let mut places = vec![[0usize; R]; count];
        let mut all_rows = vec![[self.zeros.as_ptr(); R]; count * segments];
        if let Some([pitch, pixel]) = gather.in_one_run() {
            let last = points - 1;
            assert!(gather.start + last * pitch + depth <= self.source.len());
            for (at, tile) in self.tiles.clone().enumerate() {
                for r in 0..R {
                    // Rows behind the last repeat it and are not stored.
                    let point = (tile * R + r).min(last);
                    places[at][r] = gather.to_start + point * pixel;
                    all_rows[at][r] = self
                        .source
                        .as_ptr()
                        .wrapping_add(gather.start + point * pitch);
                }
            }
        } else {
            let mut walk = gather.points_from(self.tiles.start * R);
            let mut point = [0; 3];
            for (at, tile) in self.tiles.clone().enumerate() {
                for r in 0..R {
                    // Rows behind the last repeat it and are not stored.
                    if tile * R + r < points {
                        point = walk.step();
                    }
                    places[at][r] = gather.place(point);
                    let rows = &mut all_rows[at * segments..(at + 1) * segments];
                    for (rows, &offset) in rows.iter_mut().zip(&gather.segments) {
                        if let Some(from) = gather.from(point, offset) {
                            rows[r] = self.source[from..from + depth].as_ptr();
                        }
                    }
                }
            }
        }
        let places_deep = depth.div_ceil(S::DEPTH);
        let copied = S::DEPTH > 1 || self.columns.len() > 1 && copies::compete(gather, R);
        let distance = copies::distance(places_deep);
        // The pixels that several segments read are copied now, the rows of a single one tile by tile.
        let mut copies = match (copied, segments) {
            (false, _) | (_, 0) => Buffer::unspecified(0),
            (true, 1) => Buffer::unspecified(count * R * distance),
            (true, _) => {
                let rows = all_rows.as_flattened_mut();
                copies::spread(s, self.source, gather.pitch, depth, rows)
            }
        };
        let width = C * S::LANES;
        let panel_size = segments * places_deep * width;
        for (at, panel) in order(self.columns.clone(), panel_size, count) {
            let packed = &self.panels.data[panel * panel_size..][..panel_size];
            let channel = panel * width;
            let columns = (self.panels.columns - channel).min(width);
            let used = (points - (self.tiles.start + at) * R).min(R);
            let places = &places[at][..used];
            let mut rows = &all_rows[at * segments..(at + 1) * segments];
            let of_copies: [[*const f32; R]; 1];
            if copied && segments == 1 {
                let copies = &mut copies[at * R * distance..][..R * distance];
                if panel == self.columns.start {
                    for (row, to) in rows[0].iter().zip(copies.chunks_exact_mut(distance)) {
                        // SAFETY: every row was taken from a slice of `depth` numbers.
                        s.copy_factor(unsafe { std::slice::from_raw_parts(*row, depth) }, to);
                    }
                }
                of_copies = [std::array::from_fn(|r| copies[r * distance..].as_ptr())];
                rows = &of_copies;
            }
            // Only the first panel finds the rows far away. Of several segments most pixels are there from the tile before.
            let ahead = segments == 1 && panel == self.columns.start && at + 1 < count;
            let next = ahead.then(|| &all_rows[at + 1]);
            // A last panel that fills one register at most is computed with one.
            if C > 1 && columns <= S::LANES {
                self.tile::<S, R, 1>(
                    s,
                    packed,
                    width,
                    places,
                    rows,
                    next,
                    (channel, columns),
                    at * R,
                );
            } else {
                self.tile::<S, R, C>(
                    s,
                    packed,
                    width,
                    places,
                    rows,
                    next,
                    (channel, columns),
                    at * R,
                );
            }
        }
        if self.finish.stream {
            s.fence();
        }
    }
}

impl Multiply<'_> {
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
        next: Option<&[*const f32; R]>,
        (channel, columns): (usize, usize),
        before: usize,
    ) {
        let depth = self.gather.depth.div_ceil(S::DEPTH);
        ask_for(s, self.out.get(), places, channel, columns, self.finish);
        let mut sums = [[s.zero(); C]; R];
        for (segment, rows) in rows.iter().enumerate() {
            let b = packed[segment * depth * width..][..depth * width].as_ptr();
            // SAFETY: every row was taken from a slice of `depth` places; the packed panel has `depth * width` from here.
            unsafe { rows_times_panel::<S, R, C>(s, &mut sums, rows, depth, (b, width), next) };
        }
        if let Some(all) = self.moments {
            // SAFETY: two rows of each panel; a panel's tiles come in order.
            unsafe {
                let to = all.get().add(2 * channel);
                join_moments::<S, R, C>(s, &sums, places.len(), to, width, before);
            }
        }
        // SAFETY: the places are distinct points of the grid, each `columns` numbers wide from `channel`; no other part has this pair of
        // tile and panel.
        unsafe {
            finish::<S, R, C>(
                s,
                &sums,
                self.out.get(),
                places,
                channel,
                columns,
                self.finish,
            );
        }
    }
}
