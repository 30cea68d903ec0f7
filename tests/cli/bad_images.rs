//! Folders that are not what they should be, and images that cannot be used.

use std::fs;

use crate::support::{Place, trained};

#[test]
fn a_missing_folder_is_named() {
    Place::new()
        .train("a", &[])
        .error(&["there is no folder `photos`"]);
}

#[test]
fn a_folder_without_images_says_what_was_there() {
    let place = Place::new();
    place.write("photos/cat/notes.txt", "no picture");
    place.write("photos/dog/notes.txt", "no picture");
    place
        .train("a", &[])
        .error(&["no images in `photos", "txt", "jpg"]);
}

#[test]
fn one_class_is_not_enough() {
    let place = Place::new();
    place.add_images("photos/apple", "apple", 4);
    place
        .train("a", &[])
        .error(&["one class, `apple`", "at least two"]);
}

#[test]
fn a_class_with_one_image_is_named() {
    let place = Place::with_photos();
    place.add_images("photos/lonely", "lonely", 1);
    place
        .train("a", &[])
        .error(&["`lonely` has 1", "at least 2"]);
}

#[test]
fn a_class_that_train_lacks_is_named_with_the_nearest() {
    let place = Place::new();
    for class in ["apple", "leaf"] {
        place.add_images(&format!("photos/train/{class}"), class, 4);
        place.add_images(&format!("photos/val/{class}"), class, 2);
    }
    place.add_images("photos/val/leav", "leaf", 2);
    place
        .train("a", &[])
        .error(&["photos/val", "`leav`", "did you mean `leaf`"]);
}

/// Every pathological image, as (file of tests/data/bad, name in the folder).
const BROKEN: [(&str, &str); 5] = [
    ("truncated.jpg", "truncated.jpg"),
    ("zero_byte.png", "zero_byte.png"),
    ("text_named.jpg", "text_named.jpg"),
    ("bomb.png", "bomb.png"),
    ("corrupt.webp", "corrupt.webp"),
];

#[test]
fn a_broken_image_stops_a_run_with_its_name() {
    for (file, name) in BROKEN {
        let place = Place::with_photos();
        place.add_bad(file, &format!("photos/leaf/{name}"));
        place.train("a", &["--bad-images", "fail"]).error(&[name]);
        assert!(!place.path("runs/a/model.safetensors").exists());
    }
}

#[test]
fn broken_images_are_left_out_and_listed_when_asked() {
    let place = Place::with_photos();
    for (file, name) in BROKEN {
        place.add_bad(file, &format!("photos/leaf/{name}"));
    }
    place.add_bad("png_named.jpg", "photos/sky/png_named.jpg");
    place.add_bad("heic_header.heic", "photos/sky/heic_header.heic");
    let before = place.snapshot("photos");
    let outcome = place.train("a", &["--bad-images", "skip"]).success();
    assert!(
        outcome
            .stderr
            .contains("5 images cannot be decoded and are left out"),
        "{outcome:?}"
    );
    let named = BROKEN
        .iter()
        .filter(|(_, name)| outcome.stderr.contains(&format!("`leaf/{name}`")));
    assert_eq!(named.count(), 3, "{outcome:?}");
    assert!(outcome.stderr.contains("and 2 more"), "{outcome:?}");
    assert!(outcome.stderr.contains("heic"), "{outcome:?}");
    let split = String::from_utf8(place.read("runs/a/split.json")).unwrap();
    assert!(
        split.contains("png_named.jpg"),
        "a valid image under a wrong name is used: {split}"
    );
    assert!(!split.contains("truncated.jpg"), "{split}");
    assert_eq!(place.snapshot("photos"), before);
}

#[test]
fn long_lists_of_broken_images_are_cut_at_three() {
    let place = Place::with_photos();
    for number in 0..13 {
        place.write(
            &format!("photos/sky/broken{number:02}.png"),
            "not a picture",
        );
    }
    let outcome = place
        .train("a", &["--bad-images", "skip", "--dry-run"])
        .success();
    assert!(
        outcome.stderr.contains("broken02") && !outcome.stderr.contains("broken03"),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("and 10 more"), "{outcome:?}");
    let outcome = place
        .train("a", &[])
        .error(&["13 of 37 images", "broken02", "and 10 more"]);
    assert!(!outcome.stderr.contains("broken03"), "{outcome:?}");
}

#[cfg(unix)]
#[test]
fn an_image_without_read_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_photos();
    let path = place.path("photos/sky/3.png");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        // The superuser may read everything.
        return;
    }
    place
        .train("a", &[])
        .error(&["sky/3.png", "ermission denied"]);
}

#[test]
fn prediction_stops_at_a_broken_image_or_leaves_it_out() {
    for (file, name) in BROKEN {
        let place = Place::new();
        place.add_images("new", "sky", 2);
        place.add_bad(file, &format!("new/{name}"));
        let model = trained().path("runs/done").display().to_string();
        let predict = |more: &[&str]| place.rekindle(&[&["predict", &model, "new"], more].concat());
        let outcome = predict(&["--csv"]).error(&[name]);
        assert_eq!(outcome.stdout, "");
        let outcome = predict(&["--bad-images", "skip", "--csv"]).success();
        assert_eq!(outcome.stdout.lines().count(), 3, "{outcome:?}");
        assert!(
            outcome.stderr.contains(name) && outcome.stderr.contains("1 of 3 images"),
            "{outcome:?}"
        );
        place.rekindle(&["evaluate", &model, "new"]).error(&[]);
    }
}

#[test]
fn prediction_names_what_is_not_there() {
    let place = trained();
    place
        .rekindle(&["predict", "runs/done", "photos/nothing.png"])
        .error(&["no image or folder `photos/nothing.png`"]);
    place
        .rekindle(&["predict", "nothing", "photos"])
        .error(&["there is no model `nothing`"]);
    let empty = Place::new();
    let model = place.path("runs/done").display().to_string();
    fs::create_dir(empty.path("empty")).unwrap();
    empty
        .rekindle(&["predict", &model, "empty"])
        .error(&["no images in `empty`"]);
}

#[test]
fn evaluation_names_a_class_that_the_model_lacks() {
    let place = Place::new();
    place.add_images("photos/apple", "apple", 2);
    place.add_images("photos/skye", "sky", 2);
    let model = trained().path("runs/done").display().to_string();
    place.rekindle(&["evaluate", &model, "photos"]).error(&[
        "the model lacks",
        "`skye`",
        "did you mean `sky`",
    ]);
}

#[test]
fn a_split_of_another_folder_is_refused() {
    let place = Place::new();
    for class in ["apple", "leaf", "sky"] {
        place.add_images(&format!("photos/{class}"), class, 2);
    }
    let model = trained().path("runs/done").display().to_string();
    place
        .rekindle(&["evaluate", &model, "photos", "--run-split", &model])
        .error(&["split.json", "not in the folder"]);
}
