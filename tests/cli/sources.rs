//! Labels from manifests, tar shards and file names; groups, folds, balanced drawing and limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Place, TINY, assert_same_metrics, gives_the_same_bytes};

/// One epoch of phase 1: enough to have a split.
const SHORTEST: &[&str] = &[
    "--set",
    "input.size=[32,32]",
    "--set",
    "phase1.epochs=1",
    "--set",
    "phase2.epochs=0",
];

const CLASSES: [&str; 3] = ["apple", "leaf", "sky"];

/// Path and class of each image of `photos`, in an order that is not the folder's.
fn rows() -> Vec<(String, &'static str)> {
    let number = |number: usize| CLASSES.map(|class| (format!("{class}/{number}.png"), class));
    (0..8).rev().flat_map(number).collect()
}

fn delimited(separator: char) -> String {
    let mut text = format!("label{separator}path\n");
    for (path, class) in rows() {
        text.push_str(&format!("{class}{separator}\"{path}\"\n"));
    }
    text
}

fn split_of(place: &Place, run: &str) -> Value {
    serde_json::from_slice(&place.read(&format!("runs/{run}/split.json"))).unwrap()
}

fn images_of(split: &Value, part: &str) -> Vec<String> {
    let images = split[part].as_array().unwrap().iter();
    images
        .map(|image| image.as_str().unwrap().to_owned())
        .collect()
}

/// Two runs must have the same figures and the same model.
#[track_caller]
fn assert_same_run(place: &Place, found: &str, expected: &str) {
    let csv =
        |run: &str| String::from_utf8(place.read(&format!("runs/{run}/metrics.csv"))).unwrap();
    assert_same_metrics(&csv(found), &csv(expected));
    let model = |run: &str| place.read(&format!("runs/{run}/model.safetensors"));
    assert!(
        !gives_the_same_bytes() || model(found) == model(expected),
        "the models of {found} and {expected} differ"
    );
}

#[test]
fn a_manifest_trains_as_its_folder_does() {
    let place = Place::with_photos();
    place.train("folder", &[]).success();
    let lines: String = rows()
        .iter()
        .map(|(path, class)| format!("{}\n", serde_json::json!({"image": path, "class": class})))
        .collect();
    place.write("photos/labels.csv", delimited(','));
    place.write("photos/labels.tsv", delimited('\t'));
    place.write("photos/labels.jsonl", lines);
    let before = place.snapshot("photos");
    for format in ["csv", "tsv", "jsonl"] {
        let manifest = format!("photos/labels.{format}");
        place
            .rekindle(&[&["train", &manifest, "--name", format], TINY].concat())
            .success();
        assert_same_run(&place, format, "folder");
        assert_eq!(split_of(&place, format), split_of(&place, "folder"));
    }
    assert_eq!(place.snapshot("photos"), before, "the data was changed");
}

#[test]
fn a_manifest_elsewhere_is_trained_on_and_evaluated_as_the_end_of_the_run_says() {
    let place = Place::with_photos();
    place.write(
        "lists/my labels.csv",
        delimited(',').replace("label", "kind"),
    );
    let start = ["train", "lists/my labels.csv", "--set", "data.root=photos"];
    let column = ["--set", "data.label_column=kind"];
    let outcome = place.rekindle(&[&start, TINY, &column].concat()).success();
    let line = outcome
        .stdout
        .lines()
        .find(|line| line.contains("rekindle evaluate"))
        .unwrap();
    assert!(line.contains("'lists/my labels.csv' --set"), "{line}");
    let run = "runs/my labels-1";
    let figures: Value = serde_json::from_slice(&place.read(&format!("{run}/run.json"))).unwrap();
    let words = shell_words(line.trim());
    let mut args: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    args.push("--json");
    let found = place.rekindle(&args).success().json();
    assert_eq!(found["accuracy"], figures["validation"]["accuracy"]);
    assert_eq!(found["images"], figures["validation"]["samples"]);

    place
        .rekindle(&["evaluate", run, "lists/my labels.csv", "--set", "seed=3"])
        .error(&["`--set seed=3`", "begins with `data.`"]);
    place
        .rekindle(&["evaluate", run, "photos", "--set", "data.label_column=kind"])
        .error(&["`data.label_column` is set, but `photos` has no use for it"]);
    for (setting, words) in [
        (
            "data.limit=3",
            ["does nothing here", "data.checked_headers"],
        ),
        (
            "data.bad_images=skip",
            ["does nothing here", "--bad-images"],
        ),
        (
            "data.limits=3",
            ["data.limits", "did you mean `data.limit`"],
        ),
    ] {
        place
            .rekindle(&["evaluate", run, "photos", "--set", setting])
            .error(&words);
    }
}

