//! The mean and the variance of each channel, from one reading of memory.

use crate::channels::{Access, Pass, Pattern, Registers, SumOf, in_parts};
use crate::parallel::Shared;
use crate::simd::{Level, Simd};

/// Mean and biased variance of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// `sum(y) / pixels`.
    pub mean: Vec<f32>,
    /// `sum((y - mean)^2) / pixels`.
    pub variance: Vec<f32>,
}

/// The mean and the biased variance of each channel of `y`, `[pixels, channels]`, read from memory once.
///
/// There is no cancellation when the mean is large beside the deviation: each part of the array is summed about a mean of its own,
/// and the parts are combined in double precision (Chan, Golub & LeVeque 1979).
///
/// # Panics
///
/// When `y` is empty or `channels` does not divide its length.
pub fn moments(y: &[f32], channels: usize) -> Moments {
    let pattern = Pattern::new(channels, y.len(), "the input of the moments");
    assert!(!y.is_empty(), "moments of nothing");
    let level = Level::current();
    let width = 2 * channels;
    let mut partial = vec![0.0f64; width * pattern.chunks()];
    let shared = Shared::new(&mut partial);
    let part = |i: usize| {
        // SAFETY: every part has its own stretch of `partial`, which outlives the loop.
        let moments = unsafe { std::slice::from_raw_parts_mut(shared.get().add(i * width), width) };
        part_moments(level, pattern, y, pattern.part(i), channels, moments);
    };
    in_parts(pattern.chunks(), &part);

    let mut combined = Combined::new(channels);
    for (i, part) in partial.chunks_exact(width).enumerate() {
        let (mean, square) = part.split_at(channels);
        combined.add(pattern.part(i).1 / channels, |c| (mean[c], square[c]));
    }
    combined.moments()
}

/// The moments of several parts together.
pub(crate) struct Combined {
    mean: Vec<f64>,
    /// Sums of squared deviations from the mean.
    square: Vec<f64>,
    count: f64,
}

impl Combined {
    pub(crate) fn new(channels: usize) -> Self {
        Self {
            mean: vec![0.0; channels],
            square: vec![0.0; channels],
            count: 0.0,
        }
    }

    /// Adds a part of `count` pixels; `of` gives a channel's mean and sum of squared deviations from it.
    pub(crate) fn add(&mut self, count: usize, of: impl Fn(usize) -> (f64, f64)) {
        let count = count as f64;
        let share = count / (self.count + count);
        for (c, (mean, square)) in self.mean.iter_mut().zip(&mut self.square).enumerate() {
            let (part_mean, part_square) = of(c);
            let delta = part_mean - *mean;
            *mean += delta * share;
            *square += part_square + delta * delta * self.count * share;
        }
        self.count += count;
    }

    pub(crate) fn moments(&self) -> Moments {
        Moments {
            mean: self.mean.iter().map(|&m| m as f32).collect(),
            variance: self
                .square
                .iter()
                .map(|&s| (s / self.count) as f32)
                .collect(),
        }
    }
}

/// The means and the sums of squared deviations of one part, the former before the latter.
///
/// The deviations are taken from the mean `m` of the part's first eighth. With `n` pixels of mean `mu` and squared deviations `M2`,
/// the eighth alone gives `M2 >= n/8 (m - mu)^2`, so the correction `n (m - mu)^2` is at most eight times what remains of it.
pub(crate) fn part_moments(
    level: Level,
    pattern: Pattern,
    y: &[f32],
    (start, len): (usize, usize),
    channels: usize,
    moments: &mut [f64],
) {
    let pixels = len / channels;
    let sample = pixels.div_ceil(8);
    let mut sums = vec![0.0f64; channels];
    pattern.sum_part(level, SumOf { x: y }, start, sample * channels, &mut sums);
    let center: Vec<f32> = sums
        .iter()
        .map(|sum| (sum / sample as f64) as f32)
        .collect();
    let expanded = pattern.expand(&center);
    let deviations = Deviations {
        y,
        center: &expanded,
    };
    pattern.sum_part(level, deviations, start, len, moments);
    let n = pixels as f64;
    let (mean, square) = moments.split_at_mut(channels);
    for c in 0..channels {
        square[c] = (square[c] - mean[c] * mean[c] / n).max(0.0);
        mean[c] = f64::from(center[c]) + mean[c] / n;
    }
}

/// The sums of each channel's deviations from a centre, and of their squares.
#[derive(Clone, Copy)]
struct Deviations<'a> {
    y: &'a [f32],
    center: &'a [f32],
}

impl Pass for Deviations<'_> {
    const SUMS: usize = 2;
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside `y`, the pattern and the sums by the caller's promise.
        unsafe {
            let center = at.pattern(s, self.center);
            let (mut sum, mut square) = (s.zero(), s.zero());
            for r in 0..R {
                let d = s.sub(at.load(s, r, self.y), center);
                sum = s.add(sum, d);
                square = s.mul_add(d, d, square);
            }
            at.add_to_sum(s, 0, sum);
            at.add_to_sum(s, 1, square);
        }
    }
}
