//! Walking channels-last memory in full registers, whatever the number of channels.
//!
//! An array `[pixels, channels]` is flat; what belongs to a channel (a scale, a sum) repeats every `channels` numbers. It is laid out
//! again and again until the length is a multiple of every register, the period, and then number `i` of the array meets number
//! `i % period` of the pattern: no register straddles the end of a pixel, and 24 channels run as fast as 32.
//!
//! Here are the pattern and its parts on the threads; `pass` owns the walk over one part, `known` the activations that its loops are
//! compiled for.

pub(crate) mod known;
mod pass;

pub(crate) use known::{Known, with_known};
use pass::Walk;
pub(crate) use pass::{Access, Part, Pass, Registers, SumOf, Whole};

use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::{Level, dispatch_at};

/// Numbers per part of a parallel pass, about: 128 KiB, so that the arrays of a part stay in the second-level cache, and small arrays
/// are one part, which does not wake the other threads.
pub(crate) const CHUNK: usize = 32 << 10;

/// Waking the other threads takes as long as this many parts.
const ALONE: usize = 3;

/// Calls `part` for `0..count`, of about [`CHUNK`] numbers each, on all threads unless they are few. One instance for all callers.
pub(crate) fn in_parts(count: usize, part: &(dyn Fn(usize) + Send + Sync)) {
    if count <= ALONE {
        (0..count).for_each(part);
    } else {
        for_each(count, part);
    }
}

/// The widest register; every other divides it.
const WIDEST: usize = 16;

/// Shorter patterns are repeated: a sum is read again only after this many others, when its last store has long been done.
const SHORTEST: usize = 128;

/// The repetition of what belongs to channels, for an array of a given length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    channels: usize,
    /// A multiple of the channels and of the widest register.
    period: usize,
    /// Numbers of the array.
    len: usize,
}

impl Pattern {
    /// # Panics
    ///
    /// When `channels` is zero or does not divide `len`; `what` names the array.
    pub(crate) fn new(channels: usize, len: usize, what: &str) -> Self {
        assert!(channels > 0, "{what} has no channels");
        assert!(
            len.is_multiple_of(channels),
            "{what} has {len} numbers for {channels} channels"
        );
        let twos = channels.trailing_zeros().min(WIDEST.trailing_zeros());
        let least = channels * (WIDEST >> twos);
        Self {
            channels,
            period: least * SHORTEST.div_ceil(least),
            len,
        }
    }

    /// Numbers of the pattern that the array meets.
    pub(crate) fn lanes(&self) -> usize {
        self.period.min(self.len)
    }

    /// Numbers per part: whole periods.
    pub(crate) fn chunk(&self) -> usize {
        self.period * (CHUNK / self.period).max(1)
    }

    /// Number of parts.
    pub(crate) fn chunks(&self) -> usize {
        self.len.div_ceil(self.chunk())
    }

    /// Where part `i` starts, and its length.
    pub(crate) fn part(&self, i: usize) -> (usize, usize) {
        let start = i * self.chunk();
        (start, self.chunk().min(self.len - start))
    }

    /// One number per channel, repeated.
    pub(crate) fn expand(&self, per_channel: &[f32]) -> Buffer {
        let mut pattern = Buffer::unspecified(self.lanes());
        self.expand_into(per_channel, &mut pattern);
        pattern
    }

    /// [`expand`](Self::expand) into memory at hand.
    pub(crate) fn expand_into(&self, per_channel: &[f32], pattern: &mut [f32]) {
        assert_eq!(per_channel.len(), self.channels, "one number per channel");
        for row in pattern.chunks_mut(self.channels) {
            row.copy_from_slice(&per_channel[..row.len()]);
        }
    }

    /// Adds the pattern's numbers to those of their channels.
    fn fold(&self, pattern: &[f32], per_channel: &mut [f64]) {
        for row in pattern.chunks(self.channels) {
            for (sum, &x) in per_channel.iter_mut().zip(row) {
                *sum += f64::from(x);
            }
        }
    }

    /// Runs a pass over the array, in parallel.
    pub(crate) fn for_each<P: Pass>(&self, pass: P) {
        let level = Level::current();
        let part = |i: usize| {
            let (start, len) = self.part(i);
            self.map_part(level, pass, start, len);
        };
        in_parts(self.chunks(), &part);
    }

    /// Runs a pass over the array, in parallel, and returns its sums per channel, one after the other. They are taken in single
    /// precision within a part and in double precision over the parts, in the parts' order.
    pub(crate) fn sum<P: Pass>(&self, pass: P) -> Vec<f64> {
        let level = Level::current();
        let width = P::SUMS * self.channels;
        let mut partial = vec![0.0f64; width * self.chunks()];
        let shared = Shared::new(&mut partial);
        let part = |i: usize| {
            let (start, len) = self.part(i);
            // SAFETY: every part has its own stretch of `partial`, which outlives the loop.
            let sums =
                unsafe { std::slice::from_raw_parts_mut(shared.get().add(i * width), width) };
            self.sum_part(level, pass, start, len, sums);
        };
        in_parts(self.chunks(), &part);
        let mut sums = vec![0.0; width];
        for part in partial.chunks_exact(width) {
            sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
        }
        sums
    }

    /// Runs a pass over one stretch, which starts with a pixel and is no longer than the array, and adds its sums per channel to
    /// `sums`.
    pub(crate) fn sum_part<P: Pass>(
        &self,
        level: Level,
        pass: P,
        start: usize,
        len: usize,
        sums: &mut [f64],
    ) {
        let lanes = self.lanes();
        // Each sum starts on a cache line.
        let stride = lanes.next_multiple_of(WIDEST);
        let mut held = Buffer::zeros(P::SUMS * stride);
        self.run(level, pass, start, len, &mut held);
        for (sums, held) in sums
            .chunks_exact_mut(self.channels)
            .zip(held.chunks_exact(stride))
        {
            self.fold(&held[..lanes], sums);
        }
    }

    /// Runs a pass without sums over one stretch, which starts with a pixel and is no longer than the array.
    pub(crate) fn map_part<P: Pass>(&self, level: Level, pass: P, start: usize, len: usize) {
        const { assert!(P::SUMS == 0) };
        self.run(level, pass, start, len, &mut []);
    }

    fn run<P: Pass>(&self, level: Level, pass: P, start: usize, len: usize, sums: &mut [f32]) {
        assert!(len <= self.len);
        dispatch_at(
            level,
            Walk {
                pass,
                start,
                end: start + len,
                period: self.period,
                sums: Shared::new(sums),
                stride: self.lanes().next_multiple_of(WIDEST),
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_hold_whole_pixels_and_registers() {
        for channels in 1..300 {
            let pattern = Pattern::new(channels, channels * 1000, "x");
            assert!(pattern.period.is_multiple_of(channels));
            assert!(pattern.period.is_multiple_of(WIDEST));
            assert!(
                pattern.period >= SHORTEST && pattern.period <= (16 * channels).max(2 * SHORTEST)
            );
            assert!(pattern.chunk().is_multiple_of(pattern.period));
        }
        assert_eq!(Pattern::new(24, 240, "x").period, 144);
        assert_eq!(Pattern::new(72, 720, "x").period, 144);
        assert_eq!(Pattern::new(64, 640, "x").period, 128);
        assert_eq!(Pattern::new(1152, 11520, "x").period, 1152);
    }
}
