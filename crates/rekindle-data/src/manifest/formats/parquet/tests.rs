use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{ImageFolder, SourceOptions, SplitName, Target, TaskKind, open_data, open_unlabelled};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data_parquet")
        .join(name)
}

/// Options with a cache of the test's own.
fn options() -> (tempfile::TempDir, SourceOptions) {
    let cache = tempfile::tempdir().unwrap();
    let options = SourceOptions {
        cache_directory: Some(cache.path().to_path_buf()),
        ..SourceOptions::default()
    };
    (cache, options)
}

/// The first digits of the hash of each picture, and the names of its classes.
fn read(folder: &ImageFolder) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<_> = folder
        .samples
        .iter()
        .map(|sample| {
            let bytes = folder.read(sample).unwrap();
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            let hash: String = digest[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let names = sample.target.names();
            let names = names.map(|place| folder.classes.names()[place].clone());
            (hash, names.collect())
        })
        .collect();
    found.sort();
    found
}

/// What pyarrow and `datasets` read of a file, without rows that have no picture or no class.
fn expected(file: &str, column: &str) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(data("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let rows = all["files"][file].as_array().unwrap();
    let name = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut found = Vec::new();
    for row in rows {
        let Some(picture) = row["picture"].as_str() else {
            continue;
        };
        let names = match &row[column] {
            Value::Null => continue,
            Value::Array(names) => {
                let mut names: Vec<String> = names.iter().map(name).collect();
                names.sort();
                names
            }
            one => vec![name(one)],
        };
        found.push((picture.to_owned(), names));
    }
    found.sort();
    found
}

#[test]
fn pictures_and_names_are_those_that_pyarrow_and_datasets_read() {
    for (file, column, task) in [
        ("hub.parquet", "label", TaskKind::Classification),
        ("fine.parquet", "fine_label", TaskKind::Classification),
        ("tags.parquet", "tags", TaskKind::Multilabel),
        ("numbers.parquet", "label", TaskKind::Classification),
        ("large.parquet", "label", TaskKind::Classification),
        ("view.parquet", "label", TaskKind::Classification),
        ("mixed_one.parquet", "label", TaskKind::Classification),
    ] {
        let (_cache, options) = options();
        // The second time the places are known already.
        for _ in 0..2 {
            let folder = open_data(data(file), &options).unwrap();
            assert_eq!(folder.task, task, "{file}");
            let mut found = read(&folder);
            for (_, names) in &mut found {
                names.sort();
            }
            assert_eq!(found, expected(file, column), "{file}");
        }
    }
}

#[test]
fn pictures_that_are_not_packed_are_read_where_they_lie() {
    for (file, is_in_place) in [("fine.parquet", true), ("hub.parquet", false)] {
        let (_cache, options) = options();
        let folder = open_data(data(file), &options).unwrap();
        let shard = &folder.members[0].shard;
        assert_eq!(**shard == *data(file), is_in_place, "{}", shard.display());
    }
}

#[test]
fn rows_without_a_picture_or_a_class_are_counted() {
    let (_cache, options) = options();
    let folder = open_data(data("hub.parquet"), &options).unwrap();
    assert_eq!(folder.samples.len(), 6);
    let told = format!("{:?}", folder.warnings);
    assert!(
        told.contains("without a label") && told.contains("without a picture"),
        "{told}"
    );
    // Names of pictures may repeat, and rows are still told apart.
    let names: Vec<String> = folder.samples.iter().map(|sample| sample.key()).collect();
    assert!(
        names.contains(&"hub.parquet/000000_a.png".to_owned()),
        "{names:?}"
    );
    assert!(
        names.contains(&"hub.parquet/000002".to_owned()),
        "{names:?}"
    );
    let pictures = open_unlabelled(&[data("hub.parquet")], &options).unwrap();
    assert_eq!(pictures.samples.len(), 8);
    assert_eq!(read_all(&pictures), 8);
}

fn read_all(folder: &ImageFolder) -> usize {
    let read = |sample| folder.read(sample).is_ok_and(|bytes| !bytes.is_empty());
    folder.samples.iter().filter(|sample| read(sample)).count()
}

#[test]
fn names_of_files_are_splits_and_names_of_classes_are_the_same_in_each() {
    let (_cache, options) = options();
    for path in ["splits", "splits/data", "splits/data/*.parquet"] {
        let folder = open_data(data(path), &options).unwrap();
        assert_eq!(folder.classes.names(), ["cat", "dog"], "{path}");
        let count = |split| folder.samples_of(split).len();
        let counts = [SplitName::Train, SplitName::Validation, SplitName::Test].map(count);
        assert_eq!(counts, [8, 2, 2], "{path}");
        // The validation file lists its names the other way round.
        for sample in &folder.samples {
            let number: usize = sample.key()[..]
                .rsplit('/')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(sample.target, Target::Class(number % 2), "{}", sample.key());
        }
        let told = format!("{:?}", folder.warnings);
        assert!(told.contains("in another order"), "{told}");
    }
    let train = open_data(data("splits/data/train-*.parquet"), &options).unwrap();
    assert_eq!(train.samples.len(), 8);
}

#[test]
fn numbers_without_names_are_classes_in_their_order() {
    let (_cache, options) = options();
    let folder = open_data(data("numbers.parquet"), &options).unwrap();
    assert_eq!(folder.classes.names(), ["0", "1", "2", "10"]);
    let told = format!("{:?}", folder.warnings);
    assert!(told.contains("no names of them"), "{told}");
}

#[test]
fn a_table_of_paths_is_a_list_like_any_other() {
    let place = tempfile::tempdir().unwrap();
    std::fs::copy(data("table.parquet"), place.path().join("table.parquet")).unwrap();
    for name in ["a.png", "b.png", "c.png", "d.png"] {
        std::fs::write(place.path().join(name), name).unwrap();
    }
    let (_cache, options) = options();
    let folder = open_data(place.path().join("table.parquet"), &options).unwrap();
    assert_eq!(folder.classes.names(), ["x", "y"]);
    assert_eq!(folder.samples_of(SplitName::Validation).len(), 2);
    assert_eq!(read_all(&folder), 4);
}

#[test]
fn what_cannot_be_used_is_told_with_a_way_on() {
    let (_cache, options) = options();
    let error = |path: &Path| open_data(path, &options).unwrap_err().to_string();
    let text = error(&data("paths.parquet"));
    assert!(
        text.contains("2 of 2 rows") && text.contains("pictures in"),
        "{text}"
    );
    // Names in one file and none in another.
    let place = tempfile::tempdir().unwrap();
    for name in ["fine.parquet", "numbers.parquet"] {
        std::fs::copy(data(name), place.path().join(name)).unwrap();
    }
    let text = error(place.path());
    assert!(
        text.contains("numbers.parquet") && text.contains("names"),
        "{text}"
    );
    // Cut short, and no Parquet at all.
    let whole = std::fs::read(data("hub.parquet")).unwrap();
    for (name, bytes) in [
        ("cut.parquet", &whole[..whole.len() / 2]),
        ("text.parquet", &b"path,label\n"[..]),
    ] {
        let path = place.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let text = error(&path);
        assert!(
            text.contains(name) && text.contains("as a Parquet file"),
            "{text}"
        );
    }
}

#[test]
fn damaged_files_never_panic() {
    let place = tempfile::tempdir().unwrap();
    for name in ["hub.parquet", "fine.parquet", "tags.parquet"] {
        let whole = std::fs::read(data(name)).unwrap();
        let mut rng = 12_345u32;
        for case in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (rng >> 8) as usize % bytes.len();
                bytes[at] = (rng >> 3) as u8;
            }
            let path = place.path().join(format!("{case}.parquet"));
            std::fs::write(&path, bytes).unwrap();
            let (_cache, options) = options();
            // An error or another picture: whatever the bytes say now.
            let _ = open_data(&path, &options);
        }
    }
}
