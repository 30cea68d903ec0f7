//! Features that are kept on disk: they change no result, and nothing that decides them is missed.

use std::fs;
use std::path::PathBuf;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{Place, assert_same_metrics, gives_the_same_bytes};

/// metrics.csv, the tensors of the model, and run.json.
struct Run {
    metrics: String,
    tensors: Vec<u8>,
    report: Value,
}

impl Run {
    fn of(place: &Place, name: &str, more: &[&str]) -> Self {
        place.train(name, more).success();
        let read = |file: &str| place.read(&format!("runs/{name}/{file}"));
        let model = read("model.safetensors");
        // Behind the header, which holds the recipe.
        let header = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
        Self {
            metrics: String::from_utf8(read("metrics.csv")).unwrap(),
            tensors: model[8 + header..].to_vec(),
            report: serde_json::from_slice(&read("run.json")).unwrap(),
        }
    }

    /// Blocks that were read and written.
    fn blocks(&self) -> [u64; 2] {
        let count = |key| self.report["disk_cache"][key].as_u64().unwrap();
        ["features_read", "features_written"].map(count)
    }

    /// Pictures that were read and written.
    fn pictures(&self) -> [u64; 2] {
        ["read", "written"].map(|key| self.report["disk_cache"][key].as_u64().unwrap())
    }

    #[track_caller]
    fn is(&self, expected: &Self) {
        assert_same_metrics(&self.metrics, &expected.metrics);
        assert!(
            !gives_the_same_bytes() || self.tensors == expected.tensors,
            "another model"
        );
    }
}

/// The head alone.
const PROBE: &[&str] = &["--set", "phase2.epochs=0"];

fn probe(place: &Place, name: &str, more: &[&str]) -> Run {
    Run::of(place, name, &[PROBE, more].concat())
}

fn entries(place: &Place) -> Vec<PathBuf> {
    let folders = fs::read_dir(place.cache_path("features")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

/// Removes the pictures, so that what decodes nothing is seen to.
fn forget_pictures(place: &Place) {
    let _ = fs::remove_dir_all(place.cache_path("images"));
}

#[test]
fn a_second_run_decodes_nothing_and_is_the_same_to_the_byte() {
    let place = Place::with_photos();
    let off = probe(&place, "off", &["--set", "data.disk_cache_mb=0"]);
    let cold = probe(&place, "cold", &[]);
    cold.is(&off);
    let [read, written] = cold.blocks();
    assert!(
        read == 0 && written == entries(&place).len() as u64,
        "{read} {written}"
    );
    forget_pictures(&place);
    let warm = probe(&place, "warm", &[]);
    warm.is(&off);
    assert_eq!(warm.blocks(), [written, 0]);
    assert_eq!(warm.pictures(), [0, 0], "a picture was decoded");
    // Another head on the same features.
    let head = ["--set", "head.hidden=[8]", "--set", "phase1.lr=0.01"];
    let other = probe(&place, "head", &head);
    assert_eq!(other.blocks()[1], 0);
    let off = [&head[..], &["--set", "data.disk_cache_mb=0"]].concat();
    other.is(&probe(&place, "head-off", &off));
}

#[test]
fn phases_that_train_stages_start_from_kept_maps_too() {
    let place = Place::with_photos();
    for (name, fresh) in [("kept", "false"), ("fresh", "true")] {
        let views = format!("phase2.fresh_views={fresh}");
        let run = |which: &str, more: &[&str]| {
            let settings = [&["--set", views.as_str()], more].concat();
            Run::of(&place, &format!("{name}-{which}"), &settings)
        };
        let off = run("off", &["--set", "data.disk_cache_mb=0"]);
        let cold = run("cold", &[]);
        cold.is(&off);
        let warm = run("warm", &[]);
        warm.is(&off);
        assert_eq!(warm.blocks()[1], 0, "{name}: {:?}", warm.blocks());
        assert!(warm.blocks()[0] > 0);
    }
}

#[test]
fn whatever_decides_features_makes_others() {
    let place = Place::with_photos();
    let written = probe(&place, "cold", &[]).blocks()[1];
    for (name, setting) in [
        ("size", "input.size=[64, 64]"),
        ("taps", "features.taps=1"),
        ("rms", "features.unit_rms=false"),
        ("pool", "head.pool=\"max\""),
    ] {
        let run = probe(&place, name, &["--set", setting]);
        assert_eq!(run.blocks()[0], 0, "{setting}");
        assert!(run.blocks()[1] >= written, "{setting}");
        run.is(&probe(
            &place,
            &format!("{name}-off"),
            &["--set", setting, "--set", "data.disk_cache_mb=0"],
        ));
    }
    let random = ["--set", "backbone.weights=\"random\""];
    assert_eq!(probe(&place, "random", &random).blocks(), [0, 0]);
    // Other transforms change the augmented views alone.
    let run = probe(
        &place,
        "transforms",
        &["--set", "augment.transforms=[{ op = \"vertical_flip\" }]"],
    );
    assert!(
        run.blocks()[0] > 0 && run.blocks()[1] > 0,
        "{:?}",
        run.blocks()
    );
}

#[test]
fn a_changed_picture_and_a_changed_file_of_weights_are_noticed() {
    let place = Place::with_photos();
    probe(&place, "cold", &[]);
    let photo = place.path("photos/sky/1.png");
    let metadata = fs::metadata(&photo).unwrap();
    let size = image::image_dimensions(&photo).unwrap();
    RgbImage::from_pixel(size.0, size.1, Rgb([250, 3, 9]))
        .save(&photo)
        .unwrap();
    // The time is no help.
    let file = fs::File::options().write(true).open(&photo).unwrap();
    file.set_modified(metadata.modified().unwrap()).unwrap();
    drop(file);
    let changed = probe(&place, "changed", &[]);
    assert!(changed.blocks()[1] > 0, "{:?}", changed.blocks());
    changed.is(&probe(
        &place,
        "changed-off",
        &["--set", "data.disk_cache_mb=0"],
    ));

    let bundled = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/weights/tf_efficientnet_lite0.f16.safetensors"
    );
    let mut weights = fs::read(bundled).unwrap();
    let file = ["--set", "backbone.weights=\"own.safetensors\""];
    place.write("own.safetensors", &weights);
    let own = probe(&place, "own", &file);
    assert_eq!(own.blocks()[1], 0, "the same weights in another file");
    // The lowest bit of one number.
    let last = weights.len() - 2;
    weights[last] ^= 1;
    place.write("own.safetensors", &weights);
    assert_eq!(probe(&place, "own-changed", &file).blocks()[0], 0);
}

#[test]
fn damaged_entries_are_computed_anew() {
    let place = Place::with_photos();
    let cold = probe(&place, "cold", &[]);
    let all = entries(&place);
    for (number, path) in all.iter().enumerate() {
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
    let again = probe(&place, "again", &[]);
    again.is(&cold);
    assert_eq!(again.blocks(), [0, all.len() as u64]);
    assert_eq!(probe(&place, "third", &[]).blocks(), [all.len() as u64, 0]);
    let shown = place.rekindle(&["cache"]).success().stdout;
    assert!(shown.contains("blocks of features"), "{shown}");
    place.rekindle(&["cache", "--clear"]).success();
    assert!(!place.cache_path("features").exists());
}
