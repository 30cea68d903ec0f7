//! A disk without room.
#![cfg(unix)]

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Outcome, Place, TINY, device, gives_the_same_bytes};

/// Trains under a limit on the size of files, in blocks of 512 bytes (1024 in some shells), so that writing beyond it fails as on a
/// full disk.
fn train_under_limit(place: &Place, blocks: u32) -> Outcome {
    let device = device();
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""),
        ])
        .arg(env!("CARGO_BIN_EXE_rekindle"))
        .args(["train", "photos", "--name", "a", "--device", &device])
        .args(TINY)
        .current_dir(place.path("."))
        .stdin(Stdio::null());
    shell.output().unwrap().into()
}

#[test]
fn a_model_that_does_not_fit_is_an_error_that_names_it_and_loses_nothing() {
    let place = Place::with_photos();
    train_under_limit(&place, 512)
        .error(&["cannot write runs/a/model.safetensors", "free some space"]);
    let report: Value = serde_json::from_slice(&place.read("runs/a/run.json")).unwrap();
    assert_eq!(report["status"], "failed");
    assert_eq!(report["epochs"], 1);
    let resumed = place.rekindle(&["train", "--resume", "runs/a"]).success();
    assert!(
        resumed.stdout.contains("going on with runs/a"),
        "{resumed:?}"
    );
    place.train("b", &[]).success();
    for file in ["model.safetensors", "metrics.csv", "split.json"] {
        let read = |run: &str| place.read(&format!("runs/{run}/{file}"));
        assert!(
            !gives_the_same_bytes() || read("a") == read("b"),
            "{file} differs"
        );
    }
}

#[test]
fn a_plan_that_does_not_fit_is_an_error_that_names_it() {
    let place = Place::with_photos();
    train_under_limit(&place, 1).error(&["cannot write runs/a/plan.toml"]);
}

#[test]
fn a_place_for_runs_that_is_no_folder_is_an_error_that_names_it() {
    let place = Place::with_photos();
    place.write("file", "not a folder");
    place
        .train("a", &["--runs", "file"])
        .error(&["cannot write file/a"]);
}
