//! What is known of an image folder after it was listed: classes and samples.
//!
//! The listing itself is that of `scan.rs`, `manifest.rs` or `shards.rs`; this file owns the types that the rest of the data side works on. What was
//! odd or left out is `findings.rs`'s.

use std::{
    collections::HashSet,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::TaskKind;
use serde::{Deserialize, Serialize};

use super::{
    ClassIndex, DataError, ScanWarning, SkippedFiles, SplitName, TarMember, Target, TargetKind,
};

/// One labelled image.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Path relative to the folder's root; of a member of a tar file, the tar file's path followed by the member's.
    pub path: PathBuf,
    /// What is known of it.
    pub target: Target,
    /// The split that the data says it is of, or `None` where the data has no splits.
    pub split: Option<SplitName>,
    /// Index into the folder's [`groups`](ImageFolder::groups), where it is of one.
    pub group: Option<u32>,
    /// Index into the folder's [`members`](ImageFolder::members), where it lies in a tar file.
    pub member: Option<u32>,
}

impl Sample {
    /// A file of its own with a class, of no group.
    pub fn file(path: PathBuf, class: usize, split: Option<SplitName>) -> Self {
        Self {
            path,
            target: Target::Class(class),
            split,
            group: None,
            member: None,
        }
    }

    /// The index of its class; none where it has labels or numbers.
    pub fn class(&self) -> Option<usize> {
        self.target.class()
    }

    /// Whether it is one of a split's images; without a split it is a training image.
    pub fn belongs_to(&self, split: SplitName) -> bool {
        self.split.unwrap_or(SplitName::Train) == split
    }

    /// The relative path with `/` between its parts on every system, as split files and hashes use it.
    pub fn key(&self) -> String {
        let parts: Vec<_> = self
            .path
            .iter()
            .map(|part| part.to_string_lossy())
            .collect();
        let key = parts.join("/");
        // The root of an absolute path is a part of its own.
        match key.strip_prefix("//") {
            Some(rest) => format!("/{rest}"),
            None => key,
        }
    }
}

/// What labelled images were read from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A folder with class folders.
    #[default]
    Folder,
    /// A list of paths and labels.
    Manifest,
    /// Tar files with images and labels.
    Shards,
}

/// Labelled images, as [`open_data`](super::open_data) found them in a folder, a manifest or tar shards.
///
/// Samples are ordered by split (train, validation, test), then class where each has one, then path, whatever order the system or the manifest lists them
/// in.
#[derive(Debug, Clone, Default)]
pub struct ImageFolder {
    /// What was opened: the folder itself, the manifest, or the tar file or folder of them.
    pub source: PathBuf,
    /// What that is.
    pub kind: SourceKind,
    /// The folder that the samples' paths are relative to.
    pub root: PathBuf,
    /// Whether images have a class, labels or numbers.
    pub task: TaskKind,
    /// The names of the classes, of the labels or of the numbers; classes and labels from the training images.
    pub classes: ClassIndex,
    /// Every image.
    pub samples: Vec<Sample>,
    /// Names of the groups: images of one group (one patient, one video, one burst) are never divided between training and validation.
    pub groups: Vec<Arc<str>>,
    /// Where the images of tar files lie.
    pub members: Vec<TarMember>,
    /// The fewest usable training images a class may have: 2 where validation images are taken from them, 1 where they have their own
    /// folder, 0 for a folder that is only evaluated.
    pub least_per_class: usize,
    /// What is odd but not wrong.
    pub warnings: Vec<ScanWarning>,
    /// What was left out.
    pub skipped: SkippedFiles,
}

impl ImageFolder {
    /// Images without targets, for prediction: the class list is empty, and the class of every sample is 0 and means nothing.
    ///
    /// The paths are those that [`list_images`](super::list_images) gives.
    pub fn unlabelled(paths: Vec<PathBuf>) -> Self {
        Self {
            samples: paths
                .into_iter()
                .map(|path| Sample::file(path, 0, None))
                .collect(),
            ..Self::default()
        }
    }

    /// Indices of the samples of one split. Samples without a split are training images.
    pub fn samples_of(&self, split: SplitName) -> Vec<usize> {
        (0..self.samples.len())
            .filter(|&index| self.samples[index].belongs_to(split))
            .collect()
    }

    /// Whether one split has a folder with images.
    pub fn has(&self, split: SplitName) -> bool {
        self.samples
            .iter()
            .any(|sample| sample.split == Some(split))
    }

    /// Whether a place lies in the folder of images, in the folder of tar files, or in a folder that holds an image of the manifest.
    /// Neither needs to exist.
    pub fn surrounds(&self, place: &Path) -> bool {
        let place = resolved(place);
        match self.kind {
            SourceKind::Folder => place.starts_with(resolved(&self.root)),
            SourceKind::Shards => place.starts_with(resolved(&self.source)),
            SourceKind::Manifest => {
                let root = resolved(&self.root);
                // The folders around the place as a manifest writes them: absolute, and below the root.
                let above = || place.ancestors();
                let below_root = above().filter_map(|folder| folder.strip_prefix(&root).ok());
                let folders: HashSet<&Path> = above().chain(below_root).collect();
                let is_around = |sample: &Sample| {
                    let folder = sample.path.parent();
                    folder.is_some_and(|folder| folders.contains(folder))
                };
                self.samples.iter().any(is_around)
            }
        }
    }

