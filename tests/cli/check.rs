//! What a check of a folder finds, says and leaves alone.

use std::fs;
use std::path::Path;

use image::imageops::FilterType;
use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{Outcome, Place};

/// A picture of coloured blocks; another number gives another picture.
fn picture(number: u32) -> RgbImage {
    RgbImage::from_fn(64, 64, |x, y| {
        let mut word = (x / 16 + y / 16 * 4 + number * 977).wrapping_mul(2_654_435_761);
        word = (word ^ (word >> 15)).wrapping_mul(0x2c1b_3c6d);
        word ^= word >> 12;
        Rgb([word as u8, (word >> 8) as u8, (word >> 16) as u8])
    })
}

fn add(place: &Place, folder: &str, numbers: std::ops::Range<u32>) {
    let folder = place.path(folder);
    fs::create_dir_all(&folder).unwrap();
    for number in numbers {
        picture(number)
            .save(folder.join(format!("{number}.png")))
            .unwrap();
    }
}

/// Two classes in folders for training and validation, with nothing wrong.
fn clean() -> Place {
    let place = Place::new();
    add(&place, "photos/train/cat", 0..12);
    add(&place, "photos/train/dog", 20..32);
    add(&place, "photos/val/cat", 40..45);
    add(&place, "photos/val/dog", 50..55);
    place
}

/// The same with a copy in another split, the pixels of a dog among the cats, a smaller cat in another split, a cut file, and a PNG
/// that is called JPEG.
fn planted() -> Place {
    let place = clean();
    place.write(
        "photos/val/cat/copy.png",
        place.read("photos/train/cat/3.png"),
    );
    let dog = image::open(place.path("photos/train/dog/21.png")).unwrap();
    dog.save(place.path("photos/train/cat/dog.bmp")).unwrap();
    let cat = image::open(place.path("photos/train/cat/5.png")).unwrap();
    cat.resize_exact(90, 90, FilterType::Triangle)
        .save(place.path("photos/val/cat/resized.png"))
        .unwrap();
    place.add_bad("truncated.jpg", "photos/train/dog/cut.jpg");
    place.write("photos/train/dog/odd.jpg", {
        let path = place.write("odd.png", "");
        picture(90).save(&path).unwrap();
        fs::read(path).unwrap()
    });
    place
}

#[track_caller]
fn problems(outcome: Outcome) -> Outcome {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    outcome.calm()
}

fn finding<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["kind"] == kind);
    static NONE: Value = Value::Null;
    found.unwrap_or(&NONE)
}

fn paths(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap();
    list.iter()
        .map(|item| item["path"].as_str().unwrap())
        .collect()
}

#[test]
fn a_sound_folder_gives_its_figures_and_success() {
    let place = clean();
    let report = place
        .rekindle(&["check", "photos", "--json"])
        .success()
        .json();
    assert_eq!(report["images"], 34);
    assert_eq!(report["usable_images"], 34);
    assert_eq!(report["split"], "folders");
    assert_eq!(report["imbalance_ratio"], 1.0);
    let cat = serde_json::json!({"class": "cat", "train": 12, "validation": 5, "test": 0, "unreadable": 0});
    assert_eq!(report["classes"][0], cat);
    for list in ["findings", "duplicates", "odd", "unreadable"] {
        assert_eq!(report[list], serde_json::json!([]), "{list}");
    }
    assert_eq!(report["formats"], serde_json::json!({"PNG": 34}));
    assert_eq!(report["modes"], serde_json::json!({"RGB": 34}));
    assert_eq!(report["orientations"], serde_json::json!({"1": 34}));
    assert_eq!(report["icc_profiles"], 0);
    let sides = serde_json::json!({"min": 64, "median": 64, "max": 64});
    assert_eq!(report["sizes"]["shorter_side"], sides);
    let text = place.rekindle(&["check", "photos"]).success().stdout;
    assert!(text.contains("Nothing to complain of"), "{text}");
}

#[test]
fn mean_and_deviation_are_those_of_the_pixels() {
    let place = clean();
    let report = place
        .rekindle(&["check", "photos", "--json"])
        .success()
        .json();
    let numbers = (0..12).chain(20..32).chain(40..45).chain(50..55);
    let pictures: Vec<RgbImage> = numbers.map(picture).collect();
    for channel in 0..3 {
        let values = || {
            let pixels = pictures.iter().flat_map(|picture| picture.pixels());
            pixels.map(move |pixel| f64::from(pixel.0[channel]) / 255.0)
        };
        let count = values().count() as f64;
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        for (name, expected) in [("mean", mean), ("std", variance.sqrt())] {
            let found = report["channels"][name][channel].as_f64().unwrap();
            assert!(
                (found - expected).abs() < 1e-9,
                "{name}: {found} and {expected}"
            );
        }
    }
}

