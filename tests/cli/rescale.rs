//! Every scale of the input, from the recipe through the run to the model file and back.

use serde_json::Value;

use crate::support::Place;

/// A setting, and the key of the scale in the model file.
const SCALES: [(&str, &str); 10] = [
    ("unit", "unit"),
    ("symmetric", "symmetric"),
    ("none", "none"),
    ("dataset", "standardise"),
    ("centre", "centre"),
    ("per_image", "per_image"),
    ("{per_image={per_channel=true}}", "per_image"),
    ("pca", "whiten"),
    ("zca", "whiten"),
    ("{zca={epsilon=1e-2}}", "whiten"),
];

#[test]
fn a_model_file_evaluates_as_its_run_did_under_every_scale() {
    let place = Place::with_photos();
    let mut seen: Vec<Value> = Vec::new();
    for (number, (scale, kind)) in SCALES.into_iter().enumerate() {
        let name = format!("run{number}");
        let setting = format!("input.rescale={scale}");
        let short = ["--set", "phase1.epochs=2", "--set", "phase2.epochs=1"];
        place
            .train(&name, &[&short[..], &["--set", &setting]].concat())
            .success();
        let run: Value =
            serde_json::from_slice(&place.read(&format!("runs/{name}/run.json"))).unwrap();
        // The run is moved away from everything but its model and its split.
        let model = format!("moved/{name}.safetensors");
        place.write(
            &model,
            place.read(&format!("runs/{name}/model.safetensors")),
        );
        let split = format!("runs/{name}/split.json");
        let found = place
            .rekindle(&[
                "evaluate",
                &model,
                "photos",
                "--run-split",
                &split,
                "--json",
            ])
            .success()
            .json();
        let run = &run["validation"];
        assert_eq!(found["accuracy"], run["accuracy"], "{scale}");
        assert_eq!(found["confusion"], run["confusion"], "{scale}");
        let loss = |value: &Value| value["loss"].as_f64().unwrap();
        assert!(
            (loss(&found) - loss(run)).abs() < 1e-4,
            "{scale}: {found} {run}"
        );

        let told = place
            .rekindle(&["inspect", &model, "--json"])
            .success()
            .json();
        let rescale = told["preprocessing"]["rescale"].clone();
        let stored = rescale.as_str() == Some(kind) || rescale.get(kind).is_some();
        assert!(stored, "{scale}: {rescale}");
        assert!(
            !seen.contains(&rescale),
            "{scale} is stored as another one: {rescale}"
        );
        seen.push(rescale);
    }
}

#[test]
fn fitted_numbers_are_in_the_plan_and_come_from_the_training_images() {
    let place = Place::with_photos();
    let fitted = |seed: &str| {
        let more = [
            "--seed",
            seed,
            "--set",
            "input.rescale=dataset",
            "--dry-run",
        ];
        let json = place
            .train("a", &[&more[..], &["--json"]].concat())
            .success()
            .json();
        json["preprocessing"]["rescale"]["standardise"]["mean"].clone()
    };
    let mean: Vec<f64> = serde_json::from_value(fitted("1")).unwrap();
    assert!(
        mean.iter().all(|value| (0.2..0.8).contains(value)),
        "{mean:?}"
    );
    assert_eq!(fitted("1"), fitted("1"));
    assert_ne!(
        fitted("1"),
        fitted("2"),
        "another split has other training images"
    );
    let text = place
        .train("a", &["--set", "input.rescale=zca", "--dry-run"])
        .success()
        .stdout;
    for words in [
        "# Rescaling zca, fitted on the training images",
        "[preprocessing.rescale.whiten]",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    assert!(!place.path("runs").exists());
}

#[test]
fn images_of_one_colour_cannot_be_standardised_by_their_deviation() {
    let place = Place::new();
    for class in ["dark", "light"] {
        for number in 0..3 {
            let image = image::RgbImage::from_pixel(8, 8, image::Rgb([9, 9, 9]));
            let path = place.write(&format!("photos/{class}/{number}.png"), "");
            image.save(path).unwrap();
        }
    }
    place
        .train("a", &["--set", "input.rescale=dataset"])
        .error(&["`dataset`", "`centre`"]);
    assert!(!place.path("runs").exists());
}
