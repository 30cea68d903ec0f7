//! What is known of an image folder after it was listed: classes, samples, and what was left out.
//!
//! The listing itself is `scan.rs`'s; this file owns the types that the rest of the data side works on.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{ClassIndex, error::first_ten};

/// One of the parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitName {
    /// Images that the weights are fitted to.
    Train,
    /// Images that choose the best epoch.
    Validation,
    /// Images kept for the final figures.
    Test,
}

impl SplitName {
    /// The split that a folder of this name holds: `train`; `val`, `valid` or `validation`; `test`; in upper or lower case.
    pub fn of_folder(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "train" => Some(Self::Train),
            "val" | "valid" | "validation" => Some(Self::Validation),
            "test" => Some(Self::Test),
            _ => None,
        }
    }

    /// The usual name of its folder: `train`, `val` or `test`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
        }
    }
}

impl Display for SplitName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// One labelled image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Path relative to the folder's root.
    pub path: PathBuf,
    /// Index into the folder's [`ClassIndex`].
    pub class: usize,
    /// The split whose folder it lies in, or `None` where the root holds the class folders themselves.
    pub split: Option<SplitName>,
}

impl Sample {
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
        parts.join("/")
    }
}

/// A folder of labelled images, as [`scan_folder`](super::scan_folder) found it.
///
/// Samples are ordered by split (train, validation, test), then class, then path, whatever order the system lists files in.
#[derive(Debug, Clone)]
pub struct ImageFolder {
    /// The folder that the samples' paths are relative to.
    pub root: PathBuf,
    /// The classes, from the training images' folders.
    pub classes: ClassIndex,
    /// Every image.
    pub samples: Vec<Sample>,
    /// The fewest usable training images a class may have: 2 where validation images are taken from them, 1 where they have their own
    /// folder, 0 for a folder that is only evaluated.
    pub least_per_class: usize,
    /// What is odd but not wrong.
    pub warnings: Vec<ScanWarning>,
    /// What was left out.
    pub skipped: SkippedFiles,
}

impl ImageFolder {
    /// Images without classes, for prediction: the class list is empty, and the class of every sample is 0 and means nothing.
    ///
    /// The paths are those that [`list_images`](super::list_images) gives.
    pub fn unlabelled(paths: Vec<PathBuf>) -> Self {
        Self {
            root: PathBuf::new(),
            classes: ClassIndex::default(),
            samples: paths
                .into_iter()
                .map(|path| Sample {
                    path,
                    class: 0,
                    split: None,
                })
                .collect(),
            least_per_class: 0,
            warnings: Vec::new(),
            skipped: SkippedFiles::default(),
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

    /// How many images each class has among the samples with these indices, by class index.
    ///
    /// # Panics
    /// When an index is out of range.
    pub fn class_counts(&self, indices: &[usize]) -> Vec<usize> {
        self.classes
            .counts(indices.iter().map(|&index| self.samples[index].class))
    }

    /// The full path of a sample.
    pub fn path_of(&self, sample: &Sample) -> PathBuf {
        self.root.join(&sample.path)
    }
}

/// Files that were left out of an [`ImageFolder`], counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SkippedFiles {
    /// Names that begin with a dot and names that systems leave behind (`Thumbs.db`); a hidden folder counts once.
    pub hidden: usize,
    /// Images that lie beside the class folders and so have no class.
    pub unclassified: usize,
    /// Images in formats that cannot be decoded, by extension.
    pub unsupported: BTreeMap<String, usize>,
    /// Files that are no images by their extension, by extension.
    pub other: BTreeMap<String, usize>,
}

impl SkippedFiles {
    /// How many entries were left out in all.
    pub fn total(&self) -> usize {
        self.hidden
            + self.unclassified
            + self.unsupported.values().sum::<usize>()
            + self.other.values().sum::<usize>()
    }
}

impl Display for SkippedFiles {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.unclassified > 0 {
            parts.push(format!(
                "{} images outside the class folders",
                self.unclassified
            ));
        }
        for (extension, count) in &self.unsupported {
            parts.push(format!(
                "{count} {extension} (not supported: convert to JPEG, PNG or WebP)"
            ));
        }
        for (extension, count) in &self.other {
            parts.push(format!("{count} {extension}"));
        }
        if self.hidden > 0 {
            parts.push(format!("{} hidden", self.hidden));
        }
        if parts.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&first_ten(parts))
    }
}

