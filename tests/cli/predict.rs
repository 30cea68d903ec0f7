//! `predict` as a tool among others: paths from standard input, copies by class, batches as they are ready.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use crate::support::{Outcome, Place, trained};

#[test]
fn paths_come_from_standard_input() {
    let place = trained();
    let mut command = place.command(&["predict", "runs/done", "-", "--csv"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let paths = "photos/sky/1.png\n\nphotos/apple/2.png\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(paths.as_bytes())
        .unwrap();
    let found = Outcome::from(child.wait_with_output().unwrap()).success();
    let lines: Vec<&str> = found.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{found:?}");
    assert!(lines[1].starts_with("photos/sky/1.png,"), "{found:?}");
    assert!(lines[2].starts_with("photos/apple/2.png,"), "{found:?}");
    place
        .rekindle(&["predict", "runs/done", "-"])
        .error(&["names no images"]);
}

#[test]
fn many_batches_read_as_one() {
    let place = trained();
    for format in [&["--csv"][..], &["--json"], &[]] {
        let with = |size: &str| {
            let all = [
                &["predict", "runs/done", "photos", "--batch-size", size],
                format,
            ]
            .concat();
            place.rekindle(&all).success().stdout
        };
        let (one, many) = (with("100"), with("5"));
        let words =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        // Columns of a table are as wide as their batch needs.
        assert_eq!(words(&one), words(&many));
        if !format.is_empty() {
            assert_eq!(one, many);
        }
    }
}

#[test]
fn copies_go_to_a_folder_for_each_class() {
    let place = Place::with_photos();
    let model = trained().path("runs/done").display().to_string();
    let args = ["predict", &model, "photos", "--sort", "sorted", "--json"];
    let found = place.rekindle(&args).success().json();
    let copies = place.snapshot("sorted");
    assert_eq!(copies.len(), 24);
    for row in found.as_array().unwrap() {
        let class = row["class"].as_str().unwrap();
        let bytes = place.read(row["path"].as_str().unwrap());
        let is_copy = |(path, copy): &(PathBuf, Vec<u8>)| {
            path.starts_with(place.path(&format!("sorted/{class}"))) && *copy == bytes
        };
        assert!(copies.iter().any(is_copy), "{row}");
    }
    place.rekindle(&args).error(&["`sorted` is not empty"]);
}

#[test]
fn the_first_bad_file_does_not_hide_the_others() {
    let place = Place::with_photos();
    let model = trained().path("runs/done").display().to_string();
    let whole = place.read("photos/sky/1.png");
    for name in ["a", "b"] {
        // Whole headers, and too few pixels.
        place.write(&format!("photos/sky/{name}.png"), &whole[..whole.len() / 2]);
    }
    place.rekindle(&["predict", &model, "photos"]).error(&[
        "2 of 26 images",
        "a.png",
        "b.png",
        "--bad-images skip",
    ]);
}
