//! Lists an image folder and decides what its folders mean.
//!
//! This file owns the public ways to list a folder; `scan/listing.rs` owns the listing under way: layouts, class list, checks. Names are
//! read, and the first bytes of files without an extension; nothing is written.

mod listing;
mod parts;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::{
    ClassIndex, DataError, ImageFolder, SplitName,
    folder::check_class_counts,
    walk::{Entry, Walk},
};
use listing::{Listing, found};
use parts::Part;

/// Lists a folder of images for training.
///
/// Two layouts are known:
///
/// - one folder per class (`photos/cat/1.jpg`, `photos/dog/1.jpg`);
/// - `train` with one folder per class, and beside it `val` (or `valid`, `validation`) and `test` with class folders of the same names.
///   This holds when every folder has one of these names, or when `train` has folders in it and one of the others is there. Other names
///   that [`SplitName::of_folder`] knows (`Training`, `test_set`) will do where every folder has one, or where they have folders of the
///   same names in them; so will names that have other words in common (`alphabet_train`, `alphabet_test`). A warning says so.
///
/// Class indices follow the names of the training images' class folders, sorted by their bytes (`100` before `2`, `Ox` before `ant`);
/// other splits are matched by name. Images may lie in folders inside a class folder. Links are followed. A file is an image when its
/// extension is in [`IMAGE_EXTENSIONS`](super::IMAGE_EXTENSIONS); hidden names and other files are counted in
/// [`skipped`](ImageFolder::skipped). No file is opened, but those without an extension, which may be DICOM.
///
/// # Errors
/// A path that is missing, not a folder or not readable; no images, or none in class folders; a class folder without images
/// ([`DataError::EmptyClasses`]); a single class; a class with fewer than two images where validation images have to be taken from
/// them; a class outside `train` that `train` lacks; two folders for the same split; folders that
/// look like splits, but not which ([`DataError::UnclearSplits`]); a folder whose name is not Unicode.
pub fn scan_folder(path: impl AsRef<Path>) -> Result<ImageFolder, DataError> {
    let folder = list_for_training(Listing::new(path.as_ref())?)?;
    check_class_counts(&folder, &folder.samples_of(SplitName::Train))?;
    Ok(folder)
}

/// As [`scan_folder`], with classes of too few images or none, which training would refuse: for a check that tells of them.
///
/// # Errors
/// As [`scan_folder`], but for those.
pub fn scan_folder_to_check(path: impl AsRef<Path>) -> Result<ImageFolder, DataError> {
    let mut listing = Listing::new(path.as_ref())?;
    listing.with_empty_classes = true;
    list_for_training(listing)
}

fn list_for_training(mut listing: Listing) -> Result<ImageFolder, DataError> {
    let top = listing.top()?;
    let splits = listing.split_folders(&top)?;
    let least_per_class = if splits.is_empty() {
        listing.add_classes_of(Path::new(""), None, top)?;
        2
    } else {
        let is_train = |part: &&Part| part.split == SplitName::Train;
        let Some(train) = splits.iter().find(is_train) else {
            let found = splits
                .into_iter()
                .map(|part| format!("`{}`", part.name))
                .collect();
            return Err(DataError::TrainMissing {
                path: listing.root,
                found,
            });
        };
        let train = train.base.clone();
        let entries = listing.walk.entries(&train)?;
        listing.add_classes_of(&train, Some(SplitName::Train), entries)?;
        listing.add_splits(&splits, "train/")?;
        listing.ignore_beside_splits(&top, &splits);
        if listing
            .samples
            .iter()
            .any(|sample| sample.split == Some(SplitName::Validation))
        {
            1
        } else {
            2
        }
    };
    Ok(listing.finish(least_per_class))
}

/// Lists a folder of images whose classes are known, to evaluate a trained model on it.
///
/// The layouts and rules are those of [`scan_folder`], but class indices are those of `classes`, folders are matched by name, and any
/// number of classes and images will do. A folder of one of the split names is a class where `classes` has that name.
///
/// # Errors
/// A path that is missing, not a folder or not readable; no images in class folders; a folder whose name is not in `classes`; two
/// folders for the same split; a folder whose name is not Unicode.
pub fn scan_folder_as(
    path: impl AsRef<Path>,
    classes: &ClassIndex,
) -> Result<ImageFolder, DataError> {
    let mut listing = Listing::new(path.as_ref())?;
    listing.classes = classes.clone();
    let top = listing.top()?;
    let is_class = |entry: &Entry| entry.is_directory && classes.index(&entry.name).is_some();
    let splits = if top.iter().any(is_class) {
        Vec::new()
    } else {
        listing.split_folders(&top)?
    };
    if splits.is_empty() {
        let none = listing.add_known_classes_of(Path::new(""), None, top, "the model")?;
        if none {
            return Err(listing.without_images(PathBuf::new()));
        }
    } else {
        listing.add_splits(&splits, "the model")?;
        listing.ignore_beside_splits(&top, &splits);
        if listing.samples.is_empty() {
            return Err(listing.without_images(PathBuf::new()));
        }
    }
    Ok(listing.finish(0))
}

/// The images under a path, sorted name by name along the path: the path itself for a file, everything inside for a folder.
///
/// A file that is given by itself is taken whatever its extension; in a folder the rules are those of [`scan_folder`]. For prediction.
///
/// # Errors
/// A path that is missing or not readable, a folder without images, a folder whose name is not Unicode.
pub fn list_images(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, DataError> {
    let path = path.as_ref();
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut walk = Walk::new(path)?;
    let images = walk.images_under(Path::new(""))?;
    if images.is_empty() {
        return Err(DataError::NoImages {
            path: path.to_path_buf(),
            found: found(&walk),
        });
    }
    Ok(images.into_iter().map(|image| path.join(image)).collect())
}
