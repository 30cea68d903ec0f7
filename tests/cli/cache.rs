//! The cache of decoded images on disk: it changes no result, stays where it belongs and within its bound, and survives damage.

use std::fs;
use std::path::PathBuf;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{Place, assert_same_metrics, gives_the_same_bytes};

/// Every phase reads its images anew in each epoch, and nothing is kept in memory.
const STREAMED: &[&str] = &[
    "--set",
    "data.feature_cache_mb=0",
    "--set",
    "data.image_cache_mb=0",
];

/// Small pictures, large photographs in two formats, and one that lies on its side.
fn place() -> Place {
    let place = Place::with_photos();
    for (name, shift) in [
        ("apple/large.jpg", 3),
        ("leaf/large.jpg", 40),
        ("sky/large.png", 90),
    ] {
        let image = RgbImage::from_fn(1700, 1250, |x, y| {
            let wave = |at: u32| (128.0 + 100.0 * (f64::from(at + shift) / 30.0).sin()) as u8;
            Rgb([wave(x), wave(y), wave(x + y)])
        });
        image.save(place.path(&format!("photos/{name}"))).unwrap();
    }
    let sideways = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/crates/rekindle-augment/tests/data/orientation_6.jpg"
    );
    place.write("photos/sky/sideways.jpg", fs::read(sideways).unwrap());
    place
}

/// Trains streamed; gives metrics.csv, the tensors of the model, and run.json.
fn train(place: &Place, name: &str, more: &[&str]) -> (String, Vec<u8>, Value) {
    let all = [STREAMED, &["--set", "phase1.epochs=2"], more].concat();
    place.train(name, &all).success();
    results(place, name)
}

fn results(place: &Place, name: &str) -> (String, Vec<u8>, Value) {
    let read = |file: &str| place.read(&format!("runs/{name}/{file}"));
    let model = read("model.safetensors");
    // Behind the header, which holds the recipe.
    let header = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    let csv = String::from_utf8(read("metrics.csv")).unwrap();
    let report = serde_json::from_slice(&read("run.json")).unwrap();
    (csv, model[8 + header..].to_vec(), report)
}

#[track_caller]
fn assert_same(found: &(String, Vec<u8>, Value), expected: &(String, Vec<u8>, Value)) {
    assert_same_metrics(&found.0, &expected.0);
    assert!(
        !gives_the_same_bytes() || found.1 == expected.1,
        "another model"
    );
}

fn counts(run: &(String, Vec<u8>, Value)) -> [u64; 2] {
    ["read", "written"].map(|key| run.2["disk_cache"][key].as_u64().unwrap())
}

/// The files of the cache.
fn entries(place: &Place) -> Vec<PathBuf> {
    let folders = fs::read_dir(place.cache_path("images")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn runs_are_the_same_with_and_without_a_cache_and_after_damage_to_it() {
    let place = place();
    let before = place.snapshot("photos");
    let without = train(&place, "without", &["--set", "data.disk_cache_mb=0"]);
    assert_eq!(without.2["disk_cache"], Value::Null);
    assert!(!place.cache_path("").exists());

    let first = train(&place, "first", &[]);
    assert_same(&first, &without);
    let written = counts(&first)[1];
    assert!(written >= 28 && entries(&place).len() as u64 == written);

    let second = train(&place, "second", &[]);
    assert_same(&second, &without);
    assert!(
        counts(&second)[0] > counts(&first)[0],
        "{:?}",
        counts(&second)
    );
    assert_eq!(counts(&second)[1], 0);
    let turned = place.train("text", &[STREAMED, &["--set", "phase1.epochs=1"]].concat());
    assert!(turned.stdout.contains("1 turned upright"), "{turned:?}");

    let memory = ["--set", "data.image_cache_mb=512"];
    assert_same(&train(&place, "memory", &memory), &without);

    for (number, path) in entries(&place).iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        match number % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            _ => bytes.clear(),
        }
        fs::write(path, bytes).unwrap();
    }
    let damaged = train(&place, "damaged", &[]);
    assert_same(&damaged, &without);
    assert_eq!(counts(&damaged)[1], written);
    assert_eq!(place.snapshot("photos"), before, "the images were changed");
}

#[test]
fn two_runs_at_once_share_a_cache() {
    let place = place();
    let expected = train(&place, "alone", &["--set", "data.disk_cache_mb=0"]);
    let children = ["a", "b"].map(|name| {
        let start = [
            "train",
            "photos",
            "--name",
            name,
            "--set",
            "phase1.epochs=2",
        ];
        let rest = ["--set", "input.size=[32,32]", "--set", "phase2.epochs=2"];
        let args = [&start[..], STREAMED, &rest].concat();
        (name, place.command(&args).spawn().unwrap())
    });
    for (name, child) in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_same(&results(&place, name), &expected);
    }
    for path in entries(&place) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.len() == 32, "left over: {name}");
    }
}

