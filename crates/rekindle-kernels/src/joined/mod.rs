//! Maps side by side: several arrays `[pixels, channels]` of the same pixels, read as the one array that their channels make one behind the
//! other's, `[pixels, all channels]`, whether that array is ever written or not (Huang et al. 2017, DenseNet; Szegedy et al. 2015,
//! Inception).
//!
//! `join` owns the copies in both directions, and the forward pass of a normalisation in front of which the maps are joined; `mask` the
//! backward pass of that. Work is split over the threads by pixels.

mod join;
mod mask;
#[cfg(test)]
mod tests;

pub use join::{join, join_normalized, split};
pub use mask::{JoinedNorm, Target};

use crate::channels::CHUNK;

/// One of the maps.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// `[pixels, channels]`.
    pub numbers: &'a [f32],
    /// Its own channels.
    pub channels: usize,
}

/// The pixels of the maps, and how they are cut into parts.
#[derive(Debug, Clone, Copy)]
struct Rows {
    pixels: usize,
    /// Of all maps.
    channels: usize,
    /// Pixels of a part.
    each: usize,
}

impl Rows {
    /// # Panics
    ///
    /// When there are no channels, or the lengths of the maps, numbers and channels, are not of the same pixels.
    fn of(lengths: impl Iterator<Item = [usize; 2]> + Clone) -> Self {
        let channels = lengths.clone().map(|[_, channels]| channels).sum();
        let mut pixels = None;
        for [len, channels] in lengths {
            assert!(channels > 0, "a map without channels");
            assert!(
                len.is_multiple_of(channels),
                "{len} numbers of a map of {channels} channels"
            );
            let own = len / channels;
            assert_eq!(
                *pixels.get_or_insert(own),
                own,
                "pixels of maps side by side"
            );
        }
        Self {
            pixels: pixels.expect("maps to be joined"),
            channels,
            each: (CHUNK / channels).max(1),
        }
    }

    fn of_members(maps: &[Member<'_>]) -> Self {
        Self::of(maps.iter().map(|map| [map.numbers.len(), map.channels]))
    }

    fn len(&self) -> usize {
        self.pixels * self.channels
    }

    fn parts(&self) -> usize {
        self.pixels.div_ceil(self.each)
    }

    /// The first pixel, and the one behind the last.
    fn part(&self, part: usize) -> [usize; 2] {
        [part * self.each, ((part + 1) * self.each).min(self.pixels)]
    }
}
