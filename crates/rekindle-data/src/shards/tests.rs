//! Tar files made here, read where they lie.

use std::fs;

use super::*;
use crate::TaskKind;
use crate::{Sample, SourceOptions, open_data};

/// A tar file of these members.
fn tar(path: &Path, members: &[(&str, &[u8])]) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap();
}

fn open(path: &Path) -> Result<ImageFolder, DataError> {
    open_data(path, &SourceOptions::default())
}

fn keys(folder: &ImageFolder) -> Vec<String> {
    folder.samples.iter().map(Sample::key).collect()
}

const LONG: &str = "a_name_that_is_longer_than_the_hundred_bytes_that_the_header_of_a_tar_file_has_room_for/and_then_some/2.png";

#[test]
fn images_are_read_where_they_lie_with_the_labels_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let shard = folder.path().join("set.tar");
    let members: [(&str, &[u8]); 9] = [
        ("1.jpg", b"first image"),
        ("1.cls", b"7\n"),
        (
            &LONG.replace("png", "json"),
            b"{\"label\": \"cat\", \"group\": 3, \"width\": 9}",
        ),
        (LONG, b"second"),
        ("./3.txt", b"cat"),
        ("./3.png", b"third"),
        ("3.mask.png", b"no image of its own"),
        ("4.webp", b""),
        ("4.cls", b"7"),
    ];
    tar(&shard, &members);
    let before = fs::read(&shard).unwrap();
    let found = open(&shard).unwrap();
    assert_eq!(found.kind, SourceKind::Shards);
    assert_eq!(found.classes.names(), ["7", "cat"]);
    let long = format!("set.tar/{LONG}");
    assert_eq!(
        keys(&found),
        ["set.tar/1.jpg", "set.tar/4.webp", "set.tar/3.png", &long]
    );
    let bytes: Vec<_> = found
        .samples
        .iter()
        .map(|sample| found.read(sample).unwrap())
        .collect();
    assert_eq!(bytes, [&b"first image"[..], b"", b"third", b"second"]);
    assert_eq!(found.samples[3].group, Some(0));
    assert_eq!(&*found.groups[0], "3");
    assert_eq!(found.skipped.total(), 1, "{}", found.skipped);
    assert_eq!(fs::read(&shard).unwrap(), before);
}

#[test]
fn folders_and_names_of_shards_say_the_split() {
    let one: [(&str, &[u8]); 4] = [
        ("1.png", b"x"),
        ("1.cls", b"a"),
        ("2.png", b"x"),
        ("2.cls", b"b"),
    ];
    let named = tempfile::tempdir().unwrap();
    for name in ["train-000.tar", "train-001.tar", "val_0.tar"] {
        tar(&named.path().join(name), &one);
    }
    let found = open(named.path()).unwrap();
    let split = |split| found.samples_of(split).len();
    assert_eq!(
        (split(SplitName::Train), split(SplitName::Validation)),
        (4, 2)
    );

    let inside = tempfile::tempdir().unwrap();
    for name in ["train", "valid"] {
        fs::create_dir(inside.path().join(name)).unwrap();
        tar(&inside.path().join(name).join("7.tar"), &one);
    }
    let found = open(inside.path()).unwrap();
    assert_eq!(found.samples_of(SplitName::Validation), [2, 3]);
    assert_eq!(keys(&found)[3], "valid/7.tar/2.png");

    // Class folders beside a tar file are what they always were.
    for name in ["cat", "dog"] {
        fs::create_dir(named.path().join(name)).unwrap();
        for image in ["1.png", "2.png"] {
            fs::write(named.path().join(name).join(image), b"x").unwrap();
        }
    }
    let found = open(named.path()).unwrap();
    assert_eq!((found.kind, found.samples.len()), (SourceKind::Folder, 4));
}

