//! `rekindle runs`: the runs of a folder, one of them, what sets two apart, and the best.

use std::sync::OnceLock;

use crate::support::{Place, TINY};

/// Two runs, of which the second is trained for longer and on more of the backbone, beside what is no run.
fn two() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Place::with_photos();
        let short = [
            "--set",
            "phase1.epochs=1",
            "--set",
            "phase2.epochs=0",
            "--set",
            "phase1.lr=1e-6",
        ];
        place.train("short", &short).success();
        place.train("long", &[]).success();
        place.write("runs/notes/todo.txt", "no run");
        assert!(TINY.contains(&"phase1.epochs=3"));
        place
    })
}

fn loss(run: &serde_json::Value) -> f64 {
    let figures = run["figures"].as_array().unwrap();
    let loss = figures.iter().find(|figure| figure[0] == "loss").unwrap();
    loss[1].as_f64().unwrap()
}

#[test]
fn a_list_has_every_run_and_marks_the_best() {
    let place = two();
    let listed = place.rekindle(&["runs", "list", "--by", "loss"]).success();
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{listed:?}");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{listed:?}"
    );
    assert!(lines[1].starts_with("runs/long") && lines[1].ends_with("best"));
    assert!(lines[2].starts_with("runs/short") && lines[2].contains("finished"));
    let all = place
        .rekindle(&["runs", "list", "runs", "--json"])
        .success()
        .json();
    let names: Vec<&str> = (0..2).map(|at| all[at]["run"].as_str().unwrap()).collect();
    assert_eq!(names, ["runs/long", "runs/short"]);
    assert_eq!(
        (&all[0]["epochs"], &all[1]["epochs"]),
        (&5.into(), &1.into())
    );
    assert!(loss(&all[0]) < loss(&all[1]));
}

#[test]
fn one_run_is_shown_with_its_figures_under_any_of_its_names() {
    let place = two();
    let shown = place.rekindle(&["runs", "show", "runs/short"]).success();
    for words in [
        "finished",
        "phase1, epoch 1",
        "validation images",
        "balanced accuracy",
    ] {
        assert!(shown.stdout.contains(words), "no `{words}` in {shown:?}");
    }
    let json = place
        .rekindle(&["runs", "show", "runs/short", "--json"])
        .success()
        .json();
    let file: serde_json::Value =
        serde_json::from_slice(&place.read("runs/short/run.json")).unwrap();
    assert_eq!(loss(&json), file["validation"]["loss"].as_f64().unwrap());
    assert_eq!(json["validation_images"], file["validation"]["samples"]);
    place
        .rekindle(&["runs", "show", "photos"])
        .error(&["photos/plan.toml"]);
}

#[test]
fn two_runs_are_told_apart_by_their_settings_and_figures() {
    let place = two();
    let told = place
        .rekindle(&["runs", "diff", "runs/short", "runs/long"])
        .success();
    for words in ["accuracy", "phase1.epochs", "phase2.epochs", "phase1.lr"] {
        assert!(told.stdout.contains(words), "no `{words}` in {told:?}");
    }
    assert!(!told.stdout.contains("phase2.lr"), "{told:?}");
    let json = place
        .rekindle(&["runs", "diff", "runs/short", "runs/long", "--json"])
        .success()
        .json();
    let keys = json
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key"].as_str().unwrap());
    assert_eq!(
        keys.collect::<Vec<_>>(),
        ["phase1.epochs", "phase1.lr", "phase2.epochs"]
    );
    let epochs = json
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "phase2.epochs");
    assert_eq!(epochs.unwrap()["values"], serde_json::json!(["0", "2"]));
    let same = place
        .rekindle(&["runs", "diff", "runs/long", "runs/long", "--json"])
        .success();
    assert_eq!(same.json(), serde_json::json!([]));
}

#[test]
fn the_best_run_is_a_path_for_scripts() {
    let place = two();
    let best = place.rekindle(&["runs", "best", "--by", "loss"]).success();
    assert_eq!(best.stdout, "runs/long\n");
    place
        .rekindle(&["evaluate", best.stdout.trim(), "photos"])
        .success();
    place
        .rekindle(&["runs", "best", "--by", "beauty"])
        .error(&["`beauty`", "--by"]);
    place
        .rekindle(&["runs", "list", "nowhere"])
        .error(&["nowhere"]);
    let none = place.rekindle(&["runs", "list", "photos"]).success();
    assert!(none.stderr.contains("holds no runs"), "{none:?}");
}
