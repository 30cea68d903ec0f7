//! Divides groups of images, each whole, so that the classes, labels or ranges of numbers keep their shares as well as the groups permit.
//!
//! What the groups are is `source.rs`'s and the manifest's.

use std::ops::Range;

use crate::TargetKind;

use super::{Split, strata::Strata, stratified::digest};
use crate::{DataError, ImageFolder};

/// Which part of the groups is for validation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// About this share of each class.
    Share(f64),
    /// One of so many folds, from 0.
    Fold { fold: usize, folds: usize },
}

/// Puts whole groups into training or validation.
///
/// Groups are taken one by one, the largest first, equal ones in the order of `SHA-256(seed, name)`. Each goes to the part `p` where it adds
/// least to the sum of `count[p][c]^2 / (total[c]^2 share[p])` over parts and strata `c` ([`Strata`]), which is smallest when every one is
/// divided in the parts' shares; of equal parts to the one with the fewest images for its share. With a share for validation, no class or
/// label loses its last training image, and one that got no validation image gives its smallest group that can be spared. An image without
/// a group is a group by itself. Of equally large groups of images with labels, those with the rarest label are taken first.
///
/// Source: the rule of scikit-learn's `StratifiedGroupKFold`, with a cost that allows unequal parts and needs no standard deviations; for
/// labels, rarest first, Sechidis et al., "On the stratification of multi-label data" (2011).
///
/// # Errors
/// [`DataError::FoldWithoutClasses`] when a class has all its images in the fold.
pub(super) fn grouped_split(
    folder: &ImageFolder,
    candidates: &[usize],
    part: Part,
    seed: u64,
) -> Result<Split, DataError> {
    let shares = match part {
        Part::Share(share) => vec![1.0 - share, share],
        Part::Fold { folds, .. } => vec![1.0 / folds as f64; folds],
    };
    let smallest = shares.iter().copied().fold(1.0, f64::min);
    let strata = Strata::new(folder, candidates, smallest);
    let totals = strata.counts(candidates);
    let groups = Groups::new(folder, candidates, seed, &strata, &totals);
    let mut counts = vec![vec![0; strata.count()]; shares.len()];
    let mut images = vec![0; shares.len()];
    // What training would have left if nothing more were given to it.
    let mut spare = totals.clone();
    let mut places = Vec::with_capacity(groups.runs.len());
    for run in &groups.runs {
        let group = groups.counts(&strata, run);
        let may_hold_out = group
            .iter()
            .all(|(class, count)| !strata.is_needed(*class) || spare[*class] > *count);
        let allowed = |place: usize| place == 0 || may_hold_out || !matches!(part, Part::Share(_));
        let cost = |place: usize| -> (f64, f64) {
            let added = group.iter().map(|&(class, count)| {
                let (have, count, total) = (
                    counts[place][class] as f64,
                    count as f64,
                    totals[class] as f64,
                );
                count * (2.0 * have + count) / (total * total * shares[place])
            });
            (added.sum::<f64>(), images[place] as f64 / shares[place])
        };
        let mut best = (0, cost(0));
        for place in (1..shares.len()).filter(|place| allowed(*place)) {
            let cost = cost(place);
            if cost < best.1 {
                best = (place, cost);
            }
        }
        let place = best.0;
        images[place] += run.len();
        for (class, count) in group {
            counts[place][class] += count;
            if place == 1 {
                spare[class] -= count;
            }
        }
        places.push(place);
    }
    if let Part::Share(_) = part {
        hold_out_missing(&strata, &groups, &mut places, &mut counts);
    }
    let held_out = match part {
        Part::Share(_) => 1,
        Part::Fold { fold, .. } => fold,
    };
    let without: Vec<String> = (0..strata.count())
        .filter(|class| strata.is_needed(*class) && totals[*class] > 0)
        .filter(|class| counts[held_out][*class] == totals[*class])
        .map(|class| format!("`{}`", folder.classes.names()[class]))
        .collect();
    if let (Part::Fold { fold, folds }, false) = (part, without.is_empty()) {
        return Err(DataError::FoldWithoutClasses {
            fold: fold + 1,
            folds,
            classes: without,
        });
    }
    let mut split = Split::default();
    for (run, place) in groups.runs.iter().zip(places) {
        let side = if place == held_out {
            &mut split.validation
        } else {
            &mut split.train
        };
        side.extend(&groups.order[run.clone()]);
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    Ok(split)
}

/// Gives each class without validation images its smallest group that training can spare.
fn hold_out_missing(
    strata: &Strata,
    groups: &Groups,
    places: &mut [usize],
    counts: &mut [Vec<usize>],
) {
    let held = counts[1].iter().enumerate();
    let mut missing: Vec<bool> = held
        .map(|(class, count)| *count == 0 && strata.is_needed(class))
        .collect();
    if !missing.contains(&true) {
        return;
    }
    for (run, place) in groups.runs.iter().zip(places).rev() {
        let group = groups.counts(strata, run);
        let helps = group.iter().any(|(class, _)| missing[*class]);
        let spared = group
            .iter()
            .all(|(class, count)| !strata.is_needed(*class) || counts[0][*class] > *count);
        if *place == 0 && helps && spared {
            *place = 1;
            for (class, count) in group {
                counts[0][class] -= count;
                counts[1][class] += count;
                missing[class] = false;
            }
        }
    }
}

/// Images sorted by group, and where each group lies among them, the largest first.
struct Groups {
    order: Vec<usize>,
    runs: Vec<Range<usize>>,
}

impl Groups {
    fn new(
        folder: &ImageFolder,
        candidates: &[usize],
        seed: u64,
        strata: &Strata,
        totals: &[usize],
    ) -> Self {
        let samples = &folder.samples;
        // A number beyond all groups for each image that is of none.
        let number = |index: &usize| match samples[*index].group {
            Some(group) => group as usize,
            None => folder.groups.len() + index,
        };
        let mut order = candidates.to_vec();
        order.sort_unstable_by_key(|index| (number(index), *index));
        let mut runs = Vec::new();
        let mut start = 0;
        for run in order.chunk_by(|a, b| number(a) == number(b)) {
            let first = &samples[run[0]];
            let name = match first.group {
                Some(group) => digest(seed, &folder.groups[group as usize]),
                None => digest(seed, &first.key()),
            };
            let rarest = match folder.task.targets() {
                TargetKind::Labels => {
                    let strata = run.iter().flat_map(|index| strata.of(*index));
                    strata.map(|stratum| totals[stratum]).min().unwrap_or(0)
                }
                TargetKind::Class | TargetKind::Numbers => 0,
            };
            let first = (std::cmp::Reverse(run.len()), rarest);
            runs.push((first, name, start..start + run.len()));
            start += run.len();
        }
        runs.sort_unstable_by_key(|run| (run.0, run.1, run.2.start));
        let runs = runs.into_iter().map(|(_, _, run)| run).collect();
        Self { order, runs }
    }

    /// Stratum and images of it in a group, by stratum.
    fn counts(&self, strata: &Strata, run: &Range<usize>) -> Vec<(usize, usize)> {
        let images = &self.order[run.clone()];
        let mut classes: Vec<usize> = images.iter().flat_map(|index| strata.of(*index)).collect();
        classes.sort_unstable();
        classes
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], same.len()))
            .collect()
    }
}
