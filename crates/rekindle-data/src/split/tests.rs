//! Which image goes where, and the file that keeps it.

use std::fs;

use crate::TaskKind;
use proptest::prelude::*;

use super::*;
use crate::{ClassIndex, Sample, Target};

fn sample(class: usize, path: &str) -> Sample {
    Sample::file(path.split('/').collect(), class, None)
}

/// A folder of `counts[class]` images for each class, without files behind it.
fn folder(counts: &[usize]) -> ImageFolder {
    let names: Vec<_> = (0..counts.len())
        .map(|class| format!("class{class}"))
        .collect();
    let paths = counts.iter().enumerate().flat_map(|(class, &count)| {
        (0..count).map(move |number| sample(class, &format!("class{class}/{number}.png")))
    });
    ImageFolder {
        root: "photos".into(),
        samples: paths.collect(),
        classes: ClassIndex::new(names).unwrap(),
        least_per_class: 2,
        ..ImageFolder::default()
    }
}

fn all(folder: &ImageFolder) -> Vec<usize> {
    (0..folder.samples.len()).collect()
}

#[test]
fn the_choice_is_the_one_that_its_rule_gives_in_python() {
    // sorted(paths, key=lambda p: hashlib.sha256(seed.to_bytes(8, "little") + p.encode()).digest())[:k] for each class, with
    // k = floor(0.3 * n + 0.5); Python 3, hashlib.
    let cats = (0..10).map(|number| sample(0, &format!("cat/{number}.png")));
    let dogs = (0..5).map(|number| sample(1, &format!("dog/inner/é{number}.png")));
    let samples: Vec<_> = cats.chain(dogs).collect();
    let candidates: Vec<_> = (0..15).collect();
    let split = |seed| {
        stratified_split(&samples, &candidates, 0.3, seed)
            .unwrap()
            .validation
    };
    assert_eq!(split(0), [4, 5, 7, 10, 12]);
    assert_eq!(split((1 << 63) + 5), [1, 4, 6, 10, 11]);
}

#[test]
fn folds_are_those_that_their_rule_gives_in_python() {
    // r = sorted as above; run = (k - c) % 3; validation = r[b(run):b(run + 1)] with b(q) = floor(q * n / 3 + 0.5); Python 3, hashlib.
    let cats = (0..10).map(|number| sample(0, &format!("cat/{number}.png")));
    let dogs = (0..5).map(|number| sample(1, &format!("dog/inner/é{number}.png")));
    let samples: Vec<_> = cats.chain(dogs).collect();
    let candidates: Vec<_> = (0..15).collect();
    let fold = |fold, seed| stratified_fold(&samples, &candidates, fold, 3, seed).validation;
    assert_eq!(fold(0, 0), [4, 5, 7, 13, 14]);
    assert_eq!(fold(1, 0), [0, 1, 2, 3, 10, 12]);
    assert_eq!(fold(2, 0), [6, 8, 9, 11]);
    assert_eq!(fold(1, 7), [1, 6, 7, 8, 13, 14]);
}

#[test]
fn a_share_that_is_none_is_refused() {
    let folder = folder(&[3, 3]);
    for fraction in [0.0, 1.0, -0.2, 20.0, f64::NAN] {
        let error = stratified_split(&folder.samples, &all(&folder), fraction, 0).unwrap_err();
        assert!(matches!(error, DataError::SplitFraction { .. }), "{error}");
    }
}

#[test]
fn unusable_samples_are_in_no_part_and_few_good_ones_are_an_error() {
    let folder = folder(&[4, 3]);
    let split = Split::of_folder(&folder, &[0, 2, 3, 4, 6], 0.5, 1).unwrap();
    let mut together = [split.train, split.validation].concat();
    together.sort_unstable();
    assert_eq!(together, [0, 2, 3, 4, 6]);
    let error = Split::of_folder(&folder, &[0, 1, 6], 0.5, 1).unwrap_err();
    assert!(error.to_string().contains("`class1` has 1"), "{error}");
}