#[test]
fn planted_faults_are_found_and_named_and_nothing_is_written() {
    let place = planted();
    let before = place.snapshot("photos");
    let outcome = problems(place.rekindle(&["check", "photos", "--json"]));
    let report = outcome.json();

    let groups = report["duplicates"].as_array().unwrap();
    assert_eq!(groups.len(), 3, "{groups:?}");
    let facts = |group: &Value| {
        let crossing = (
            group["crosses_classes"].clone(),
            group["crosses_splits"].clone(),
        );
        (group["likeness"].clone(), crossing)
    };
    assert_eq!(
        facts(&groups[0]),
        ("same_pixels".into(), (true.into(), false.into()))
    );
    assert_eq!(
        paths(&groups[0]["images"]),
        ["train/cat/dog.bmp", "train/dog/21.png"]
    );
    assert_eq!(
        facts(&groups[1]),
        ("same_bytes".into(), (false.into(), true.into()))
    );
    assert_eq!(
        paths(&groups[1]["images"]),
        ["train/cat/3.png", "val/cat/copy.png"]
    );
    assert_eq!(
        facts(&groups[2]),
        ("near".into(), (false.into(), true.into()))
    );
    assert_eq!(
        paths(&groups[2]["images"]),
        ["train/cat/5.png", "val/cat/resized.png"]
    );
    assert_eq!(groups[2]["images"][1]["split"], "validation");

    assert_eq!(paths(&report["unreadable"]), ["train/dog/cut.jpg"]);
    assert_eq!(report["unreadable"][0]["kind"], "truncated");
    assert_eq!(paths(&report["odd"]), ["train/dog/odd.jpg"]);
    assert_eq!(report["odd"][0]["kind"], "wrong_extension");
    for (kind, severity, count) in [
        ("label_conflict", "serious", 1),
        ("leakage", "serious", 2),
        ("unreadable", "serious", 1),
        ("odd", "warning", 1),
    ] {
        let found = finding(&report, kind);
        assert_eq!(
            (&found["severity"], &found["count"]),
            (&severity.into(), &count.into()),
            "{kind}"
        );
    }
    assert_eq!(report["findings"][0]["kind"], "label_conflict");
    assert_eq!(report["findings"][1]["kind"], "leakage");
    assert_eq!(place.snapshot("photos"), before);
}

#[test]
fn the_text_says_the_worst_first_and_fits_80_columns() {
    let place = planted();
    let text = problems(place.rekindle(&["check", "photos"])).stdout;
    let at = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("no `{words}` in {text}"))
    };
    assert!(at("Serious") < at("label conflicts") && at("label conflicts") < at("leakage"));
    assert!(at("leakage") < at("The same pictures"));
    assert!(at("train/cat/dog.bmp") < at("val/cat/resized.png"));
    assert!(at("train/dog/cut.jpg") < at("cut short"));
    assert!(at("--set 'data.bad_images=skip'") > 0);
    for line in text.lines().filter(|line| !line.starts_with("  --set")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let place = planted();
    let run = |threads: &str| {
        let mut command = place.command(&["check", "photos", "--json"]);
        command.env("RAYON_NUM_THREADS", threads);
        problems(command.output().unwrap().into()).stdout
    };
    assert_eq!(run("1"), run("5"));
}

#[test]
fn without_folders_for_validation_the_split_of_training_is_checked() {
    let place = Place::new();
    add(&place, "photos/cat", 0..10);
    add(&place, "photos/dog", 20..30);
    // Five copies of each of two cats and as many held out: some are on both sides.
    for copy in 0..5 {
        place.write(
            &format!("photos/cat/copy{copy}.png"),
            place.read("photos/cat/3.png"),
        );
        place.write(
            &format!("photos/cat/again{copy}.png"),
            place.read("photos/cat/4.png"),
        );
    }
    let check = |more: &[&str]| {
        let args = [
            &[
                "check",
                "photos",
                "--json",
                "--set",
                "data.validation_share=0.5",
            ],
            more,
        ]
        .concat();
        problems(place.rekindle(&args)).json()
    };
    let report = check(&[]);
    assert_eq!(report["split"], "recipe");
    assert_eq!(finding(&report, "leakage")["severity"], "serious");
    let mut listed = Vec::new();
    for group in report["duplicates"].as_array().unwrap() {
        for image in group["images"].as_array().unwrap() {
            listed.push((image["path"].clone(), image["split"].clone()));
        }
    }
    // The very split that training makes.
    let args = [
        "--set",
        "data.validation_share=0.5",
        "--set",
        "phase2.epochs=0",
    ];
    place.train("a", &args).success();
    let split: Value = serde_json::from_slice(&place.read("runs/a/split.json")).unwrap();
    for (path, part) in listed {
        let held = split[part.as_str().unwrap()].as_array().unwrap();
        assert!(held.contains(&path), "{path} is not in {part}");
    }
}

