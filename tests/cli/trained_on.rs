//! `evaluate` knows which images a run was trained on, and model files whether they are whole.

use std::fs;

use crate::support::{Place, TINY, trained};

#[test]
fn images_that_the_run_was_trained_on_are_left_out_and_said() {
    let place = trained();
    let with = |more: &[&str]| {
        let all = [&["evaluate", "runs/done", "photos", "--json"], more].concat();
        place.rekindle(&all).success()
    };
    let (found, validation) = (with(&[]), with(&["--run-split", "runs/done"]).json());
    let own = found.json();
    assert_eq!(own["images"], validation["images"]);
    assert_eq!(own["accuracy"], validation["accuracy"]);
    assert_eq!(own["split"], "not trained on");
    assert!(
        found.stderr.contains("were trained on and are left out"),
        "{found:?}"
    );
    let all = with(&["--split", "all"]);
    assert_eq!(all.json()["images"], 24);
    let trained_on = 24 - own["images"].as_u64().unwrap();
    assert_eq!(all.json()["images_trained_on"], trained_on);
    let words = format!("warning: the run was trained on {trained_on} of these 24 images");
    assert!(all.stderr.contains(&words), "{all:?}");
}

#[test]
fn copies_under_other_names_are_known_too() {
    let place = Place::with_photos();
    place.train("a", &[]).success();
    for class in ["apple", "sky"] {
        place.add_images(&format!("copies/{class}"), class, 8);
    }
    let evaluate = || {
        place
            .rekindle(&["evaluate", "runs/a", "copies", "--json"])
            .success()
    };
    let found = evaluate();
    assert!(found.json()["images"].as_u64().unwrap() < 16, "{found:?}");
    // The same where the run's own file is not there, as in runs of older versions.
    fs::remove_file(place.path("runs/a/trained-on.txt")).unwrap();
    assert_eq!(evaluate().json(), found.json());
    fs::remove_dir_all(place.path("photos")).unwrap();
    let unknown = evaluate();
    assert_eq!(unknown.json()["images"], 16);
    assert!(
        unknown.stderr.contains("it is not known which images"),
        "{unknown:?}"
    );
}

#[test]
fn nothing_but_training_images_is_an_error() {
    let place = Place::with_photos();
    place.train("a", &[]).success();
    let split: serde_json::Value =
        serde_json::from_slice(&place.read("runs/a/split.json")).unwrap();
    for key in split["train"].as_array().unwrap() {
        let key = key.as_str().unwrap();
        let image = place.read(&format!("photos/{key}"));
        place.write(&format!("seen/{key}"), image);
    }
    place
        .rekindle(&["evaluate", "runs/a", "seen"])
        .error(&["trained on all", "--split all"]);
}

#[test]
fn a_damaged_model_file_is_refused_and_an_old_one_loads() {
    let place = Place::with_photos();
    let mut model = trained().read("runs/done/model.safetensors");
    let key = b"\"checksum\":\"xxh3-128:";
    let at = model
        .windows(key.len())
        .position(|window| window == key)
        .unwrap();
    // Under another key it is as if there were none.
    let mut old = model.clone();
    old[at + 8] = b'n';
    place.write("old.safetensors", old);
    place
        .rekindle(&["predict", "old.safetensors", "photos"])
        .success();
    let last = model.len() - 3;
    model[last] ^= 0x40;
    place.write("damaged.safetensors", model);
    for command in [
        &["predict", "damaged.safetensors", "photos"][..],
        &["evaluate", "damaged.safetensors", "photos"],
        &["inspect", "damaged.safetensors"],
    ] {
        place
            .rekindle(command)
            .error(&["damaged.safetensors is damaged", "checksum"]);
    }
}

#[test]
fn copies_of_training_images_among_the_validation_images_are_told_before_training() {
    let place = Place::new();
    for part in ["train", "val"] {
        for class in ["apple", "sky"] {
            place.add_images(&format!("set/{part}/{class}"), class, 3);
        }
    }
    let args = [&["train", "set", "--dry-run"], TINY].concat();
    let found = place.rekindle(&args).success();
    let words = "6 of 6 validation images are copies of training images";
    assert!(found.stderr.contains(words), "{found:?}");
}

#[test]
fn a_check_gives_its_report_whatever_is_wrong() {
    let place = Place::with_photos();
    place.add_images("photos/one", "sky", 1);
    fs::create_dir_all(place.path("photos/none")).unwrap();
    for file in ["plan.toml", "split.json", "curves.png"] {
        place.write(&format!("photos/runs/photos-1/{file}"), "");
    }
    let found = place.rekindle(&["check", "photos", "--json"]).calm();
    assert_eq!(found.code, Some(1), "{found:?}");
    for words in ["`none` has 0", "`one` has 1", "folders of runs", "`runs`"] {
        assert!(found.stdout.contains(words), "{words}: {found:?}");
    }
    let text = place.rekindle(&["check", "photos"]).calm();
    assert!(text.stdout.contains("Figures"), "{text:?}");
}
