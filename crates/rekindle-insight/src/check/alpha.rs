//! Alpha channels that look like a band of their own.
//!
//! Owns: at which pictures' alpha is looked, what makes a band, and what the report says of them. What of a picture is kept otherwise is
//! `examine.rs`'s.

use rayon::prelude::*;
use rekindle_augment::{AlphaUse, DecodeLimits, LargeInTurn, Reading, decode};
use rekindle_data::ImageFolder;

use super::examine::Examined;
use super::report::AlphaBand;

/// Most pictures that are looked at, evenly spread over those with alpha: each is decoded once more. Files of a camera or a satellite are all
/// alike, so a few tell.
const LOOKED_AT: usize = 64;
/// Pictures of more pixels are passed over, so that none takes seconds and gigabytes a second time.
const MOST_PIXELS: u64 = 64_000_000;

/// What an alpha channel is like.
#[derive(Debug, Clone, Copy, PartialEq)]
struct AlphaLook {
    median: u8,
    /// Share of the pixels that are fully opaque.
    opaque: f64,
    /// Share of the pixels that are neither that nor invisible.
    between: f64,
    /// Whether there is more than one value.
    varies: bool,
}

impl AlphaLook {
    fn new(counts: &[u64; 256]) -> Self {
        let all: u64 = counts.iter().sum();
        let mut seen = 0;
        let median = counts.iter().position(|count| {
            seen += count;
            2 * seen >= all
        });
        let share = |count: u64| count as f64 / all.max(1) as f64;
        Self {
            median: median.unwrap_or(0) as u8,
            opaque: share(counts[255]),
            between: share(all - counts[0] - counts[255]),
            varies: counts.iter().filter(|count| **count > 0).count() > 1,
        }
    }

    /// Whether it looks like a band of its own: cut-outs and soft edges are opaque or invisible nearly everywhere, and a veil is the same
    /// everywhere.
    fn is_band(&self) -> bool {
        self.varies && self.between > 0.5
    }
}

/// What alpha channels are like that look like bands of their own; none where, going by those that are looked at, fewer than most
/// pictures have such a one.
pub(super) fn alpha_band(
    folder: &ImageFolder,
    examined: &[Examined],
    limits: &DecodeLimits,
    turns: &LargeInTurn,
) -> Option<AlphaBand> {
    if limits.reading.alpha != AlphaUse::White {
        return None;
    }
    let pictures = examined.iter().filter(|file| file.picture.is_ok()).count();
    let with_alpha: Vec<usize> = (0..examined.len())
        .filter(|&index| {
            let picture = examined[index].picture.as_ref();
            picture.is_ok_and(|picture| {
                picture.has_alpha
                    && u64::from(picture.width) * u64::from(picture.height) <= MOST_PIXELS
            })
        })
        .collect();
    if 2 * with_alpha.len() <= pictures {
        return None;
    }
    let looks: Vec<AlphaLook> = spread_over(&with_alpha)
        .into_par_iter()
        .filter_map(|index| {
            let bytes = folder.read(&folder.samples[index]).ok()?;
            let _turn = turns.wait(&bytes, limits).ok()?;
            look(&bytes, limits)
        })
        .collect();
    summary(&looks, with_alpha.len(), pictures)
}

/// Up to [`LOOKED_AT`] of them, evenly spread.
fn spread_over(indices: &[usize]) -> Vec<usize> {
    let count = indices.len().min(LOOKED_AT);
    (0..count)
        .map(|at| indices[at * indices.len() / count])
        .collect()
}

/// Decodes a picture's alpha alone.
fn look(bytes: &[u8], limits: &DecodeLimits) -> Option<AlphaLook> {
    let limits = DecodeLimits {
        channels: 3,
        reading: Reading {
            alpha: AlphaUse::Alone,
            ..limits.reading
        },
        ..limits.clone()
    };
    let decoded = decode(bytes, &limits).ok()?;
    let mut counts = [0u64; 256];
    for pixel in decoded.image.pixels() {
        counts[usize::from(pixel.0[0])] += 1;
    }
    Some(AlphaLook::new(&counts))
}

fn summary(looks: &[AlphaLook], with_alpha: usize, pictures: usize) -> Option<AlphaBand> {
    let mut bands: Vec<&AlphaLook> = looks.iter().filter(|look| look.is_band()).collect();
    // As many of all as of those that were looked at.
    if 2 * bands.len() * with_alpha <= looks.len() * pictures {
        return None;
    }
    bands.sort_by_key(|look| look.median);
    Some(AlphaBand {
        images: bands.len(),
        looked_at: looks.len(),
        median: bands[(bands.len() - 1) / 2].median,
        opaque: bands.iter().map(|look| look.opaque).sum::<f64>() / bands.len() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[(u8, u64)]) -> AlphaLook {
        let mut counts = [0; 256];
        for (value, count) in values {
            counts[usize::from(*value)] = *count;
        }
        AlphaLook::new(&counts)
    }

    #[test]
    fn cut_outs_soft_edges_and_veils_are_no_bands() {
        assert!(!counts(&[(0, 500), (255, 500)]).is_band());
        assert!(!counts(&[(0, 300), (90, 200), (255, 500)]).is_band());
        assert!(!counts(&[(128, 1000)]).is_band());
        let band = counts(&[(40, 300), (60, 400), (90, 290), (255, 10)]);
        assert!(band.is_band());
        assert_eq!((band.median, band.opaque), (60, 0.01));
    }

    #[test]
    fn a_band_is_told_where_most_pictures_have_one() {
        let (band, plain) = (counts(&[(40, 1), (60, 2)]), counts(&[(255, 9)]));
        assert!(summary(&[band; 5], 5, 10).is_none());
        let told = summary(&[band, band, plain], 300, 310).unwrap();
        assert_eq!((told.images, told.looked_at, told.median), (2, 3, 60));
        assert!(summary(&[band, band, plain], 300, 500).is_none());
        assert!(summary(&[], 0, 0).is_none());
    }

    #[test]
    fn those_looked_at_are_evenly_spread() {
        assert_eq!(spread_over(&[3, 5, 9]), [3, 5, 9]);
        let all: Vec<usize> = (0..640).collect();
        let some = spread_over(&all);
        assert_eq!((some.len(), some[0], some[63]), (64, 0, 630));
        assert!(spread_over(&[]).is_empty());
    }
}
