//! Layouts of folders of empty files: scanning never opens one.

use std::fs;

use super::*;
use crate::{Sample, ScanWarning};

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
    assert_eq!(folder.samples[2].class(), Some(1));
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
        .map(|sample| (sample.key(), sample.class().unwrap()))
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
        .map(|sample| (sample.key(), sample.class().unwrap()))
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
    assert_eq!(folder.samples[0].class(), Some(1));

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

/// The key, class and split of each sample.
fn said(folder: &ImageFolder) -> Vec<String> {
    let words = |sample: &Sample| {
        let class = sample.target.words(folder.classes.names());
        let split = sample
            .split
            .map_or("none".to_owned(), |split| split.to_string());
        format!("{}: {class}, {split}", sample.key())
    };
    folder.samples.iter().map(words).collect()
}

#[test]
fn parts_of_a_data_set_are_known_by_the_names_that_people_use() {
    for [train, validation, test] in [
        ["Training", "dev", "Testing"],
        ["training", "Validation", "evaluation"],
        ["train_set", "val_set", "test_set"],
        ["trainset", "validset", "testset"],
        ["train", "dev", "eval"],
        [
            "asl_alphabet_train",
            "asl_alphabet_valid",
            "asl_alphabet_test",
        ],
        ["train2017", "val2017", "test2017"],
    ] {
        let files = [
            format!("{train}/cat/1.png"),
            format!("{train}/dog/1.png"),
            format!("{validation}/cat/2.png"),
            format!("{validation}/dog/2.png"),
            format!("{test}/cat/3.png"),
            format!("{test}/dog/3.png"),
        ];
        let folder = scan(&files.each_ref().map(String::as_str)).unwrap();
        let expected = [
            format!("{train}/cat/1.png: cat, train"),
            format!("{train}/dog/1.png: dog, train"),
            format!("{validation}/cat/2.png: cat, validation"),
            format!("{validation}/dog/2.png: dog, validation"),
            format!("{test}/cat/3.png: cat, test"),
            format!("{test}/dog/3.png: dog, test"),
        ];
        assert_eq!(said(&folder), expected);
        let told = folder.warnings.iter().map(ToString::to_string);
        let told = told.collect::<Vec<_>>().join("\n");
        assert!(told.contains(&format!("`{train}` (train)")), "{told}");
    }
}

#[test]
fn parts_are_known_beside_other_folders_and_in_folders_called_alike() {
    // Intel's pictures of scenes, as they are unpacked.
    let folder = scan(&[
        "seg_train/seg_train/sea/1.jpg",
        "seg_train/seg_train/sea/2.jpg",
        "seg_train/seg_train/street/1.jpg",
        "seg_train/seg_train/street/2.jpg",
        "seg_test/seg_test/sea/3.jpg",
        "seg_test/seg_test/street/3.jpg",
        "seg_pred/seg_pred/9.jpg",
    ])
    .unwrap();
    assert_eq!(folder.classes.names(), ["sea", "street"]);
    assert_eq!(folder.samples_of(SplitName::Test), [4, 5]);
    let ignored = ScanWarning::IgnoredFolders {
        folders: vec!["`seg_pred`".into()],
    };
    assert!(folder.warnings.contains(&ignored), "{:?}", folder.warnings);
}

#[test]
fn folders_that_look_like_parts_without_being_clear_stop_the_work() {
    let files = |first: &str, second: &str| {
        let files = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"];
        let of = |folder: &str| files.map(|file| format!("{folder}/{file}"));
        let files = [of(first), of(second)].concat();
        scan(&files.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let error = files("old_train", "new_test").unwrap_err();
    assert!(matches!(error, DataError::UnclearSplits { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`new_test`, `old_train`") && text.contains("`cat`, `dog`"),
        "{text}"
    );
    // Words that are no parts, and parts without the same folders, are classes.
    assert!(files("toy_train", "steam_train").is_ok());
    let folder = scan(&[
        "old_train/1.png",
        "old_train/2.png",
        "new_test/1.png",
        "new_test/2.png",
    ]);
    assert_eq!(folder.unwrap().classes.names(), ["new_test", "old_train"]);
    let folder = scan(&[
        "dev/1.png",
        "dev/2.png",
        "bus/1.png",
        "bus/2.png",
        "training/x/1.png",
    ]);
    assert!(matches!(folder, Err(DataError::ClassesTooSmall { .. })));
    // All are parts, and hold pictures and no classes.
    let error = scan(&["Training/1.png", "Training/2.png", "Testing/1.png"]).unwrap_err();
    assert!(matches!(error, DataError::NoClassFolders { .. }), "{error}");
}

#[test]
fn the_folder_that_was_meant_is_named_however_deep_it_lies() {
    let error = |files: &[&str]| scan(files).unwrap_err().to_string();
    let text = error(&["archive/data/cat/1.png", "archive/data/dog/1.png"]);
    assert!(
        text.contains("to use those as classes give") && text.contains("archive/data`"),
        "{text}"
    );
    let text = error(&["archive/Training/cat/1.png", "archive/Testing/cat/1.png"]);
    assert!(
        text.contains("to train on those give") && text.contains("archive`"),
        "{text}"
    );
    let text = error(&["archive/cat/1.png", "archive/cat/2.png"]);
    assert!(text.contains("add a folder"), "{text}");
}

#[test]
fn class_folders_in_two_spellings_are_named() {
    let folder = scan(&["Car/1.png", "Car/2.png", "car/1.png", "car/2.png"]).unwrap();
    let told = folder.warnings[0].to_string();
    assert!(told.contains("`Car` and `car`"), "{told}");
}
