//! Several models as one file, meta-learners, temperatures, thresholds, views at prediction, and bags: what the files say afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Place, TINY};

/// A place with `photos`, two runs of different sizes and seeds, and `held`: images that neither has seen, some of them in wrong folders.
fn two_runs() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Place::with_photos();
        place.train("a", &["--seed", "1"]).success();
        let other = [
            "--seed",
            "2",
            "--set",
            "input.size=[40,48]",
            "--set",
            "input.rescale=symmetric",
        ];
        place.train("b", &other).success();
        for class in ["apple", "leaf", "sky"] {
            place.add_images(&format!("held/{class}"), class, 16);
        }
        // Of these those from 8 on are new in content.
        place.add_images("wrong", "sky", 20);
        for number in 16..20 {
            let from = place.path(&format!("wrong/{number}.png"));
            fs::copy(from, place.path(&format!("held/apple/wrong-{number}.png"))).unwrap();
        }
        let both = ["ensemble", "runs/a", "runs/b", "-o", "both.safetensors"];
        place.rekindle(&both).success();
        place
    })
}

/// The probabilities of each image, by path and class.
fn probabilities(place: &Place, model: &str, more: &[&str]) -> BTreeMap<String, Value> {
    let words = [&["predict", model, "held", "--json"], more].concat();
    let found = place.rekindle(&words).success().json();
    let images = found.as_array().unwrap().iter();
    images
        .map(|image| {
            let path = image["path"].as_str().unwrap().to_owned();
            (path, image["probabilities"].clone())
        })
        .collect()
}

/// The largest difference between one model's probabilities and a function of those of others.
fn apart(found: &BTreeMap<String, Value>, expected: impl Fn(&str, &str) -> f64) -> f64 {
    let mut most: f64 = 0.0;
    for (path, row) in found {
        for (class, value) in row.as_object().unwrap() {
            most = most.max((value.as_f64().unwrap() - expected(path, class)).abs());
        }
    }
    most
}

fn value(of: &BTreeMap<String, Value>, path: &str, class: &str) -> f64 {
    of[path][class].as_f64().unwrap()
}

#[test]
fn a_mean_of_models_of_different_sizes_is_one_file_that_says_it() {
    let place = two_runs();
    let [a, b, both] =
        ["runs/a", "runs/b", "both.safetensors"].map(|model| probabilities(place, model, &[]));
    let mean = |path: &str, class: &str| (value(&a, path, class) + value(&b, path, class)) / 2.0;
    assert!(apart(&both, mean) < 1e-5);
    let evaluated = place
        .rekindle(&["evaluate", "both.safetensors", "held", "--json"])
        .success();
    // What either was trained on is known, also of the file that is in no run.
    assert_eq!(evaluated.json()["split"], "not trained on");
    let inspected = place.rekindle(&["inspect", "both.safetensors"]).success();
    for words in [
        "Rule        mean of probabilities",
        "Networks    2",
        "0.500  runs/b",
        "40x48",
    ] {
        assert!(inspected.stdout.contains(words), "{inspected:?}");
    }
    let one = ["export", "both.safetensors", "-o", "x.onnx"];
    place
        .rekindle(&one)
        .error(&["cannot share one input", "[32, 32]", "[40, 48]"]);
    let timm = ["export", "both.safetensors", "--format", "timm", "-o", "x"];
    place
        .rekindle(&timm)
        .error(&["combines several networks", "runs/a"]);
    let again = ["ensemble", "runs/a", "runs/b", "-o", "both.safetensors"];
    place
        .rekindle(&again)
        .error(&["is there already", "--force"]);
}

