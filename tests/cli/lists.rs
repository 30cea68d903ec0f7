//! Folders and lists as people have them: what is read, what is told, and what is never written.

use std::fs;

use serde_json::Value;

use crate::support::{Outcome, Place, TINY};

/// Twelve pictures of birds and cars in `pictures`.
fn pictures() -> Place {
    let place = Place::new();
    place.add_images("b", "leaf", 6);
    place.add_images("c", "sky", 6);
    fs::create_dir(place.path("pictures")).unwrap();
    for class in ["b", "c"] {
        for number in 0..6 {
            let from = place.path(&format!("{class}/{number}.png"));
            fs::rename(from, place.path(&format!("pictures/{class}{number}.png"))).unwrap();
        }
    }
    place
}

/// A list with a row for each of the pictures, made by a rule from its number and class.
fn list(head: &str, row: impl Fn(usize, &str) -> String) -> String {
    let mut text = format!("{head}\n");
    for number in 0..6 {
        for class in ["b", "c"] {
            text.push_str(&row(number, class));
            text.push('\n');
        }
    }
    text
}

fn label(class: &str) -> &'static str {
    if class == "b" { "bird" } else { "car" }
}

#[test]
fn lists_as_people_have_them_name_all_their_pictures() {
    let place = pictures();
    let plain = |separator: &str| {
        let separator = separator.to_owned();
        move |number: usize, class: &str| {
            format!("pictures/{class}{number}.png{separator}{}", label(class))
        }
    };
    let quotes = list("note,path,label", |number, class| {
        let note = match (number, class) {
            (1, "b") => "\"small",
            (4, "b") => "beak\" seen",
            _ => "ok",
        };
        format!("{note},{}", plain(",")(number, class))
    });
    let valid = list("path,label,is_valid", |number, class| {
        let flag = if number > 3 { "True" } else { "False" };
        format!("{},{flag}", plain(",")(number, class))
    });
    let columns = list("filename, bird, car", |number, class| {
        let ones = if class == "b" { "1, 0" } else { "0, 1" };
        format!("pictures/{class}{number}.png, {ones}")
    });
    let backslashes = list("path,label", plain(",")).replace('/', "\\");
    let separator = list("sep=;\npath;label", plain(";"));
    let bare = list("", plain(",")).trim_start().to_owned();
    let ids = list("image_id,label", plain(",")).replace(".png", "");
    for (name, text, validation) in [
        ("quotes", quotes, None),
        ("valid", valid, Some(4)),
        ("columns", columns, None),
        ("backslashes", backslashes, None),
        ("separator", separator, None),
        ("bare", bare, None),
        ("ids", ids, None),
    ] {
        let file = format!("{name}.csv");
        place.write(&file, text);
        let plan = place.rekindle(&["train", &file, "--dry-run", "--json"]);
        let facts = &plan.success().json()["facts"];
        let count = |part: &str| facts[part].as_u64().unwrap();
        let (train, held_out) = (count("train_images"), count("validation_images"));
        assert_eq!(train + held_out, 12, "{name}");
        assert_eq!(held_out, validation.unwrap_or(held_out), "{name}");
    }
}

#[test]
fn two_spellings_of_a_class_are_named_by_train_and_check() {
    let place = pictures();
    let text = list("path,label", |number, class| {
        let label = match (class, number < 2) {
            ("c", true) => "Car",
            (class, _) => label(class),
        };
        format!("pictures/{class}{number}.png,{label}")
    });
    place.write("labels.csv", text);
    for command in [&["check"][..], &["train", "--dry-run"]] {
        let outcome = place.rekindle(&[command, &["labels.csv"]].concat());
        let text = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(text.contains("`Car` and `car`"), "{outcome:?}");
    }
}

#[test]
fn a_run_is_never_written_among_the_images() {
    let place = Place::with_photos();
    let before = place.snapshot("photos");
    let refused = |outcome: Outcome, way: &str| {
        outcome.error(&["would be written into the folder of images", way]);
    };
    let mut inside = place.command(&[&["train", "."], TINY].concat());
    inside.current_dir(place.path("photos"));
    refused(inside.output().unwrap().into(), "--runs ../runs");
    let runs = ["train", "photos", "--runs", "photos/out"];
    refused(
        place.rekindle(&[&runs, TINY].concat()),
        "--runs photos/../runs",
    );
    assert_eq!(place.snapshot("photos"), before);
    assert_eq!(fs::read_dir(place.path("photos")).unwrap().count(), 3);
    // With a place elsewhere it trains.
    let mut outside = place.command(&[&["train", ".", "--runs", "../runs"], TINY].concat());
    outside.current_dir(place.path("photos"));
    Outcome::from(outside.output().unwrap()).success();
    assert_eq!(place.snapshot("photos"), before);
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_unicode_is_one_bad_image() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::with_photos();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    let photos = place.path("photos/leaf");
    if fs::copy(photos.join("0.png"), photos.join(odd)).is_err() {
        // The system has no such names.
        return;
    }
    place
        .train("a", &[])
        .error(&["1 of 25 images", "not valid Unicode"]);
    let skipped = place.train("b", &["--bad-images", "skip"]).success();
    assert!(
        skipped.stderr.contains("1 image cannot be decoded"),
        "{skipped:?}"
    );
}

#[test]
fn a_limit_that_leaves_out_nothing_is_not_told() {
    let place = Place::with_photos();
    let plan = |limit: &str| {
        let outcome = place.rekindle(&["train", "photos", "--dry-run", "--limit", limit]);
        outcome.success().stderr
    };
    assert!(!plan("24").contains("images are used"), "{}", plan("24"));
    assert!(plan("12").contains("only 12 of 24 images are used"));
}

#[test]
fn a_run_of_many_classes_keeps_the_pairs_that_occur() {
    let place = Place::new();
    place.add_images("two", "leaf", 2);
    let classes = 101;
    for class in 0..classes {
        fs::create_dir_all(place.path(&format!("photos/{class:03}"))).unwrap();
        for number in 0..2 {
            let from = place.path(&format!("two/{number}.png"));
            fs::copy(from, place.path(&format!("photos/{class:03}/{number}.png"))).unwrap();
        }
    }
    let settings = [
        "--set",
        "input.size=[32,32]",
        "--set",
        "phase1.epochs=1",
        "--set",
        "phase2.epochs=0",
    ];
    place
        .rekindle(&[&["train", "photos", "--name", "a"][..], &settings].concat())
        .success();
    let run: Value = serde_json::from_slice(&place.read("runs/a/run.json")).unwrap();
    let confusion = &run["validation"]["confusion"];
    assert_eq!(confusion["classes"], classes);
    let counts = confusion["counts"].as_array().unwrap();
    let images = counts.iter().map(|pair| pair[2].as_u64().unwrap());
    assert_eq!(images.sum::<u64>(), 101);
    assert!(counts.len() <= 101, "{}", counts.len());
}
