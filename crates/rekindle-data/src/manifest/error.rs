//! What can be wrong with a manifest, or with rows of labels from elsewhere.

use std::io;
use std::path::{Path, PathBuf};

use rekindle_settings::first_ten;

use crate::UnknownClass;

/// An error in a list of images and labels.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("`{}` cannot be read: {source}", path.display())]
    Read {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not what the format or a column wants.
    #[error("`{}`, line {line}: {reason}", path.display())]
    Line {
        /// The manifest.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What was found and what was expected.
        reason: String,
    },
    /// No column, or none of the name that was given, holds what is needed.
    #[error(
        "`{}` has no column {wanted}; it has {}; the first line names the columns, and `--set {key}=NAME` chooses one",
        path.display(), first_ten(found.iter().map(|name| format!("`{name}`")))
    )]
    NoColumn {
        /// The manifest.
        path: PathBuf,
        /// The names that would have done.
        wanted: String,
        /// The setting that names it.
        key: &'static str,
        /// The columns there are.
        found: Vec<String>,
    },
    /// Several columns could be meant.
    #[error(
        "`{}` has several columns that may hold the {what}: {}; choose one with `--set {key}=NAME`",
        path.display(), first_ten(found.iter().map(|name| format!("`{name}`")))
    )]
    ManyColumns {
        /// The manifest.
        path: PathBuf,
        /// What the column is for.
        what: &'static str,
        /// The setting that names it.
        key: &'static str,
        /// The columns.
        found: Vec<String>,
    },
    /// Columns for different kinds of targets.
    #[error(
        "`{}` has columns for several kinds of targets: {}; choose one kind with `--set data.label_column=NAME`, \
         `--set data.labels_column=NAME` or `--set data.number_columns=NAME`",
        path.display(), first_ten(found.iter().map(|name| format!("`{name}`")))
    )]
    ManyTargets {
        /// The manifest.
        path: PathBuf,
        /// The columns.
        found: Vec<String>,
    },
    /// No training image has a label.
    #[error("`{}` names no label for any training image, so there is nothing to learn: fill the column of the labels", path.display())]
    NoLabels {
        /// The manifest or the shards.
        path: PathBuf,
    },
    /// Rows of one image that say different things.
    #[error(
        "`{}` contradicts itself about {} images: {}; leave one row for each image",
        path.display(), conflicts.len(), first_ten(conflicts)
    )]
    Conflicts {
        /// The manifest or the shards.
        path: PathBuf,
        /// Images with what the rows say.
        conflicts: Vec<String>,
    },
    /// There is no row.
    #[error("`{}` names no images: add a row with a path and a label for each", path.display())]
    Empty {
        /// The manifest or the shards.
        path: PathBuf,
    },
    /// All rows are of validation or test.
    #[error("`{}` has no training images: give some rows the split `train`, or no split", path.display())]
    NoTraining {
        /// The manifest or the shards.
        path: PathBuf,
    },
    /// Every training row has the same label.
    #[error("`{}` has one class, `{class}`, but a classifier needs at least two: add images with another label", path.display())]
    OneClass {
        /// The manifest or the shards.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// Labels that are no class.
    #[error("`{}` has labels that are not among the classes of {known_from}: {}; correct or remove these rows", path.display(), first_ten(classes))]
    UnknownClasses {
        /// The manifest or the shards.
        path: PathBuf,
        /// Where the known classes come from.
        known_from: &'static str,
        /// The labels.
        classes: Vec<UnknownClass>,
    },
    /// Files that the manifest names are not there.
    #[error(
        "{} of the {checked} images of `{}` that were looked for are missing: {}; relative paths start from `{}`, `--set data.root=DIR` \
         chooses another folder{}",
        missing.len(), path.display(), first_ten(missing.iter().map(|path| format!("`{}`", path.display()))), shown(root).display(),
        super::paths::hint(root, missing)
    )]
    FilesMissing {
        /// The manifest.
        path: PathBuf,
        /// Where relative paths start.
        root: PathBuf,
        /// How many files were looked for.
        checked: usize,
        /// The missing ones, as the manifest names them.
        missing: Vec<PathBuf>,
    },
}

/// The folder of a manifest that is named without one is the current folder.
fn shown(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}
