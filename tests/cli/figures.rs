//! Evaluation, prediction and inspection of a finished run.

use serde_json::Value;

use crate::support::{Place, trained};

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
    let all = [&["evaluate"], args, &["--json"]].concat();
    trained().rekindle(&all).success().json()
}

#[test]
fn evaluation_takes_the_test_images_where_there_are_some() {
    let place = Place::new();
    // Away from its run the file knows of no images that it was trained on.
    let model = "model.safetensors".to_owned();
    place.write(&model, trained().read("runs/done/model.safetensors"));
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
        .rekindle(&["evaluate", "runs/done", "photos", "--split", "all"])
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
        let start = ["predict", "runs/done", "photos/sky", "photos/apple/1.png"];
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
        "[[phase]]",
        "crop_ratio",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}
