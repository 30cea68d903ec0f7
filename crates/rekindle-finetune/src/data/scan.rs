//! Lists an image folder and decides what its folders mean.
//!
//! This file owns the layouts, the class list and the checks on them. It reads names only: no file is opened, nothing is written.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    ClassIndex, DataError, ImageFolder, Sample, ScanWarning, SplitName, UnknownClass,
    walk::{Entry, Walk},
};
use crate::suggest::nearest;

/// Lists a folder of images for training.
///
/// Two layouts are known:
///
/// - one folder per class (`photos/cat/1.jpg`, `photos/dog/1.jpg`);
/// - `train` with one folder per class, and beside it `val` (or `valid`, `validation`) and `test` with class folders of the same names.
///   This holds when every folder has one of these names, or when `train` has folders in it and one of the others is there.
///
/// Class indices follow the names of the training images' class folders, sorted by their bytes (`100` before `2`, `Ox` before `ant`);
/// other splits are matched by name. Images may lie in folders inside a class folder. Links are followed. A file is an image when its
/// extension is in [`IMAGE_EXTENSIONS`](super::IMAGE_EXTENSIONS); hidden names and other files are counted in
/// [`skipped`](ImageFolder::skipped). No file is opened.
///
/// # Errors
/// A path that is missing, not a folder or not readable; no images, or none in class folders; a class folder without images
/// ([`DataError::EmptyClasses`]); a single class; a class with fewer than two images where validation images have to be taken from
/// them; a class outside `train` that `train` lacks; two folders for the same split; a name that is not Unicode.
pub fn scan_folder(path: impl AsRef<Path>) -> Result<ImageFolder, DataError> {
    let mut scan = Scan::new(path.as_ref())?;
    let top = scan.walk.entries(Path::new(""))?;
    let splits = scan.split_folders(&top)?;
    let least_per_class = if splits.is_empty() {
        scan.add_classes_of(Path::new(""), None, top)?;
        2
    } else {
        let Some((_, train)) = splits.iter().find(|(split, _)| *split == SplitName::Train) else {
            let found = splits
                .into_iter()
                .map(|(_, folder)| format!("`{folder}`"))
                .collect();
            return Err(DataError::TrainMissing {
                path: scan.root,
                found,
            });
        };
        let train = PathBuf::from(train);
        let entries = scan.walk.entries(&train)?;
        scan.add_classes_of(&train, Some(SplitName::Train), entries)?;
        scan.add_splits(&splits, "train/")?;
        scan.ignore_beside_splits(&top);
        if scan
            .samples
            .iter()
            .any(|sample| sample.split == Some(SplitName::Validation))
        {
            1
        } else {
            2
        }
    };
    let folder = scan.finish(least_per_class);
    check_class_counts(&folder, &folder.samples_of(SplitName::Train))?;
    Ok(folder)
}

/// Lists a folder of images whose classes are known, to evaluate a trained model on it.
///
/// The layouts and rules are those of [`scan_folder`], but class indices are those of `classes`, folders are matched by name, and any
/// number of classes and images will do. A folder of one of the split names is a class where `classes` has that name.
///
/// # Errors
/// A path that is missing, not a folder or not readable; no images in class folders; a folder whose name is not in `classes`; two
/// folders for the same split; a name that is not Unicode.
pub fn scan_folder_as(
    path: impl AsRef<Path>,
    classes: &ClassIndex,
) -> Result<ImageFolder, DataError> {
    let mut scan = Scan::new(path.as_ref())?;
    scan.classes = classes.clone();
    let top = scan.walk.entries(Path::new(""))?;
    let is_class = |entry: &Entry| entry.is_directory && classes.index(&entry.name).is_some();
    let splits = if top.iter().any(is_class) {
        Vec::new()
    } else {
        scan.split_folders(&top)?
    };
    if splits.is_empty() {
        let none = scan.add_known_classes_of(Path::new(""), None, top, "the model")?;
        if none {
            return Err(scan.without_images(PathBuf::new()));
        }
    } else {
        scan.add_splits(&splits, "the model")?;
        scan.ignore_beside_splits(&top);
        if scan.samples.is_empty() {
            return Err(scan.without_images(PathBuf::new()));
        }
    }
    Ok(scan.finish(0))
}