#[test]
fn broken_images_that_are_to_be_skipped_are_no_failure() {
    let place = clean();
    for (file, name) in [
        ("truncated.jpg", "a.jpg"),
        ("zero_byte.png", "b.png"),
        ("text_named.jpg", "c.jpg"),
        ("bomb.png", "d.png"),
        ("bomb_memory.tif", "e.tif"),
        ("corrupt.webp", "f.webp"),
        ("heic_header.heic", "g.jpg"),
        ("avif.avif", "h.jpg"),
        ("jxl_codestream.jxl", "i.jpg"),
    ] {
        place.add_bad(file, &format!("photos/train/dog/{name}"));
    }
    let report = problems(place.rekindle(&["check", "photos", "--json"])).json();
    let kinds: Vec<&str> = report["unreadable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "truncated",
        "empty",
        "not_an_image",
        "too_large",
        "too_large",
        "corrupt",
        "unsupported",
        "unsupported",
        "unsupported",
    ];
    assert_eq!(kinds, expected);
    let reason = |at: usize| report["unreadable"][at]["reason"].as_str().unwrap();
    assert!(
        reason(6).contains("HEIC") && reason(6).contains("heif-convert"),
        "{}",
        reason(6)
    );
    assert_eq!(report["classes"][1]["unreadable"], 9);
    let skip = ["check", "photos", "--set", "data.bad_images=skip"];
    let text = place.rekindle(&skip).success().stdout;
    assert!(text.contains("training leaves them out"), "{text}");
}

#[test]
fn a_class_that_loses_too_many_images_is_named() {
    let place = Place::new();
    add(&place, "photos/cat", 0..5);
    add(&place, "photos/dog", 20..21);
    place.add_bad("truncated.jpg", "photos/dog/cut.jpg");
    let report = problems(place.rekindle(&["check", "photos", "--json"])).json();
    let message = finding(&report, "class_too_small")["message"]
        .as_str()
        .unwrap();
    assert!(message.contains("`dog` has 1"), "{message}");
    assert_eq!(report["split"], "none");
}

