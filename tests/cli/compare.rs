//! `rekindle compare`: settings over seeds and folds, what is kept, gone on with and left out, and what the table says.

use std::sync::OnceLock;

use serde_json::Value;

#[cfg(unix)]
use crate::interrupt::signalled_at;
#[cfg(unix)]
use crate::support::assert_same_metrics;
use crate::support::{Outcome, Place, device};

const QUICK: &[&str] = &[
    "--set",
    "input.size=[32,32]",
    "--set",
    "phase1.epochs=2",
    "--set",
    "phase2.epochs=0",
];

fn compare(place: &Place, args: &[&str]) -> Outcome {
    let on = format!("device={}", device());
    let on = ["--set", on.as_str()];
    place.rekindle(&[&["compare", "photos"], QUICK, &on, args].concat())
}

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_slice(&place.read(file)).unwrap()
}

/// A comparison of two learning rates over three folds.
fn folds() -> &'static (Place, Outcome) {
    static DONE: OnceLock<(Place, Outcome)> = OnceLock::new();
    DONE.get_or_init(|| {
        let place = Place::with_photos();
        let args = [
            "--vary",
            "phase1.lr=1e-2,1e-7",
            "--folds",
            "3",
            "--name",
            "lr",
            "--by",
            "loss",
        ];
        let outcome = compare(&place, &args).success();
        (place, outcome)
    })
}

#[test]
fn every_fold_has_a_run_of_each_and_the_table_fits_80_columns() {
    let (place, outcome) = folds();
    let table = &outcome.stdout;
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    for words in [
        "3 folds",
        "6 runs",
        "* 1e-2",
        "corrected resampled t-test",
        "McNemar",
    ] {
        assert!(table.contains(words), "no `{words}` in {table}");
    }
    let found = json(place, "runs/compare-lr/comparison.json");
    assert_eq!(found["test"], "corrected_resampled_t");
    assert_eq!(found["runs"].as_array().unwrap().len(), 6);
    let other = &found["variants"][1];
    let figures = |variant: &Value| -> Vec<f64> {
        let all = variant["figures"].as_array().unwrap().iter();
        all.map(|value| value.as_f64().unwrap()).collect()
    };
    let [first, second] = [figures(&found["variants"][0]), figures(other)];
    let mean = first
        .iter()
        .zip(&second)
        .map(|(one, other)| other - one)
        .sum::<f64>()
        / 3.0;
    let told = other["difference"]["mean"].as_f64().unwrap();
    assert!((mean - told).abs() < 1e-12 && mean > 0.0, "{mean} {told}");
    // Every image was a validation image once.
    assert_eq!(other["difference"]["images"]["images"], 24);
    let ratio = found["test_share"].as_f64().unwrap();
    assert!((ratio - 0.5).abs() < 1e-9, "{ratio}");
    for run in found["runs"].as_array().unwrap() {
        let directory = format!("runs/compare-lr/{}", run["run"].as_str().unwrap());
        let own = json(place, &format!("{directory}/run.json"));
        assert_eq!(own["validation"]["loss"], run["figures"]["loss"]);
        for file in ["predictions.csv", "report.html", "curves.png", "log.txt"] {
            assert!(
                place.path(&format!("{directory}/{file}")).is_file(),
                "{directory}/{file}"
            );
        }
    }
    let runs = String::from_utf8(place.read("runs/compare-lr/runs.csv")).unwrap();
    assert_eq!(runs.lines().count(), 7);
    assert!(runs.starts_with("run,phase1.lr,seed,fold,status,seconds,model_bytes,loss,accuracy"));
    let page = String::from_utf8(place.read("runs/compare-lr/comparison.md")).unwrap();
    assert!(
        page.contains("![a dot for each run](comparison.png)"),
        "{page}"
    );
    assert!(place.path("runs/compare-lr/comparison.svg").is_file());
    // They are runs like any others.
    let listed = place
        .rekindle(&["runs", "best", "runs/compare-lr", "--by", "loss"])
        .success();
    assert!(listed.stdout.contains("1-1e-2-"), "{listed:?}");
}

