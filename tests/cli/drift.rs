//! `drift`: new images that are like those that a model was measured on, and others.

use serde_json::Value;

use crate::support::{Place, trained};

/// Images of each class that the model has not seen: of 40, every second one from this one on.
fn held(place: &Place, name: &str, classes: &[&str], first: u8) {
    for class in classes {
        let folder = format!("{name}/{class}");
        place.add_images(&folder, class, first + 40);
        for number in (0..first).chain((first..first + 40).skip(1).step_by(2)) {
            std::fs::remove_file(place.path(&format!("{folder}/{number}.png"))).unwrap();
        }
    }
}

#[test]
fn other_images_are_found_and_the_same_kind_is_not() {
    let place = trained();
    held(place, "drift-reference", &["apple", "leaf", "sky"], 8);
    held(place, "drift-same", &["apple", "leaf", "sky"], 9);
    held(place, "drift-other", &["sky"], 8);
    let drift = |images: &str, more: &[&str]| {
        let args = [
            "drift",
            "runs/done",
            images,
            "--reference",
            "drift-reference",
        ];
        place.rekindle(&[&args, more].concat())
    };
    let same = drift("drift-same", &[]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(same.stdout.contains("no difference beyond"), "{same:?}");
    assert!(same.stdout.contains("Accuracy"), "{same:?}");
    let other = drift("drift-other", &["--json"]);
    assert_eq!(other.code, Some(1), "{other:?}");
    let found: Value = other.json();
    assert_eq!(found["found"], true);
    assert_eq!(found["new_images"], 20);
    assert_eq!(found["reference_images"], 60);
    assert!(found["p_value"].as_f64().unwrap() < 0.01, "{found}");
    let outputs = found["outputs"].as_array().unwrap();
    let sky = outputs
        .iter()
        .find(|output| output["name"] == "sky")
        .unwrap();
    assert!(sky["new_mean"].as_f64() > sky["reference_mean"].as_f64());
    let accuracy = &found["accuracy"];
    let right = place.rekindle(&["evaluate", "runs/done", "drift-reference", "--json"]);
    assert_eq!(accuracy["reference"], right.success().json()["accuracy"]);
}

#[test]
fn a_run_knows_what_it_was_measured_on() {
    let place = trained();
    held(place, "drift-new", &["apple"], 8);
    // Five images are not enough, and the words say whose.
    place
        .rekindle(&["drift", "runs/done", "drift-new"])
        .error(&["the reference", "fewer than 20"]);
    std::fs::copy(
        place.path("runs/done/model.safetensors"),
        place.path("drift-alone.safetensors"),
    )
    .unwrap();
    place
        .rekindle(&["drift", "drift-alone.safetensors", "drift-new"])
        .error(&["lies in no run", "--reference"]);
}
