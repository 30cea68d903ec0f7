//! `rekindle check --against`: labels that models doubt which have not seen the images.

use crate::support::{Place, device};

#[test]
fn a_picture_in_the_wrong_folder_is_found_by_models_that_have_not_seen_it() {
    let place = Place::with_photos();
    std::fs::rename(
        place.path("photos/sky/3.png"),
        place.path("photos/apple/blue.png"),
    )
    .unwrap();
    let on = format!("device={}", device());
    let args = [
        "compare",
        "photos",
        "--vary",
        "phase1.lr=3e-2,1e-2",
        "--folds",
        "4",
        "--name",
        "folds",
        "--set",
        &on,
        "--set",
        "input.size=[32,32]",
        "--set",
        "phase1.epochs=8",
        "--set",
        "phase2.epochs=0",
        "--quiet",
    ];
    place.rekindle(&args).success();
    let args = [
        "check",
        "photos",
        "--against",
        "runs/compare-folds",
        "--set",
        "data.validation_share=0.25",
    ];
    let found = place
        .rekindle(&[&args[..], &["--sheet", "doubts.png"]].concat())
        .calm();
    assert!(
        found
            .stdout
            .contains("of 24 images that 4 runs had not seen"),
        "{found:?}"
    );
    assert!(
        found
            .stdout
            .lines()
            .all(|line| line.chars().count() <= 80 || line.contains("--set"))
    );
    assert!(place.path("doubts.png").is_file());
    let json = place
        .rekindle(&[&args[..], &["--json"]].concat())
        .calm()
        .json();
    let labels = &json["labels"];
    assert_eq!(labels["images"], 24);
    assert_eq!(labels["wrong"][0]["path"], "apple/blue.png");
    assert_eq!(
        (
            &labels["wrong"][0]["label"],
            &labels["wrong"][0]["likeliest"]
        ),
        (&"apple".into(), &"sky".into())
    );
    // One run alone has seen most of the images.
    let run = labels["runs"][0].as_str().unwrap();
    let json = place
        .rekindle(&["check", "photos", "--against", run, "--json"])
        .calm()
        .json();
    let images = json["labels"]["images"].as_u64().unwrap();
    assert!((5..=7).contains(&images), "{images}");
    let without = place.rekindle(&["check", "photos", "--json"]).calm().json();
    assert!(without.get("labels").is_none());
    place
        .rekindle(&["check", "photos", "--against", "photos"])
        .error(&["photos/plan.toml"]);
}
