//! What can go wrong between a folder and a batch.
//!
//! Facts are fields; the messages say what was found, what was expected and what to do next. Lists are cut at ten with a count.

use std::{fmt::Display, io, path::PathBuf};

use crate::TaskKind;
use rekindle_augment::AugmentError;

use crate::extensions::supported;
use crate::{ManifestError, SequenceError, ShardError, SplitName};
use rekindle_settings::{did_you_mean, first_ten};

/// An error of the data side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The preprocessing does not suit the images.
    #[error(transparent)]
    Preprocessing(#[from] AugmentError),
    /// A manifest, or rows of labels from elsewhere.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A tar shard.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// Sequences of frames.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// A file of a kind that holds no labelled images.
    #[error(
        "`{}` is a file of no known kind: give a folder that holds one folder of images for each class, a manifest (.csv, .tsv, .jsonl; \
         .json, .lst or .txt of a known form) or a tar shard (.tar)",
        path.display()
    )]
    UnknownSource {
        /// The file.
        path: PathBuf,
    },
    /// Data in a form of Hugging Face's `datasets`, which is not read.
    #[error(
        "`{}` is {what}, which is not read{}: write its pictures as files first, in Python with `{load}` of `datasets`, each in a folder of its \
         label's name, or beside a metadata.csv with the columns `file_name` and `label`",
        path.display(), if what.contains("Parquet") { " by this build (`cargo build --features parquet` makes one that does)" } else { "" }
    )]
    KeptElsewhere {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// The call that opens it.
        load: &'static str,
    },
    /// A setting that the data has no use for.
    #[error("`{key}` is set, but `{}` has no use for it: leave it out, or give the manifest that it is for", path.display())]
    UnusedSetting {
        /// What was opened.
        path: PathBuf,
        /// The setting.
        key: &'static str,
    },
    /// The classes of images cannot be levels.
    #[error("`data.ordinal` is set, but `{}` has no such levels: {reason}", path.display())]
    Levels {
        /// What was opened.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// The path does not exist.
    #[error("there is no folder `{}`: check the path", path.display())]
    FolderMissing {
        /// The path that was given.
        path: PathBuf,
    },
    /// The path is a file.
    #[error("`{}` is not a folder: give a folder that holds one folder of images for each class", path.display())]
    NotADirectory {
        /// The path that was given.
        path: PathBuf,
    },
    /// A folder could not be listed.
    #[error("the folder `{}` cannot be listed: check its permissions", path.display())]
    UnreadableDirectory {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder name is not valid Unicode, so it cannot be written in a split file or a report.
    #[error("the name of `{}` is not valid Unicode: rename it", path.display())]
    NotUnicode {
        /// The path; its display replaces what is not Unicode.
        path: PathBuf,
    },
    /// No file under the folder has the extension of a supported image.
    #[error("no images in `{}`: {found}; supported are {}", path.display(), supported())]
    NoImages {
        /// The folder.
        path: PathBuf,
        /// What was there, in words.
        found: String,
    },
    /// Images lie directly in the folder, with no folder to name their class.
    #[error(
        "`{}` holds {images} images but no class folders: put the images of each class into a folder of its own, such as `{}`",
        path.display(), path.join("cat").display()
    )]
    NoClassFolders {
        /// The folder.
        path: PathBuf,
        /// How many images lie in it.
        images: usize,
    },
    /// The folder has fewer than two classes.
    #[error("`{}` has one class, `{class}`, but a classifier needs at least two{}", path.display(), inner_hint(deeper, inner))]
    OneClass {
        /// The folder whose subfolders are the classes.
        path: PathBuf,
        /// The only class.
        class: String,
        /// Where the folders in `inner` lie; the class's own folder where there are none.
        deeper: PathBuf,
        /// The first folders of which there are several, when all its images are in such: then the wrong level was probably given.
        inner: Vec<String>,
    },
    /// Class folders without any image.
    #[error("class folders without images in `{}`: {}; add images, or move the folders away", path.display(), first_ten(classes))]
    EmptyClasses {
        /// The folder whose subfolders are the classes.
        path: PathBuf,
        /// The classes, in the order of their indices.
        classes: Vec<String>,
    },
    /// Classes with too few images to train on, and to split where there is no validation folder.
    #[error(
        "classes or labels with too few usable images (each needs at least {least}): {}; add images, or leave these out",
        first_ten(counts.iter().map(|(class, count)| format!("`{class}` has {count}")))
    )]
    ClassesTooSmall {
        /// How many images each class needs.
        least: usize,
        /// Class names with the number of images they have.
        counts: Vec<(String, usize)>,
    },
    /// Too few images with numbers to train on.
    #[error("{found} usable training images are too few: at least {least} are needed; add images")]
    TooFewImages {
        /// How many are needed.
        least: usize,
        /// How many there are.
        found: usize,
    },
    /// The data has another kind of targets than the model.
    #[error(
        "`{}` is for {}, but the model is for {}: give a manifest with {}",
        path.display(), found.name(), expected.name(), expected.words().column
    )]
    OtherTask {
        /// What was opened.
        path: PathBuf,
        /// What the data has.
        found: TaskKind,
        /// What the model was trained for.
        expected: TaskKind,
    },
    /// Classes equally often, where images have no single class.
    #[error(
        "`data.sampling` is \"balanced\", but images of `{}` have {}: use \"shuffle\"{}",
        path.display(),
        task.words().unbalanced[0],
        task.words().unbalanced[1]
    )]
    BalancedWithoutClasses {
        /// What was opened.
        path: PathBuf,
        /// What the data has.
        task: TaskKind,
    },
    /// All training images have the same number.
    #[error(
        "every training image has {number} as `{name}`, so there is nothing to learn: give images with different numbers"
    )]
    ConstantNumber {
        /// The number's name.
        name: String,
        /// The number.
        number: f64,
    },
    /// A class name occurs twice in a list of classes.
    #[error("the class `{class}` is listed twice: class names must differ")]
    DuplicateClass {
        /// The name.
        class: String,
    },
    /// Classes that the list of classes does not have.
    #[error(
        "`{}` has classes that {known_from} lacks: {}; rename or remove these folders",
        path.display(), first_ten(classes)
    )]
    UnknownClasses {
        /// The folder whose subfolders are the classes.
        path: PathBuf,
        /// Where the known classes come from: `train/` or `the model`.
        known_from: &'static str,
        /// The classes that are not known.
        classes: Vec<UnknownClass>,
    },
    /// Two folders stand for the same split.
    #[error("`{first}` and `{second}` in `{}` both mean the {split} images: keep one", path.display())]
    AmbiguousSplit {
        /// The folder that holds both.
        path: PathBuf,
        /// The split they both stand for.
        split: SplitName,
        /// One folder.
        first: String,
        /// The other.
        second: String,
    },
    /// Folders that are parts of a data set by their names, without its being clear which.
    #[error(
        "the folders {} of `{}` look like parts of one data set and not like classes, since all of them hold the folders {}: name them `train`, \
         `val` and `test`, or give one of them",
        first_ten(folders), path.display(), first_ten(shared)
    )]
    UnclearSplits {
        /// The folder.
        path: PathBuf,
        /// The folders in it.
        folders: Vec<String>,
        /// What each of them holds.
        shared: Vec<String>,
    },
    /// There are folders for validation or test but none for training.
    #[error("`{}` has {} but no `train` folder: add one, or give the folder that holds the class folders", path.display(), first_ten(found))]
    TrainMissing {
        /// The folder.
        path: PathBuf,
        /// The split folders it has.
        found: Vec<String>,
    },
    /// An image could not be read or decoded.
    #[error("the image `{}` cannot be used: repair or remove it, or leave it out with `--bad-images skip` (`data.bad_images`)", path.display())]
    UnreadableImage {
        /// The image's path.
        path: PathBuf,
        /// Why.
        source: ImageProblem,
    },
    /// Images that could not be read or decoded, found by a check of all of them.
    #[error(
        "{} of {checked} images cannot be used: {}; repair or remove them, or leave them out with `--bad-images skip` (`data.bad_images`)",
        images.len(), first_three(images)
    )]
    BadImages {
        /// How many images were checked.
        checked: usize,
        /// Every bad image, in the order of the samples.
        images: Vec<BadImage>,
    },
    /// The images of a batch could not be put together.
    #[error("the images of a batch could not be put together")]
    Batch {
        /// What did not fit.
        source: AugmentError,
    },
    /// The share of validation images is not a proportion.
    #[error("the validation share is {fraction}, but must be more than 0 and less than 1")]
    SplitFraction {
        /// What was given.
        fraction: f64,
    },
    /// Nothing is left to choose the best epoch by.
    #[error("`{}` has no usable images for validation: add some, or, where groups are kept whole, have more groups", path.display())]
    NoValidation {
        /// What was opened.
        path: PathBuf,
    },
    /// There is no such fold.
    #[error(
        "fold {fold} of {folds} folds is none: `data.folds` must be at least 2, and `data.fold` from 1 to it"
    )]
    Fold {
        /// The fold.
        fold: usize,
        /// The number of folds.
        folds: usize,
    },
    /// Folds are asked for where the data says itself which images validate.
    #[error("`{}` has validation images of its own, so its training images are not divided into folds: leave out `data.folds`", path.display())]
    FoldsBesideValidation {
        /// What was opened.
        path: PathBuf,
    },
    /// The groups are such that a fold holds all images of a class.
    #[error(
        "fold {fold} of {folds} would hold every image of {}, with none left to train on, since groups are kept whole: use fewer folds, or \
         smaller groups",
        first_ten(classes)
    )]
    FoldWithoutClasses {
        /// The fold, from 1.
        fold: usize,
        /// The number of folds.
        folds: usize,
        /// The classes.
        classes: Vec<String>,
    },
    /// A limit on the number of images leaves too few of a class.
    #[error(
        "{limit} images are too few for this data: at least {least} are needed, for 2 training images and 1 validation image of each class or label"
    )]
    LimitTooSmall {
        /// The limit.
        limit: usize,
        /// The least that would do.
        least: usize,
    },
    /// The split file could not be read.
    #[error("the split file `{}` cannot be read", path.display())]
    ReadSplit {
        /// The split file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The split file could not be written.
    #[error("the split file `{}` cannot be written", path.display())]
    WriteSplit {
        /// The split file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The split file is not what [`Split::save`](super::Split::save) writes.
    #[error("`{}` is not a split file: make it anew", path.display())]
    ParseSplit {
        /// The split file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The split file has another version.
    #[error("the split file `{}` has version {found}, but this rekindle reads version {expected}: make it anew", path.display())]
    SplitVersion {
        /// The split file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// The split file is for other classes.
    #[error(
        "the split file `{}` has the classes {}, but the folder has {}: make it anew",
        path.display(), first_ten(saved), first_ten(found)
    )]
    SplitClasses {
        /// The split file.
        path: PathBuf,
        /// The classes in the file.
        saved: Vec<String>,
        /// The classes of the folder.
        found: Vec<String>,
    },
    /// Images named in the split file that the folder no longer has.
    #[error(
        "{} images of the split file `{}` are not in the folder: {}; put them back, or make the split anew",
        missing.len(), path.display(), first_ten(missing)
    )]
    SplitMissing {
        /// The split file.
        path: PathBuf,
        /// Paths relative to the image folder.
        missing: Vec<String>,
    },
    /// An image is named twice in the split file, which would let training see validation images.
    #[error("the split file `{}` names `{image}` twice: make it anew", path.display())]
    SplitRepeated {
        /// The split file.
        path: PathBuf,
        /// Path relative to the image folder.
        image: String,
    },
    /// A worker thread of the loader could not be started.
    #[error("a loader thread could not be started: use fewer workers")]
    StartWorker {
        /// What the system said.
        source: io::Error,
    },
}