#[test]
fn combinations_of_networks_on_one_input_are_one_onnx_file() {
    let place = Place::with_photos();
    place.train("a", &["--seed", "1"]).success();
    place
        .train("b", &["--seed", "2", "--set", "input.rescale=unit"])
        .success();
    for class in ["apple", "leaf", "sky"] {
        place.add_images(&format!("held/{class}"), class, 30);
        // Those from 30 on are new in content.
        place.add_images(&format!("fresh/{class}"), class, 50);
    }
    // Wrong labels, without which no temperature would be too low.
    for number in 40..50 {
        let [from, to] =
            ["sky/", "apple/sky-"].map(|name| place.path(&format!("fresh/{name}{number}.png")));
        fs::rename(from, to).unwrap();
    }
    let [a, b] = ["runs/a", "runs/b"];
    for (name, words) in [
        ("mean", vec!["ensemble", a, b]),
        (
            "logits",
            vec!["ensemble", a, b, "--of", "logits", "--weights", "3,1"],
        ),
        ("one", vec!["ensemble", a, b, "--weights", "0,1"]),
        ("stack", vec!["stack", a, b, "--data", "held"]),
        (
            "nested",
            vec!["ensemble", "stack.safetensors", "mean.safetensors", b],
        ),
        (
            "cool",
            vec!["calibrate", "nested.safetensors", "--data", "fresh"],
        ),
    ] {
        let file = format!("{name}.safetensors");
        place
            .rekindle(&[&words[..], &["-o", &file]].concat())
            .success();
        let onnx = format!("{name}.onnx");
        // Each is computed here and compared with the model before the command ends.
        let done = place.rekindle(&["export", &file, "-o", &onnx, "--include-rescale"]);
        assert!(done.success().stdout.contains("differ from the model's"));
    }
    place
        .rekindle(&["export", "mean.safetensors", "-o", "x.onnx"])
        .error(&["rescale images differently", "--include-rescale"]);
    assert!(!place.path("x.onnx").exists());
}

#[test]
fn given_weights_views_and_combinations_of_combinations_are_kept() {
    let place = two_runs();
    let words = [
        "ensemble",
        "both.safetensors",
        "runs/b",
        "--weights",
        "3,1",
        "-o",
        "nested.safetensors",
    ];
    place.rekindle(&words).success();
    let [a, b, nested] =
        ["runs/a", "runs/b", "nested.safetensors"].map(|model| probabilities(place, model, &[]));
    let mean =
        |path: &str, class: &str| 0.375 * value(&a, path, class) + 0.625 * value(&b, path, class);
    assert!(apart(&nested, mean) < 1e-5);
    let words = [
        "ensemble",
        "runs/a",
        "runs/b",
        "--tta",
        "flip",
        "-o",
        "views.safetensors",
    ];
    place.rekindle(&words).success();
    let kept = probabilities(place, "views.safetensors", &[]);
    let asked = probabilities(place, "both.safetensors", &["--tta", "flip"]);
    assert!(apart(&kept, |path, class| value(&asked, path, class)) < 1e-6);
    let scaled = ["predict", "runs/a", "held", "--tta", "flip,1.5", "--json"];
    place.rekindle(&scaled).success();
    place
        .rekindle(&["predict", "runs/a", "held", "--tta", "flop"])
        .error(&["--tta", "expected `flip`"]);
}

#[test]
fn a_picture_and_its_mirror_are_the_same_under_flips() {
    let place = two_runs();
    let picture = image::open(place.path("held/leaf/12.png")).unwrap();
    fs::create_dir_all(place.path("mirror")).unwrap();
    picture.save(place.path("mirror/a.png")).unwrap();
    picture.fliph().save(place.path("mirror/b.png")).unwrap();
    let said = |more: &[&str]| {
        let words = [&["predict", "runs/a", "mirror", "--json"], more].concat();
        let found = place.rekindle(&words).success().json();
        [0, 1].map(|at| found[at]["probability"].as_f64().unwrap())
    };
    let [a, b] = said(&["--tta", "flip"]);
    assert!((a - b).abs() < 1e-6, "{a} {b}");
    let [a, b] = said(&[]);
    assert!((a - b).abs() > 1e-6, "{a} {b}");
}

