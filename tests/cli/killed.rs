//! Runs that are killed, stopped, or out of room at random moments: they go on, and end in the same bytes.
//!
//! `tests/stress/kill.sh` does the same many times more.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::interrupt::{send, signalled_at};
use crate::support::{Outcome, Place, assert_same_metrics, gives_the_same_bytes};

/// Two phases of several steps an epoch, the second on images through unfrozen stages.
const SETTINGS: &[&str] = &[
    "--set",
    "input.size=[32,32]",
    "--set",
    "phase1.epochs=6",
    "--set",
    "phase1.batch_size=4",
    "--set",
    "phase2.epochs=4",
    "--set",
    "phase2.batch_size=4",
    "--set",
    "data.feature_cache_mb=0",
];

/// Numbers that look random, by George Marsaglia's xorshift; the same in every run of the tests.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The command that begins a run, or goes on with it.
fn next(place: &Place, run: &str) -> Command {
    let directory = format!("runs/{run}");
    match place.path(&format!("{directory}/plan.toml")).exists() {
        true => place.command(&["train", "--resume", &directory, "--quiet"]),
        false => {
            let start = ["train", "photos", "--name", run, "--quiet"];
            place.command(&[&start, SETTINGS].concat())
        }
    }
}

/// The run that the others must equal, and how long it took.
fn undisturbed(place: &Place) -> Duration {
    let began = Instant::now();
    let outcome: Outcome = next(place, "whole").output().unwrap().into();
    outcome.success();
    began.elapsed()
}

#[track_caller]
fn assert_like_undisturbed(place: &Place, run: &str) {
    let read = |run: &str, file: &str| place.read(&format!("runs/{run}/{file}"));
    let csv = |run: &str| String::from_utf8(read(run, "metrics.csv")).unwrap();
    assert_same_metrics(&csv(run), &csv("whole"));
    for file in ["split.json", "model.safetensors"] {
        assert!(
            !gives_the_same_bytes() || read(run, file) == read("whole", file),
            "{file} differs"
        );
    }
    assert!(!place.path(&format!("runs/{run}/checkpoint")).exists());
}

/// Sends so many signals, each at a random moment of a run that goes on after the one before.
fn disturb(signals: &[&str], seed: u64) {
    let place = Place::with_photos();
    let time = undisturbed(&place);
    let mut random = Random(seed);
    let (mut sent, mut number) = (0, 0);
    while sent < signals.len() {
        number += 1;
        let run = format!("run{number}");
        loop {
            let signal = signals.get(sent);
            let child = next(&place, &run).spawn().unwrap();
            if let Some(signal) = signal {
                std::thread::sleep(time.mul_f64(random.share()));
                send(signal, child.id());
            }
            let outcome = child.wait_with_output().unwrap();
            sent += usize::from(signal.is_some());
            let stderr = String::from_utf8_lossy(&outcome.stderr);
            match outcome.status.code() {
                Some(0) => break,
                // By the signal itself, or saved.
                None | Some(143) if signal.is_some() => {}
                // Killed between the result and the end of the process.
                Some(2) if sent > 0 && stderr.contains("is finished") => break,
                code => panic!("{code:?} after {signal:?} in {run}: {stderr}"),
            }
        }
        assert_like_undisturbed(&place, &run);
    }
}

#[test]
fn runs_killed_at_ten_random_moments_end_like_one_that_was_not() {
    disturb(&["KILL"; 10], 0x9E37_79B9);
}

#[test]
fn runs_stopped_and_killed_at_random_moments_end_like_one_that_was_not() {
    // Upon a checkpoint there is something to lose.
    let signals: Vec<&str> = (0..13)
        .map(|at| if at % 4 == 3 { "KILL" } else { "TERM" })
        .collect();
    disturb(&signals, 0x7F4A_7C15);
}

#[test]
fn a_run_out_of_room_ten_times_ends_like_one_that_was_not() {
    let place = Place::with_photos();
    undisturbed(&place);
    let mut failed = 0;
    // Of 512 bytes, or of 1024 in some shells; the last one holds any file of the run.
    for blocks in [1, 2, 6, 8, 20, 40, 80, 160, 400, 2000, 1 << 20] {
        let command = next(&place, "a");
        let mut shell = Command::new("sh");
        shell
            .args([
                "-c",
                &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""),
            ])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(place.path("."))
            .env("XDG_CACHE_HOME", place.cache_path("."))
            .stdin(Stdio::null());
        let outcome: Outcome = shell.output().unwrap().into();
        match outcome.code {
            Some(0) => break,
            _ => outcome.error(&["cannot write"]),
        };
        failed += 1;
    }
    assert_eq!(failed, 10);
    assert_like_undisturbed(&place, "a");
}

#[test]
fn a_run_killed_before_its_first_checkpoint_begins_again() {
    let place = Place::with_photos();
    undisturbed(&place);
    let start = ["train", "photos", "--name", "a"];
    let killed = signalled_at(place.command(&[&start, SETTINGS].concat()), "KILL", "2 ");
    assert_eq!(killed.code, None, "{killed:?}");
    assert!(!place.path("runs/a/checkpoint").exists());
    let report: serde_json::Value = serde_json::from_slice(&place.read("runs/a/run.json")).unwrap();
    assert_eq!(report["status"], "running");
    assert_eq!(report["classes"][0], "apple");
    assert!(report["trained_by"]["process"].is_u64(), "{report}");
    let csv = String::from_utf8(place.read("runs/a/metrics.csv")).unwrap();
    assert!(csv.lines().count() >= 3, "{csv}");
    place
        .rekindle(&["predict", "runs/a", "photos/sky/1.png"])
        .success();
    place
        .rekindle(&[&start, SETTINGS].concat())
        .error(&["runs/a exists already", "--resume"]);
    place.rekindle(&["train", "--resume", "runs/a"]).success();
    assert_like_undisturbed(&place, "a");
}