#[test]
fn mistakes_name_the_shard_and_the_member() {
    let folder = tempfile::tempdir().unwrap();
    let shard = folder.path().join("bad.tar");
    let error = |members: &[(&str, &[u8])]| {
        tar(&shard, members);
        open(&shard).unwrap_err().to_string()
    };
    let text = error(&[("a/1.png", b"x"), ("a/2.png", b"x"), ("a/2.cls", b"x")]);
    assert!(
        text.contains("`a/1.png` of the shard") && text.contains("bad.tar"),
        "{text}"
    );
    assert!(text.contains("expected `a/1.cls`"), "{text}");
    let text = error(&[("1.json", b"{\"label\": "), ("1.png", b"x")]);
    assert!(
        text.contains("`1.json`") && text.contains("expected an object"),
        "{text}"
    );
    let text = error(&[
        ("1.json", b"{\"label\": 1, \"split\": \"tarin\"}"),
        ("1.png", b"x"),
    ]);
    assert!(
        text.contains("`1.json`") && text.contains("the split is `tarin`"),
        "{text}"
    );
    let text = error(&[("1.png", b"x"), ("1.jpg", b"x"), ("1.cls", b"x")]);
    assert!(
        text.contains("`1.jpg`") && text.contains("second image beside `1.png`"),
        "{text}"
    );
    let text = error(&[("1.cls", b"\xff\xfe"), ("1.png", b"x")]);
    assert!(
        text.contains("`1.cls`") && text.contains("cannot be read as a text"),
        "{text}"
    );
    let text = error(&[("notes.txt", b"hello")]);
    assert!(text.contains("names no images"), "{text}");

    fs::write(&shard, b"this is no tar file".repeat(60)).unwrap();
    let text = open(&shard).unwrap_err().to_string();
    assert!(
        text.contains("bad.tar` cannot be read as a tar file"),
        "{text}"
    );
}

#[test]
fn a_shard_that_is_cut_short_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let shard = folder.path().join("short.tar");
    tar(&shard, &[("1.cls", b"a"), ("1.png", &[7; 5000])]);
    let whole = fs::read(&shard).unwrap();
    fs::write(&shard, &whole[..3000]).unwrap();
    let text = open(&shard).unwrap_err().to_string();
    assert!(text.contains("short.tar"), "{text}");
    assert!(
        text.contains("`1.png`") || text.contains("cannot be read"),
        "{text}"
    );
}

#[test]
fn objects_with_labels_or_numbers_are_read_and_kinds_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.tar");
    let set = |members: &[(&str, &[u8])]| {
        tar(&path, members);
        open(&path)
    };
    let labels = set(&[
        ("1.png", b"1"),
        ("1.json", b"{\"labels\": [\"red\", \"big\"]}"),
        ("2.png", b"2"),
        ("2.json", b"{\"labels\": []}"),
        ("3.png", b"3"),
        ("3.json", b"{\"labels\": [\"red\"]}"),
        ("4.png", b"4"),
        ("4.json", b"{\"labels\": [\"big\"]}"),
    ])
    .unwrap();
    let words = |folder: &ImageFolder| -> Vec<String> {
        let names = folder.classes.names();
        let samples = folder.samples.iter();
        samples.map(|sample| sample.target.words(names)).collect()
    };
    assert_eq!(labels.task, TaskKind::Multilabel);
    assert_eq!(words(&labels), ["big, red", "no labels", "red", "big"]);
    let one = |json: &'static [u8]| -> [(&'static str, &'static [u8]); 4] {
        [
            ("1.png", b"1"),
            ("1.json", b"{\"number\": 2.5}"),
            ("2.png", b"2"),
            ("2.json", json),
        ]
    };
    let numbers = set(&one(b"{\"number\": 7}")).unwrap();
    assert_eq!(
        (numbers.task, words(&numbers)),
        (TaskKind::Regression, vec!["2.5".into(), "7".into()])
    );
    let error = set(&one(b"{\"number:x\": 7}")).unwrap_err().to_string();
    assert!(
        error.contains("2.png") && error.contains("other numbers"),
        "{error}"
    );
    let error = set(&one(b"{\"label\": \"x\"}")).unwrap_err().to_string();
    assert!(error.contains("it is for classification"), "{error}");
    let error = set(&one(b"{\"number\": \"tall\"}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("`number` is `tall`"), "{error}");
}

#[test]
fn joined_tar_files_are_read_to_the_end() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let part = |name: &str, class: &[u8]| {
        let members: [(&str, &[u8]); 4] = [
            ("1.png", b"picture"),
            ("1.cls", class),
            ("2.png", name.as_bytes()),
            ("2.cls", class),
        ];
        tar(&path(name), &members);
        fs::read(path(name)).unwrap()
    };
    let (one, two) = (part("one.tar", b"a"), part("two.tar", b"b"));
    let joined = path("joined.tar");
    fs::write(&joined, [one.clone(), two, one.clone()].concat()).unwrap();
    let found = open(&joined).unwrap();
    assert_eq!(found.samples.len(), 6);
    let expected = [
        "joined.tar/1.png",
        "joined.tar/2.png",
        "joined.tar/archive-3/1.png",
        "joined.tar/archive-3/2.png",
        "joined.tar/archive-2/1.png",
        "joined.tar/archive-2/2.png",
    ];
    assert_eq!(keys(&found), expected);
    assert_eq!(found.read(&found.samples[5]).unwrap(), b"two.tar");
    assert_eq!(found.read(&found.samples[3]).unwrap(), b"one.tar");
    let told = found
        .warnings
        .iter()
        .any(|text| text.to_string().contains("`joined.tar`"));
    assert!(told, "{:?}", found.warnings);

    // Zeros behind the end are of the format, other bytes are told.
    fs::write(
        &joined,
        [part("two.tar", b"b"), one.clone(), vec![0; 1 << 14]].concat(),
    )
    .unwrap();
    assert_eq!(open(&joined).unwrap().samples.len(), 4);
    fs::write(
        &joined,
        [part("two.tar", b"b"), one, vec![7; 1000]].concat(),
    )
    .unwrap();
    let found = open(&joined).unwrap();
    assert_eq!(found.samples.len(), 4);
    assert!(
        found.skipped.to_string().contains("bytes behind the end"),
        "{}",
        found.skipped
    );
}

