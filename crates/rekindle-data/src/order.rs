//! The order of an epoch's samples, and how it is cut into batches.
//!
//! This file owns positions only; `loader.rs` turns them into pixels.

use rekindle_augment::SampleRng;
use serde::{Deserialize, Serialize};

/// The sample number of the generator that shuffles an epoch; no sample has it.
const ORDER: u64 = u64::MAX;

/// The numbers `0..len` in an order that only the seed and the epoch decide (Fisher-Yates).
pub fn epoch_order(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = SampleRng::new(seed, epoch, ORDER);
    let mut order: Vec<_> = (0..len).collect();
    rng.shuffle(&mut order);
    order
}

/// One use of a sample in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The sample's index.
    pub sample: usize,
    /// How often the sample has been used in this epoch before; a repeated use is augmented anew.
    pub repeat: u32,
}

impl From<usize> for Draw {
    fn from(sample: usize) -> Self {
        Self { sample, repeat: 0 }
    }
}

impl Draw {
    /// The generator of this use: of the first one [`SampleRng::new`] with the seed itself.
    pub fn rng(self, seed: u64, epoch: u64) -> SampleRng {
        let seed = seed.wrapping_add(u64::from(self.repeat).wrapping_mul(REPEATS_APART));
        SampleRng::new(seed, epoch, self.sample as u64)
    }
}

/// Keeps the random numbers of repeated uses apart: 2^64 divided by pi, odd.
const REPEATS_APART: u64 = 0x517c_c1b7_2722_0a95;

/// How often each training image is used in an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Every image once.
    #[default]
    Shuffle,
    /// Every class equally often: images of small classes are repeated, of large ones some are left out.
    Balanced,
}

/// An epoch in which each class is used equally often, and as many images are used as there are.
///
/// Of `n` images in `k` classes, each class is used `floor(n / k)` times, and `n mod k` classes that the seed and the epoch choose once
/// more. Within a class all images are used equally often, up to one use. `class_of` tells a sample's class.
pub fn balanced_epoch(
    samples: &[usize],
    class_of: impl Fn(usize) -> usize,
    seed: u64,
    epoch: u64,
) -> Vec<Draw> {
    let mut rng = SampleRng::new(seed, epoch, ORDER);
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for &sample in samples {
        let class = class_of(sample);
        if classes.len() <= class {
            classes.resize_with(class + 1, Vec::new);
        }
        classes[class].push(sample);
    }
    classes.retain(|images| !images.is_empty());
    // Of shuffled classes the first ones get what does not divide evenly.
    rng.shuffle(&mut classes);
    let (images, count) = (samples.len(), classes.len());
    let mut draws: Vec<Draw> = Vec::with_capacity(images);
    for (place, mut class) in classes.into_iter().enumerate() {
        rng.shuffle(&mut class);
        let uses = images / count + usize::from(place < images % count);
        draws.extend((0..uses).map(|number| Draw {
            sample: class[number % class.len()],
            repeat: (number / class.len()) as u32,
        }));
    }
    rng.shuffle(&mut draws);
    draws
}

/// What becomes of the images that do not fill the last batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastBatch {
    /// They are a smaller batch: for evaluation, where each image counts by itself.
    Keep,
    /// As [`Keep`](Self::Keep), but a single image joins the batch before it: for training, where the statistics of batch normalisation
    /// need two. With batches of one, or a single image in all, nothing can be merged.
    MergeSingle,
}

