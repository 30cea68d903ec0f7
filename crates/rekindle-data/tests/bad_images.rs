//! The files of tests/data/bad go through the data side: each bad one is found, named and left alone.

use std::{collections::BTreeMap, fs, path::Path};

use rekindle_augment::DecodeLimits;
use rekindle_data::{BadImages, DataError, Dataset, Verified, scan_folder};

/// A folder with the bad files in one class and good ones in both.
fn photos() -> tempfile::TempDir {
    let bad = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bad");
    let folder = tempfile::tempdir().unwrap();
    for class in ["good", "mixed"] {
        fs::create_dir(folder.path().join(class)).unwrap();
        for number in 0..2 {
            let copy = folder.path().join(class).join(format!("fine{number}.jpg"));
            fs::copy(bad.join("cmyk.jpg"), copy).unwrap();
        }
    }
    for entry in fs::read_dir(bad).unwrap() {
        let entry = entry.unwrap();
        let copy = folder.path().join("mixed").join(entry.file_name());
        fs::copy(entry.path(), copy).unwrap();
    }
    folder
}

/// Every file with its bytes.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut content = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        content.insert(path.display().to_string(), fs::read(path).unwrap());
    }
    content
}

fn names(verified: &Verified) -> Vec<String> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    verified.bad.iter().map(|image| name(&image.path)).collect()
}

#[test]
fn headers_and_decoding_find_the_bad_files_and_change_none() {
    let folder = photos();
    let before = content(&folder.path().join("mixed"));
    let scanned = scan_folder(folder.path()).unwrap();
    assert_eq!(scanned.skipped.unsupported[".heic"], 1);
    let dataset = Dataset::new(scanned, DecodeLimits::default(), 0);

    let headers = dataset.verify_headers(BadImages::Skip).unwrap();
    let found = names(&headers);
    assert_eq!(
        found,
        [
            "bomb.gif",
            "bomb.jpg",
            "bomb.png",
            "corrupt.webp",
            "text_named.jpg",
            "zero_byte.png"
        ]
    );

    let decoded = dataset.verify_decode(BadImages::Skip).unwrap();
    let expected = [
        "bomb.gif",
        "bomb.jpg",
        "bomb.png",
        "bomb_memory.tif",
        "corrupt.webp",
        "text_named.jpg",
        "truncated.jpg",
        "zero_byte.png",
    ];
    assert_eq!(names(&decoded), expected);
    assert_eq!(decoded.good.len() + decoded.bad.len(), dataset.len());
    assert_eq!(content(&folder.path().join("mixed")), before);
}

#[test]
fn the_error_names_every_bad_file_with_its_reason() {
    let folder = photos();
    let scanned = scan_folder(folder.path()).unwrap();
    let dataset = Dataset::new(scanned, DecodeLimits::default(), 0);
    let error = dataset.verify_decode(BadImages::Fail).unwrap_err();
    let DataError::BadImages { images, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(images.len(), 8);
    let all = format!("{images:?}");
    for name in ["bomb.png", "corrupt.webp", "truncated.jpg"] {
        assert!(all.contains(name), "{name} is not in: {all}");
    }
    // The text has the count and the first three.
    let text = error.to_string();
    for part in [
        "8 of 14 images",
        "bomb.gif",
        "bomb.jpg",
        "bomb.png",
        "limit",
        "and 5 more",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}
