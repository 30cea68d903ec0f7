//! What is odd about a folder of images, and what was left out of it, in figures and words.
//!
//! The listing that finds it is `scan.rs`'s.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    path::{Path, PathBuf},
};

use serde::Serialize;

use rekindle_settings::first_ten;

use super::SplitName;
use crate::extensions::is_scientific;

/// Files that were left out of an [`ImageFolder`](super::ImageFolder), counted.
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

impl SkippedFiles {
    /// Adds the counts of another part of the same data.
    pub(super) fn add(&mut self, other: Self) {
        self.hidden += other.hidden;
        self.unclassified += other.unclassified;
        for (counts, more) in [
            (&mut self.unsupported, other.unsupported),
            (&mut self.other, other.other),
        ] {
            for (extension, count) in more {
                *counts.entry(extension).or_default() += count;
            }
        }
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
            let way = match is_scientific(extension) {
                true => "write pictures as 8-bit PNG, with one range for the whole set",
                false => "convert to JPEG, PNG or WebP",
            };
            parts.push(format!("{count} {extension} (not supported: {way})"));
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
    /// There is one class alone, which a check tells of and training refuses.
    OnlyClass {
        /// What training says then.
        reason: String,
    },
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
    /// Folders that are taken for splits though they have other names than the usual ones.
    SplitFolders {
        /// Where their class folders lie, each with its split.
        folders: Vec<String>,
    },
    /// Folders beside `train` that stand for no split.
    IgnoredFolders {
        /// Their names.
        folders: Vec<String>,
    },
    /// Folders that hold runs of rekindle, which are no classes.
    RunFolders {
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
    /// Rows that say again what another row says; they are left out.
    RepeatedRows {
        /// How many there are.
        count: usize,
    },
    /// Rows of a list that are left out, other than repeated ones.
    RowsLeftOut {
        /// How many rows there are.
        read: usize,
        /// How many name an image that is used.
        used: usize,
        /// Why the others are left out, each with its number.
        counts: Vec<(&'static str, usize)>,
    },
    /// Something that was guessed about a list.
    ListNote {
        /// What, in words.
        text: String,
    },
    /// Classes, labels or groups whose names differ in no more than case, blanks or the form of their letters.
    SimilarNames {
        /// Names that are alike, together.
        names: Vec<String>,
    },
    /// Labels that hold what others put between several labels.
    LabelsWithSeparators {
        /// Their names.
        labels: Vec<String>,
    },
    /// Columns of a manifest that are not used.
    UnusedColumns {
        /// Their names.
        columns: Vec<String>,
    },
    /// Groups whose images the data itself puts into more than one split.
    GroupsAcrossSplits {
        /// Their names.
        groups: Vec<String>,
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
            Self::SplitFolders { folders } => {
                write!(
                    f,
                    "folders taken for parts of the data: {}",
                    first_ten(folders)
                )
            }
            Self::IgnoredFolders { folders } => {
                write!(
                    f,
                    "folders beside `train` that are not used: {}",
                    first_ten(folders)
                )
            }
            Self::RunFolders { folders } => {
                write!(
                    f,
                    "folders of runs among the images are not used: {}; keep runs elsewhere, with `--runs`",
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
                let (scientific, images): (Vec<_>, Vec<_>) = counts
                    .iter()
                    .partition(|(extension, _)| is_scientific(extension));
                let listed = |counts: &[(&String, &usize)]| {
                    let counts = counts.iter();
                    first_ten(counts.map(|(extension, count)| format!("{count} {extension}")))
                };
                if !images.is_empty() {
                    write!(
                        f,
                        "images in formats that cannot be read ({}) are not used: convert them to JPEG, PNG or WebP",
                        listed(&images)
                    )?;
                }
                if !(images.is_empty() || scientific.is_empty()) {
                    f.write_str("; ")?;
                }
                if !scientific.is_empty() {
                    write!(
                        f,
                        "files that may hold images and cannot be read as such ({}) are not used: write their pictures as 8-bit PNG, scaled \
                         with one range for the whole set (docs/pictures.md)",
                        listed(&scientific)
                    )?;
                }
                Ok(())
            }
            Self::OnlyClass { reason } => f.write_str(reason),
            Self::RepeatedSubfolders { folders } => write!(
                f,
                "the class folders hold no images themselves but folders with the same names ({}): if those are the classes, give the \
                 folder that holds them",
                first_ten(folders)
            ),
            Self::RepeatedRows { count } => {
                write!(f, "rows that repeat another one and are left out: {count}")
            }
            Self::RowsLeftOut { read, used, counts } => {
                let counts = counts.iter().map(|(why, count)| format!("{count} {why}"));
                write!(
                    f,
                    "of {read} rows {used} are used; left out: {}",
                    first_ten(counts)
                )
            }
            Self::ListNote { text } => f.write_str(text),
            Self::SimilarNames { names } => write!(
                f,
                "names that are told apart but look like one: {}; if they are one, spell them alike",
                first_ten(names)
            ),
            Self::LabelsWithSeparators { labels } => write!(
                f,
                "single labels that look like several: {}; if they are, set `data.label_separator`",
                first_ten(labels)
            ),
            Self::UnusedColumns { columns } => {
                write!(f, "columns that are not used: {}", first_ten(columns))
            }
            Self::GroupsAcrossSplits { groups } => write!(
                f,
                "groups with images in more than one of train, validation and test: {}; figures will be better than on new groups",
                first_ten(groups)
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

    #[test]
    fn files_of_instruments_are_told_apart_from_photographs() {
        let told = |names: &[&str]| {
            let counts = names.iter().map(|name| ((*name).to_owned(), 1));
            let counts = counts.collect();
            ScanWarning::UnsupportedFormats { counts }.to_string()
        };
        let text = told(&[".dcm", ".fits", ".parquet"]);
        assert!(text.contains("(1 .dcm, 1 .fits, 1 .parquet)"), "{text}");
        assert!(text.contains("one range for the whole set"), "{text}");
        assert!(!text.contains("JPEG, PNG or WebP"), "{text}");
        let text = told(&[".dcm", ".heic"]);
        for part in [
            "(1 .heic) are not used: convert",
            "(1 .dcm) are not used: write",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let text = told(&[".heic"]);
        assert!(!text.contains("one range"), "{text}");
    }
}
