//! The channel shuffle (Zhang et al. 2018, ShuffleNet).

use crate::channels::{CHUNK, in_parts};
use crate::parallel::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// Takes one channel of each of so many groups after the other: of two groups of `n` channels `0, n, 1, n + 1, ..`. The inverse is that of
/// `channels / groups` groups.
///
/// # Panics
///
/// When the channels are not of so many groups or the lengths, `[pixels, channels]` both, do not fit.
pub fn shuffle(x: &[f32], channels: usize, groups: usize, out: &mut [f32]) {
    assert!(
        groups > 0 && channels > 0 && channels.is_multiple_of(groups),
        "{groups} groups of {channels} channels"
    );
    assert!(
        x.len().is_multiple_of(channels),
        "{} numbers of {channels} channels",
        x.len()
    );
    assert_eq!(out.len(), x.len(), "output of a shuffle");
    let pixels = x.len() / channels;
    let together = (CHUNK / channels).max(1);
    let (level, out) = (Level::current(), Shared::new(out));
    let part = |part: usize| {
        let start = part * together * channels;
        let len = (together.min(pixels - part * together)) * channels;
        // SAFETY: each part has its own pixels.
        let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(start), len) };
        dispatch_at(
            level,
            Shuffle {
                x: &x[start..start + len],
                channels,
                groups,
                out,
            },
        );
    };
    in_parts(pixels.div_ceil(together), &part);
}

struct Shuffle<'a> {
    x: &'a [f32],
    channels: usize,
    groups: usize,
    out: &'a mut [f32],
}

impl Kernel for Shuffle<'_> {
    type Output = ();

    /// The compiler makes shuffles of registers of the two cases that networks have.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (channels, groups) = (self.channels, self.groups);
        let each = channels / groups;
        let mut start = 0;
        while start < self.x.len() {
            let x = &self.x[start..start + channels];
            let out = &mut self.out[start..start + channels];
            if groups == 2 {
                let (first, second) = x.split_at(each);
                let mut i = 0;
                while i < each {
                    out[2 * i] = first[i];
                    out[2 * i + 1] = second[i];
                    i += 1;
                }
            } else if each == 2 {
                let (first, second) = out.split_at_mut(groups);
                let mut i = 0;
                while i < groups {
                    first[i] = x[2 * i];
                    second[i] = x[2 * i + 1];
                    i += 1;
                }
            } else {
                let mut i = 0;
                while i < channels {
                    out[i] = x[i % groups * each + i / groups];
                    i += 1;
                }
            }
            start += channels;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{at_each_level, numbers};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn channels_go_where_the_definition_says_and_back(
            pixels in 0usize..70, groups in 1usize..6, each in 1usize..40, seed in 0u64..1 << 40
        ) {
            let channels = groups * each;
            let x = numbers(pixels * channels, seed);
            // A matrix of the groups' rows, transposed.
            let mut expected = Vec::new();
            for pixel in x.chunks_exact(channels) {
                for i in 0..each {
                    expected.extend((0..groups).map(|group| pixel[group * each + i]));
                }
            }
            at_each_level(|| {
                let mut out = vec![f32::NAN; x.len()];
                shuffle(&x, channels, groups, &mut out);
                assert_eq!(out, expected);
                let mut back = vec![f32::NAN; x.len()];
                shuffle(&out, channels, each, &mut back);
                assert_eq!(back, x);
            });
        }
    }
}
