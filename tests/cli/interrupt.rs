//! Ctrl-C: a checkpoint, and a resumed run that ends like one that was never interrupted.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use crate::support::{Outcome, Place, assert_same_metrics, gives_the_same_bytes};

/// Enough epochs that a signal arrives before the end, and never fewer. An epoch of phase 1 is one step, so that a run is interrupted
/// between the last step of an epoch and its figures; one of phase 2 has several, so that it is interrupted amid an epoch.
const SETTINGS: &[&str] = &[
    "--set",
    "input.size=[32,32]",
    "--set",
    "phase1.epochs=1000",
    "--set",
    "phase1.batch_size=32",
    "--set",
    "phase1.stopping.patience=2000",
    "--set",
    "phase2.epochs=30",
    "--set",
    "phase2.batch_size=4",
    "--set",
    "phase2.stopping.patience=1000",
];

/// Runs the binary and sends it SIGINT when it has printed a line that starts with `sign`.
fn interrupted_at(place: &Place, args: &[&str], sign: &str) -> Outcome {
    let mut child = place.command(args).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut stdout = String::new();
    let mut seen = 0;
    loop {
        let start = stdout.len();
        if reader.read_line(&mut stdout).unwrap() == 0 {
            break;
        }
        seen += usize::from(stdout[start..].trim_start().starts_with(sign));
        if seen == 1 && stdout[start..].trim_start().starts_with(sign) {
            let pid = child.id().to_string();
            assert!(
                Command::new("sh")
                    .args(["-c", &format!("kill -INT {pid}")])
                    .status()
                    .unwrap()
                    .success()
            );
        }
    }
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    let code = child.wait().unwrap().code();
    Outcome {
        code,
        stdout,
        stderr,
    }
}

#[test]
fn a_run_interrupted_in_each_phase_ends_as_if_it_never_was() {
    let place = Place::with_photos();
    let start = |name| [&["train", "photos", "--name", name], SETTINGS].concat();

    let first = interrupted_at(&place, &start("a"), "2 ");
    assert_eq!(first.code, Some(1), "{first:?}");
    assert!(first.stderr.contains("finishing the step"), "{first:?}");
    assert!(
        first
            .stderr
            .contains("go on with: rekindle train --resume runs/a"),
        "{first:?}"
    );
    assert!(place.path("runs/a/checkpoint").is_dir());
    assert!(!place.path("runs/a/model.safetensors").exists());

    place
        .rekindle(&start("a"))
        .error(&["runs/a exists already", "--resume"]);

    let second = interrupted_at(&place, &["train", "--resume", "runs/a"], "phase 2");
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stdout.contains("going on with runs/a"), "{second:?}");

    place.rekindle(&["train", "--resume", "runs/a"]).success();
    place.rekindle(&start("b")).success();
    let csv =
        |name: &str| String::from_utf8(place.read(&format!("runs/{name}/metrics.csv"))).unwrap();
    assert_eq!(csv("a").lines().count(), 1 + 1000 + 30);
    assert_same_metrics(&csv("a"), &csv("b"));
    assert!(
        !gives_the_same_bytes()
            || place.read("runs/a/model.safetensors") == place.read("runs/b/model.safetensors"),
        "the models differ"
    );
    assert!(!place.path("runs/a/checkpoint").exists());
}

#[test]
fn an_interrupted_run_with_balanced_drawing_goes_on_with_the_same_images() {
    let place = Place::with_photos();
    place.add_images("photos/sky", "sky", 20);
    let start = |name| {
        let more = [
            "--set",
            "data.sampling=balanced",
            "--set",
            "phase1.epochs=2",
        ];
        let streamed = ["--set", "data.feature_cache_mb=0"];
        [
            &["train", "photos", "--name", name],
            SETTINGS,
            &more,
            &streamed,
        ]
        .concat()
    };
    let first = interrupted_at(&place, &start("a"), "phase 2");
    assert_eq!(first.code, Some(1), "{first:?}");
    place.rekindle(&["train", "--resume", "runs/a"]).success();
    place.rekindle(&start("b")).success();
    let csv =
        |name: &str| String::from_utf8(place.read(&format!("runs/{name}/metrics.csv"))).unwrap();
    assert_same_metrics(&csv("a"), &csv("b"));
}

#[test]
fn batches_are_mixed_alike_after_an_interruption() {
    let place = Place::with_photos();
    let settings = [
        "--set",
        "input.size=[32,32]",
        "--set",
        "phase1.epochs=2",
        "--set",
        "phase2.epochs=8",
        "--set",
        "phase2.batch_size=3",
        "--set",
        "phase2.stopping.patience=1000",
        "--set",
        "augment.mix={mixup_alpha=0.5, probability=0.8, off_last_epochs=1}",
    ];
    let start = |name| [&["train", "photos", "--name", name], &settings[..]].concat();
    let first = interrupted_at(&place, &start("a"), "phase 2");
    assert_eq!(first.code, Some(1), "{first:?}");
    place.rekindle(&["train", "--resume", "runs/a"]).success();
    place.rekindle(&start("b")).success();
    let csv =
        |name: &str| String::from_utf8(place.read(&format!("runs/{name}/metrics.csv"))).unwrap();
    assert_same_metrics(&csv("a"), &csv("b"));
    assert!(
        !gives_the_same_bytes()
            || place.read("runs/a/model.safetensors") == place.read("runs/b/model.safetensors"),
        "the models differ"
    );
}

#[test]
fn a_run_whose_images_changed_is_not_resumed() {
    let place = Place::with_photos();
    let start = [&["train", "photos", "--name", "a"], SETTINGS].concat();
    let first = interrupted_at(&place, &start, "2 ");
    assert_eq!(first.code, Some(1), "{first:?}");
    place.add_images("photos/sky", "sky", 9);
    place
        .rekindle(&["train", "--resume", "runs/a"])
        .error(&["runs/a cannot go on"]);
}
