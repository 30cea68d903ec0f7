//! Lists that lie beside the pictures they describe, in a folder or in each of its split folders.
//!
//! Hugging Face's image folders have `metadata.csv` or `metadata.jsonl`, Roboflow's exports `_classes.csv` or `_annotations.coco.json`.
//! This file owns when such a list says the labels: only where folders do not, so that class folders with a list beside them stay what
//! they are. Reading the list is `manifest.rs`'s.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{
    DataError, ImageFolder, ScanWarning, SourceOptions, SplitName,
    manifest::{Manifest, PartOfData, Wanted, read_manifests},
    walk::{Entry, Walk},
};

/// The names of such lists; the first that is there is read.
const NAMES: [&str; 4] = [
    "metadata.csv",
    "metadata.jsonl",
    "_classes.csv",
    "_annotations.coco.json",
];

/// A folder with a list.
struct Listed {
    list: PathBuf,
    /// Relative to the root.
    base: PathBuf,
    split: Option<SplitName>,
}

/// Reads a folder whose pictures are described by lists beside them; none where there are none, or where folders name the classes.
pub(crate) fn read_beside(
    root: &Path,
    options: &SourceOptions,
    wanted: Wanted,
) -> Result<Option<ImageFolder>, DataError> {
    let mut ignored = Vec::new();
    let listed = listed(root, &mut ignored)?;
    if listed.is_empty() {
        return Ok(None);
    }
    let mut parts = Vec::with_capacity(listed.len());
    for Listed { list, base, split } in &listed {
        if let Some(list) = Manifest::open(list)? {
            parts.push(PartOfData {
                list,
                base: base.clone(),
                split: *split,
            });
        }
    }
    let mut folder = read_manifests(root, root, &parts, options, wanted)?;
    let lists = listed.iter().map(|listed| {
        let name = listed.list.strip_prefix(root).unwrap_or(&listed.list);
        format!("`{}`", name.display())
    });
    let text = format!(
        "labels are from the lists beside the pictures: {}",
        lists.collect::<Vec<_>>().join(", ")
    );
    folder.warnings.push(ScanWarning::ListNote { text });
    if !ignored.is_empty() {
        let folders = ignored;
        folder
            .warnings
            .push(ScanWarning::IgnoredFolders { folders });
    }
    let unnamed = unnamed(root, &listed, &folder)?;
    if unnamed > 0 {
        let text = format!("images that no list names, which are not used: {unnamed}");
        folder.warnings.push(ScanWarning::ListNote { text });
    }
    Ok(Some(folder))
}

/// The lists; `ignored` gets the split folders without one.
fn listed(root: &Path, ignored: &mut Vec<String>) -> Result<Vec<Listed>, DataError> {
    let mut walk = Walk::new(root)?;
    let top = walk.entries(Path::new(""))?;
    let folders: Vec<&Entry> = top.iter().filter(|entry| entry.is_directory).collect();
    // Two folders may be classes, and are where they hold images.
    let splits = |folder: &&Entry| SplitName::of_folder(&folder.name).is_some();
    if let (Some(list), 0 | 1, false) =
        (list_among(&top), folders.len(), folders.iter().any(splits))
    {
        return Ok(vec![Listed {
            list: root.join(list),
            base: PathBuf::new(),
            split: None,
        }]);
    }
    let mut listed = Vec::new();
    for folder in folders {
        let Some(split) = SplitName::of_folder(&folder.name) else {
            return Ok(Vec::new());
        };
        let base = PathBuf::from(&folder.name);
        let inside = walk.entries(&base)?;
        let inner = inside.iter().filter(|entry| entry.is_directory).count();
        match list_among(&inside) {
            Some(list) if inner <= 1 => listed.push(Listed {
                list: root.join(&base).join(list),
                base,
                split: Some(split),
            }),
            _ if split == SplitName::Train => return Ok(Vec::new()),
            _ => ignored.push(format!("`{}`", folder.name)),
        }
    }
    listed.sort_by_key(|listed| listed.split);
    Ok(listed)
}

fn list_among(entries: &[Entry]) -> Option<&'static str> {
    let is_there = |name: &&str| {
        entries
            .iter()
            .any(|entry| !entry.is_directory && entry.name == *name)
    };
    NAMES.into_iter().find(is_there)
}