#[test]
fn folders_of_the_user_are_the_split_where_there_are_any() {
    let mut folder = folder(&[3, 3]);
    for (index, split) in [SplitName::Train, SplitName::Validation, SplitName::Test]
        .into_iter()
        .enumerate()
    {
        folder.samples[index].split = Some(split);
        folder.samples[index + 3].split = Some(split);
    }
    folder.least_per_class = 1;
    let split = Split::of_folder(&folder, &all(&folder), 0.5, 1).unwrap();
    assert_eq!(
        split,
        Split {
            train: vec![0, 3],
            validation: vec![1, 4],
            test: vec![2, 5]
        }
    );
}

#[test]
fn a_saved_split_is_read_back_whatever_was_added() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("split.json");
    let saved = folder(&[5, 6]);
    let split = Split::of_folder(&saved, &all(&saved), 0.4, 3).unwrap();
    split.save(&saved, &path).unwrap();
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "no unfinished file is left"
    );
    assert_eq!(Split::load(&saved, &path).unwrap(), (split.clone(), vec![]));

    let mut grown = saved.clone();
    grown.samples.insert(0, sample(0, "class0/00.png"));
    let (loaded, unlisted) = Split::load(&grown, &path).unwrap();
    assert_eq!(unlisted, [0]);
    assert_eq!(
        loaded.train,
        split
            .train
            .iter()
            .map(|index| index + 1)
            .collect::<Vec<_>>()
    );
    assert_eq!(
        loaded.validation,
        split
            .validation
            .iter()
            .map(|index| index + 1)
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_split_file_that_does_not_fit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("split.json");
    let full = folder(&[5, 6]);
    let split = Split::of_folder(&full, &all(&full), 0.4, 3).unwrap();
    split.save(&full, &path).unwrap();

    let mut shrunk = full.clone();
    shrunk.samples.remove(7);
    let error = Split::load(&shrunk, &path).unwrap_err();
    assert!(
        matches!(&error, DataError::SplitMissing { missing, .. } if missing == &["`class1/2.png`"]),
        "{error}"
    );

    let error = Split::load(&folder(&[5, 6, 2]), &path).unwrap_err();
    assert!(matches!(error, DataError::SplitClasses { .. }), "{error}");

    let text = fs::read_to_string(&path).unwrap();
    let leaking = text.replace("\"test\": []", "\"test\": [\"class1/2.png\"]");
    assert_ne!(text, leaking);
    fs::write(&path, leaking).unwrap();
    let error = Split::load(&full, &path).unwrap_err();
    assert!(
        matches!(&error, DataError::SplitRepeated { image, .. } if image == "class1/2.png"),
        "{error}"
    );

    fs::write(&path, r#"{"version": 9, "groups": []}"#).unwrap();
    assert!(matches!(
        Split::load(&full, &path).unwrap_err(),
        DataError::SplitVersion { found: 9, .. }
    ));
    fs::write(&path, "train,validation").unwrap();
    assert!(matches!(
        Split::load(&full, &path).unwrap_err(),
        DataError::ParseSplit { .. }
    ));
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        Split::load(&full, &path).unwrap_err(),
        DataError::ReadSplit { .. }
    ));
}

proptest! {
    #[test]
    fn every_class_gives_its_rounded_share(counts in prop::collection::vec(1usize..40, 1..6), fraction in 0.01f64..0.99, seed: u64) {
        let folder = folder(&counts);
        let split = stratified_split(&folder.samples, &all(&folder), fraction, seed).unwrap();
        let mut together = [split.train.clone(), split.validation.clone()].concat();
        together.sort_unstable();
        prop_assert_eq!(together, all(&folder));
        for (count, taken) in counts.iter().zip(folder.class_counts(&split.validation)) {
            let share = (fraction * *count as f64).round() as usize;
            prop_assert_eq!(taken, if *count == 1 { 0 } else { share.clamp(1, count - 1) });
        }
    }

    #[test]
    fn adding_an_image_moves_at_most_one_other(count in 2usize..60, fraction in 0.05f64..0.95, seed: u64) {
        let (before, after) = (folder(&[count]), folder(&[count + 1]));
        let validation = |folder: &ImageFolder| {
            stratified_split(&folder.samples, &all(folder), fraction, seed).unwrap().validation
        };
        let (before, after) = (validation(&before), validation(&after));
        // The new image has the last index.
        let left = before.iter().filter(|index| !after.contains(index)).count();
        let joined = after.iter().filter(|&&index| index < count && !before.contains(&index)).count();
        prop_assert!(left + joined <= 1, "{:?} became {:?}", before, after);
    }
}

