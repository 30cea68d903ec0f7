//! `sequence` from a list of frames to classes: clips whose classes differ in nothing but the order of their frames.

use std::fs;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{Outcome, Place};

/// Pictures that become two clips each, and frames of a clip.
const CLIPS: u32 = 6;
const FRAMES: u32 = 4;

/// `frames/` with a square on its way, and `clips.csv`, in which each square's frames are two clips: there and back.
fn with_clips() -> Place {
    let place = Place::new();
    fs::create_dir(place.path("frames")).unwrap();
    let mut list = String::from("path,label,group,frame\n");
    for clip in 0..CLIPS {
        let colour = Rgb([
            (40 * clip) as u8,
            255 - (30 * clip) as u8,
            (90 * clip) as u8,
        ]);
        for frame in 0..FRAMES {
            let (left, top) = (2 + frame * 9, (5 * clip) % 30);
            let picture = RgbImage::from_fn(48, 48, |x, y| {
                let inside = (left..left + 14).contains(&x) && (top..top + 14).contains(&y);
                if inside { colour } else { Rgb([128; 3]) }
            });
            let name = format!("frames/{clip}-{frame}.png");
            picture.save(place.path(&name)).unwrap();
            // Numbers of two digits and of one, in no order.
            let back = 9 + FRAMES - frame;
            list.push_str(&format!(
                "{name},left,{clip}_back,{back}\n{name},right,{clip}_there,{}\n",
                8 + frame
            ));
        }
    }
    place.write("clips.csv", list);
    place
}

/// Settings under which a training takes seconds.
const TINY: [&str; 8] = [
    "input.size=48",
    "data.group_by=prefix",
    "data.validation_share=0.34",
    "features.stage=blocks.2",
    "head.hidden=16",
    "train.epochs=12",
    "train.batch_size=4",
    "train.lr=0.01",
];

fn train(place: &Place, output: &str, more: &[&str]) -> Outcome {
    let device = crate::support::device();
    let mut args = vec![
        "sequence",
        "train",
        "clips.csv",
        "-o",
        output,
        "--device",
        &device,
    ];
    for setting in TINY {
        args.extend(["--set", setting]);
    }
    args.extend(more);
    place.rekindle(&args)
}

#[test]
fn order_is_learned_by_an_lstm_and_not_by_the_mean() {
    let place = with_clips();
    let found = train(&place, "lstm.safetensors", &["--json"])
        .success()
        .json();
    assert_eq!(found["validation"]["accuracy"], 1.0, "{found}");
    assert_eq!(found["sequences"]["validation"], 4);
    assert_eq!(found["frames"], 48);
    assert_eq!(found["classes"], serde_json::json!(["left", "right"]));
    let mean = train(&place, "mean.safetensors", &["--cell", "mean", "--json"]).success();
    assert_eq!(mean.json()["validation"]["accuracy"], 0.5);

    // Lists and folders of new frames, without classes.
    let rows = place
        .rekindle(&[
            "sequence",
            "predict",
            "lstm.safetensors",
            "clips.csv",
            "--json",
        ])
        .success();
    let rows = rows.json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 12);
    let right = |row: &&Value| {
        let back = row["path"].as_str().unwrap().ends_with("_back");
        row["class"] == if back { "left" } else { "right" }
    };
    assert!(rows.iter().filter(right).count() >= 10, "{rows:?}");
    for (number, frame) in [(1, "0-3"), (2, "0-2"), (10, "0-1"), (11, "0-0")] {
        place.write(
            &format!("new/a/{number}.png"),
            place.read(&format!("frames/{frame}.png")),
        );
    }
    let csv = place
        .rekindle(&[
            "sequence",
            "predict",
            "lstm.safetensors",
            "new",
            "--csv",
            "--top",
            "1",
        ])
        .success();
    assert!(
        csv.stdout
            .starts_with("path,class,probability\nnew/a,left,0."),
        "{csv:?}"
    );
    let table = place
        .rekindle(&["sequence", "predict", "lstm.safetensors", "new/a"])
        .success();
    assert!(
        table.stdout.contains("new/a") && table.stdout.contains("left"),
        "{table:?}"
    );

    // What it was trained on is left out.
    let all = ["sequence", "evaluate", "lstm.safetensors", "clips.csv"];
    let text = place.rekindle(&all).success();
    assert!(
        text.stdout.contains("on 4 sequences (all) of clips.csv"),
        "{text:?}"
    );
    assert!(
        text.stderr.contains("8 of 12 sequences are left out"),
        "{text:?}"
    );
    let value = place
        .rekindle(&[&all[..], &["--split", "all", "--json"]].concat())
        .success()
        .json();
    assert_eq!(
        (&value["sequences"], &value["sequences_trained_on"]),
        (&12.into(), &8.into())
    );
    assert_eq!(value["per_class"][0]["class"], "left");

    // Each program says which one a model is for.
    place
        .rekindle(&["predict", "lstm.safetensors", "frames"])
        .error(&["model of sequences", "rekindle sequence predict"]);
    // A file that is there stays.
    let before = place.read("lstm.safetensors");
    train(&place, "lstm.safetensors", &[]).error(&["lstm.safetensors", "--force"]);
    assert_eq!(place.read("lstm.safetensors"), before);
}

#[test]
fn what_cannot_be_trained_is_told_before_anything_is_computed() {
    let place = with_clips();
    train(&place, "frames", &[]).error(&["is a folder"]);
    train(&place, "none/a.safetensors", &[]).error(&["no folder `none`"]);
    train(&place, "a.safetensors", &["--set", "head.layer=2"]).error(&["head.layers"]);
    train(
        &place,
        "a.safetensors",
        &["--set", "features.stage=blocks.77"],
    )
    .error(&["features.stage", "blocks.6"]);
    train(
        &place,
        "a.safetensors",
        &["--set", "data.frame_column=number"],
    )
    .error(&["number", "data.frame_column"]);
    let folder = ["sequence", "train", "frames", "-o", "a.safetensors"];
    place.rekindle(&folder).error(&["frames"]);
    for class in ["a", "b"] {
        for name in ["1", "2"] {
            place.write(
                &format!("flat/{class}/{name}.png"),
                place.read("frames/0-0.png"),
            );
        }
    }
    place
        .rekindle(&["sequence", "train", "flat", "-o", "a.safetensors"])
        .error(&["CLASS/SEQUENCE/FRAME"]);
    place
        .rekindle(&["sequence", "train", "flat", "-o", "flat/a.safetensors"])
        .error(&["only read"]);
    place
        .rekindle(&["sequence", "predict", "a.safetensors", "frames"])
        .error(&["no model file", "sequence train"]);
    assert!(!place.path("a.safetensors").exists());
    let plan = train(&place, "a.safetensors", &["--dry-run", "--cell", "gru"]).success();
    assert!(
        plan.stdout
            .contains("2 classes, 8 training and 4 validation sequences of 48 frames"),
        "{plan:?}"
    );
    assert!(
        plan.stdout.contains("cell = \"gru\"") && !place.path("a.safetensors").exists(),
        "{plan:?}"
    );
}