/// Something odd about a folder that does not stop the work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanWarning {
    /// Classes without images in a split, or in a folder that is only evaluated.
    MissingClasses {
        /// The split, or `None` where the folder has no splits.
        split: Option<SplitName>,
        /// Their names.
        classes: Vec<String>,
    },
    /// A split's folder has no images in class folders, so it is as if it were not there.
    EmptySplit {
        /// The split.
        split: SplitName,
        /// Its folder, relative to the root.
        folder: PathBuf,
    },
    /// Folders beside `train` that stand for no split.
    IgnoredFolders {
        /// Their names.
        folders: Vec<String>,
    },
    /// Images beside the class folders, which have no class.
    UnclassifiedImages {
        /// The folder they lie in, relative to the root; empty for the root itself.
        folder: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// Images in formats that cannot be decoded.
    UnsupportedFormats {
        /// How many there are, by extension.
        counts: BTreeMap<String, usize>,
    },
    /// All images lie in folders inside the class folders, and these have the same names in every class: the folder that was given is
    /// probably one level too high.
    RepeatedSubfolders {
        /// The names they share.
        folders: Vec<String>,
    },
    /// A link that leads back to a folder it lies in; it was not followed.
    LinkCycle {
        /// The link, relative to the root.
        path: PathBuf,
    },
}

impl Display for ScanWarning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingClasses {
                split: Some(split),
                classes,
            } => {
                write!(
                    f,
                    "classes without {split} images: {}; their {split} figures cannot be computed",
                    first_ten(classes)
                )
            }
            Self::MissingClasses {
                split: None,
                classes,
            } => {
                write!(
                    f,
                    "classes without images: {}; their figures cannot be computed",
                    first_ten(classes)
                )
            }
            Self::EmptySplit { split, folder } => {
                write!(
                    f,
                    "`{}` has no images in class folders: there are no {split} images",
                    folder.display()
                )
            }
            Self::IgnoredFolders { folders } => {
                write!(
                    f,
                    "folders beside `train` that are not used: {}",
                    first_ten(folders)
                )
            }
            Self::UnclassifiedImages { folder, count } => {
                let place = if folder == Path::new("") {
                    "the top folder".into()
                } else {
                    format!("`{}`", folder.display())
                };
                write!(
                    f,
                    "{count} images lie in {place} outside any class folder and are not used"
                )
            }
            Self::UnsupportedFormats { counts } => {
                let counts = first_ten(
                    counts
                        .iter()
                        .map(|(extension, count)| format!("{count} {extension}")),
                );
                write!(
                    f,
                    "images in formats that cannot be read ({counts}) are not used: convert them to JPEG, PNG or WebP"
                )
            }
            Self::RepeatedSubfolders { folders } => write!(
                f,
                "the class folders hold no images themselves but folders with the same names ({}): if those are the classes, give the \
                 folder that holds them",
                first_ten(folders)
            ),
            Self::LinkCycle { path } => {
                write!(
                    f,
                    "the link `{}` leads back to a folder it lies in and was not followed",
                    path.display()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_folders_are_known_under_their_usual_names() {
        assert_eq!(SplitName::of_folder("Train"), Some(SplitName::Train));
        for name in ["val", "valid", "VALIDATION"] {
            assert_eq!(SplitName::of_folder(name), Some(SplitName::Validation));
        }
        assert_eq!(SplitName::of_folder("test"), Some(SplitName::Test));
        assert_eq!(SplitName::of_folder("trains"), None);
    }

    #[test]
    fn keys_use_slashes_on_every_system() {
        let path = ["cat", "inner", "a.png"].iter().collect();
        assert_eq!(
            Sample {
                path,
                class: 0,
                split: None
            }
            .key(),
            "cat/inner/a.png"
        );
    }

    #[test]
    fn skipped_files_are_counted_and_told() {
        let mut skipped = SkippedFiles {
            hidden: 2,
            unclassified: 1,
            ..SkippedFiles::default()
        };
        skipped.unsupported.insert(".heic".into(), 3);
        skipped.other.insert(".txt".into(), 4);
        assert_eq!(skipped.total(), 10);
        let text = skipped.to_string();
        for part in [
            "1 images outside",
            "3 .heic (not supported",
            "4 .txt",
            "2 hidden",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(SkippedFiles::default().to_string(), "none");
    }
}