#[test]
fn another_seed_gives_another_choice() {
    let folder = folder(&[100]);
    let validation = |seed| {
        stratified_split(&folder.samples, &all(&folder), 0.2, seed)
            .unwrap()
            .validation
    };
    assert_eq!(validation(1), validation(1));
    assert_ne!(validation(1), validation(2));
}

fn fold(folder: &ImageFolder, fold: usize, folds: usize, seed: u64) -> Result<Split, DataError> {
    Split::of_folder(folder, &all(folder), HoldOut::Fold { fold, folds }, seed)
}

/// The folder with each image in one of `groups` groups, chosen by a hash.
fn with_groups(mut folder: ImageFolder, groups: u64, seed: u64) -> ImageFolder {
    folder.groups = (0..groups)
        .map(|group| format!("g{group}").into())
        .collect();
    for (index, sample) in folder.samples.iter_mut().enumerate() {
        let hash = stratified::digest(seed, &index.to_string());
        sample.group = Some((u64::from(hash[0]) % groups) as u32);
    }
    folder
}

fn groups_of(folder: &ImageFolder, images: &[usize]) -> std::collections::BTreeSet<u32> {
    let group = |index: &usize| folder.samples[*index].group.unwrap();
    images.iter().map(group).collect()
}

proptest! {
    #[test]
    fn folds_partition_the_images_and_divide_each_class_evenly(
        counts in prop::collection::vec(2usize..40, 2..6), folds in 2usize..7, seed: u64,
    ) {
        let folder = folder(&counts);
        let mut together = Vec::new();
        for number in 1..=folds {
            let split = fold(&folder, number, folds, seed).unwrap();
            let mut both = [split.train.clone(), split.validation.clone()].concat();
            both.sort_unstable();
            prop_assert_eq!(both, all(&folder));
            for (count, taken) in counts.iter().zip(folder.class_counts(&split.validation)) {
                prop_assert!(taken == count / folds || taken == count.div_ceil(folds));
            }
            together.extend(split.validation);
        }
        together.sort_unstable();
        prop_assert_eq!(together, all(&folder));
    }

    #[test]
    fn no_group_is_divided_and_grouped_folds_partition_too(
        counts in prop::collection::vec(20usize..60, 2..5), groups in 12u64..40, seed: u64,
    ) {
        let folder = with_groups(folder(&counts), groups, seed);
        let split = Split::of_folder(&folder, &all(&folder), 0.25, seed).unwrap();
        prop_assert!(groups_of(&folder, &split.train).is_disjoint(&groups_of(&folder, &split.validation)));
        prop_assert!(folder.class_counts(&split.train).iter().all(|count| *count > 0));
        prop_assert!(folder.class_counts(&split.validation).iter().all(|count| *count > 0));
        let mut together = Vec::new();
        for number in 1..=3 {
            let split = fold(&folder, number, 3, seed).unwrap();
            prop_assert!(groups_of(&folder, &split.train).is_disjoint(&groups_of(&folder, &split.validation)));
            together.extend(split.validation);
        }
        together.sort_unstable();
        prop_assert_eq!(together, all(&folder));
    }
}

