//! What is printed where: help, lists, terminals and readers that went away.

use std::process::{Command, Stdio};

use crate::support::{Place, device, trained};

#[test]
fn backbones_are_listed() {
    let place = Place::new();
    let text = place.rekindle(&["backbones"]).success().stdout;
    assert!(text.lines().next().unwrap().starts_with("name"), "{text}");
    for words in [
        "tf_efficientnet_lite0.in1k",
        "bundled",
        "resnet18.a1_in1k",
        "to download",
        "Apache-2.0",
        "https://",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    let json = place.rekindle(&["backbones", "--json"]).success().json();
    let cards = json.as_array().unwrap();
    assert_eq!(cards[0]["name"], "tf_efficientnet_lite0.in1k");
    assert!(cards.iter().any(|card| {
        card["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("https://"))
    }));
}

#[test]
fn help_is_short_and_has_examples() {
    let text = Place::new().rekindle(&["--help"]).success().stdout;
    // A line for each command, and half a screen of the rest.
    assert!(text.lines().count() < 48, "{text}");
    assert!(text.contains("rekindle train photos"), "{text}");
    for command in [
        "check",
        "preview",
        "train",
        "evaluate",
        "predict",
        "backbones",
        "inspect",
        "bench",
        "cache",
    ] {
        let text = Place::new().rekindle(&[command, "--help"]).success().stdout;
        assert!(text.contains("Usage: rekindle"), "{text}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    for args in [
        &["backbones"] as &[&str],
        &["backbones", "--json"],
        &["--help"],
    ] {
        let mut child = place.command(args).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let place = trained();
    for args in [
        &["backbones"] as &[&str],
        &["inspect", "runs/done"],
        &["predict", "runs/done", "photos"],
    ] {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = place
            .command(args)
            .stdout(Stdio::from(full))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.contains("error: cannot write the output: No space left"),
            "{text}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_of_80_columns_nothing_is_wider() {
    if !has_script() {
        return;
    }
    let place = trained();
    let program = env!("CARGO_BIN_EXE_rekindle");
    for (args, colours) in [
        (
            "train photos --name wide --device DEVICE --set input.size=[32,32] --set phase1.epochs=2 --set phase2.epochs=0",
            true,
        ),
        (
            "train photos --name plain --device DEVICE --set input.size=[32,32] --set phase1.epochs=2 --set phase2.epochs=0",
            false,
        ),
        ("evaluate runs/done photos --device DEVICE", true),
        ("predict runs/done photos --device DEVICE", true),
        ("inspect runs/done", true),
        (
            "bench resnet18 --device DEVICE --size 32 --batch 2 --runs 3",
            true,
        ),
    ] {
        let text = on_terminal(
            place,
            &format!(
                "stty cols 80; {program} {}",
                args.replace("DEVICE", &device())
            ),
            colours,
        );
        assert!(text.lines().count() > 3, "{text}");
        // A carriage return begins a line of the bar anew.
        for line in text.split(['\n', '\r']) {
            let line = without_escapes(line);
            // Settings and shell commands are for copying and are never broken.
            let kept = line.contains(" = ") || line.trim_start().starts_with("rekindle ");
            assert!(
                kept || line.chars().count() <= 80,
                "{} columns: {line:?}",
                line.chars().count()
            );
        }
        if !colours {
            assert!(
                !text.contains("\x1b[3") && !text.contains("\x1b[1;3"),
                "colours in {text:?}"
            );
        }
    }
}

#[cfg(target_os = "linux")]
fn has_script() -> bool {
    Command::new("script")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// What a terminal gets from a shell command.
#[cfg(target_os = "linux")]
fn on_terminal(place: &Place, command: &str, colours: bool) -> String {
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", command, "/dev/null"]);
    script.current_dir(place.path(".")).stdin(Stdio::null());
    script
        .env("TERM", "xterm")
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR");
    if !colours {
        script.env("NO_COLOR", "1");
    }
    let output = script.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

/// The text without the sequences that move the cursor and set colours.
#[cfg(target_os = "linux")]
fn without_escapes(text: &str) -> String {
    let mut kept = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\x1b' => {
                letters.by_ref().skip(1).find(char::is_ascii_alphabetic);
            }
            other => kept.push(other),
        }
    }
    kept
}
