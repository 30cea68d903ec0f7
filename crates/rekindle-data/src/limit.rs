//! A smaller data set for a smoke run: so many images in all, of each class in proportion.

use crate::TargetKind;

use super::{DataError, ImageFolder, SplitName, split::ranked};

/// Keeps `limit` training and validation images in all, and no test images.
///
/// Of images with labels or numbers those with the first hashes are kept, after those that each label needs. Else each class keeps a number in proportion to what it has, by largest remainders, but at least as many as training needs: 2 training
/// images and 1 for validation, or what there is where that is less. Where the data has validation images of its own, `share` of the
/// limit are of those. Of each class the images with the first hashes of seed and path are kept, as in
/// [`stratified_split`](super::stratified_split), so that a smaller limit keeps a part of what a larger one does.
///
/// # Errors
/// [`DataError::LimitTooSmall`] where the least of all classes or labels is more than `limit`.
pub fn limited(
    folder: ImageFolder,
    limit: usize,
    share: f64,
    seed: u64,
) -> Result<ImageFolder, DataError> {
    if folder.task.targets() != TargetKind::Class {
        return limited_by_names(folder, limit, share, seed);
    }
    let of = |split| ranked(&folder.samples, &folder.samples_of(split), seed);
    let (train, validation) = (of(SplitName::Train), of(SplitName::Validation));
    let least = |classes: &[Vec<usize>], each: usize| -> Vec<usize> {
        classes
            .iter()
            .map(|images| images.len().min(each))
            .collect()
    };
    let needed = match folder.has(SplitName::Validation) {
        true => [least(&train, 2), least(&validation, 1)],
        false => [least(&train, least_divided(share)), Vec::new()],
    };
    let [least_train, least_validation] =
        [0, 1].map(|part: usize| needed[part].iter().sum::<usize>());
    if limit < least_train + least_validation {
        let least = least_train + least_validation;
        return Err(DataError::LimitTooSmall { limit, least });
    }
    let for_validation = (limit as f64 * share).round() as usize;
    let for_validation = match folder.has(SplitName::Validation) {
        true => for_validation.clamp(least_validation, limit - least_train),
        false => 0,
    };
    let mut kept = Vec::new();
    for (classes, least, images) in [
        (train, &needed[0], limit - for_validation),
        (validation, &needed[1], for_validation),
    ] {
        let counts: Vec<usize> = classes.iter().map(Vec::len).collect();
        for (class, count) in classes.iter().zip(in_proportion(&counts, least, images)) {
            kept.extend(&class[..count]);
        }
    }
    Ok(only(folder, kept))
}

fn only(folder: ImageFolder, mut kept: Vec<usize>) -> ImageFolder {
    kept.sort_unstable();
    let samples = kept.into_iter().map(|index| folder.samples[index].clone());
    ImageFolder {
        samples: samples.collect(),
        ..folder
    }
}

/// Of each split first what each label needs, the rarest labels first, or what numbers need in all, then the first hashes.
fn limited_by_names(
    folder: ImageFolder,
    limit: usize,
    share: f64,
    seed: u64,
) -> Result<ImageFolder, DataError> {
    let own = folder.has(SplitName::Validation);
    let mut needed = Vec::new();
    for (split, least) in [
        (SplitName::Train, if own { 2 } else { least_divided(share) }),
        (SplitName::Validation, 1),
    ] {
        // All in one list, since none has a class.
        let images = ranked(&folder.samples, &folder.samples_of(split), seed).concat();
        needed.push(with_needed_first(&folder, images, least));
    }
    let [(train, least_train), (validation, least_validation)] = [0, 1].map(|at| {
        let (images, least): &(Vec<usize>, usize) = &needed[at];
        (images, *least)
    });
    let least = least_train + least_validation;
    if limit < least {
        return Err(DataError::LimitTooSmall { limit, least });
    }
    let for_validation = match own {
        true => {
            let wanted = (limit as f64 * share).round() as usize;
            wanted.clamp(least_validation, limit - least_train)
        }
        false => 0,
    };
    let for_validation = for_validation.min(validation.len());
    let for_training = (limit - for_validation).min(train.len());
    let kept = [&train[..for_training], &validation[..for_validation]].concat();
    Ok(only(folder, kept))
}

/// The images with those first that give each label `least`, or as many as it has, and how many these are.
fn with_needed_first(
    folder: &ImageFolder,
    images: Vec<usize>,
    least: usize,
) -> (Vec<usize>, usize) {
    if folder.task.targets() == TargetKind::Numbers {
        let least = images.len().min(least);
        return (images, least);
    }
    let totals = folder.class_counts(&images);
    let mut labels: Vec<usize> = (0..totals.len()).collect();
    labels.sort_by_key(|label| totals[*label]);
    let mut counts = vec![0; totals.len()];
    let mut first = Vec::new();
    let mut taken = std::collections::HashSet::new();
    for label in labels {
        for &index in &images {
            if counts[label] >= least {
                break;
            }
            let target = &folder.samples[index].target;
            if target.names().any(|name| name == label) && taken.insert(index) {
                target.names().for_each(|name| counts[name] += 1);
                first.push(index);
            }
        }
    }
    let needed = first.len();
    first.extend(images.into_iter().filter(|index| !taken.contains(index)));
    (first, needed)
}

/// How many images of a class leave 2 for training when its share is taken for validation.
fn least_divided(share: f64) -> usize {
    let left = |count: usize| count - ((share * count as f64).round() as usize).clamp(1, count - 1);
    (3..1000).find(|&count| left(count) >= 2).unwrap_or(1000)
}