/// How many images lie in the folders of the lists without being named in them.
fn unnamed(root: &Path, listed: &[Listed], folder: &ImageFolder) -> Result<usize, DataError> {
    let named: HashSet<&Path> = folder
        .samples
        .iter()
        .map(|sample| sample.path.as_path())
        .collect();
    let mut count = 0;
    for Listed { base, .. } in listed {
        let images = Walk::new(root)?.images_under(base)?;
        count += images
            .iter()
            .filter(|image| !named.contains(image.as_path()))
            .count();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Sample, TaskKind, open_data};

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        place
    }

    fn open(files: &[(&str, &str)]) -> Result<ImageFolder, DataError> {
        open_data(tree(files).path(), &SourceOptions::default())
    }

    fn keys(folder: &ImageFolder) -> Vec<String> {
        folder.samples.iter().map(Sample::key).collect()
    }

    #[test]
    fn a_list_beside_pictures_names_their_labels() {
        let csv = "file_name,label\n1.png,x\n2.png,y\nin/3.png,x\n4.png,y\n";
        let images = ["1.png", "2.png", "in/3.png", "4.png", "5.png"].map(|name| (name, ""));
        let folder = open(&[&images[..], &[("metadata.csv", csv)]].concat()).unwrap();
        assert_eq!(folder.classes.names(), ["x", "y"]);
        assert_eq!(keys(&folder), ["1.png", "in/3.png", "2.png", "4.png"]);
        let told = folder.warnings.iter().map(ToString::to_string);
        let told = told.collect::<Vec<_>>().join("\n");
        for part in ["`metadata.csv`", "no list names, which are not used: 1"] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn lists_in_split_folders_are_one_data_set() {
        let lines = |names: [&str; 2]| {
            let line =
                |name, label| format!("{{\"file_name\": \"{name}\", \"label\": \"{label}\"}}\n");
            line(names[0], "x") + &line(names[1], "y")
        };
        let (train, test) = (lines(["1.png", "2.png"]), lines(["1.png", "3.png"]));
        let files = [
            ("train/metadata.jsonl", train.as_str()),
            ("train/1.png", ""),
            ("train/2.png", ""),
            ("validation/metadata.jsonl", test.as_str()),
            ("validation/1.png", ""),
            ("validation/3.png", ""),
            ("test/9.png", ""),
        ];
        let folder = open(&files).unwrap();
        let expected = [
            "train/1.png",
            "train/2.png",
            "validation/1.png",
            "validation/3.png",
        ];
        assert_eq!(keys(&folder), expected);
        assert_eq!(folder.samples_of(SplitName::Validation), [2, 3]);
        let ignored = ScanWarning::IgnoredFolders {
            folders: vec!["`test`".into()],
        };
        assert!(folder.warnings.contains(&ignored), "{:?}", folder.warnings);
    }

    #[test]
    fn roboflows_classes_in_split_folders_are_labels() {
        let train = "filename, red, round\n1.jpg, 1, 1\n2.jpg, 0, 1\n3.jpg, 0, 0\n";
        let files = [
            ("train/_classes.csv", train),
            ("valid/_classes.csv", "filename, red, round\n4.jpg, 1, 0\n"),
        ];
        let folder = open(&files).unwrap();
        assert_eq!(folder.task, TaskKind::Multilabel);
        assert_eq!(folder.classes.names(), ["red", "round"]);
        assert_eq!(folder.samples_of(SplitName::Validation), [3]);
    }

    #[test]
    fn class_folders_with_a_list_beside_them_stay_classes() {
        let images = ["a/1.png", "a/2.png", "b/1.png", "b/2.png"].map(|name| (name, ""));
        let list = ("metadata.csv", "file_name,label\na/1.png,x\nb/1.png,y\n");
        let folder = open(&[&images[..], &[list]].concat()).unwrap();
        assert_eq!(folder.classes.names(), ["a", "b"]);
        assert_eq!(folder.samples.len(), 4);
        let images = [
            "train/a/1.png",
            "train/a/2.png",
            "train/b/1.png",
            "train/b/2.png",
        ];
        let images = images.map(|name| (name, ""));
        let folder = open(&[&images[..], &[("train/metadata.csv", list.1)]].concat()).unwrap();
        assert_eq!(folder.classes.names(), ["a", "b"]);
    }
}