#[test]
fn the_cache_is_bounded_and_can_be_shown_and_cleared() {
    let place = place();
    for number in 0..4u32 {
        // 600 kB decoded: one fits into a megabyte beside the smaller ones.
        let image = RgbImage::from_fn(500, 400, |x, y| Rgb([x as u8, y as u8, number as u8]));
        image
            .save(place.path(&format!("photos/leaf/medium{number}.png")))
            .unwrap();
    }
    let show = |more: &[&str]| {
        let args = [&["cache", "--json"], more].concat();
        place.rekindle(&args).success().json()
    };
    let text = |args: &[&str]| place.rekindle(args).success().stdout;
    assert_eq!(show(&[])["images"], 0);
    assert!(text(&["cache"]).contains("holds no decoded images"));

    train(&place, "a", &["--set", "data.disk_cache_mb=1"]);
    let bounded = show(&[]);
    assert!(bounded["images"].as_u64().unwrap() > 0);
    assert!(bounded["bytes"].as_u64().unwrap() <= 1 << 20, "{bounded}");
    assert_eq!(
        bounded["directory"],
        place.cache_path("").to_str().unwrap().trim_end_matches('/')
    );
    assert!(text(&["cache"]).contains("decoded images, 1 MiB"));

    let elsewhere = ["--set", "data.cache_directory=mine"];
    train(&place, "b", &elsewhere);
    assert_eq!(show(&[]), bounded, "the other directory is not touched");
    let mine = show(&["--directory", "mine"]);
    assert!(mine["images"].as_u64() > bounded["images"].as_u64());

    assert!(text(&["cache", "--clear"]).starts_with("removed "));
    assert_eq!(show(&[])["images"], 0);
    assert_eq!(show(&["--directory", "mine"]), mine);
    assert_eq!(show(&["--directory", "mine", "--clear"])["cleared"], true);
    assert!(!place.path("mine").exists());
}

#[test]
fn a_cache_among_the_images_is_refused() {
    let place = place();
    for directory in [
        "photos",
        "photos/cache",
        "photos/sky/deep/er",
        "runs/../photos/x",
    ] {
        let setting = format!("data.cache_directory={directory}");
        place
            .train("a", &["--set", &setting])
            .error(&["`data.cache_directory`", "outside the folders of images"]);
    }
    place.write("file", "no directory");
    place
        .train("a", &["--set", "data.cache_directory=file"])
        .error(&["`data.cache_directory`", "this is a file"]);
    // The system's own directory is not an error there, only of no use.
    let mut command = place.command(&["train", "photos", "--name", "a", "--dry-run"]);
    let output = command
        .env("XDG_CACHE_HOME", place.path("photos/sky"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("are not kept on disk"), "{text}");
}

#[test]
fn plans_and_previews_write_nothing_to_the_cache() {
    let place = place();
    let skip = ["--dry-run", "--bad-images", "skip"];
    let plan = place.train("a", &skip).success().stdout;
    assert!(plan.contains("# Cache     "), "{plan}");
    place
        .rekindle(&["preview", "photos", "--out", "sheet.png"])
        .success();
    assert!(!place.cache_path("").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_whose_cache_cannot_be_written_goes_on_and_says_so() {
    let place = place();
    let directory = ["--set", "data.cache_directory=/proc/rekindle"];
    let outcome = place.train("a", &[STREAMED, &directory].concat()).success();
    assert_eq!(
        outcome
            .stdout
            .matches("note: decoded images are not kept on disk")
            .count(),
        1,
        "{outcome:?}"
    );
    let (_, _, report) = results(&place, "a");
    assert_eq!(report["disk_cache"]["written"], 0);
}

#[test]
fn a_run_tells_what_share_of_its_time_it_waited_for_images() {
    let place = place();
    let outcome = place.train("a", STREAMED).success();
    let header = outcome
        .stdout
        .lines()
        .find(|line| line.starts_with("epoch"));
    assert!(
        header.is_some_and(|line| line.ends_with("waited")),
        "{outcome:?}"
    );
    let (_, _, report) = results(&place, "a");
    let timings = report["timings"].as_array().unwrap();
    let epochs = report["history"].as_array().unwrap();
    assert_eq!(timings.len(), epochs.len());
    let number = |value: &Value| value.as_f64().unwrap();
    let mut waited = 0.0;
    for (timing, epoch) in timings.iter().zip(epochs) {
        assert_eq!(timing["phase"], epoch["phase"]);
        assert_eq!(timing["epoch"], epoch["epoch"]);
        let [seconds, part] = ["seconds", "waited_seconds"].map(|key| number(&timing[key]));
        assert!(0.0 < part && part < seconds, "{timing}");
        waited += part;
    }
    // Of the whole time, with the start and the end of the program.
    let share = number(&report["waited_share"]);
    let all = waited / number(&report["seconds"]);
    assert!((share - all).abs() < 1e-3, "{share} {all}");
}