/// Divides `images` among classes in proportion to their counts, with at least `least` of each and at most what it has.
fn in_proportion(counts: &[usize], least: &[usize], images: usize) -> Vec<usize> {
    let total: usize = counts.iter().sum();
    if images >= total {
        return counts.to_vec();
    }
    let ideal = |class: usize| images as f64 * counts[class] as f64 / total as f64;
    let mut given: Vec<usize> = (0..counts.len())
        .map(|class| (ideal(class) as usize).max(least[class]))
        .collect();
    // One image at a time to or from the class that is farthest from its proportion.
    loop {
        let sum: usize = given.iter().sum();
        let lacks = |class: &usize| ideal(*class) - given[*class] as f64;
        let by_lack = |a: &usize, b: &usize| lacks(a).total_cmp(&lacks(b)).then(b.cmp(a));
        let classes = 0..counts.len();
        let next = match sum.cmp(&images) {
            std::cmp::Ordering::Equal => return given,
            std::cmp::Ordering::Less => classes.filter(|c| given[*c] < counts[*c]).max_by(by_lack),
            std::cmp::Ordering::Greater => {
                classes.filter(|c| given[*c] > least[*c]).min_by(by_lack)
            }
        };
        match next {
            Some(class) if sum < images => given[class] += 1,
            Some(class) => given[class] -= 1,
            None => return given,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TaskKind;
    use crate::{ClassIndex, Sample, Split, Target};

    fn folder(train: &[usize], validation: &[usize]) -> ImageFolder {
        let mut samples = Vec::new();
        let own = !validation.is_empty();
        for (split, counts) in [
            (SplitName::Train, train),
            (SplitName::Validation, validation),
        ] {
            for (class, count) in counts.iter().enumerate() {
                samples.extend((0..*count).map(|number| {
                    Sample::file(
                        format!("{split}/{class}/{number}").into(),
                        class,
                        own.then_some(split),
                    )
                }));
            }
        }
        let names = (0..train.len()).map(|class| class.to_string()).collect();
        ImageFolder {
            samples,
            classes: ClassIndex::new(names).unwrap(),
            least_per_class: 2 - usize::from(own),
            ..ImageFolder::default()
        }
    }

    fn counts(folder: &ImageFolder, split: SplitName) -> Vec<usize> {
        folder.class_counts(&folder.samples_of(split))
    }

    #[test]
    fn a_limit_below_the_least_says_the_least() {
        let error = limited(folder(&[50, 50, 2], &[]), 7, 0.2, 0).unwrap_err();
        assert!(
            matches!(error, DataError::LimitTooSmall { least: 8, .. }),
            "{error}"
        );
        let error = limited(folder(&[50, 50], &[5, 5]), 5, 0.2, 0).unwrap_err();
        assert!(
            matches!(error, DataError::LimitTooSmall { least: 6, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_limit_keeps_enough_of_every_label() {
        let sample = |number: u32| Sample {
            target: Target::Labels(match number {
                0..3 => [0, 1].into(),
                _ => [0].into(),
            }),
            ..Sample::file(format!("{number}").into(), 0, None)
        };
        let labels = ImageFolder {
            task: TaskKind::Multilabel,
            samples: (0..50).map(sample).collect(),
            ..folder(&[0, 0], &[])
        };
        let small = limited(labels.clone(), 10, 0.2, 3).unwrap();
        let all: Vec<usize> = (0..small.samples.len()).collect();
        assert_eq!(small.class_counts(&all), [10, 3]);
        Split::of_folder(&small, &all, 0.2, 3).unwrap();
        let error = limited(labels, 2, 0.2, 3).unwrap_err();
        assert!(
            matches!(error, DataError::LimitTooSmall { least: 3, .. }),
            "{error}"
        );

        let sample = |number: u32| Sample {
            target: Target::Numbers([f64::from(number)].into()),
            ..Sample::file(format!("{number}").into(), 0, None)
        };
        let numbers = ImageFolder {
            task: TaskKind::Regression,
            samples: (0..50).map(sample).collect(),
            ..folder(&[0], &[])
        };
        assert_eq!(limited(numbers, 7, 0.2, 3).unwrap().samples.len(), 7);
    }

    #[test]
    fn images_are_kept_in_proportion() {
        let small = limited(folder(&[600, 300, 100], &[]), 100, 0.2, 1).unwrap();
        assert_eq!(counts(&small, SplitName::Train), [60, 30, 10]);
        let small = limited(folder(&[600, 300], &[30, 10]), 50, 0.2, 1).unwrap();
        assert_eq!(counts(&small, SplitName::Train), [27, 13]);
        assert_eq!(counts(&small, SplitName::Validation), [8, 2]);
        let whole = limited(folder(&[5, 4], &[]), 100, 0.2, 1).unwrap();
        assert_eq!(counts(&whole, SplitName::Train), [5, 4]);
    }

    proptest! {
        #[test]
        fn a_limit_is_met_and_leaves_enough_of_every_class(
            sizes in prop::collection::vec(3usize..60, 2..6), more in 0usize..100, share in 0.05f64..0.6, seed: u64,
        ) {
            let folder = folder(&sizes, &[]);
            let least: usize = sizes.iter().map(|size| (*size).min(least_divided(share))).sum();
            let limit = least + more;
            let small = limited(folder.clone(), limit, share, seed).unwrap();
            prop_assert_eq!(small.samples.len(), limit.min(folder.samples.len()));
            let all: Vec<usize> = (0..small.samples.len()).collect();
            let split = Split::of_folder(&small, &all, share, seed).unwrap();
            for (class, size) in sizes.iter().enumerate() {
                let train = small.class_counts(&split.train)[class];
                prop_assert!(train >= 2 || *size < least_divided(share), "{} of {}", train, size);
                prop_assert!(small.class_counts(&split.validation)[class] >= 1);
            }
        }
    }
}
