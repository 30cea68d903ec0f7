//! From a folder to a model and the files beside it.

use crate::support::{Place, TINY};

#[test]
fn a_run_leaves_its_files_and_an_answer() {
    let place = Place::with_photos();
    let before = place.snapshot("photos");
    let outcome = place.train("first", &["--seed", "5"]).success();
    for file in [
        "plan.toml",
        "split.json",
        "metrics.csv",
        "run.json",
        "model.safetensors",
    ] {
        assert!(
            !place.read(&format!("runs/first/{file}")).is_empty(),
            "{file}"
        );
    }
    assert!(
        !place.path("runs/first/checkpoint").exists(),
        "a finished run keeps no checkpoint"
    );
    for words in [
        "Result      runs/first/model.safetensors",
        "95 % interval",
        "first training step at",
        "rekindle evaluate runs/first photos --run-split runs/first/split.json",
        "rekindle predict runs/first IMAGE",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "no `{words}` in {}",
            outcome.stdout
        );
    }
    assert!(
        outcome
            .stdout
            .lines()
            .all(|line| line.chars().count() <= 80),
        "{}",
        outcome.stdout
    );
    assert_eq!(
        place.snapshot("photos"),
        before,
        "the folder of images was changed"
    );
    let csv = String::from_utf8(place.read("runs/first/metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 3 + 2, "{csv}");
}

#[test]
fn runs_without_a_name_are_numbered() {
    let place = Place::with_photos();
    for number in 1..=2 {
        let start = ["train", "photos/", "--quiet"];
        place
            .rekindle(
                &[
                    &start,
                    TINY,
                    &["--set", "phase1.epochs=1", "--set", "phase2.epochs=0"],
                ]
                .concat(),
            )
            .success();
        assert!(
            place
                .path(&format!("runs/photos-{number}/model.safetensors"))
                .is_file()
        );
    }
}

#[test]
fn a_dry_run_prints_a_whole_recipe_and_writes_nothing() {
    let place = Place::with_photos();
    let before = place.snapshot(".");
    let text = place.train("a", &["--dry-run"]).success().stdout;
    assert!(
        text.contains("18 training images (6 to 6 a class), 6 for validation"),
        "{text}"
    );
    let json = place.train("a", &["--dry-run", "--json"]).success().json();
    assert_eq!(json["recipe"]["phase"][0]["epochs"], 3);
    assert_eq!(
        json["facts"]["classes"],
        serde_json::json!(["apple", "leaf", "sky"])
    );
    assert_eq!(place.snapshot("."), before);
    assert!(!place.path("runs").exists());
}

#[test]
fn a_recipe_file_lies_under_the_settings_of_the_command_line() {
    let place = Place::with_photos();
    place.write(
        "my.toml",
        "seed = 7\n[phase1]\nepochs = 9\nbatch_size = 4\n",
    );
    let json = place
        .train("a", &["--recipe", "my.toml", "--dry-run", "--json"])
        .success()
        .json();
    assert_eq!(json["recipe"]["seed"], 7);
    assert_eq!(json["recipe"]["phase"][0]["batch_size"], 4);
    assert_eq!(json["recipe"]["phase"][0]["epochs"], 3);
}

#[test]
fn json_is_all_that_a_run_prints_when_asked_for() {
    let place = Place::with_photos();
    let outcome = place.train("a", &["--json"]).success();
    let json = outcome.json();
    assert_eq!(json["epochs"], 5);
    assert_eq!(json["model"], "runs/a/model.safetensors");
    assert!(json["accuracy_interval_95"][0].as_f64() <= json["validation"]["accuracy"].as_f64());
    assert!(outcome.stderr.contains("phase 1"), "{outcome:?}");
    let quiet = place.train("b", &["--json", "--quiet"]).success();
    assert_eq!(quiet.stderr, "");
}

#[test]
fn names_in_any_script_and_with_signs_come_through() {
    let place = Place::new();
    for (class, colour) in [
        ("crème, brûlée", "apple"),
        ("葉 \"leaf\"", "leaf"),
        ("🌤 sky", "sky"),
    ] {
        place.add_images(&format!("my photos/{class}"), colour, 4);
    }
    let outcome = place
        .rekindle(&[&["train", "my photos"], TINY].concat())
        .success();
    assert!(
        outcome
            .stdout
            .contains("rekindle evaluate 'runs/my photos-1' 'my photos' --run-split"),
        "{outcome:?}"
    );
    let json = place
        .rekindle(&["inspect", "runs/my photos-1", "--json"])
        .success()
        .json();
    assert_eq!(
        json["classes"],
        serde_json::json!(["crème, brûlée", "葉 \"leaf\"", "🌤 sky"])
    );
    let csv = place
        .rekindle(&["predict", "runs/my photos-1", "my photos", "--csv"])
        .success()
        .stdout;
    assert!(
        csv.contains("\"crème, brûlée\"") && csv.contains("\"葉 \"\"leaf\"\"\""),
        "{csv}"
    );
}

#[test]
fn a_backbone_from_scratch_needs_no_file() {
    let place = Place::with_photos();
    let more = [
        "--backbone",
        "resnet18",
        "--weights",
        "random",
        "--set",
        "phase1.epochs=1",
        "--set",
        "phase2.epochs=1",
    ];
    place.train("a", &more).success();
    let text = place.rekindle(&["inspect", "runs/a"]).success().stdout;
    assert!(text.contains("resnet18 from random weights"), "{text}");
}

#[test]
fn an_input_too_small_for_the_network_is_refused_before_anything_is_read() {
    let place = Place::with_photos();
    let small = [
        "train",
        "photos",
        "--dry-run",
        "--backbone",
        "inception_v3",
        "--weights",
        "random",
        "--set",
        "input.size=[200,74]",
    ];
    place
        .rekindle(&small)
        .error(&["74x200", "inception_v3", "75 a side"]);
}

#[test]
fn images_that_lie_on_their_side_are_turned_and_counted() {
    let place = Place::with_photos();
    let sideways = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/crates/rekindle-augment/tests/data/orientation_6.jpg"
    );
    place.write("photos/sky/sideways.jpg", std::fs::read(sideways).unwrap());
    let outcome = place.train("a", &[]).success();
    assert!(outcome.stdout.contains("1 turned upright"), "{outcome:?}");
}