    /// How many images each class, label or number has among the samples with these indices, by its index.
    ///
    /// # Panics
    /// When an index is out of range.
    pub fn class_counts(&self, indices: &[usize]) -> Vec<usize> {
        let targets = indices.iter().map(|&index| &self.samples[index].target);
        self.classes.counts(targets.flat_map(Target::names))
    }

    /// The full path of a sample; of a member of a tar file, the tar file's followed by the member's.
    pub fn path_of(&self, sample: &Sample) -> PathBuf {
        self.root.join(&sample.path)
    }
}

/// Checks that each class or label has at least [`least_per_class`](ImageFolder::least_per_class) training images among those usable, or,
/// for numbers, that there are as many in all.
pub(super) fn check_class_counts(folder: &ImageFolder, usable: &[usize]) -> Result<(), DataError> {
    let least = folder.least_per_class;
    if least == 0 {
        return Ok(());
    }
    let training: Vec<_> = usable
        .iter()
        .copied()
        .filter(|&index| folder.samples[index].belongs_to(SplitName::Train))
        .collect();
    if folder.task.targets() == TargetKind::Numbers {
        let found = training.len();
        return match found < least {
            true => Err(DataError::TooFewImages { least, found }),
            false => Ok(()),
        };
    }
    let counts = folder
        .classes
        .names()
        .iter()
        .cloned()
        .zip(folder.class_counts(&training));
    let counts: Vec<_> = counts.filter(|&(_, count)| count < least).collect();
    if counts.is_empty() {
        Ok(())
    } else {
        Err(DataError::ClassesTooSmall { least, counts })
    }
}

/// Whether a place lies in a folder of images, or is it; neither needs to exist. What is written there would become a class, or be read
/// as one of the images. A manifest or a tar file has no inside: runs beside it are usual.
pub fn is_inside(data: &Path, place: &Path) -> bool {
    data.is_dir() && resolved(place).starts_with(resolved(data))
}

/// The absolute path with symbolic links followed, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let existing = path.ancestors().find_map(|ancestor| {
        let real = ancestor.canonicalize().ok()?;
        Some((real, path.strip_prefix(ancestor).ok()?))
    });
    let Some((mut real, missing)) = existing else {
        return path;
    };
    let goes_back = missing
        .components()
        .any(|part| part == Component::ParentDir);
    for part in missing.components() {
        // What does not exist yet will be no symbolic link, so to go back is to leave it out.
        match part {
            Component::ParentDir => {
                real.pop();
            }
            part => real.push(part),
        }
    }
    if goes_back { resolved(&real) } else { real }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_use_slashes_on_every_system() {
        let path = ["cat", "inner", "a.png"].iter().collect();
        assert_eq!(Sample::file(path, 0, None).key(), "cat/inner/a.png");
    }

    #[cfg(unix)]
    #[test]
    fn the_key_of_an_absolute_path_is_the_path() {
        let sample = Sample::file("/far/a.png".into(), 0, None);
        assert_eq!(sample.key(), "/far/a.png");
    }

    #[test]
    fn a_place_among_the_images_is_told_from_one_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        let path = |name: &str| here.join(name);
        std::fs::create_dir(path("photos")).unwrap();
        let of_kind = |kind, source: &str, root: &str| ImageFolder {
            kind,
            source: path(source),
            root: path(root),
            ..ImageFolder::default()
        };
        let folder = of_kind(SourceKind::Folder, "photos", "photos");
        let shards = of_kind(SourceKind::Shards, "shards", "shards");
        let shard = of_kind(SourceKind::Shards, "one.tar", "");
        let mut manifest = of_kind(SourceKind::Manifest, "labels.csv", "");
        manifest.samples = ["a/1.jpg", "b/c/2.jpg"]
            .map(|name| Sample::file(name.into(), 0, None))
            .into();
        manifest
            .samples
            .push(Sample::file(path("d/3.jpg"), 0, None));
        for (images, place, inside) in [
            (&folder, "photos", true),
            (&folder, "photos/cache/deep", true),
            (&folder, "photos-cache", false),
            (&folder, "photos/../cache", false),
            (&folder, "missing/../photos/cache", true),
            (&shards, "shards/cache", true),
            (&shard, "cache", false),
            (&manifest, "cache", false),
            (&manifest, "a/cache", true),
            (&manifest, "b/cache", false),
            (&manifest, "b/c", true),
            (&manifest, "d/cache/deep", true),
        ] {
            assert_eq!(images.surrounds(&path(place)), inside, "{place}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("photos"), path("link")).unwrap();
            assert!(folder.surrounds(&path("link/cache")));
        }
        assert!(is_inside(&path("photos"), &path("photos/runs/a")));
        assert!(is_inside(&path("photos"), &path("photos/../photos")));
        assert!(!is_inside(&path("photos"), &path("photos-runs")));
        std::fs::write(path("labels.csv"), "path,label\n").unwrap();
        assert!(!is_inside(&path("labels.csv"), &path("runs")));
    }
}
