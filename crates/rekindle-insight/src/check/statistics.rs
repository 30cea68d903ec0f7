//! Sizes, shapes and colours of all pictures together.
//!
//! Owns: what is counted and how it is summed up.

use std::collections::BTreeMap;

use rekindle_augment::Stack;

use super::examine::Picture;
use super::report::{AspectBin, Channels, Sizes, Spread, StackReport};

/// Width over height between one bin and the next: about 1:3, 1:2, 3:4, square, 4:3, 2:1 and 3:1.
const ASPECT_BOUNDS: [f64; 8] = [1.0 / 3.0, 0.5, 2.0 / 3.0, 0.9, 10.0 / 9.0, 1.5, 2.0, 3.0];

pub(super) fn sizes(pictures: &[&Picture]) -> Option<Sizes> {
    let spread = |of: fn(&Picture) -> u64| spread(pictures.iter().map(|picture| of(picture)));
    Some(Sizes {
        width: spread(|picture| picture.width.into())?,
        height: spread(|picture| picture.height.into())?,
        shorter_side: spread(|picture| picture.width.min(picture.height).into())?,
        pixels: spread(|picture| u64::from(picture.width) * u64::from(picture.height))?,
        aspects: aspects(pictures),
    })
}

fn spread(values: impl Iterator<Item = u64>) -> Option<Spread> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    Some(Spread {
        min: *values.first()?,
        median: values[(values.len() - 1) / 2],
        max: *values.last()?,
    })
}

fn aspects(pictures: &[&Picture]) -> Vec<AspectBin> {
    let mut counts = [0; ASPECT_BOUNDS.len() + 1];
    for picture in pictures {
        let aspect = f64::from(picture.width) / f64::from(picture.height.max(1));
        counts[ASPECT_BOUNDS.partition_point(|&bound| bound <= aspect)] += 1;
    }
    let bound = |at: Option<usize>| at.and_then(|at| ASPECT_BOUNDS.get(at)).copied();
    let bin = |(at, &count): (usize, &usize)| AspectBin {
        from: bound(at.checked_sub(1)),
        below: bound(Some(at)),
        count,
    };
    counts.iter().enumerate().map(bin).collect()
}

pub(super) fn channels(pictures: &[&Picture]) -> Option<Channels> {
    if pictures.is_empty() {
        return None;
    }
    let average = |of: fn(&Picture) -> [f64; 3]| {
        let mut sums = [0.0; 3];
        for picture in pictures {
            let values = of(picture);
            (0..3).for_each(|channel| sums[channel] += values[channel]);
        }
        sums.map(|sum| sum / pictures.len() as f64)
    };
    let (mean, mean_square) = (
        average(|picture| picture.mean),
        average(|picture| picture.mean_square),
    );
    let variance = |channel: usize| mean_square[channel] - mean[channel] * mean[channel];
    Some(Channels {
        mean,
        std: std::array::from_fn(|channel| variance(channel).max(0.0).sqrt()),
    })
}

/// The stacks of which one plane is used, by what they are like.
pub(super) fn stacks(pictures: &[&Picture]) -> Vec<StackReport> {
    let counts = counts(pictures.iter().filter_map(|picture| picture.stack));
    let report = |(stack, images): (Stack, usize)| StackReport {
        channels: stack.channels,
        slices: stack.slices,
        times: stack.times,
        planes: stack.planes,
        images,
    };
    counts.into_iter().map(report).collect()
}

/// How often each value occurs.
pub(super) fn counts<K: Ord>(values: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::examine::tests::picture;

    fn of_size(width: u32, height: u32) -> Picture {
        Picture {
            width,
            height,
            ..picture()
        }
    }

    #[test]
    fn sizes_are_least_middle_and_greatest() {
        let pictures = [
            of_size(10, 40),
            of_size(30, 20),
            of_size(20, 10),
            of_size(5, 5),
        ];
        let sizes = sizes(&pictures.iter().collect::<Vec<_>>()).unwrap();
        let of = |spread: Spread| [spread.min, spread.median, spread.max];
        assert_eq!(of(sizes.width), [5, 10, 30]);
        assert_eq!(of(sizes.shorter_side), [5, 10, 20]);
        assert_eq!(of(sizes.pixels), [25, 200, 600]);
        assert!(super::sizes(&[]).is_none());
    }

    #[test]
    fn every_shape_falls_into_one_bin_and_mirrored_shapes_into_mirrored_bins() {
        let shapes = [
            (1, 60_000),
            (300, 100),
            (100, 100),
            (100, 199),
            (4, 3),
            (16, 9),
        ];
        let pictures = shapes.map(|(width, height)| of_size(width, height));
        let bins = aspects(&pictures.iter().collect::<Vec<_>>());
        let counts: Vec<usize> = bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [1, 0, 1, 0, 1, 1, 1, 0, 1]);
        assert_eq!((bins[0].from, bins[8].below), (None, None));
        let products = bins.iter().zip(bins.iter().rev());
        for (bin, mirrored) in products {
            if let (Some(from), Some(below)) = (bin.from, mirrored.below) {
                assert!((from * below - 1.0).abs() < 1e-12, "{from} and {below}");
            }
        }
    }

    #[test]
    fn the_deviation_is_over_all_pixels_of_all_pictures() {
        // One black and one white picture: no deviation within, 0.5 over both.
        let [black, white] = [0.0, 1.0].map(|value| Picture {
            mean: [value; 3],
            mean_square: [value; 3],
            ..picture()
        });
        let channels = channels(&[&black, &white]).unwrap();
        assert_eq!((channels.mean, channels.std), ([0.5; 3], [0.5; 3]));
    }
}
