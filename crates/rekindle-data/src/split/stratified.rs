//! Divides each class by itself: a share of it for validation, or one of several folds.
//!
//! Images of groups are `grouped.rs`'s.

use sha2::{Digest, Sha256};

use super::Split;
use crate::{DataError, Sample};

/// Takes a share of every class for validation.
///
/// Of a class with `n` images among `candidates`, `round(fraction * n)` become validation images (halves rounded up), but at least 1 and
/// at most `n - 1`; a single image stays a training image. They are the first ones when the class's images are sorted by
/// `SHA-256(seed as 8 bytes, little-endian, followed by the path)`, where the path is [`Sample::key`]. So the choice of an image hardly
/// depends on which others there are: adding or removing one moves at most one other image of its class.
///
/// # Errors
/// [`DataError::SplitFraction`] unless `0 < fraction < 1`.
///
/// # Panics
/// When a candidate is not an index of `samples`.
pub fn stratified_split(
    samples: &[Sample],
    candidates: &[usize],
    fraction: f64,
    seed: u64,
) -> Result<Split, DataError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(DataError::SplitFraction { fraction });
    }
    let mut split = Split::default();
    for images in ranked(samples, candidates, seed) {
        let count = images.len();
        let wanted = (fraction * count as f64).round() as usize;
        let validation = wanted.max(1).min(count.saturating_sub(1));
        let (first, rest) = images.split_at(validation);
        split.validation.extend(first);
        split.train.extend(rest);
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    Ok(split)
}

/// Takes one of `folds` parts of every class for validation; over all folds every image is a validation image once.
///
/// The images of a class, in the order that [`stratified_split`] sorts them in, are cut into `folds` runs whose lengths differ by at most
/// one, from `round(k n / folds)` to `round((k + 1) n / folds)`. Run `k` of class `c` is in fold `(k + c) mod folds`, so that small
/// classes do not all lack the same folds. `fold` counts from 0.
///
/// # Panics
/// When a candidate is not an index of `samples`, or `folds` is 0.
pub(super) fn stratified_fold(
    samples: &[Sample],
    candidates: &[usize],
    fold: usize,
    folds: usize,
    seed: u64,
) -> Split {
    let mut split = Split::default();
    for (class, images) in ranked(samples, candidates, seed).into_iter().enumerate() {
        let run = (fold + folds - class % folds) % folds;
        let bound = |run: usize| (2 * run * images.len() + folds) / (2 * folds);
        let [from, to] = [bound(run), bound(run + 1)];
        split.validation.extend(&images[from..to]);
        split.train.extend(&images[..from]);
        split.train.extend(&images[to..]);
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    split
}

/// The candidates of each class, sorted by the hash of the seed and their paths.
pub(crate) fn ranked(samples: &[Sample], candidates: &[usize], seed: u64) -> Vec<Vec<usize>> {
    let classes = candidates
        .iter()
        .map(|&index| class_of(&samples[index]) + 1)
        .max()
        .unwrap_or(0);
    let mut ranked = vec![Vec::new(); classes];
    for &index in candidates {
        let sample = &samples[index];
        ranked[class_of(sample)].push((digest(seed, &sample.key()), index));
    }
    let sorted = |mut images: Vec<([u8; 32], usize)>| {
        images.sort_unstable();
        images.into_iter().map(|(_, index)| index).collect()
    };
    ranked.into_iter().map(sorted).collect()
}

/// Images without a class are all in one list.
fn class_of(sample: &Sample) -> usize {
    sample.class().unwrap_or(0)
}

/// SHA-256 of the seed as 8 bytes, little-endian, followed by a name.
pub(super) fn digest(seed: u64, name: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(name)
        .finalize()
        .into()
}
