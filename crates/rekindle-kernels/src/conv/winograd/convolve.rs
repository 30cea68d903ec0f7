//! The three steps one after the other: tiles to frequencies, products, frequencies to pixels.

use std::ops::Range;

use super::frequencies::{Frequencies, FromFrequencies, Images};
use super::products::Products;
use super::sizes::{FREQUENCIES, SHARED_BYTES};
use super::tiling::{Tiling, for_pieces};
use super::weights::Weights;
use crate::cache::second_level;
use crate::conv::Epilogue;
use crate::conv::product::Finish;
use crate::parallel::{Shared, for_each};
use crate::simd::dispatch_at;

/// Sixteenths of the second-level cache that the frequencies of one part fill, both sides.
const PRIVATE_SIXTEENTHS: usize = 10;

/// Such parts that are worth more than steps of all tiles together, whose frequencies lie in the last-level cache.
const LEAST_PARTS: usize = 4;

/// The whole algorithm: `out = epilogue(convolution of x)`.
pub(super) fn convolve(
    x: &[f32],
    from: Tiling,
    weights: &Weights,
    to: Tiling,
    batch: usize,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let level = weights.level;
    let rows = level.tile().0;
    let tiles = batch * to.rows * to.columns;
    let out = Shared::new(out);
    let finish = Finish::onto(epilogue, out, 0, false);
    let images = Images {
        x,
        tiling: from,
        channels: 0..from.channels,
    };
    let back = |m: &Frequencies, first: usize, tiles: Range<usize>| {
        dispatch_at(
            level,
            FromFrequencies {
                m,
                first,
                tiles,
                tiling: to,
                out,
                finish,
            },
        );
    };
    let tile_bytes = FREQUENCIES * (from.channels + to.channels) * 4;
    let weight_bytes = weights.data.len() * 4;
    // Tiles whose frequencies fit in the second-level cache: then a part does all three steps for itself.
    let private_bytes = second_level() / 16 * PRIVATE_SIXTEENTHS;
    let own = (private_bytes / tile_bytes / rows * rows).min(tiles);
    if own > 0 && weight_bytes <= 4 << 20 && tiles.div_ceil(own) >= LEAST_PARTS {
        for_each(tiles.div_ceil(own), |part| {
            let range = part * own..((part + 1) * own).min(tiles);
            let mut v = Frequencies::unspecified(range.len(), from.channels);
            let mut m = Frequencies::unspecified(range.len(), to.channels);
            images.transform(level, range.clone(), range.start, false, v.shared());
            let product = Products {
                v: &v,
                weights,
                m: m.shared(),
                tiles: range.len(),
                frequencies: 0..FREQUENCIES,
            };
            dispatch_at(level, product);
            back(&m, range.start, range);
        });
        return;
    }
    let together = (SHARED_BYTES / tile_bytes).max(rows).div_ceil(rows) * rows;
    let together = together.min(tiles);
    for first in (0..tiles).step_by(together) {
        let range = first..(first + together).min(tiles);
        let mut v = Frequencies::unspecified(range.len(), from.channels);
        let mut m = Frequencies::unspecified(range.len(), to.channels);
        let shared = v.shared();
        for_pieces(range.clone(), |piece| {
            images.transform(level, piece, first, false, shared)
        });
        let shared = m.shared();
        for_each(FREQUENCIES, |frequency| {
            let product = Products {
                v: &v,
                weights,
                m: shared,
                tiles: range.len(),
                frequencies: frequency..frequency + 1,
            };
            dispatch_at(level, product);
        });
        for_pieces(range.clone(), |piece| back(&m, first, piece));
    }
}