#[test]
fn many_small_groups_keep_the_shares_of_the_classes() {
    let folder = with_groups(folder(&[400, 200, 100]), 100, 3);
    let split = Split::of_folder(&folder, &all(&folder), 0.2, 3).unwrap();
    for (count, taken) in [400, 200, 100]
        .iter()
        .zip(folder.class_counts(&split.validation))
    {
        let share = taken as f64 / f64::from(*count);
        assert!((share - 0.2).abs() < 0.03, "{share}");
    }
    for number in 1..=5 {
        let split = fold(&folder, number, 5, 3).unwrap();
        let share = split.validation.len() as f64 / 700.0;
        assert!((share - 0.2).abs() < 0.02, "{share}");
    }
    let again = Split::of_folder(&folder, &all(&folder), 0.2, 3).unwrap();
    assert_eq!(again, split);
    let other = Split::of_folder(&folder, &all(&folder), 0.2, 4).unwrap();
    assert_ne!(other, split);
}

#[test]
fn a_class_of_one_group_stays_in_training_and_cannot_be_a_fold() {
    let mut folder = with_groups(folder(&[10, 4]), 1, 0);
    for (index, sample) in folder.samples.iter_mut().enumerate() {
        sample.group = (index >= 10).then_some(0);
    }
    let split = Split::of_folder(&folder, &all(&folder), 0.2, 1).unwrap();
    assert_eq!(folder.class_counts(&split.validation), [2, 0]);
    let errors: Vec<_> = (1..=3)
        .filter_map(|number| fold(&folder, number, 3, 1).err())
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].to_string().contains("every image of `class1`"),
        "{errors:?}"
    );
}

#[test]
fn two_groups_of_a_class_go_to_both_sides() {
    let mut folder = with_groups(folder(&[6, 6]), 4, 0);
    for (index, sample) in folder.samples.iter_mut().enumerate() {
        sample.group = Some(index as u32 / 3);
    }
    let split = Split::of_folder(&folder, &all(&folder), 0.1, 1).unwrap();
    assert_eq!(folder.class_counts(&split.validation), [3, 3]);
}

#[test]
fn folds_that_there_are_not_are_refused() {
    let mut folder = folder(&[6, 6]);
    for (number, folds) in [(0, 5), (6, 5), (1, 1)] {
        let error = fold(&folder, number, folds, 0).unwrap_err();
        assert!(matches!(error, DataError::Fold { .. }), "{error}");
    }
    folder.samples[0].split = Some(SplitName::Validation);
    let error = fold(&folder, 1, 5, 0).unwrap_err();
    assert!(
        matches!(error, DataError::FoldsBesideValidation { .. }),
        "{error}"
    );
}

/// Samples with these labels of `names`.
fn labelled(names: usize, labels: &[&[u32]]) -> ImageFolder {
    let sample = |(number, labels): (usize, &&[u32])| Sample {
        target: Target::Labels((*labels).into()),
        ..sample(0, &format!("{number}.png"))
    };
    ImageFolder {
        task: TaskKind::Multilabel,
        samples: labels.iter().enumerate().map(sample).collect(),
        ..folder(&vec![0; names])
    }
}

fn numbered(numbers: impl Iterator<Item = f64>) -> ImageFolder {
    let sample = |(number, value): (usize, f64)| Sample {
        target: Target::Numbers([value].into()),
        ..sample(0, &format!("{number}.png"))
    };
    ImageFolder {
        task: TaskKind::Regression,
        samples: numbers.enumerate().map(sample).collect(),
        ..folder(&[0])
    }
}

/// 200 images: a common label, two rarer ones that often come together, a rare one, and images without any.
fn mixed_labels() -> ImageFolder {
    let rows: Vec<Vec<u32>> = (0..200u32)
        .map(|number| {
            let mut labels = Vec::new();
            if number % 2 == 0 {
                labels.push(0);
            }
            if number % 5 == 0 {
                labels.extend([1, 2]);
            }
            if number % 20 == 3 {
                labels.push(3);
            }
            labels
        })
        .collect();
    let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
    labelled(4, &rows)
}