#[test]
fn going_on_repeats_nothing_and_does_what_is_missing() {
    let place = Place::with_photos();
    let args = [
        "--vary",
        "head.pool=average,max",
        "--seeds",
        "1",
        "--name",
        "pool",
    ];
    let few = compare(&place, &args).success();
    assert!(
        few.stdout.contains("no p-value of fewer than 3 pairs"),
        "{few:?}"
    );
    compare(&place, &args).error(&["runs/compare-pool exists", "--resume"]);
    let directory = "runs/compare-pool";
    let kept = place.read(&format!("{directory}/1-average-seed0/run.json"));
    std::fs::remove_dir_all(place.path(&format!("{directory}/2-max-seed0"))).unwrap();
    let more = place
        .rekindle(&["compare", "--resume", directory, "--seeds", "3", "--json"])
        .success();
    assert!(more.stderr.contains("was there"), "{more:?}");
    assert_eq!(
        place.read(&format!("{directory}/1-average-seed0/run.json")),
        kept
    );
    let found = more.json();
    assert_eq!(found["runs"].as_array().unwrap().len(), 6);
    assert!(
        found["runs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|run| run["status"] == "finished")
    );
    // Another seed is another split here.
    assert_eq!(found["test"], "corrected_resampled_t");
    assert_eq!(found["variants"][1]["difference"]["images"], Value::Null);
    place
        .rekindle(&["compare", "--resume", directory, "--seeds", "2"])
        .error(&["3 seeds already"]);
    place
        .rekindle(&["compare", "--resume", "photos"])
        .error(&["photos/compare.toml"]);
}

#[test]
fn seeds_on_images_with_a_split_of_their_own_are_paired_on_the_same_images() {
    let place = Place::with_photos();
    place.add_images("more/apple", "apple", 4);
    place.add_images("more/leaf", "leaf", 4);
    place.add_images("more/sky", "sky", 4);
    let args = [
        "--vary",
        "phase1.lr=1e-3,1e-2",
        "--set",
        "data.validation=more",
        "--by",
        "loss",
    ];
    let outcome = compare(&place, &args).success();
    assert!(
        outcome
            .stdout
            .contains("paired t-test over seeds with the same images"),
        "{outcome:?}"
    );
    let found = json(&place, "runs/compare-photos-1/comparison.json");
    assert_eq!(
        (&found["test"], &found["test_share"]),
        (&"paired_t".into(), &0.0.into())
    );
}

#[test]
fn a_run_that_does_not_fit_the_time_is_left_out_and_one_that_fails_is_told() {
    let place = Place::with_photos();
    // The first run has to be done before anything is known of the time.
    let args = [
        "--vary",
        "head.pool=average,max",
        "--seeds",
        "2",
        "--minutes",
        "0.000001",
        "--name",
        "short",
    ];
    let outcome = compare(&place, &args).success();
    assert!(outcome.stderr.contains("left out"), "{outcome:?}");
    let found = json(&place, "runs/compare-short/comparison.json");
    let done = found["runs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["status"] == "finished");
    assert!(done.count() < 4);
    let diverges = [
        "--vary",
        "phase1.lr=1e-3,1e30",
        "--seeds",
        "1",
        "--name",
        "bad",
    ];
    let outcome = compare(&place, &diverges).success();
    assert!(
        outcome.stderr.contains("not finite") && outcome.stderr.contains("1 run came to an error"),
        "{outcome:?}"
    );
}

#[test]
fn what_cannot_be_compared_is_said_before_any_run() {
    let place = Place::with_photos();
    let wrong = |args: &[&str], words: &[&str]| {
        compare(&place, args).error(words);
        assert!(!place.path("runs").exists());
    };
    wrong(
        &["--vary", "head.pol=average,max"],
        &["did you mean `head.pool`"],
    );
    wrong(&["--vary", "head.pool=average,maximum"], &["head.pool"]);
    wrong(&["--vary", "head.pool=average"], &["one combination"]);
    wrong(&["--vary", "seed=1,2"], &["--seeds"]);
    wrong(&["--vary", "input.size=[32,32"], &["no end"]);
    wrong(&["--vary", "features.taps=1,99"], &["features.taps"]);
    wrong(
        &["--vary", "head.pool=average,max", "--runs", "photos/runs"],
        &["only read"],
    );
    let dry = compare(
        &place,
        &[
            "--vary",
            "head.pool=average,max",
            "--dry-run",
            "--folds",
            "2",
        ],
    )
    .success();
    assert!(
        dry.stdout.contains("2-max-seed0-fold2") && dry.stdout.contains("4 runs"),
        "{dry:?}"
    );
    assert!(!place.path("runs").exists());
}

#[test]
#[cfg(unix)]
fn an_interrupted_comparison_goes_on_to_the_same_figures() {
    let place = Place::with_photos();
    let on = format!("device={}", device());
    let args = |name| {
        [
            "compare",
            "photos",
            "--vary",
            "head.pool=average,max",
            "--seeds",
            "1",
            "--name",
            name,
            "--set",
            &on,
            "--set",
            "input.size=[32,32]",
            "--set",
            "phase1.epochs=600",
            "--set",
            "phase2.epochs=0",
            "--set",
            "phase1.stopping.patience=2000",
        ]
        .map(str::to_owned)
    };
    let words = args("a");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // When the first run is done, the second one is under way.
    let stopped = signalled_at(place.command(&words), "INT", "1/2 ");
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    assert!(
        stopped
            .stderr
            .contains("go on with: rekindle compare --resume runs/compare-a"),
        "{stopped:?}"
    );
    let found = json(&place, "runs/compare-a/comparison.json");
    assert_eq!(found["runs"][0]["status"], "finished");
    assert_ne!(found["runs"][1]["status"], "finished");
    let first = place.read("runs/compare-a/1-average-seed0/run.json");
    let went_on = place
        .rekindle(&["compare", "--resume", "runs/compare-a"])
        .success();
    assert!(went_on.stdout.contains("was there"), "{went_on:?}");
    assert_eq!(place.read("runs/compare-a/1-average-seed0/run.json"), first);
    let words = args("b");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    place.rekindle(&words).success();
    for run in ["1-average-seed0", "2-max-seed0"] {
        let [one, other] = ["a", "b"].map(|name| {
            String::from_utf8(place.read(&format!("runs/compare-{name}/{run}/metrics.csv")))
                .unwrap()
        });
        assert_same_metrics(&one, &other);
    }
}
