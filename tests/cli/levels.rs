//! Classes that are levels (`data.ordinal`): training, figures, predictions, the report and the model elsewhere.

use std::fs;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{Place, TINY};

/// Pictures that are brighter from grade to grade, in folders whose names do not sort by grade.
fn graded() -> Place {
    let place = Place::new();
    for grade in [2u8, 9, 10, 30] {
        let folder = place.path(&format!("grades/grade {grade}"));
        fs::create_dir_all(&folder).unwrap();
        for number in 0..8u8 {
            let light = 20 + 6 * grade + number;
            let image = RgbImage::from_fn(32, 32, |x, y| {
                Rgb([light, light.wrapping_add((x * y) as u8 % 9), light])
            });
            image.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
    place
}

#[test]
fn levels_are_learned_measured_and_told_in_their_order() {
    let place = graded();
    let train = [
        "train",
        "grades",
        "--name",
        "levels",
        "--set",
        "data.ordinal=true",
    ];
    let more = ["--set", "phase1.epochs=12", "--set", "phase2.epochs=1"];
    let told = place
        .rekindle(&[&train[..], TINY, &more].concat())
        .success();
    assert!(told.stdout.contains("4 levels"), "{told:?}");
    let plan = fs::read_to_string(place.path("runs/levels/plan.toml")).unwrap();
    let plan: toml::Table = plan.parse().unwrap();
    let levels = ["grade 2", "grade 9", "grade 10", "grade 30"];
    let classes = plan["facts"]["classes"].as_array().unwrap();
    let classes: Vec<&str> = classes.iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(classes, levels);
    assert_eq!(plan["recipe"]["loss"]["name"].as_str(), Some("corn"));
    assert_eq!(plan["recipe"]["head"]["ordinal"].as_bool(), Some(true));
    let monitor = &plan["recipe"]["phase"][0]["stopping"]["monitor"];
    assert_eq!(monitor.as_str(), Some("validation_mae"));
    let csv = fs::read_to_string(place.path("runs/levels/metrics.csv")).unwrap();
    let header = csv.lines().next().unwrap();
    for figure in [
        "validation_mae",
        "validation_accuracy",
        "validation_quadratic_kappa",
    ] {
        assert!(header.contains(figure), "{header}");
    }

    let evaluated = place
        .rekindle(&["evaluate", "runs/levels", "grades"])
        .success();
    for words in ["MAE, in levels", "quadratic kappa", "off by one at most"] {
        assert!(evaluated.stdout.contains(words), "{evaluated:?}");
    }
    let json = place
        .rekindle(&["evaluate", "runs/levels", "grades", "--json"])
        .success()
        .json();
    let found = json.to_string();
    assert!(found.contains("quadratic_kappa"), "{found}");

    let predict = ["predict", "runs/levels", "grades/grade 30/1.png", "--json"];
    let said = place.rekindle(&[&predict[..], &["--top", "4"]].concat());
    let said = said.success().json();
    let probabilities = said[0]["probabilities"].as_object().unwrap();
    assert_eq!(probabilities.len(), 4);
    let sum: f64 = probabilities.values().filter_map(Value::as_f64).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{said}");

    let report = fs::read_to_string(place.path("runs/levels/report.html")).unwrap();
    for words in ["quadratic kappa", "off by one level at most", "Levels"] {
        assert!(report.contains(words), "no `{words}`");
    }
    let onnx = [
        "export",
        "runs/levels",
        "--format",
        "onnx",
        "-o",
        "levels.onnx",
    ];
    place.rekindle(&onnx).success();
}

#[test]
fn levels_that_do_not_fit_the_classes_are_refused_with_a_way_on() {
    let place = Place::with_photos();
    let refused = |set: &str, words: &[&str]| {
        place.train("no", &["--dry-run", "--set", set]).error(words);
    };
    refused(
        "data.ordinal=true",
        &["`data.ordinal`", "`apple` has no number", "list the names"],
    );
    refused(
        "data.ordinal=['leaf','sky']",
        &["where `apple` is in the order"],
    );
    refused("head.ordinal=true", &["`head.ordinal`", "`data.ordinal`"]);
    let named = "data.ordinal=['leaf','sky','apple']";
    let dry = place.train("no", &["--dry-run", "--set", named]).success();
    assert!(
        dry.stdout.contains("# Task      ordinal, loss corn"),
        "{dry:?}"
    );
    let focal = ["--dry-run", "--set", named, "--set", "loss.name=focal"];
    place
        .train("no", &focal)
        .error(&["`corn`", "level of several"]);
}
