//! Flags that stand for settings, names of other tools, and what the program says of itself.

use crate::support::{Place, trained};

/// The recipe of a plan that is only printed.
fn planned(place: &Place, args: &[&str]) -> serde_json::Value {
    let all = [&["train", "photos", "--dry-run", "--json"], args].concat();
    place.rekindle(&all).success().json()
}

#[test]
fn flags_stand_for_settings_and_say_which() {
    let place = trained();
    let named = ["--name", "same"];
    let flags: Vec<&str> = "--epochs 2 --lr 1e-3 --batch-size 4 --size 64"
        .split(' ')
        .collect();
    let settings: Vec<&str> = "--set phase1.epochs=2 --set phase2.epochs=2 --set phase1.lr=1e-3 \
        --set phase2.lr=1e-3 --set phase1.batch_size=4 --set phase2.batch_size=4 --set input.size=64"
        .split_whitespace()
        .collect();
    let [flags, settings] =
        [flags, settings].map(|args| planned(place, &[&named[..], &args].concat()));
    assert_eq!(flags, settings);
    let help = place.rekindle(&["train", "--help"]).success().stdout;
    for key in [
        "PHASE.epochs",
        "PHASE.lr",
        "PHASE.batch_size",
        "input.size",
        "data.validation",
    ] {
        assert!(help.contains(key), "{key}: {help}");
    }
}

#[test]
fn names_of_other_tools_lead_to_the_setting() {
    let place = trained();
    for (pair, meant) in [
        (
            "learning_rate=0.1",
            "did you mean `phase1.lr` or `phase2.lr`?",
        ),
        ("imgsz=160", "did you mean `input.size`?"),
        ("flip=true", "did you mean `augment.transforms`?"),
    ] {
        let key = pair.split('=').next().unwrap();
        place
            .rekindle(&["train", "photos", "--dry-run", "--set", pair])
            .error(&[&format!("`{key}`"), meant]);
    }
}

#[test]
fn validation_images_may_lie_apart() {
    let place = Place::with_photos();
    for class in ["apple", "leaf", "sky"] {
        place.add_images(&format!("apart/{class}"), class, 2);
    }
    let found = place
        .rekindle(&["train", "photos", "--dry-run", "--val", "apart"])
        .success();
    assert!(
        found.stdout.contains("24 training images") && found.stdout.contains("6 for validation"),
        "{found:?}"
    );
    // They are the first two of each class: figures on them would be too good.
    assert!(
        found.stderr.contains("6 of 6 validation images are copies"),
        "{found:?}"
    );
    place
        .rekindle(&["train", "photos", "--dry-run", "--val", "nowhere"])
        .error(&["nowhere"]);
}

#[test]
fn settings_are_listed_and_found_by_a_word() {
    let place = Place::new();
    let all = place.rekindle(&["settings"]).success().stdout;
    assert!(all.contains("PHASE.epochs = whole number"), "{all}");
    let found = place
        .rekindle(&["settings", "dropout", "--json"])
        .success()
        .json();
    let keys: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["setting"].as_str().unwrap())
        .collect();
    assert!(keys.contains(&"head.dropout"), "{keys:?}");
    place
        .rekindle(&["settings", "droput"])
        .error(&["`droput`", "did you mean `dropout`"]);
}

#[test]
fn completions_and_a_manual_page_are_printed() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = place.rekindle(&["completions", shell]).success().stdout;
        assert!(text.contains("imgsz"), "{shell}");
    }
    let page = place.rekindle(&["man"]).success().stdout;
    assert!(page.contains(".TH rekindle"), "{page}");
    assert!(page.contains("REKINDLE TRAIN"), "{page}");
}