#[test]
fn dots_in_names_are_explained_where_no_picture_is_left() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("dots.tar");
    let members: [(&str, &[u8]); 4] = [
        ("img.b0.png", b"x"),
        ("img.b0.cls", b"bird"),
        ("img.c0.png", b"x"),
        ("img.c0.cls", b"car"),
    ];
    tar(&path, &members);
    let text = open(&path).unwrap_err().to_string();
    for part in [
        "ends at the first dot",
        "`img.b0.png` is the field `b0.png` of the sample `img`",
        "its 4 members",
        "2 .cls",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // A field of two parts is the picture where there is no other.
    let members: [(&str, &[u8]); 8] = [
        ("1.ome.tif", b"x"),
        ("1.cls", b"a"),
        ("2.ome.tif", b"x"),
        ("2.cls", b"a"),
        ("3.png", b"x"),
        ("3.cls", b"b"),
        ("4.png", b"x"),
        ("4.cls", b"b"),
    ];
    tar(&path, &members);
    assert_eq!(open(&path).unwrap().samples.len(), 4);
}

#[test]
fn a_tar_file_without_pictures_says_what_is_in_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("arrays.tar");
    tar(
        &path,
        &[
            ("1.npy", b"x"),
            ("1.cls", b"a"),
            ("2.npy", b"x"),
            ("2.cls", b"b"),
        ],
    );
    let text = open(&path).unwrap_err().to_string();
    assert!(
        text.contains("no pictures among 4 members: 2 .npy, 2 .cls"),
        "{text}"
    );
}

#[test]
fn a_member_whose_name_is_not_utf_8_is_an_image_like_any_other() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("latin.tar");
    let mut bytes = Vec::new();
    for (name, content) in [
        (&b"caf\xe9.jpg"[..], &b"one"[..]),
        (b"caf\xe9.cls", b"a"),
        (b"caf\xe8.jpg", b"two"),
        (b"caf\xe8.cls", b"a"),
        (b"tea.jpg", b"three"),
        (b"tea.cls", b"b"),
        (b"th\xc3\xa9.jpg", b"four"),
        (b"th\xc3\xa9.cls", b"b"),
    ] {
        let mut header = tar::Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    fs::write(&path, bytes).unwrap();
    let folder = open(&path).unwrap();
    let found: Vec<(String, String)> = folder
        .samples
        .iter()
        .map(|sample| {
            let bytes = folder.read(sample).unwrap();
            (sample.key(), String::from_utf8(bytes).unwrap())
        })
        .collect();
    let expected = [
        ("latin.tar/caf%E8.jpg", "two"),
        ("latin.tar/caf%E9.jpg", "one"),
        ("latin.tar/tea.jpg", "three"),
        ("latin.tar/th\u{e9}.jpg", "four"),
    ];
    assert_eq!(
        found,
        expected.map(|(key, bytes)| (key.to_owned(), bytes.to_owned()))
    );
    let told = format!("{:?}", folder.warnings);
    assert!(told.contains("caf%E9.jpg"), "{told}");
}