#[test]
fn every_label_keeps_its_share() {
    let folder = mixed_labels();
    for seed in 0..20 {
        let split = Split::of_folder(&folder, &all(&folder), 0.2, seed).unwrap();
        let held = folder.class_counts(&split.validation);
        let totals = folder.class_counts(&all(&folder));
        assert_eq!(totals, [100, 40, 40, 10]);
        for (held, total) in held.iter().zip(totals) {
            let apart = (*held as f64 - 0.2 * total as f64).abs();
            assert!(apart <= 1.0, "{held} of {total} with seed {seed}");
        }
        let unlabelled = |index: &&usize| folder.samples[**index].target.names().next().is_none();
        let without = split.validation.iter().filter(unlabelled).count();
        assert!((13..=15).contains(&without), "{without} of 70");
        assert_eq!(split.train.len() + split.validation.len(), 200);
    }
}

#[test]
fn folds_of_labels_are_each_image_once_and_even() {
    let folder = mixed_labels();
    let mut seen = vec![0; 200];
    for fold in 1..=4 {
        let hold_out = HoldOut::Fold { fold, folds: 4 };
        let split = Split::of_folder(&folder, &all(&folder), hold_out, 3).unwrap();
        let counts = folder.class_counts(&split.validation);
        assert!(
            (2..=3).contains(&counts[3]) && counts[1] == 10,
            "{counts:?}"
        );
        split.validation.iter().for_each(|index| seen[*index] += 1);
    }
    assert_eq!(seen, [1; 200]);
}

#[test]
fn a_rare_label_is_on_both_sides_and_a_single_one_is_refused() {
    let mut rows: Vec<&[u32]> = vec![&[0]; 30];
    rows.extend([&[0, 1][..], &[1]]);
    let folder = labelled(2, &rows);
    for seed in 0..10 {
        let split = Split::of_folder(&folder, &all(&folder), 0.2, seed).unwrap();
        assert_eq!(folder.class_counts(&split.validation)[1], 1);
    }
    rows.pop();
    let folder = labelled(2, &rows);
    let error = Split::of_folder(&folder, &all(&folder), 0.2, 0).unwrap_err();
    assert!(error.to_string().contains("`class1` has 1"), "{error}");
}

#[test]
fn numbers_are_divided_over_their_whole_range() {
    let folder = numbered((0..100).map(|number| f64::from(number * number)));
    for seed in 0..10 {
        let split = Split::of_folder(&folder, &all(&folder), 0.2, seed).unwrap();
        assert_eq!(split.validation.len(), 20);
        for tenth in 0..10 {
            let inside = |index: &&usize| **index / 10 == tenth;
            let held = split.validation.iter().filter(inside).count();
            assert_eq!(held, 2, "tenth {tenth} with seed {seed}");
        }
        assert_eq!(
            split,
            Split::of_folder(&folder, &all(&folder), 0.2, seed).unwrap()
        );
    }
    // Few distinct numbers are divided as classes are.
    let folder = numbered((0..60).map(|number| f64::from(number % 3)));
    let split = Split::of_folder(&folder, &all(&folder), 0.25, 0).unwrap();
    for value in 0..3 {
        let of_value = |index: &&usize| **index % 3 == value;
        assert_eq!(split.validation.iter().filter(of_value).count(), 5);
    }
}

#[test]
fn groups_with_labels_and_numbers_stay_whole() {
    let mut labels = mixed_labels();
    let mut numbers = numbered((0..200).map(|number| f64::from(number / 4)));
    for folder in [&mut labels, &mut numbers] {
        for (index, sample) in folder.samples.iter_mut().enumerate() {
            sample.group = Some(index as u32 / 4);
        }
        folder.groups = (0..50).map(|group| group.to_string().into()).collect();
        let split = Split::of_folder(folder, &all(folder), 0.2, 1).unwrap();
        let group = |index: &usize| index / 4;
        let held: std::collections::HashSet<usize> = split.validation.iter().map(group).collect();
        assert!(
            split
                .train
                .iter()
                .all(|index| !held.contains(&group(index)))
        );
        assert!(
            (8..=12).contains(&held.len()),
            "{} of 50 groups",
            held.len()
        );
    }
}