/// A class that is not in the list of known classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownClass {
    /// The name of its folder.
    pub name: String,
    /// The known class with the nearest name, where one is near.
    pub nearest: Option<String>,
}

impl Display for UnknownClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}`{}",
            self.name,
            did_you_mean(&self.name, &self.nearest)
        )
    }
}

/// An image that cannot be used, and why.
#[derive(Debug)]
pub struct BadImage {
    /// Index of the sample.
    pub index: usize,
    /// Path relative to the image folder.
    pub path: PathBuf,
    /// Why it cannot be used.
    pub reason: ImageProblem,
}

impl Display for BadImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ({})", self.path.display(), self.reason)
    }
}

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageProblem {
    /// The file could not be opened or read.
    #[error("the file cannot be read: {0}")]
    Read(io::Error),
    /// The content could not be decoded.
    #[error(transparent)]
    Decode(#[from] AugmentError),
}

/// The first three bad images, each of which takes a line, with the number of those left out.
fn first_three(images: &[BadImage]) -> String {
    let shown: Vec<String> = images.iter().take(3).map(ToString::to_string).collect();
    match images.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn inner_hint(deeper: &std::path::Path, inner: &[String]) -> String {
    if inner.len() < 2 {
        return ": add a folder of images for another class".into();
    }
    let splits = inner
        .iter()
        .all(|name| SplitName::of_folder(name).is_some());
    let meant = match splits {
        true => "to train on those",
        false => "to use those as classes",
    };
    let quoted = inner.iter().map(|name| format!("`{name}`"));
    format!(
        ": it holds the folders {}; {meant} give `{}`",
        first_ten(quoted),
        deeper.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_at_ten_with_a_count() {
        assert_eq!(first_ten(["a", "b"]), "a, b");
        assert_eq!(first_ten(0..12), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
        assert_eq!(first_ten(0..10), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
    }

    #[test]
    fn an_unknown_class_is_shown_with_the_nearest_name() {
        let unknown = UnknownClass {
            name: "dgo".into(),
            nearest: Some("dog".into()),
        };
        assert_eq!(unknown.to_string(), "`dgo` (did you mean `dog`?)");
        let unknown = UnknownClass {
            name: "zebra".into(),
            nearest: None,
        };
        assert_eq!(unknown.to_string(), "`zebra`");
    }
}
