//! Signals that stop a run: a checkpoint, and a resumed run that ends like one that was never interrupted.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Outcome, Place, TINY, assert_same_metrics, device, gives_the_same_bytes};

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
    "phase1.ema=0.9",
    "--set",
    "phase2.epochs=30",
    "--set",
    "phase2.batch_size=4",
    "--set",
    "phase2.stopping.patience=1000",
    "--set",
    "phase2.ema=0.9",
];

/// Runs the binary and sends it SIGINT when it has printed a line that starts with `sign`.
fn interrupted_at(place: &Place, args: &[&str], sign: &str) -> Outcome {
    signalled_at(place.command(args), "INT", sign)
}

/// Runs a command and sends it a signal when it has printed a line that starts with `sign`.
pub fn signalled_at(mut command: Command, signal: &str, sign: &str) -> Outcome {
    let mut child = command.spawn().unwrap();
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
            send(signal, child.id());
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

/// Whether this process, and so its children, are told when their terminal goes.
fn hangup_is_heard() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask & 1 == 0)
}

/// Sends a signal to a process.
pub fn send(signal: &str, process: u32) {
    let kill = format!("kill -{signal} {process}");
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_run_interrupted_in_each_phase_ends_as_if_it_never_was() {
    let place = Place::with_photos();
    // A step of phase 2 takes other devices than the quickest so long that a signal comes in time among few.
    let (epochs, setting) = match device().as_str() {
        "cpu" => (30, "phase2.epochs=30"),
        _ => (8, "phase2.epochs=8"),
    };
    let start = |name| {
        let run = ["train", "photos", "--name", name];
        [&run[..], SETTINGS, &["--set", setting]].concat()
    };

    let first = interrupted_at(&place, &start("a"), "2 ");
    assert_eq!(first.code, Some(130), "{first:?}");
    assert!(first.stderr.contains("finishing the step"), "{first:?}");
    assert!(
        first
            .stderr
            .contains("resume with: rekindle train --resume runs/a"),
        "{first:?}"
    );
    assert!(place.path("runs/a/checkpoint").is_dir());
    let report: Value = serde_json::from_slice(&place.read("runs/a/run.json")).unwrap();
    assert_eq!(report["status"], "interrupted");
    // The best weights so far can be used.
    place
        .rekindle(&["predict", "runs/a", "photos/sky/1.png"])
        .success();

    place
        .rekindle(&start("a"))
        .error(&["runs/a exists already", "--resume"]);

    let second = interrupted_at(&place, &["train", "--resume", "runs/a"], "phase 2");
    assert_eq!(second.code, Some(130), "{second:?}");
    assert!(second.stdout.contains("going on with runs/a"), "{second:?}");

    place.rekindle(&["train", "--resume", "runs/a"]).success();
    place.rekindle(&start("b")).success();
    let csv =
        |name: &str| String::from_utf8(place.read(&format!("runs/{name}/metrics.csv"))).unwrap();
    assert_eq!(csv("a").lines().count(), 1 + 1000 + epochs);
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
            "--set",
            "phase1.swa_epochs=1",
            "--set",
            "phase2.swa_epochs=28",
            "--set",
            "phase2.lookahead=3",
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
    assert_eq!(first.code, Some(130), "{first:?}");
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
        "phase2.ema=0.9",
        "--set",
        "augment.mix={mixup_alpha=0.5, probability=0.8, off_last_epochs=1}",
    ];
    let start = |name| [&["train", "photos", "--name", name], &settings[..]].concat();
    let first = interrupted_at(&place, &start("a"), "phase 2");
    assert_eq!(first.code, Some(130), "{first:?}");
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
fn lbfgs_and_drop_path_go_on_to_the_same_bytes() {
    let place = Place::with_photos();
    let more = [
        "--set",
        "phase1.optim={name='lbfgs', iterations=1, weight_decay=1e-3}",
        "--set",
        "phase1.epochs=60",
        "--set",
        "phase1.ema=0",
        "--set",
        "phase2.epochs=12",
        "--set",
        "phase2.drop_path=0.4",
    ];
    let start = |name| [&["train", "photos", "--name", name], SETTINGS, &more].concat();
    let first = interrupted_at(&place, &start("a"), "2 ");
    assert_eq!(first.code, Some(130), "{first:?}");
    let second = interrupted_at(&place, &["train", "--resume", "runs/a"], "phase 2");
    assert_eq!(second.code, Some(130), "{second:?}");
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
    assert_eq!(first.code, Some(130), "{first:?}");
    let own = place.read("photos/sky/3.png");
    place.write("photos/sky/3.png", [&own[..], b"another one"].concat());
    place.rekindle(&["train", "--resume", "runs/a"]).error(&[
        "runs/a cannot go on",
        "`sky/3.png`",
        "replaced",
    ]);
    place.write("photos/sky/3.png", own);
    place.add_images("photos/sky", "sky", 9);
    place
        .rekindle(&["train", "--resume", "runs/a"])
        .error(&["runs/a cannot go on"]);
}

#[test]
fn a_run_that_is_told_to_end_or_loses_its_terminal_saves_itself() {
    let place = Place::with_photos();
    let start = [&["train", "photos", "--name", "a"], SETTINGS].concat();
    let first = signalled_at(place.command(&start), "TERM", "2 ");
    assert_eq!(first.code, Some(143), "{first:?}");
    assert!(
        first.stderr.contains("rekindle train --resume runs/a"),
        "{first:?}"
    );
    let again = ["train", "--resume", "runs/a"];
    // Under `nohup` a run is to live on, and so do these tests.
    if hangup_is_heard() {
        let second = signalled_at(place.command(&again), "HUP", "phase 2");
        assert_eq!(second.code, Some(129), "{second:?}");
    }
    place.rekindle(&again).success();
    let start = [&["train", "photos", "--name", "b"], SETTINGS].concat();
    place.rekindle(&start).success();
    let csv =
        |run: &str| String::from_utf8(place.read(&format!("runs/{run}/metrics.csv"))).unwrap();
    assert_same_metrics(&csv("a"), &csv("b"));
    let log = String::from_utf8(place.read("runs/a/log.txt")).unwrap();
    for words in [
        "--name a",
        "stopping: finishing this step",
        "--resume runs/a",
        "phase 2",
        "Result  ",
    ] {
        assert!(log.contains(words), "no `{words}` in {log}");
    }
}

#[test]
fn a_run_that_is_to_outlive_its_terminal_does() {
    let place = Place::with_photos();
    let trained = place.command(&[&["train", "photos", "--name", "a"], TINY].concat());
    // As `nohup` starts it.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(trained.get_program())
        .args(trained.get_args())
        .current_dir(place.path("."))
        .env("XDG_CACHE_HOME", place.cache_path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let outcome = signalled_at(command, "HUP", "phase 1");
    // Where the system does not tell, the run is saved instead.
    let expected = if cfg!(target_os = "linux") { 0 } else { 129 };
    assert_eq!(outcome.code, Some(expected), "{outcome:?}");
}

#[test]
fn a_run_that_is_trained_is_not_resumed_and_says_by_whom() {
    let place = Place::with_photos();
    let start = [&["train", "photos", "--name", "a"], SETTINGS].concat();
    let mut child = place.command(&start).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().trim_start().starts_with("2 ")));
    let process = format!("process {}", child.id());
    place
        .rekindle(&["train", "--resume", "runs/a"])
        .error(&["runs/a is being trained by", &process]);
    place
        .rekindle(&start)
        .error(&["runs/a is being trained by", &process]);
    send("TERM", child.id());
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let second = interrupted_at(&place, &["train", "--resume", "runs/a"], "phase 2");
    assert_eq!(second.code, Some(130), "{second:?}");
}

#[test]
fn a_run_of_an_earlier_version_goes_on() {
    let place = Place::with_photos();
    let start = [&["train", "photos", "--name", "a"], SETTINGS].concat();
    let first = interrupted_at(&place, &start, "2 ");
    assert_eq!(first.code, Some(130), "{first:?}");
    // It kept where it stood as JSON, and none of what is kept current now.
    for name in ["progress", "best"] {
        let path = place.path(&format!("runs/a/checkpoint/{name}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let table: toml::Table = text.parse().unwrap();
        std::fs::remove_file(path).unwrap();
        let json = serde_json::to_string(&table).unwrap();
        place.write(&format!("runs/a/checkpoint/{name}.json"), json);
    }
    for file in [
        "model.safetensors",
        "metrics.csv",
        "run.json",
        "log.txt",
        "lock",
    ] {
        std::fs::remove_file(place.path(&format!("runs/a/{file}"))).unwrap();
    }
    place.rekindle(&["train", "--resume", "runs/a"]).success();
    let csv = String::from_utf8(place.read("runs/a/metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 1000 + 30);
}
