//! Steps that move channels and compute nothing: maps put one behind the other, and some channels of a map in another order.

use std::ops::Range;

use rayon::prelude::*;

use crate::channels::CHUNK;
use crate::{Member, join, shuffle};

/// Which channels of a map a step takes, in the order of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedChannels {
    /// Those of a range.
    Range(Range<usize>),
    /// All, in so many groups of which one channel after the other is taken: those of two groups are `0, n, 1, n + 1, ..`.
    Shuffled(usize),
}

impl PlannedChannels {
    /// How many there are of a map of so many.
    pub(super) fn count(&self, channels: usize) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Shuffled(_) => channels,
        }
    }

    /// Takes them from each pixel.
    ///
    /// # Panics
    ///
    /// When the range ends behind the last channel, or the groups do not divide the channels.
    pub(super) fn take(&self, x: &[f32], channels: usize, out: &mut [f32]) {
        match self {
            Self::Range(range) => {
                assert!(range.end <= channels, "{range:?} of {channels} channels");
                over_pixels(out, range.len(), |pixel, out| {
                    let start = pixel * channels;
                    out.copy_from_slice(&x[start + range.start..start + range.end]);
                });
            }
            Self::Shuffled(groups) => {
                shuffle(x, channels, *groups, out);
            }
        }
    }
}

/// Puts the channels of each pixel of maps with as many pixels one behind the other.
///
/// # Panics
///
/// When the lengths do not fit.
pub(super) fn concat(maps: &[&[f32]], pixels: usize, out: &mut [f32]) {
    let widths = maps.iter().map(|map| map.len() / pixels);
    let each = maps.iter().zip(widths);
    let members: Vec<Member<'_>> = each
        .map(|(numbers, channels)| Member { numbers, channels })
        .collect();
    join(&members, out);
}

/// Calls `each` for every pixel of `out` with its number, on all threads.
fn over_pixels(out: &mut [f32], channels: usize, each: impl Fn(usize, &mut [f32]) + Send + Sync) {
    let together = (CHUNK / channels.max(1)).max(1);
    let parts = out.par_chunks_mut(together * channels).enumerate();
    parts.for_each(|(part, out)| {
        for (pixel, out) in out.chunks_exact_mut(channels).enumerate() {
            each(part * together + pixel, out);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_taken_pixel_by_pixel() {
        let x: Vec<f32> = (0..12).map(|n| n as f32).collect();
        let mut out = [0.0; 4];
        PlannedChannels::Range(2..4).take(&x[..8], 4, &mut out);
        assert_eq!(out, [2.0, 3.0, 6.0, 7.0]);
        let mut out = [0.0; 12];
        PlannedChannels::Shuffled(2).take(&x, 6, &mut out);
        assert_eq!(
            out,
            [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0]
        );
    }

    #[test]
    fn maps_are_put_one_behind_the_other() {
        let mut out = [0.0; 6];
        concat(&[&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0]], 2, &mut out);
        assert_eq!(out, [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
    }
}
