//! From a folder to a model, its figures and its predictions.

use serde_json::Value;

use crate::support::{Place, TINY, device, trained};

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
    let device = device();
    for number in 1..=2 {
        let start = ["train", "photos/", "--device", &device, "--quiet"];
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
fn evaluation_on_the_runs_split_repeats_the_runs_figures() {
    let place = trained();
    let run: Value = serde_json::from_slice(&place.read("runs/done/run.json")).unwrap();
    let found = evaluate(&["runs/done", "photos", "--run-split", "runs/done/split.json"]);
    assert_eq!(found["split"], "validation");
    assert_eq!(found["images"], run["validation"]["samples"]);
    assert_eq!(found["accuracy"], run["validation"]["accuracy"]);
    assert_eq!(found["confusion"], run["validation"]["confusion"]);
    let loss = |value: &Value| value["loss"].as_f64().unwrap();
    assert!(
        (loss(&found) - loss(&run["validation"])).abs() < 1e-4,
        "{found} {run}"
    );
    assert_eq!(
        found["classes"],
        serde_json::json!(["apple", "leaf", "sky"])
    );
    let in_one = evaluate(&[
        "runs/done",
        "photos",
        "--run-split",
        "runs/done",
        "--batch-size",
        "1",
    ]);
    assert_eq!(in_one["accuracy"], found["accuracy"]);
}

fn evaluate(args: &[&str]) -> Value {
    let device = device();
    let all = [&["evaluate"], args, &["--json", "--device", &device]].concat();
    trained().rekindle(&all).success().json()
}

#[test]
fn evaluation_takes_the_test_images_where_there_are_some() {
    let place = Place::new();
    let model = trained().path("runs/done").display().to_string();
    for (folder, count) in [
        ("all/train", 2),
        ("all/val", 3),
        ("all/test", 4),
        ("flat", 1),
    ] {
        for class in ["apple", "leaf", "sky"] {
            place.add_images(&format!("{folder}/{class}"), class, count);
        }
    }
    let images = |more: &[&str]| {
        let found = place
            .rekindle(&[&["evaluate", &model], more, &["--json"]].concat())
            .success()
            .json();
        (
            found["split"].as_str().unwrap().to_owned(),
            found["images"].as_u64().unwrap(),
        )
    };
    assert_eq!(images(&["all"]), ("test".into(), 12));
    assert_eq!(images(&["all", "--split", "val"]), ("validation".into(), 9));
    assert_eq!(images(&["all", "--split", "train"]), ("train".into(), 6));
    assert_eq!(images(&["all", "--split", "all"]), ("all".into(), 27));
    assert_eq!(images(&["flat"]), ("all".into(), 3));
    place
        .rekindle(&["evaluate", &model, "flat", "--split", "test"])
        .error(&["`flat` has no test images", "--split"]);
}

#[test]
fn evaluation_prints_a_table() {
    let outcome = trained()
        .rekindle(&["evaluate", "runs/done", "photos"])
        .success();
    for words in [
        "on 24 images (all) of photos",
        "balanced accuracy",
        "95 % interval",
        "precision",
        "apple",
        "mean",
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
}

#[test]
fn predictions_agree_in_all_formats() {
    let place = trained();
    let predict = |more: &[&str]| {
        let device = device();
        let start = [
            "predict",
            "runs/done",
            "photos/sky",
            "photos/apple/1.png",
            "--device",
            &device,
        ];
        place.rekindle(&[&start, more].concat()).success()
    };
    let json = predict(&["--json"]).json();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 9);
    assert_eq!(rows[8]["path"], "photos/apple/1.png");
    for row in rows {
        let all = row["probabilities"].as_object().unwrap();
        let sum: f64 = all.values().map(|value| value.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{row}");
        assert_eq!(all[row["class"].as_str().unwrap()], row["probability"]);
    }

    let csv = predict(&["--csv", "--top", "2", "--batch-size", "2"]).stdout;
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some("path,class,probability,class_2,probability_2")
    );
    for (line, row) in lines.by_ref().zip(rows) {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields[0], row["path"]);
        assert_eq!(fields[1], row["class"]);
        let difference = fields[2].parse::<f64>().unwrap() - row["probability"].as_f64().unwrap();
        assert!(difference.abs() < 1e-4, "{line} {row}");
    }
    assert_eq!(csv.lines().count(), 10);

    let table = predict(&["--top", "1"]).stdout;
    assert!(table.starts_with("path"), "{table}");
    assert!(!table.contains("next best"), "{table}");
    assert_eq!(table.lines().count(), 10);
    for (line, row) in table.lines().skip(1).zip(rows) {
        assert!(
            line.contains(row["class"].as_str().unwrap()),
            "{line} {row}"
        );
    }
}

#[test]
fn a_model_tells_what_it_is() {
    let place = trained();
    let json = place
        .rekindle(&["inspect", "runs/done/model.safetensors", "--json"])
        .success()
        .json();
    assert_eq!(json["classes"], serde_json::json!(["apple", "leaf", "sky"]));
    assert_eq!(json["recipe"]["seed"], 5);
    assert_eq!(
        json["preprocessing"]["input_size"],
        serde_json::json!([32, 32])
    );
    let run: Value = serde_json::from_slice(&place.read("runs/done/run.json")).unwrap();
    assert_eq!(
        json["validation"]["accuracy"],
        run["validation"]["accuracy"]
    );
    let text = place.rekindle(&["inspect", "runs/done"]).success().stdout;
    for words in [
        "Classes     3: apple, leaf, sky",
        "Input       32x32",
        "[phase1]",
        "crop_ratio",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
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
    assert_eq!(json["recipe"]["phase1"]["epochs"], 3);
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
    assert_eq!(json["recipe"]["phase1"]["batch_size"], 4);
    assert_eq!(json["recipe"]["phase1"]["epochs"], 3);
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
