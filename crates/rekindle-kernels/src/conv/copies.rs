//! Copies of a product's rows whose places compete with each other for the first-level cache.

use super::gather::Gather;
use crate::buffer::Buffer;

/// Bytes after which places share a set of the first-level cache: 64 sets of a line each.
const SETS_BYTES: usize = 4096;

/// Places that a set holds at least.
const WAYS: usize = 8;

/// Numbers in a cache line.
const LINE: usize = 16;

/// Whether `rows` rows of a tile, read side by side, push each other out of the first-level cache, as those of 1024 channels do: all
/// lie in one of its sets.
pub(super) fn compete(gather: &Gather, rows: usize) -> bool {
    let distance = gather.pitch * gather.step[1] * size_of::<f32>();
    rows > WAYS && distance.is_multiple_of(SETS_BYTES)
}

/// Numbers from one copy of `depth` numbers to the next: a distance at which they do not compete.
pub(super) fn distance(depth: usize) -> usize {
    depth.next_multiple_of(2 * LINE) + LINE
}

/// Copies of all pixels between the first and the last of these rows of `source`, `depth` numbers of each, which lie `pitch` apart; the
/// rows are then those of the copies. Rows elsewhere stay.
pub(super) fn spread(
    source: &[f32],
    pitch: usize,
    depth: usize,
    rows: &mut [*const f32],
) -> Buffer {
    let base = source.as_ptr();
    let place = |row: *const f32| {
        let place = row.addr().wrapping_sub(base.addr()) / size_of::<f32>();
        (place < source.len()).then_some(place)
    };
    let places = || rows.iter().filter_map(|&row| place(row));
    let (Some(first), Some(last)) = (places().min(), places().max()) else {
        return Buffer::unspecified(0);
    };
    let distance = distance(depth);
    let mut copies = Buffer::unspecified(((last - first) / pitch + 1) * distance);
    for (pixel, to) in copies.chunks_exact_mut(distance).enumerate() {
        to[..depth].copy_from_slice(&source[first + pixel * pitch..][..depth]);
    }
    for row in rows {
        if let Some(place) = place(*row) {
            *row = copies[(place - first) / pitch * distance..][..depth].as_ptr();
        }
    }
    copies
}
