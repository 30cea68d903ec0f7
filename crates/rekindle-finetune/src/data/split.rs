//! Divides the samples into training, validation and test images, and keeps that division in a file.
//!
//! This file owns which image goes where. The order inside an epoch is `loader.rs`'s.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DataError, ImageFolder, Sample, SplitName, folder::check_class_counts};

const VERSION: u32 = 1;

/// Which samples are for training, validation and test: indices into [`ImageFolder::samples`], ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Samples that the weights are fitted to.
    pub train: Vec<usize>,
    /// Samples that choose the best epoch.
    pub validation: Vec<usize>,
    /// Samples kept for the final figures; none unless the folder has a `test` folder.
    pub test: Vec<usize>,
}

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
    let classes = candidates
        .iter()
        .map(|&index| samples[index].class + 1)
        .max()
        .unwrap_or(0);
    let mut ranked = vec![Vec::new(); classes];
    for &index in candidates {
        let sample = &samples[index];
        let digest = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(sample.key())
            .finalize();
        ranked[sample.class].push((digest, index));
    }
    let mut split = Split::default();
    for mut images in ranked {
        images.sort_unstable();
        let count = images.len();
        let wanted = (fraction * count as f64).round() as usize;
        let validation = wanted.max(1).min(count.saturating_sub(1));
        let (first, rest) = images.split_at(validation);
        split
            .validation
            .extend(first.iter().map(|(_, index)| index));
        split.train.extend(rest.iter().map(|(_, index)| index));
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    Ok(split)
}

/// The file form of a split: paths, since indices change with the folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitFile {
    version: u32,
    classes: Vec<String>,
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

impl Split {
    /// The split of a folder: by its own folders where it has validation images, else by [`stratified_split`] of its training images.
    ///
    /// `usable` are the samples that may be used, [`Verified::good`](super::Verified::good) or all indices; the others are in no part.
    ///
    /// # Errors
    /// [`DataError::ClassesTooSmall`] when a class has too few usable training images; [`DataError::SplitFraction`] where the share is
    /// needed and is not between 0 and 1.
    pub fn of_folder(
        folder: &ImageFolder,
        usable: &[usize],
        fraction: f64,
        seed: u64,
    ) -> Result<Self, DataError> {
        check_class_counts(folder, usable)?;
        let of = |split| {
            usable
                .iter()
                .copied()
                .filter(|&index| folder.samples[index].belongs_to(split))
                .collect()
        };
        let (train, validation, test): (Vec<_>, Vec<_>, Vec<_>) = (
            of(SplitName::Train),
            of(SplitName::Validation),
            of(SplitName::Test),
        );
        if folder.has(SplitName::Validation) {
            return Ok(Self {
                train,
                validation,
                test,
            });
        }
        let split = stratified_split(&folder.samples, &train, fraction, seed)?;
        Ok(Self { test, ..split })
    }

    /// Writes the split to a JSON file with the classes and with paths relative to the image folder, replacing it as a whole.
    ///
    /// # Errors
    /// [`DataError::WriteSplit`].
    ///
    /// # Panics
    /// When an index is not one of `folder`'s samples.
    pub fn save(&self, folder: &ImageFolder, path: &Path) -> Result<(), DataError> {
        let keys = |indices: &[usize]| {
            indices
                .iter()
                .map(|&index| folder.samples[index].key())
                .collect()
        };
        let file = SplitFile {
            version: VERSION,
            classes: folder.classes.names().to_vec(),
            train: keys(&self.train),
            validation: keys(&self.validation),
            test: keys(&self.test),
        };
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_string_pretty(&file)?;
            text.push('\n');
            let mut unfinished = path.as_os_str().to_owned();
            unfinished.push(".part");
            fs::write(&unfinished, text)?;
            fs::rename(&unfinished, path)
        };
        write().map_err(|source| DataError::WriteSplit {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Reads a split that [`save`](Self::save) wrote, for the same folder or a copy of it.
    ///
    /// Also gives the indices of samples that the file does not name: images that were added since, or were skipped as unusable. They
    /// are in no part of the split.
    ///
    /// # Errors
    /// [`DataError::ReadSplit`], [`DataError::ParseSplit`] and [`DataError::SplitVersion`] for the file;
    /// [`DataError::SplitClasses`] when the folder has other classes; [`DataError::SplitMissing`] when it lacks images that the file
    /// names; [`DataError::SplitRepeated`] when an image is named twice.
    pub fn load(folder: &ImageFolder, path: &Path) -> Result<(Self, Vec<usize>), DataError> {
        let at = || PathBuf::from(path);
        let text = fs::read_to_string(path)
            .map_err(|source| DataError::ReadSplit { path: at(), source })?;
        // The version first: another one may have other fields.
        let version: SplitVersion = serde_json::from_str(&text)
            .map_err(|source| DataError::ParseSplit { path: at(), source })?;
        if version.version != VERSION {
            return Err(DataError::SplitVersion {
                path: at(),
                found: version.version,
                expected: VERSION,
            });
        }
        let file: SplitFile = serde_json::from_str(&text)
            .map_err(|source| DataError::ParseSplit { path: at(), source })?;
        if file.classes != folder.classes.names() {
            return Err(DataError::SplitClasses {
                path: at(),
                saved: file.classes,
                found: folder.classes.names().to_vec(),
            });
        }
        let mut unlisted: HashMap<String, usize> = folder
            .samples
            .iter()
            .enumerate()
            .map(|(index, sample)| (sample.key(), index))
            .collect();
        let mut seen = std::collections::HashSet::new();
        let mut missing = Vec::new();
        let mut take = |keys: Vec<String>| -> Result<Vec<usize>, DataError> {
            let mut indices = Vec::with_capacity(keys.len());
            for key in keys {
                match unlisted.remove(&key) {
                    Some(index) => indices.push(index),
                    None if seen.contains(&key) => {
                        return Err(DataError::SplitRepeated {
                            path: at(),
                            image: key,
                        });
                    }
                    None => missing.push(format!("`{key}`")),
                }
                seen.insert(key);
            }
            indices.sort_unstable();
            Ok(indices)
        };
        let split = Self {
            train: take(file.train)?,
            validation: take(file.validation)?,
            test: take(file.test)?,
        };
        if !missing.is_empty() {
            return Err(DataError::SplitMissing {
                path: at(),
                missing,
            });
        }
        let mut unlisted: Vec<_> = unlisted.into_values().collect();
        unlisted.sort_unstable();
        Ok((split, unlisted))
    }
}

/// The one field that every version of the file has.
#[derive(Debug, Deserialize)]
struct SplitVersion {
    version: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::{ClassIndex, SkippedFiles};

    fn sample(class: usize, path: &str) -> Sample {
        Sample {
            path: path.split('/').collect(),
            class,
            split: None,
        }
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
            warnings: Vec::new(),
            skipped: SkippedFiles::default(),
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
}
