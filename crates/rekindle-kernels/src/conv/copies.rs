//! Copies of a product's rows: those whose places compete with each other for the first-level cache, and those whose numbers are rounded.

use super::gather::Gather;
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::{Kernel, Simd, dispatch_pairs};

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

/// Places from one copy of `depth` places to the next: a distance at which they do not compete.
pub(super) fn distance(depth: usize) -> usize {
    depth.next_multiple_of(2 * LINE) + LINE
}

/// Copies of all pixels between the first and the last of these rows of `source`, `depth` numbers of each, which lie `pitch` apart; the
/// rows are then those of the copies. Rows elsewhere stay.
#[inline(always)]
pub(super) fn spread<S: Simd>(
    s: S,
    source: &[f32],
    pitch: usize,
    depth: usize,
    rows: &mut [*const f32],
) -> Buffer {
    let base = source.as_ptr().addr();
    let end = base + size_of_val(source);
    let (mut first, mut last) = (end, base);
    for row in &*rows {
        let at = row.addr();
        if (base..end).contains(&at) {
            (first, last) = (first.min(at), last.max(at));
        }
    }
    if first > last {
        return Buffer::unspecified(0);
    }
    let first = (first - base) / size_of::<f32>();
    let pixels = ((last - base) / size_of::<f32>() - first) / pitch + 1;
    let places = depth.div_ceil(S::DEPTH);
    let distance = distance(places);
    let mut copies = Buffer::unspecified(pixels * distance);
    for (pixel, to) in copies.chunks_exact_mut(distance).enumerate() {
        s.copy_factor(&source[first + pixel * pitch..][..depth], to);
    }
    for row in rows {
        let at = row.addr();
        if (base..end).contains(&at) {
            let pixel = ((at - base) / size_of::<f32>() - first) / pitch;
            *row = copies[pixel * distance..][..places].as_ptr();
        }
    }
    copies
}

/// Pixels that are rounded as one part of the work.
const ROUNDED_PIXELS: usize = 1 << 10;

/// All pixels of `x`, of `depth` numbers, in places of two numbers.
pub(super) fn rounded(x: &[f32], depth: usize) -> Buffer {
    let places = depth.div_ceil(2);
    let pixels = x.len() / depth;
    let mut rounded = Buffer::unspecified(pixels * places);
    let to = Shared::new(&mut rounded);
    for_each(pixels.div_ceil(ROUNDED_PIXELS), |part| {
        let first = part * ROUNDED_PIXELS;
        let count = ROUNDED_PIXELS.min(pixels - first);
        // SAFETY: each part has its own pixels.
        let to =
            unsafe { std::slice::from_raw_parts_mut(to.get().add(first * places), count * places) };
        dispatch_pairs(Round {
            x: &x[first * depth..][..count * depth],
            depth,
            to,
        });
    });
    rounded
}

/// Copies pixels to places.
struct Round<'a> {
    x: &'a [f32],
    depth: usize,
    to: &'a mut [f32],
}

impl Kernel for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.depth.is_multiple_of(S::DEPTH) {
            return s.copy_factor(self.x, self.to);
        }
        let to = self.to.chunks_exact_mut(self.depth.div_ceil(S::DEPTH));
        for (x, to) in self.x.chunks_exact(self.depth).zip(to) {
            s.copy_factor(x, to);
        }
    }
}