#[test]
fn unusual_files_are_counted_by_kind() {
    let place = clean();
    let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/rekindle-augment/tests/data");
    for name in [
        "animated.png",
        "icc.jpg",
        "orientation_6.jpg",
        "cmyk_adobe.jpg",
        "grey16.png",
        "two_pages.tif",
    ] {
        place.write(
            &format!("photos/train/dog/{name}"),
            fs::read(kinds.join(name)).unwrap(),
        );
    }
    let long = RgbImage::from_fn(300, 60, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
    long.save(place.path("photos/train/dog/long.png")).unwrap();
    let blank = RgbImage::from_pixel(90, 90, Rgb([9; 3]));
    blank
        .save(place.path("photos/train/dog/blank.png"))
        .unwrap();
    let report = place
        .rekindle(&["check", "photos", "--json"])
        .success()
        .json();
    let of_kind = |kind: &str| -> Vec<&str> {
        let odd = report["odd"].as_array().unwrap().iter();
        odd.filter(|odd| odd["kind"] == kind)
            .map(|odd| odd["path"].as_str().unwrap().rsplit('/').next().unwrap())
            .collect()
    };
    assert_eq!(of_kind("animated"), ["animated.png", "two_pages.tif"]);
    assert_eq!(of_kind("extreme_aspect"), ["long.png"]);
    assert_eq!(of_kind("blank"), ["blank.png"]);
    assert_eq!(of_kind("tiny").len(), 6, "those of 40 by 28 pixels");
    assert_eq!(report["icc_profiles"], 1);
    assert_eq!(report["orientations"]["6"], 1);
    assert_eq!(report["modes"]["CMYK"], 1);
    assert_eq!(report["modes"]["16-bit"], 1);
    // Three of them are one picture in different files, of one class and split.
    assert_eq!(finding(&report, "leakage"), &Value::Null);
    assert_eq!(finding(&report, "duplicates")["severity"], "warning");
}

#[test]
fn what_is_suggested_is_what_training_takes() {
    let place = Place::new();
    add(&place, "photos/cat", 0..60);
    add(&place, "photos/dog", 100..113);
    let report = place
        .rekindle(&["check", "photos", "--json"])
        .success()
        .json();
    let suggestions = report["suggestions"].as_array().unwrap();
    let settings: Vec<&str> = suggestions
        .iter()
        .map(|suggestion| suggestion["setting"].as_str().unwrap())
        .collect();
    for key in [
        "loss.class_weights=[",
        "data.validation_share=",
        "phase1.stopping.monitor=",
    ] {
        assert!(
            settings.iter().any(|setting| setting.starts_with(key)),
            "{settings:?}"
        );
    }
    let mut args = vec!["train", "photos", "--dry-run"];
    args.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
    place.rekindle(&args).success();
}

#[test]
fn a_sheet_shows_what_was_found_and_goes_nowhere_else() {
    let place = planted();
    let before = place.snapshot("photos");
    let args = ["check", "photos", "--sheet", "sheet.png"];
    let text = problems(place.rekindle(&args)).stdout;
    assert!(text.contains("sheet.png"), "{text}");
    let sheet = image::open(place.path("sheet.png")).unwrap().into_rgb8();
    // A block of the planted dog, which is shown as it is.
    let colour = *picture(21).get_pixel(8, 8);
    let near = |pixel: &Rgb<u8>| (0..3).all(|at| pixel.0[at].abs_diff(colour.0[at]) < 3);
    assert!(sheet.pixels().filter(|pixel| near(pixel)).count() > 1000);
    place
        .rekindle(&args)
        .error(&["sheet.png", "exists already"]);
    for path in ["photos/sheet.png", "photos/train/cat/sheet.png"] {
        place
            .rekindle(&["check", "photos", "--sheet", path])
            .error(&["only read", path]);
    }
    place
        .rekindle(&["check", "photos", "--sheet", "sheet.jpg"])
        .error(&["sheet.jpg", ".png"]);
    assert_eq!(place.snapshot("photos"), before);
}

#[test]
fn a_folder_that_is_none_and_a_wrong_key_are_errors() {
    let place = clean();
    place
        .rekindle(&["check", "nothing"])
        .error(&["there is no folder `nothing`"]);
    place
        .rekindle(&["check", "photos", "--set", "data.bad_image=skip"])
        .error(&["bad_image", "did you mean `data.bad_images`"]);
    place
        .rekindle(&["check", "photos", "--set", "backbone.name=resnet81"])
        .error(&["resnet81", "resnet18"]);
}

#[test]
fn folds_and_the_limit_of_the_recipe_are_those_of_training() {
    let place = Place::new();
    add(&place, "photos/cat", 0..10);
    add(&place, "photos/dog", 20..30);
    let folds = ["--set", "data.folds=2", "--set", "data.fold=2"];
    let json =
        |command: &[&str], more: &[&str]| place.rekindle(&[command, more, &["--json"]].concat());
    let report = json(&["check", "photos"], &folds).success().json();
    let plan = json(&["train", "photos", "--dry-run"], &folds)
        .success()
        .json();
    for class in 0..2 {
        let counts = &report["classes"][class];
        assert_eq!(counts["validation"], 5, "{counts}");
        assert_eq!(counts["train"], plan["facts"]["train_per_class"][class]);
    }
    let suggestions = report["suggestions"].to_string();
    assert!(!suggestions.contains("validation_share"), "{suggestions}");

    let limited = json(&["check", "photos"], &["--set", "data.limit=12"]).success();
    assert_eq!(limited.json()["images"], 12);
    assert!(
        limited.stderr.contains("only 12 of 20 images are used"),
        "{limited:?}"
    );

    json(&["check", "photos"], &["--set", "data.fold=2"]).error(&["`data.fold` is 2"]);
    let third = ["--set", "data.folds=2", "--set", "data.fold=3"];
    json(&["check", "photos"], &third).error(&["fold 3 of 2"]);

    // All cats are one group, which a fold cannot divide.
    for number in 0..10 {
        let path = |name: &str| place.path(&format!("photos/cat/{name}"));
        fs::rename(
            path(&format!("{number}.png")),
            path(&format!("cat_{number}.png")),
        )
        .unwrap();
    }
    let groups = [&folds[..], &["--set", "data.group_by=prefix"]].concat();
    let reports = [1, 2].map(|fold| {
        let fold = format!("data.fold={fold}");
        json(
            &["check", "photos"],
            &[&groups[..], &["--set", &fold]].concat(),
        )
    });
    let undivided = reports.into_iter().find(|report| report.code == Some(1));
    let report = problems(undivided.unwrap()).json();
    assert_eq!(report["split"], "none");
    let message = finding(&report, "folder")["message"].as_str().unwrap();
    assert!(message.contains("every image of `cat`"), "{message}");
}
