//! What decided for several networks that answer together: the same methods, on the combination's own score.

use std::fs;

use image::imageops::flip_horizontal;
use serde_json::Value;

use crate::support::{Place, TINY, trained};

const METHODS: &str = "grad-cam,grad-cam++,integrated-gradients,occlusion";

/// The explanation of a picture, with the values of every map.
fn explained(
    place: &Place,
    model: &str,
    image: &str,
    to: &str,
    more: &[&str],
) -> (Value, Vec<Vec<f64>>) {
    let window = ["--window", "8", "--steps", "16"];
    let words = ["explain", model, image, "-o", to, "--method", METHODS];
    place
        .rekindle(&[&words[..], &window, more].concat())
        .success();
    let index = place.read(&format!("{to}/explanations.json"));
    let index: Value = serde_json::from_slice(&index).unwrap();
    let found = index["images"][0].clone();
    let values = |map: &Value| match &map["values"] {
        Value::Array(rows) => {
            let rows = rows.iter().flat_map(|row| row.as_array().unwrap());
            rows.map(|value| value.as_f64().unwrap()).collect()
        }
        _ => {
            let name = map["values_in"].as_str().unwrap();
            let bytes = place.read(&format!("{to}/{name}"));
            let floats = bytes[128..].chunks_exact(4);
            floats
                .map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap())))
                .collect()
        }
    };
    let maps = found["maps"]
        .as_array()
        .unwrap()
        .iter()
        .map(values)
        .collect();
    (found, maps)
}

/// The greatest difference of two maps, in shares of the greatest value.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let greatest = expected
        .iter()
        .fold(1e-9f64, |most, value| most.max(value.abs()));
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / greatest
}