/// The words of a line that has single quotes only.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (place, part) in line.split('\'').enumerate() {
        let mut pieces = part.split(if place % 2 == 0 { ' ' } else { '\'' });
        let last = words.len() - 1;
        words[last].push_str(pieces.next().unwrap_or_default());
        words.extend(pieces.map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn a_manifest_that_cannot_be_trained_on_says_why() {
    let place = Place::with_photos();
    let train = |text: &str| {
        place.write("photos/labels.csv", text);
        place.rekindle(&["train", "photos/labels.csv"])
    };
    let gone = delimited(',').replace("leaf/", "lost/");
    train(&gone).error(&[
        "8 of the 24 images of `photos/labels.csv`",
        "`lost/0.png`",
        "relative paths start from `photos`",
        "--set data.root=DIR",
    ]);
    place.write("labels.csv", &gone);
    place
        .rekindle(&["train", "labels.csv"])
        .error(&["relative paths start from `.`"]);
    train("path,colour\napple/1.png,red\n").error(&["no column for the label", "`path`, `colour`"]);
    train("path,label\na,x\na,y\n").error(&["`a`: `x` (line 2) and `y` (line 3)"]);
    train("path,label,split\na,x,hold\n").error(&["line 2: the split is `hold`", "`train`"]);
    place.write("photos/labels.xlsx", "x");
    place
        .rekindle(&["train", "photos/labels.xlsx"])
        .error(&["labels.xlsx` is a file of no known kind", ".csv"]);
    place
        .train("a", &["--set", "data.fold=2"])
        .error(&["`data.fold` is 2", "data.folds"]);
    assert!(!place.path("runs").exists());
}

/// Adds images whose names begin with one of seven letters, four images a letter and class.
fn add_bursts(place: &Place) {
    for class in CLASSES {
        place.add_images(&format!("all/{class}"), class, 28);
        for number in 0..28 {
            let letter = (b'a' + number / 4) as char;
            let from = place.path(&format!("all/{class}/{number}.png"));
            let to = place.path(&format!("bursts/{class}/{letter}-{number}.png"));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::rename(from, to).unwrap();
        }
    }
}

fn letters(images: &[String]) -> BTreeSet<char> {
    let name = |image: &String| image.rsplit('/').next().unwrap().chars().next().unwrap();
    images.iter().map(name).collect()
}

#[test]
fn a_group_is_never_on_both_sides() {
    let place = Place::new();
    add_bursts(&place);
    let by_name = [
        "--set",
        "data.group_by=prefix",
        "--set",
        "data.group_separator=-",
    ];
    let start = ["train", "bursts", "--name", "names"];
    let text = place
        .rekindle(&[&start, SHORTEST, &by_name, &["--dry-run"]].concat())
        .success()
        .stdout;
    assert!(
        text.contains("groups in training, ") && text.contains("for validation: "),
        "{text}"
    );
    place
        .rekindle(&[&start, SHORTEST, &by_name].concat())
        .success();

    let mut csv = "file,class,group\n".to_owned();
    for class in CLASSES {
        for number in 0..28 {
            let letter = (b'a' + number / 4) as char;
            csv.push_str(&format!("{class}/{letter}-{number}.png,{class},{letter}\n"));
        }
    }
    place.write("bursts/list.csv", csv);
    let start = ["train", "bursts/list.csv", "--name", "column"];
    place.rekindle(&[&start, SHORTEST].concat()).success();

    for run in ["names", "column"] {
        let split = split_of(&place, run);
        let (train, held) = (images_of(&split, "train"), images_of(&split, "validation"));
        assert!(letters(&train).is_disjoint(&letters(&held)), "{split}");
        assert!(!held.is_empty() && train.len() + held.len() == 84);
    }
    assert_eq!(split_of(&place, "names"), split_of(&place, "column"));
}

#[test]
fn five_folds_are_each_image_once() {
    let place = Place::with_photos();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for fold in 1..=5 {
        let (name, setting) = (format!("f{fold}"), format!("data.fold={fold}"));
        let start = [
            "train",
            "photos",
            "--name",
            &name,
            "--set",
            "data.folds=5",
            "--set",
            &setting,
        ];
        place.rekindle(&[&start, SHORTEST].concat()).success();
        let split = split_of(&place, &name);
        let (train, held) = (images_of(&split, "train"), images_of(&split, "validation"));
        assert_eq!(train.len() + held.len(), 24);
        assert!(held.iter().all(|image| !train.contains(image)));
        for class in CLASSES {
            let of_class = held.iter().filter(|image| image.starts_with(class)).count();
            assert!(
                (1..=2).contains(&of_class),
                "{of_class} of {class} in fold {fold}"
            );
        }
        for image in held {
            *uses.entry(image).or_default() += 1;
        }
    }
    assert_eq!(uses.len(), 24);
    assert!(uses.values().all(|count| *count == 1), "{uses:?}");
    place
        .train("g", &["--set", "data.folds=5", "--set", "data.fold=6"])
        .error(&["fold 6 of 5"]);
}

/// Writes the images of a folder with class folders to a tar file, each with its class in a `.cls` member.
fn shard(folder: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let mut tar = tar::Builder::new(fs::File::create(to).unwrap());
    let mut append = |name: String, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    for class in CLASSES {
        let entries = fs::read_dir(folder.join(class)).unwrap();
        for entry in entries {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            append(format!("{class}/{stem}.png"), &fs::read(&path).unwrap());
            append(format!("{class}/{stem}.cls"), class.as_bytes());
        }
    }
    tar.into_inner().unwrap();
}

#[test]
fn tar_shards_train_as_the_folder_does() {
    let place = Place::new();
    for class in CLASSES {
        place.add_images(&format!("set/train/{class}"), class, 6);
        place.add_images(&format!("set/val/{class}"), class, 3);
    }
    for split in ["train", "val"] {
        let to = place.path(&format!("shards/{split}-000000.tar"));
        shard(&place.path(&format!("set/{split}")), &to);
    }
    let before = place.snapshot("shards");
    for (name, data) in [("folder", "set"), ("tar", "shards")] {
        place
            .rekindle(&[&["train", data, "--name", name], TINY].concat())
            .success();
    }
    assert_same_run(&place, "tar", "folder");
    let evaluate = |data: &str| {
        let args = ["evaluate", "runs/tar", data, "--split", "val", "--json"];
        place.rekindle(&args).success().json()
    };
    let (shards, folder) = (evaluate("shards"), evaluate("set"));
    assert_eq!(shards["images"], 9);
    assert_eq!(shards["confusion"], folder["confusion"]);
    assert_eq!(place.snapshot("shards"), before, "the shards were changed");

    // One bad image is named with its shard.
    place.write("set/train/sky/bad.png", "no image");
    let to = place.path("shards/train-000000.tar");
    shard(&place.path("set/train"), &to);
    place
        .rekindle(&["train", "shards"])
        .error(&["1 of 28 images", "train-000000.tar/sky/bad.png"]);
}

#[test]
fn balanced_drawing_helps_the_small_class_and_is_repeatable() {
    let place = Place::new();
    for (class, count) in [("apple", 30), ("leaf", 6), ("sky", 6)] {
        place.add_images(&format!("photos/{class}"), class, count);
    }
    let balanced = ["--set", "data.sampling=balanced"];
    let text = place
        .train("a", &[&balanced[..], &["--dry-run"]].concat())
        .success()
        .stdout;
    assert!(
        text.contains("balanced: 34 images an epoch, about 11 of each class"),
        "{text}"
    );
    place.train("a", &balanced).success();
    place.train("b", &balanced).success();
    assert_same_run(&place, "a", "b");
    place.train("c", &[]).success();
    assert_eq!(split_of(&place, "a"), split_of(&place, "c"));
    let csv = |run: &str| place.read(&format!("runs/{run}/metrics.csv"));
    assert!(csv("a") != csv("c"), "balanced drawing changed nothing");
    // Without the feature cache the images are drawn by the loader.
    let streamed = [&balanced[..], &["--set", "data.feature_cache_mb=0"]].concat();
    place.train("d", &streamed).success();
    place.train("e", &streamed).success();
    assert_same_run(&place, "d", "e");
}

#[test]
fn a_limit_is_told_before_and_after() {
    let place = Place::with_photos();
    let outcome = place.train("a", &["--limit", "12"]).success();
    let note = "only 12 of 24 images are used, since a limit is set";
    assert_eq!(outcome.stderr.matches(note).count(), 2, "{outcome:?}");
    let split = split_of(&place, "a");
    for class in CLASSES {
        let count = |part| {
            let images = images_of(&split, part);
            images
                .iter()
                .filter(|image| image.starts_with(class))
                .count()
        };
        assert_eq!((count("train"), count("validation")), (3, 1));
    }
    let plan = String::from_utf8(place.read("runs/a/plan.toml")).unwrap();
    assert!(
        plan.contains("images_before_limit = 24") && plan.contains("limit = 12"),
        "{plan}"
    );
    let json = place
        .train("b", &["--limit", "9", "--json"])
        .success()
        .json();
    assert_eq!(json["images_before_limit"], 24);
    place
        .train("c", &["--limit", "8"])
        .error(&["8 images are too few", "at least 9"]);
}

#[test]
fn headers_of_many_images_are_sampled_and_that_is_told() {
    let place = Place::with_photos();
    let outcome = place
        .train("a", &["--set", "data.checked_headers=5", "--dry-run"])
        .success();
    assert!(
        outcome
            .stderr
            .contains("the headers of 5 of 24 images were checked"),
        "{outcome:?}"
    );
}