/// Cuts an order into batches of `batch_size`; every entry is in exactly one. A size of 0 is taken as 1.
pub fn batches<T: Clone>(order: &[T], batch_size: usize, last: LastBatch) -> Vec<Vec<T>> {
    let size = batch_size.max(1);
    let mut batches: Vec<_> = order.chunks(size).map(<[T]>::to_vec).collect();
    if last == LastBatch::MergeSingle
        && size > 1
        && let Some(single) = batches.pop_if(|batch| batch.len() == 1)
    {
        match batches.last_mut() {
            Some(before) => before.extend(single),
            None => batches.push(single),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_single_image_at_the_end_joins_the_batch_before() {
        let sizes = |len, size, last| -> Vec<usize> {
            batches(&epoch_order(len, 0, 0), size, last)
                .iter()
                .map(Vec::len)
                .collect()
        };
        assert_eq!(sizes(7, 3, LastBatch::MergeSingle), [3, 4]);
        assert_eq!(sizes(7, 3, LastBatch::Keep), [3, 3, 1]);
        assert_eq!(sizes(8, 3, LastBatch::MergeSingle), [3, 3, 2]);
        assert_eq!(sizes(1, 3, LastBatch::MergeSingle), [1]);
        assert_eq!(sizes(3, 1, LastBatch::MergeSingle), [1, 1, 1]);
        assert_eq!(sizes(0, 3, LastBatch::MergeSingle), [0; 0]);
    }

    #[test]
    fn the_order_of_an_epoch_is_frozen() {
        // From a second implementation in Python of the generator and the shuffle. A change here changes every run that is resumed.
        assert_eq!(epoch_order(10, 42, 3), FROZEN);
        assert_ne!(epoch_order(10, 42, 4), FROZEN);
        assert_ne!(epoch_order(10, 43, 3), FROZEN);
    }

    const FROZEN: [usize; 10] = [2, 6, 4, 7, 8, 5, 0, 1, 9, 3];

    proptest! {
        #[test]
        fn every_index_is_in_exactly_one_batch(len in 0usize..200, size in 0usize..20, seed: u64, epoch: u64, merge: bool) {
            let last = if merge { LastBatch::MergeSingle } else { LastBatch::Keep };
            let mut all = batches(&epoch_order(len, seed, epoch), size, last).concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..len).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn a_balanced_epoch_uses_classes_and_their_images_evenly(
            counts in prop::collection::vec(0usize..30, 1..6), seed: u64, epoch: u64,
        ) {
            let class_of: Vec<usize> = counts.iter().enumerate()
                .flat_map(|(class, count)| vec![class; *count]).collect();
            let samples: Vec<usize> = (0..class_of.len()).collect();
            let draws = balanced_epoch(&samples, |sample| class_of[sample], seed, epoch);
            prop_assert_eq!(draws.len(), samples.len());
            let mut uses = vec![Vec::new(); samples.len()];
            for draw in &draws {
                uses[draw.sample].push(draw.repeat);
            }
            let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); counts.len()];
            for (sample, mut repeats) in uses.into_iter().enumerate() {
                repeats.sort_unstable();
                let expected: Vec<u32> = (0..repeats.len() as u32).collect();
                prop_assert_eq!(&repeats, &expected, "uses are numbered from 0");
                of_class[class_of[sample]].push(repeats.len());
            }
            of_class.retain(|uses| !uses.is_empty());
            let even = samples.len() / of_class.len().max(1);
            for uses in of_class {
                let used: usize = uses.iter().sum();
                prop_assert!(used == even || used == even + 1, "{} uses, not {}", used, even);
                let [least, most] = [uses.iter().min(), uses.iter().max()];
                prop_assert!(most.unwrap() - least.unwrap() <= 1, "{:?}", uses);
            }
            let again = balanced_epoch(&samples, |sample| class_of[sample], seed, epoch);
            prop_assert_eq!(draws, again);
        }
    }

    #[test]
    fn a_repeated_use_has_random_numbers_of_its_own() {
        let number = |repeat| Draw { sample: 3, repeat }.rng(7, 2).next_u64();
        assert_eq!(number(0), SampleRng::new(7, 2, 3).next_u64());
        assert!(number(0) != number(1) && number(1) != number(2));
    }

    #[test]
    fn balanced_epochs_differ_and_reach_every_image_of_a_large_class() {
        let class_of = |sample: usize| usize::from(sample >= 40);
        let samples: Vec<usize> = (0..44).collect();
        let mut seen = [false; 44];
        for epoch in 0..20 {
            for draw in balanced_epoch(&samples, class_of, 5, epoch) {
                seen[draw.sample] = true;
            }
        }
        assert!(seen.iter().all(|seen| *seen));
        let epoch = |epoch| balanced_epoch(&samples, class_of, 5, epoch);
        assert_ne!(epoch(0), epoch(1));
    }

    #[test]
    fn shuffling_is_even() {
        // Where index 0 goes in 6000 epochs of six images: 1000 times to each place, standard deviation 29.
        let mut counts = [0usize; 6];
        for epoch in 0..6000 {
            let place = epoch_order(6, 1, epoch)
                .into_iter()
                .position(|index| index == 0)
                .unwrap();
            counts[place] += 1;
        }
        assert!(
            counts.iter().all(|count| count.abs_diff(1000) < 150),
            "{counts:?}"
        );
    }
}