fn number(of: &Value, key: &str) -> f64 {
    of[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no {key} in {of}"))
}

#[test]
fn twice_the_same_model_is_explained_as_that_model() {
    let place = trained();
    let image = "photos/sky/1.png";
    let (alone, maps) = explained(place, "runs/done", image, "combined-alone", &[]);
    for (name, more) in [
        ("probabilities", &["--of", "probabilities"][..]),
        ("logits", &["--of", "logits", "--weights", "1,3"]),
        ("weighted", &["--weights", "3,1"]),
    ] {
        let file = format!("twice-{name}.safetensors");
        let join = ["ensemble", "runs/done", "runs/done", "-o", &file];
        place.rekindle(&[&join[..], more].concat()).success();
        let to = format!("combined-{name}");
        let (found, of_both) = explained(place, &file, image, &to, &[]);
        assert_eq!(found["output"], alone["output"]);
        for key in ["score", "probability"] {
            assert!(
                (number(&found, key) - number(&alone, key)).abs() < 1e-5,
                "{found}"
            );
        }
        for (at, (ours, theirs)) in of_both.iter().zip(&maps).enumerate() {
            assert!(
                apart(ours, theirs) < 1e-5,
                "{name} {at}: {}",
                apart(ours, theirs)
            );
            assert_eq!(found["maps"][at]["stage"], alone["maps"][at]["stage"]);
        }
    }
}

#[test]
fn a_mean_of_logits_has_the_mean_of_the_maps() {
    let place = Place::with_photos();
    place.train("a", &["--seed", "1"]).success();
    let other = ["--seed", "2", "--set", "input.rescale=symmetric"];
    place.train("b", &other).success();
    let join = [
        "ensemble",
        "runs/a",
        "runs/b",
        "--of",
        "logits",
        "--weights",
        "1,3",
        "-o",
        "mean.safetensors",
    ];
    place.rekindle(&join).success();
    let image = "photos/leaf/3.png";
    let class = ["--class", "leaf"];
    let of = |model: &str, to: &str| explained(&place, model, image, to, &class);
    let (a, maps_of_a) = of("runs/a", "of-a");
    let (b, maps_of_b) = of("runs/b", "of-b");
    let (mean, maps) = of("mean.safetensors", "of-mean");
    let share = |a: f64, b: f64| 0.25 * a + 0.75 * b;
    let score = share(number(&a, "score"), number(&b, "score"));
    assert!((number(&mean, "score") - score).abs() < 1e-5);
    for (at, found) in maps.iter().enumerate() {
        let pairs = maps_of_a[at].iter().zip(&maps_of_b[at]);
        let expected: Vec<f64> = pairs.map(|(a, b)| share(*a, *b)).collect();
        assert!(
            apart(found, &expected) < 1e-5,
            "{at}: {}",
            apart(found, &expected)
        );
    }
    let difference = |of: &Value| number(&of["maps"][2], "difference");
    let expected = share(difference(&a), difference(&b));
    assert!((difference(&mean) - expected).abs() < 1e-4);
}

#[test]
fn models_that_see_pictures_otherwise_are_explained_over_the_first_ones_view() {
    let place = Place::with_photos();
    place.train("a", &["--seed", "1"]).success();
    let other = [
        "--seed",
        "2",
        "--set",
        "input.size=[40,48]",
        "--set",
        "input.rescale=symmetric",
        "--set",
        "input.policy=squash",
    ];
    place.train("b", &other).success();
    for class in ["apple", "leaf", "sky"] {
        place.add_images(&format!("held/{class}"), class, 30);
    }
    place
        .rekindle(&["ensemble", "runs/a", "runs/b", "-o", "mean.safetensors"])
        .success();
    let stack = [
        "stack",
        "runs/a",
        "runs/b",
        "--data",
        "held",
        "-o",
        "stack.safetensors",
    ];
    place.rekindle(&stack).success();
    let nested = [
        "ensemble",
        "stack.safetensors",
        "runs/b",
        "--tta",
        "flip",
        "-o",
        "nested.safetensors",
    ];
    place.rekindle(&nested).success();
    let before = place.snapshot("held");
    for model in ["mean", "stack", "nested"] {
        let file = format!("{model}.safetensors");
        let image = "held/leaf/20.png";
        let (found, maps) = explained(&place, &file, image, model, &["--class", "leaf"]);
        let said = place
            .rekindle(&["predict", &file, image, "--json"])
            .success()
            .json();
        let probability = said[0]["probabilities"]["leaf"].as_f64().unwrap();
        assert!((number(&found, "probability") - probability).abs() < 1e-5);
        // The maps of stages of other sizes are enlarged to the first network's input.
        let sizes = ["size"].map(|key| found["maps"][0][key].clone());
        assert_eq!(sizes, [Value::from([32, 32])]);
        assert!(maps[0].iter().all(|value| *value >= 0.0));
        for (at, map) in maps.iter().enumerate() {
            assert!(map.iter().any(|value| *value != 0.0), "{model} {at}");
        }
        assert_eq!(found["maps"][3]["size"], Value::from([32, 32]));
    }
    assert_eq!(place.snapshot("held"), before);
    place
        .rekindle(&[
            "explain",
            "mean.safetensors",
            "held/leaf/20.png",
            "-o",
            "x",
            "--stage",
            "blocks.9",
        ])
        .error(&["blocks.9", "blocks.6"]);
}

#[test]
fn a_mirrored_view_turns_its_map_back() {
    let place = trained();
    let picture = image::open(place.path("photos/leaf/7.png"))
        .unwrap()
        .to_rgb8();
    fs::create_dir_all(place.path("mirrored")).unwrap();
    flip_horizontal(&picture)
        .save(place.path("mirrored/7.png"))
        .unwrap();
    let join = [
        "ensemble",
        "runs/done",
        "runs/done",
        "--tta",
        "flip",
        "-o",
        "flipped.safetensors",
    ];
    place.rekindle(&join).success();
    let class = ["--class", "leaf"];
    let (one, maps) = explained(
        place,
        "flipped.safetensors",
        "photos/leaf/7.png",
        "flip-1",
        &class,
    );
    let (other, turned) = explained(
        place,
        "flipped.safetensors",
        "mirrored/7.png",
        "flip-2",
        &class,
    );
    assert!((number(&one, "score") - number(&other, "score")).abs() < 1e-4);
    for (at, (ours, theirs)) in maps.iter().zip(&turned).enumerate() {
        let width = one["maps"][at]["size"][1].as_u64().unwrap() as usize;
        let back: Vec<f64> = theirs
            .chunks(width)
            .flat_map(|row| row.iter().rev().copied())
            .collect();
        assert!(apart(ours, &back) < 1e-3, "{at}: {}", apart(ours, &back));
    }
}

#[test]
fn a_temperature_changes_the_probability_and_no_map() {
    let place = Place::with_photos();
    let train = ["train", "photos", "--name", "done"];
    place.rekindle(&[&train[..], TINY].concat()).success();
    for class in ["apple", "leaf", "sky"] {
        place.add_images(&format!("held/{class}"), class, 16);
    }
    place.add_images("wrong", "sky", 20);
    for number in 16..20 {
        let to = place.path(&format!("held/apple/wrong-{number}.png"));
        fs::copy(place.path(&format!("wrong/{number}.png")), to).unwrap();
    }
    let calibrate = [
        "calibrate",
        "runs/done",
        "--data",
        "held",
        "-o",
        "cool.safetensors",
    ];
    place.rekindle(&calibrate).success();
    let image = "photos/apple/3.png";
    let (before, maps) = explained(&place, "runs/done", image, "warm", &[]);
    let (after, same) = explained(&place, "cool.safetensors", image, "cool", &[]);
    assert_eq!(maps, same);
    assert_eq!(before["score"], after["score"]);
    assert!(before["probability"] != after["probability"]);
}