#[test]
fn fitted_weights_are_measured_on_images_that_no_model_saw() {
    let place = two_runs();
    let words = [
        "ensemble",
        "runs/a",
        "runs/b",
        "--fit",
        "held",
        "-o",
        "fitted.safetensors",
        "--json",
    ];
    let found = place.rekindle(&words).success();
    assert!(
        found
            .stderr
            .contains("were trained or fitted on and are left out"),
        "{found:?}"
    );
    let json = found.json();
    let weights = json["rule"]["mean"]["weights"].as_array().unwrap();
    let sum: f64 = weights.iter().map(|weight| weight.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert_eq!(json["rows"].as_array().unwrap().len(), 4);
    let spread = &json["spread"];
    let [measured, formula] =
        ["variance_of_mean", "variance_by_formula"].map(|name| spread[name].as_f64().unwrap());
    assert!((measured - formula).abs() < 1e-9, "{spread}");
    // The images that it was fitted to are no new ones for it.
    place
        .rekindle(&["evaluate", "fitted.safetensors", "held"])
        .error(&["all 52 images"]);
    let text = [
        "ensemble",
        "runs/a",
        "runs/b",
        "--fit",
        "held",
        "-o",
        "text.safetensors",
        "--of",
        "logits",
    ];
    let found = place.rekindle(&text).success();
    for words in [
        "mean, weights alike",
        "rho sigma^2 + (1 - rho) sigma^2 / n",
        "in 5 parts",
    ] {
        assert!(found.stdout.contains(words), "{found:?}");
    }
    assert!(
        found.stdout.lines().all(|line| line.chars().count() <= 80),
        "{found:?}"
    );
}

#[test]
fn a_meta_learner_is_a_file_like_any_other() {
    let place = two_runs();
    let words = [
        "stack",
        "runs/a",
        "runs/b",
        "--data",
        "held",
        "-o",
        "stack.safetensors",
    ];
    let found = place.rekindle(&words).success();
    assert!(found.stdout.contains("meta-learner"), "{found:?}");
    let rows = probabilities(place, "stack.safetensors", &[]);
    for row in rows.values() {
        let sum: f64 = row
            .as_object()
            .unwrap()
            .values()
            .map(|share| share.as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-5, "{row}");
    }
    let mut bytes = place.read("stack.safetensors");
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    place.write("broken.safetensors", bytes);
    place
        .rekindle(&["predict", "broken.safetensors", "held"])
        .error(&["is damaged"]);
}

#[test]
fn a_calibrated_model_orders_classes_as_before_and_may_answer_unknown() {
    let place = two_runs();
    let words = [
        "calibrate",
        "runs/a",
        "--data",
        "held",
        "--precision",
        "0.9",
        "-o",
        "careful.safetensors",
        "--json",
    ];
    let found = place.rekindle(&words).success().json();
    let temperature = found["temperature"]["value"].as_f64().unwrap();
    let [before, after] = ["before", "after"].map(|when| found[when]["loss"].as_f64().unwrap());
    assert!(temperature > 0.0 && after <= before, "{found}");
    let least = found["threshold"]["probability"].as_f64().unwrap();
    let said = place
        .rekindle(&["predict", "careful.safetensors", "held", "--json"])
        .success()
        .json();
    let plain = probabilities(place, "runs/a", &[]);
    for image in said.as_array().unwrap() {
        let probability = image["probability"].as_f64().unwrap();
        assert_eq!(image["class"] == "unknown", probability < least, "{image}");
        let best = |of: &Value| {
            let of = of.as_object().unwrap().iter();
            of.max_by(|a, b| a.1.as_f64().unwrap().total_cmp(&b.1.as_f64().unwrap()))
                .unwrap()
                .0
                .clone()
        };
        assert_eq!(
            best(&image["probabilities"]),
            best(&plain[image["path"].as_str().unwrap()])
        );
    }
    let csv = place
        .rekindle(&[
            "predict",
            "careful.safetensors",
            "held",
            "--csv",
            "--top",
            "1",
        ])
        .success();
    assert!(
        csv.stdout.starts_with("path,class,probability,likeliest\n"),
        "{csv:?}"
    );
    let inspected = place
        .rekindle(&["inspect", "careful.safetensors"])
        .success();
    for words in ["Temperature ", "Unknown     below"] {
        assert!(inspected.stdout.contains(words), "{inspected:?}");
    }
    // The temperature is part of what is exported: both sides are compared there.
    place
        .rekindle(&["export", "careful.safetensors", "-o", "careful.onnx"])
        .success();
    let both = [
        "calibrate",
        "both.safetensors",
        "--data",
        "held",
        "-o",
        "both-calibrated.safetensors",
    ];
    place.rekindle(&both).success();
}

#[test]
fn what_does_not_go_together_is_said_before_anything_is_written() {
    let place = two_runs();
    let other = Place::new();
    for class in ["apple", "sky"] {
        other.add_images(&format!("photos/{class}"), class, 8);
    }
    other.train("c", &[]).success();
    place.write("two.safetensors", other.read("runs/c/model.safetensors"));
    let ensemble = |words: &[&str]| place.rekindle(&[&["ensemble", "runs/a"], words].concat());
    ensemble(&["two.safetensors", "-o", "no.safetensors"]).error(&[
        "runs/a",
        "two.safetensors",
        "lacks leaf",
    ]);
    ensemble(&["-o", "no.safetensors"]).error(&["2 values required"]);
    ensemble(&["runs/b", "--weights", "1", "-o", "no.safetensors"])
        .error(&["--weights", "each of the 2 models"]);
    ensemble(&["runs/b", "-o", "no.onnx"]).error(&["ends in .safetensors"]);
    ensemble(&["runs/b", "-o", "runs"]).error(&["is a folder"]);
    ensemble(&["runs/b", "-o", "held/no.safetensors", "--fit", "held"])
        .error(&["among the images"]);
    ensemble(&["runs/b", "-o", "runs/a/model.safetensors", "--force"])
        .error(&["is one of the models"]);
    place
        .rekindle(&[
            "stack",
            "runs/a",
            "runs/b",
            "--data",
            "photos",
            "--split",
            "train",
            "-o",
            "no.safetensors",
        ])
        .error(&["no train images"]);
    assert!(!place.path("no.safetensors").exists());
}

#[test]
fn a_bag_is_runs_and_their_mean_and_goes_on_where_it_stopped() {
    let place = Place::with_photos();
    let words = [&["train", "photos", "--name", "bag", "--bag", "2"], TINY].concat();
    let found = place.rekindle(&words).success();
    for words in [
        "mean of all",
        "sigma^2 / n, if independent",
        "runs/bag/model.safetensors: 2 networks",
    ] {
        assert!(found.stdout.contains(words), "{found:?}");
    }
    let figures: Value = serde_json::from_slice(&place.read("runs/bag/combined.json")).unwrap();
    assert_eq!(figures["rows"].as_array().unwrap().len(), 3);
    let validation = |member: usize| {
        let split: Value =
            serde_json::from_slice(&place.read(&format!("runs/bag/bag-{member}/split.json")))
                .unwrap();
        (split["train"].clone(), split["validation"].clone())
    };
    let ((first, own), (second, other)) = (validation(1), validation(2));
    assert_eq!(own, other);
    assert_ne!(first, second);
    let model = place.read("runs/bag/model.safetensors");
    place
        .rekindle(&["evaluate", "runs/bag", "photos"])
        .success();
    // As if it had been killed in the second run.
    fs::remove_file(place.path("runs/bag/model.safetensors")).unwrap();
    fs::remove_dir_all(place.path("runs/bag/bag-2")).unwrap();
    place.rekindle(&["train", "--resume", "runs/bag"]).success();
    assert_eq!(
        place.read("runs/bag/model.safetensors") == model,
        crate::support::gives_the_same_bytes()
    );
    place.rekindle(&words).error(&["runs/bag"]);
}
