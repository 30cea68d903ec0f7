//! What a run leaves for its reader, and that runs do not disturb each other.

use std::fs;

use serde_json::Value;

use crate::support::{Place, TINY, assert_same_metrics, gives_the_same_bytes, trained};

fn report(place: &Place, run: &str) -> Value {
    serde_json::from_slice(&place.read(&format!("runs/{run}/run.json"))).unwrap()
}

#[test]
fn a_finished_run_says_so_with_its_classes() {
    let report = report(trained(), "done");
    assert_eq!(report["status"], "finished");
    assert_eq!(
        report["classes"],
        serde_json::json!(["apple", "leaf", "sky"])
    );
    assert_eq!(report["task"], "classification");
    assert_eq!(report["epochs"], 5);
    assert!(report.get("trained_by").is_none(), "{report}");
    assert!(!trained().path("runs/done/lock").exists());
}

#[test]
fn the_log_is_what_the_terminal_showed_with_times() {
    let place = Place::with_photos();
    let outcome = place.train("a", &["--limit", "18"]).success();
    let log = String::from_utf8(place.read("runs/a/log.txt")).unwrap();
    for line in log.lines() {
        let (time, _) = line.split_once("Z  ").unwrap_or_else(|| panic!("{line}"));
        let form: String = time
            .chars()
            .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
            .collect();
        assert_eq!(form, "0000-00-00 00:00:00");
    }
    let shown = outcome.stdout.lines().chain(outcome.stderr.lines());
    for line in shown.filter(|line| !line.is_empty()) {
        assert!(log.contains(line), "no `{line}` in {log}");
    }
    // Also of a run that shows nothing.
    place.train("b", &["--quiet"]).success();
    let log = String::from_utf8(place.read("runs/b/log.txt")).unwrap();
    assert!(log.contains("--quiet") && log.contains("phase 2"), "{log}");
}

#[test]
fn metrics_are_plain_decimal_numbers() {
    let csv = String::from_utf8(trained().read("runs/done/metrics.csv")).unwrap();
    for row in csv.lines().skip(1) {
        for number in row
            .split(',')
            .skip(1)
            .filter(|word| *word != "true" && *word != "false")
        {
            assert!(
                number
                    .chars()
                    .all(|letter| letter.is_ascii_digit() || ".-".contains(letter)),
                "`{number}` in {row}"
            );
        }
    }
}

#[test]
fn runs_that_start_at_once_all_end_well() {
    let place = Place::with_photos();
    let start = [&["train", "photos", "--quiet"], TINY].concat();
    let children: Vec<_> = (0..4)
        .map(|_| place.command(&start).spawn().unwrap())
        .collect();
    for child in children {
        let outcome = child.wait_with_output().unwrap();
        assert!(outcome.status.success(), "{outcome:?}");
    }
    let csv = |number: usize| {
        let run = format!("runs/photos-{number}");
        let text = String::from_utf8(place.read(&format!("{run}/metrics.csv"))).unwrap();
        assert!(place.path(&format!("{run}/model.safetensors")).is_file());
        text
    };
    (2..=4).for_each(|number| assert_same_metrics(&csv(number), &csv(1)));
    // The runs, and the link to the newest one.
    assert_eq!(fs::read_dir(place.path("runs")).unwrap().count(), 5);
}

#[test]
fn messages_about_a_run_that_is_there_do_not_send_in_circles() {
    let place = trained();
    place
        .train("done", &[])
        .error(&["runs/done exists already and is finished", "--name"]);
    let own = Place::with_photos();
    // What is left by a process that was killed before it wrote the plan.
    own.write("runs/a/lock", "process 1");
    own.rekindle(&["train", "--resume", "runs/a"])
        .error(&["plan.toml"]);
    own.train("a", &[]).success();
}

#[test]
fn images_that_vanish_lose_nothing_that_was_trained() {
    let place = Place::with_photos();
    let streamed = [
        "--set",
        "data.feature_cache_mb=0",
        "--set",
        "data.image_cache_mb=0",
        "--set",
        "data.disk_cache_mb=0",
        "--set",
        "phase1.epochs=200",
        "--set",
        "phase1.stopping.patience=200",
    ];
    let start = |name: &'static str| {
        let mut command = place.command(&[&["train", "photos", "--name", name], TINY].concat());
        command.args(streamed);
        command
    };
    let mut child = start("a").spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().trim_start().starts_with("2 ")));
    fs::rename(place.path("photos/sky"), place.path("sky")).unwrap();
    lines.for_each(drop);
    let outcome = child.wait_with_output().unwrap();
    let error = String::from_utf8(outcome.stderr).unwrap();
    assert_eq!(outcome.status.code(), Some(2), "{error}");
    assert!(error.contains("photos/sky"), "{error}");
    let stopped = report(&place, "a");
    assert_eq!(stopped["status"], "failed");
    let reason = stopped["error"].as_str().unwrap();
    assert!(reason.contains("photos/sky"), "{reason}");
    assert!(stopped["epochs"].as_u64().unwrap() >= 2);
    fs::rename(place.path("sky"), place.path("photos/sky")).unwrap();
    place
        .rekindle(&["predict", "runs/a", "photos/sky/1.png"])
        .success();
    place.rekindle(&["train", "--resume", "runs/a"]).success();
    assert!(start("b").output().unwrap().status.success());
    let read = |run: &str, file: &str| place.read(&format!("runs/{run}/{file}"));
    let csv = |run: &str| String::from_utf8(read(run, "metrics.csv")).unwrap();
    assert_same_metrics(&csv("a"), &csv("b"));
    let model = |run: &str| read(run, "model.safetensors");
    assert!(!gives_the_same_bytes() || model("a") == model("b"));
}
