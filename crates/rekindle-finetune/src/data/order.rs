//! The order of an epoch's samples, and how it is cut into batches.
//!
//! This file owns positions only; `loader.rs` turns them into pixels.

use rekindle_augment::SampleRng;

/// The sample number of the generator that shuffles an epoch; no sample has it.
const ORDER: u64 = u64::MAX;

/// The numbers `0..len` in an order that only the seed and the epoch decide (Fisher-Yates).
pub fn epoch_order(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = SampleRng::new(seed, epoch, ORDER);
    let mut order: Vec<_> = (0..len).collect();
    rng.shuffle(&mut order);
    order
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
pub fn batches(order: &[usize], batch_size: usize, last: LastBatch) -> Vec<Vec<usize>> {
    let size = batch_size.max(1);
    let mut batches: Vec<_> = order.chunks(size).map(<[usize]>::to_vec).collect();
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