/// The images under a path, sorted name by name along the path: the path itself for a file, everything inside for a folder.
///
/// A file that is given by itself is taken whatever its extension; in a folder the rules are those of [`scan_folder`]. For prediction.
///
/// # Errors
/// A path that is missing or not readable, a folder without images, a name that is not Unicode.
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

/// Checks that each class has at least [`least_per_class`](ImageFolder::least_per_class) training images among those usable.
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

/// A listing under way.
struct Scan {
    root: PathBuf,
    walk: Walk,
    classes: ClassIndex,
    samples: Vec<Sample>,
    warnings: Vec<ScanWarning>,
}

impl Scan {
    fn new(root: &Path) -> Result<Self, DataError> {
        Ok(Self {
            root: root.to_path_buf(),
            walk: Walk::new(root)?,
            classes: ClassIndex::default(),
            samples: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// The split folders in order of their splits, or none where the folders at the top are classes.
    fn split_folders(&mut self, top: &[Entry]) -> Result<Vec<(SplitName, String)>, DataError> {
        let folders = top.iter().filter(|entry| entry.is_directory).count();
        let mut splits: Vec<_> = top
            .iter()
            .filter(|entry| entry.is_directory)
            .filter_map(|entry| Some((SplitName::of_folder(&entry.name)?, entry.name.clone())))
            .collect();
        splits.sort_by_key(|(split, _)| *split);
        let has_train = splits
            .first()
            .is_some_and(|(split, _)| *split == SplitName::Train);
        let all = splits.len() == folders;
        if !all {
            let has_other = splits
                .last()
                .is_some_and(|(split, _)| *split != SplitName::Train);
            if !(has_train && has_other && self.has_folders(&splits[0].1)?) {
                return Ok(Vec::new());
            }
        }
        for pair in splits.windows(2) {
            if pair[0].0 == pair[1].0 {
                return Err(DataError::AmbiguousSplit {
                    path: self.root.clone(),
                    split: pair[0].0,
                    first: pair[0].1.clone(),
                    second: pair[1].1.clone(),
                });
            }
        }
        Ok(splits)
    }

    fn has_folders(&self, folder: &str) -> Result<bool, DataError> {
        // A walk of its own: what is hidden in there is counted when the folder is listed for good.
        let entries = Walk::new(&self.root)?.entries(Path::new(folder))?;
        Ok(entries.iter().any(|entry| entry.is_directory))
    }

    /// Makes the class list from the folders in `base`, and adds their images.
    fn add_classes_of(
        &mut self,
        base: &Path,
        split: Option<SplitName>,
        entries: Vec<Entry>,
    ) -> Result<(), DataError> {
        let names = entries
            .iter()
            .filter(|entry| entry.is_directory)
            .map(|entry| entry.name.clone())
            .collect();
        self.classes = ClassIndex::new(names)?;
        let none = self.add_known_classes_of(base, split, entries, "train/")?;
        if none {
            return Err(self.without_images(base.to_path_buf()));
        }
        let counts = self
            .classes
            .counts(self.samples.iter().map(|sample| sample.class));
        let empty = self
            .classes
            .names()
            .iter()
            .zip(&counts)
            .filter(|&(_, &count)| count == 0);
        let empty: Vec<_> = empty.map(|(name, _)| format!("`{name}`")).collect();
        if !empty.is_empty() {
            return Err(DataError::EmptyClasses {
                path: self.root.join(base),
                classes: empty,
            });
        }
        let depth = base.iter().count() + 1;
        let inner = shared_subfolders(&self.samples, self.classes.len(), depth);
        if self.classes.len() < 2 {
            let class = self.classes.names()[0].clone();
            return Err(DataError::OneClass {
                path: self.root.join(base),
                class,
                inner,
            });
        }
        if inner.len() > 1 {
            self.warnings
                .push(ScanWarning::RepeatedSubfolders { folders: inner });
        }
        Ok(())
    }

    /// Adds the images of the class folders in `base`; true when there are none.
    fn add_known_classes_of(
        &mut self,
        base: &Path,
        split: Option<SplitName>,
        entries: Vec<Entry>,
        known_from: &'static str,
    ) -> Result<bool, DataError> {
        let before = self.samples.len();
        let mut unknown = Vec::new();
        let mut found = Vec::new();
        let mut unclassified = 0;
        for entry in entries {
            if !entry.is_directory {
                unclassified += usize::from(self.walk.take_file(&entry.name));
            } else if let Some(class) = self.classes.index(&entry.name) {
                found.push((class, entry.name));
            } else {
                let nearest = nearest(&entry.name, self.classes.names()).map(str::to_owned);
                unknown.push(UnknownClass {
                    name: entry.name,
                    nearest,
                });
            }
        }
        if !unknown.is_empty() {
            return Err(DataError::UnknownClasses {
                path: self.root.join(base),
                known_from,
                classes: unknown,
            });
        }
        if unclassified > 0 {
            self.walk.skipped.unclassified += unclassified;
            self.warnings.push(ScanWarning::UnclassifiedImages {
                folder: base.to_path_buf(),
                count: unclassified,
            });
        }
        found.sort_unstable();
        let mut missing: BTreeSet<usize> = (0..self.classes.len()).collect();
        for (class, name) in found {
            let images = self.walk.images_under(&base.join(name))?;
            if !images.is_empty() {
                missing.remove(&class);
            }
            self.samples
                .extend(images.into_iter().map(|path| Sample { path, class, split }));
        }
        let none = self.samples.len() == before;
        if !none && !missing.is_empty() {
            let classes = missing
                .into_iter()
                .map(|class| format!("`{}`", self.classes.names()[class]))
                .collect();
            self.warnings
                .push(ScanWarning::MissingClasses { split, classes });
        }
        Ok(none)
    }

    /// Adds the images of the splits whose classes are known already; those of `train` are there where it named the classes.
    fn add_splits(
        &mut self,
        splits: &[(SplitName, String)],
        known_from: &'static str,
    ) -> Result<(), DataError> {
        for (split, folder) in splits {
            if *split == SplitName::Train && !self.samples.is_empty() {
                continue;
            }
            let base = PathBuf::from(folder);
            let entries = self.walk.entries(&base)?;
            if self.add_known_classes_of(&base, Some(*split), entries, known_from)? {
                self.warnings.push(ScanWarning::EmptySplit {
                    split: *split,
                    folder: base,
                });
            }
        }
        Ok(())
    }

    /// Tells of folders and images that lie beside the split folders.
    fn ignore_beside_splits(&mut self, top: &[Entry]) {
        let (mut folders, mut images) = (Vec::new(), 0);
        for entry in top {
            if !entry.is_directory {
                images += usize::from(self.walk.take_file(&entry.name));
            } else if SplitName::of_folder(&entry.name).is_none() {
                folders.push(format!("`{}`", entry.name));
            }
        }
        if !folders.is_empty() {
            self.warnings.push(ScanWarning::IgnoredFolders { folders });
        }
        if images > 0 {
            self.walk.skipped.unclassified += images;
            self.warnings.push(ScanWarning::UnclassifiedImages {
                folder: PathBuf::new(),
                count: images,
            });
        }
    }

    /// The error for a folder whose class folders hold no images.
    fn without_images(&self, base: PathBuf) -> DataError {
        let path = self.root.join(base);
        match self.walk.skipped.unclassified {
            0 => DataError::NoImages {
                path,
                found: found(&self.walk),
            },
            images => DataError::NoClassFolders { path, images },
        }
    }

    fn finish(mut self, least_per_class: usize) -> ImageFolder {
        if !self.walk.skipped.unsupported.is_empty() {
            let counts = self.walk.skipped.unsupported.clone();
            self.warnings
                .push(ScanWarning::UnsupportedFormats { counts });
        }
        let cycles = self
            .walk
            .link_cycles
            .into_iter()
            .map(|path| ScanWarning::LinkCycle { path });
        self.warnings.extend(cycles);
        ImageFolder {
            root: self.root,
            classes: self.classes,
            samples: self.samples,
            least_per_class,
            warnings: self.warnings,
            skipped: self.walk.skipped,
        }
    }
}

/// What a folder without images holds, in words.
fn found(walk: &Walk) -> String {
    match walk.skipped.total() {
        0 => "it is empty".into(),
        _ => format!("it holds {}", walk.skipped),
    }
}

/// The folders that every class has directly inside it, or none when an image lies directly in a class folder. `depth` is the number of
/// parts of a class folder's path.
fn shared_subfolders(samples: &[Sample], classes: usize, depth: usize) -> Vec<String> {
    let mut folders = vec![BTreeSet::new(); classes];
    for sample in samples {
        let mut parts = sample.path.iter().skip(depth);
        let (Some(inner), Some(_)) = (parts.next(), parts.next()) else {
            return Vec::new();
        };
        folders[sample.class].insert(inner);
    }
    let shared = folders
        .into_iter()
        .reduce(|shared, other| shared.intersection(&other).copied().collect());
    shared
        .unwrap_or_default()
        .into_iter()
        .map(|name| format!("`{}`", name.to_string_lossy()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with empty files (or folders, for names that end in `/`) of these names: scanning never opens a file.
    fn tree(names: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in names {
            let path = root.path().join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, b"").unwrap();
            }
        }
        root
    }

    fn scan(names: &[&str]) -> Result<ImageFolder, DataError> {
        scan_folder(tree(names).path())
    }

    fn paths(folder: &ImageFolder) -> Vec<String> {
        folder.samples.iter().map(Sample::key).collect()
    }

    const TWO: [&str; 4] = ["dog/1.jpg", "dog/2.jpg", "cat/1.jpg", "cat/2.jpg"];

    fn two_and(more: &[&'static str]) -> Vec<&'static str> {
        [&TWO, more].concat()
    }

    #[test]
    fn class_folders_are_sorted_by_their_bytes() {
        let folder = scan(&[
            "2/a.png",
            "2/b.png",
            "100/a.png",
            "100/b.png",
            "ant/a.png",
            "ant/b.png",
            "Ox/a.png",
            "Ox/b.png",
        ]);
        let folder = folder.unwrap();
        assert_eq!(folder.classes.names(), ["100", "2", "Ox", "ant"]);
        assert_eq!(paths(&folder)[..3], ["100/a.png", "100/b.png", "2/a.png"]);
        assert_eq!(folder.samples[2].class, 1);
        assert_eq!(folder.least_per_class, 2);
        assert!(folder.warnings.is_empty() && folder.skipped.total() == 0);
    }

    #[test]
    fn nested_images_belong_to_the_class_and_hidden_folders_to_none() {
        let folder = scan(&two_and(&[
            "cat/far/inside/3.PNG",
            ".ipynb_checkpoints/x.png",
            "dog/.cache/y.png",
            "dog/z.txt",
        ]))
        .unwrap();
        assert_eq!(folder.classes.names(), ["cat", "dog"]);
        assert_eq!(
            paths(&folder),
            [
                "cat/1.jpg",
                "cat/2.jpg",
                "cat/far/inside/3.PNG",
                "dog/1.jpg",
                "dog/2.jpg"
            ]
        );
        assert_eq!(folder.skipped.hidden, 2);
        assert_eq!(folder.skipped.other[".txt"], 1);
    }

    #[test]
    fn images_beside_the_class_folders_are_told() {
        let folder = scan(&two_and(&["loose.jpg", "labels.csv", "dog/3.heic"])).unwrap();
        assert_eq!(folder.samples.len(), 4);
        assert_eq!(folder.skipped.unclassified, 1);
        let text: Vec<_> = folder.warnings.iter().map(ToString::to_string).collect();
        assert!(
            text[0].contains("1 images lie in the top folder"),
            "{text:?}"
        );
        assert!(text[1].contains("1 .heic"), "{text:?}");
    }

    #[test]
    fn splits_are_matched_by_class_name() {
        let folder = scan(&[
            "train/a/1.png",
            "train/b/1.png",
            "train/c/1.png",
            "Valid/c/2.png",
            "Valid/a/2.png",
            "test/b/3.png",
        ]);
        let folder = folder.unwrap();
        assert_eq!(folder.classes.names(), ["a", "b", "c"]);
        let found: Vec<_> = folder
            .samples
            .iter()
            .map(|sample| (sample.key(), sample.class))
            .collect();
        assert_eq!(
            found[3..],
            [
                ("Valid/a/2.png".into(), 0),
                ("Valid/c/2.png".into(), 2),
                ("test/b/3.png".into(), 1)
            ]
        );
        assert_eq!(folder.samples_of(SplitName::Validation), [3, 4]);
        assert_eq!(folder.least_per_class, 1);
        assert_eq!(
            folder.warnings,
            [
                ScanWarning::MissingClasses {
                    split: Some(SplitName::Validation),
                    classes: vec!["`b`".into()]
                },
                ScanWarning::MissingClasses {
                    split: Some(SplitName::Test),
                    classes: vec!["`a`".into(), "`c`".into()]
                },
            ]
        );
    }

    #[test]
    fn a_class_that_training_lacks_is_an_error_with_the_nearest_name() {
        let error = scan(&[
            "train/cat/1.png",
            "train/dog/1.png",
            "val/dgo/1.png",
            "val/cat/1.png",
        ])
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`dgo` (did you mean `dog`?)") && text.contains("train/ lacks"),
            "{text}"
        );
    }

    #[test]
    fn training_folders_without_validation_need_two_images_a_class() {
        let error = scan(&[
            "train/cat/1.png",
            "train/dog/1.png",
            "train/dog/2.png",
            "test/dog/3.png",
        ])
        .unwrap_err();
        let DataError::ClassesTooSmall { least: 2, counts } = error else {
            panic!("{error}")
        };
        assert_eq!(counts, [("cat".into(), 1)]);
    }

    #[test]
    fn a_split_without_class_folders_is_told_and_not_used() {
        let folder = scan(&[
            "train/cat/1.png",
            "train/cat/2.png",
            "train/dog/1.png",
            "train/dog/2.png",
            "test/1.png",
            "x/",
        ]);
        let folder = folder.unwrap();
        assert!(!folder.has(SplitName::Test));
        assert_eq!(folder.skipped.unclassified, 1);
        assert!(folder.warnings.contains(&ScanWarning::EmptySplit {
            split: SplitName::Test,
            folder: "test".into()
        }));
        assert!(folder.warnings.contains(&ScanWarning::IgnoredFolders {
            folders: vec!["`x`".into()]
        }));
    }

    #[test]
    fn a_class_may_be_called_train() {
        let folder = scan(&[
            "train/1.png",
            "train/2.png",
            "bus/1.png",
            "bus/2.png",
            "test/1.png",
            "test/2.png",
        ])
        .unwrap();
        assert_eq!(folder.classes.names(), ["bus", "test", "train"]);
    }

    #[test]
    fn split_folders_that_cannot_be_meant_so_are_errors() {
        let error = scan(&["val/cat/1.png", "test/cat/1.png"]).unwrap_err();
        assert!(
            matches!(&error, DataError::TrainMissing { found, .. } if found.len() == 2),
            "{error}"
        );
        let error = scan(&["train/cat/1.png", "val/cat/1.png", "valid/cat/1.png"]).unwrap_err();
        assert!(matches!(error, DataError::AmbiguousSplit { .. }), "{error}");
        let error = scan(&["train/1.png", "train/2.png", "val/1.png", "val/2.png"]).unwrap_err();
        assert!(
            matches!(error, DataError::NoClassFolders { images: 2, .. }),
            "{error}"
        );
    }

    #[test]
    fn folders_that_cannot_train_say_why() {
        let error = scan(&[]).unwrap_err().to_string();
        assert!(error.contains("it is empty"), "{error}");
        let error = scan(&["a/1.heic", "a/2.heic", "b/x.txt", "b/y"])
            .unwrap_err()
            .to_string();
        for part in [
            "2 .heic (not supported",
            "1 .txt",
            "1 (no extension)",
            "supported are jpg",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let error = scan(&["1.png", "2.png"]).unwrap_err();
        assert!(
            matches!(error, DataError::NoClassFolders { images: 2, .. }),
            "{error}"
        );
        let error = scan(&two_and(&["cow/", "ewe/notes.txt"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("`cow`, `ewe`"), "{error}");
        let error = scan(&two_and(&["cow/1.png"])).unwrap_err().to_string();
        assert!(error.contains("at least 2): `cow` has 1"), "{error}");
        let error = scan(&["cat/1.png", "cat/2.png"]).unwrap_err().to_string();
        assert!(
            error.contains("one class, `cat`") && error.contains("add a folder"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_one_level_too_high_is_noticed() {
        let error = scan(&["pets/cat/1.png", "pets/dog/1.png"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`cat`, `dog`") && error.contains("pets"),
            "{error}"
        );
        let folder = scan(&[
            "day/cat/1.png",
            "day/dog/1.png",
            "night/cat/1.png",
            "night/dog/1.png",
        ])
        .unwrap();
        let folders = vec!["`cat`".into(), "`dog`".into()];
        assert_eq!(
            folder.warnings,
            [ScanWarning::RepeatedSubfolders { folders }]
        );
    }

    #[test]
    fn evaluation_keeps_the_classes_of_the_model() {
        let classes = ClassIndex::new(["dog", "cat", "ant"].map(str::to_owned).to_vec()).unwrap();
        let root = tree(&["cat/1.png", "dog/1.png"]);
        let folder = scan_folder_as(root.path(), &classes).unwrap();
        let found: Vec<_> = folder
            .samples
            .iter()
            .map(|sample| (sample.key(), sample.class))
            .collect();
        assert_eq!(found, [("dog/1.png".into(), 0), ("cat/1.png".into(), 1)]);
        assert_eq!(
            folder.warnings,
            [ScanWarning::MissingClasses {
                split: None,
                classes: vec!["`ant`".into()]
            }]
        );

        let root = tree(&["val/cat/1.png", "test/dog/1.png"]);
        let folder = scan_folder_as(root.path(), &classes).unwrap();
        assert_eq!(folder.samples_of(SplitName::Validation), [0]);
        assert_eq!(folder.samples[0].class, 1);

        let error = scan_folder_as(tree(&["cta/1.png"]).path(), &classes)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the model lacks: `cta` (did you mean `cat`?)"),
            "{error}"
        );
        assert!(matches!(
            scan_folder_as(tree(&["cat/"]).path(), &classes),
            Err(DataError::NoImages { .. })
        ));
    }

    #[test]
    fn images_to_predict_are_a_file_or_all_in_a_folder() {
        let root = tree(&["b/2.png", "a.jpg", "notes.txt"]);
        assert_eq!(
            list_images(root.path()).unwrap(),
            [root.path().join("a.jpg"), root.path().join("b/2.png")]
        );
        let file = root.path().join("notes.txt");
        assert_eq!(list_images(&file).unwrap(), vec![file]);
        assert!(matches!(
            list_images(tree(&["x.txt"]).path()),
            Err(DataError::NoImages { .. })
        ));
        assert!(matches!(
            list_images(root.path().join("none")),
            Err(DataError::FolderMissing { .. })
        ));
    }
}
