//! The picture of what training sees.

use crate::support::Place;

#[test]
fn a_preview_is_written_here_under_a_free_name_and_says_what_to_look_for() {
    let place = Place::with_photos();
    let before = place.snapshot("photos");
    let text = place.rekindle(&["preview", "photos"]).success().stdout;
    assert!(
        text.starts_with("photos-1-preview.png\n8 training images: "),
        "{text}"
    );
    assert!(text.contains("Look whether"), "{text}");
    place.rekindle(&["preview", "photos"]).success();
    // The same seed gives the same pictures.
    assert_eq!(
        place.read("photos-1-preview.png"),
        place.read("photos-2-preview.png")
    );
    let sheet = image::open(place.path("photos-1-preview.png")).unwrap();
    assert!(sheet.width() > 900 && sheet.height() > 1200, "{sheet:?}");
    assert_eq!(place.snapshot("photos"), before);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn seed_and_transforms_decide_what_is_shown() {
    let place = Place::with_photos();
    let preview = |name: &str, more: &[&str]| {
        let args = [&["preview", "photos", "--count", "3", "--out", name], more].concat();
        place.rekindle(&args).success();
        place.read(name)
    };
    let first = preview("a.png", &["--seed", "3"]);
    assert_eq!(first, preview("b.png", &["--set", "seed=3"]));
    assert_ne!(first, preview("c.png", &["--seed", "4"]));
    let grey = "augment.transforms=[{op=\"greyscale\",probability=1.0}]";
    assert_ne!(first, preview("d.png", &["--seed", "3", "--set", grey]));
}

#[test]
fn a_recipe_that_augments_nothing_is_told_so() {
    let place = Place::with_photos();
    let args = [
        "preview",
        "photos",
        "--set",
        "augment.views=1",
        "--set",
        "phase2.epochs=0",
    ];
    let text = place.rekindle(&args).success().stdout;
    assert!(text.contains("the evaluation view alone"), "{text}");
}

#[test]
fn a_preview_needs_no_weights() {
    let place = Place::with_photos();
    place
        .rekindle(&[
            "preview",
            "photos",
            "--set",
            "backbone.name=resnet18",
            "--count",
            "1",
        ])
        .success();
}

#[test]
fn a_preview_replaces_nothing_and_stays_out_of_the_images() {
    let place = Place::with_photos();
    place.write("mine.png", "mine");
    place
        .rekindle(&["preview", "photos", "--out", "mine.png"])
        .error(&["mine.png", "exists already"]);
    assert_eq!(place.read("mine.png"), b"mine");
    let before = place.snapshot("photos");
    place
        .rekindle(&["preview", "photos", "--out", "photos/sky/new.png"])
        .error(&["photos/sky/new.png", "only read"]);
    assert_eq!(place.snapshot("photos"), before);
    place
        .rekindle(&["preview", "photos", "--count", "0"])
        .error(&["--count", "1 to 100"]);
    place.add_bad("truncated.jpg", "photos/sky/cut.jpg");
    place
        .rekindle(&["preview", "photos", "--set", "data.bad_images=skip"])
        .success();
}
