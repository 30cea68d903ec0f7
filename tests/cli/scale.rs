//! Filter, policy and border of the resize, from the recipe through the run to the model file and back.

use serde_json::{Value, json};

use crate::support::Place;

#[test]
fn a_model_file_scales_images_as_its_run_did() {
    let place = Place::with_photos();
    for (name, settings, stored) in [
        (
            "area",
            &["input.interpolation=area"][..],
            json!({"interpolation": "area", "policy": "crop", "fill": [128, 128, 128]}),
        ),
        (
            "squash",
            &["input.policy=squash", "input.interpolation=lanczos"],
            json!({"interpolation": "lanczos", "policy": "squash", "fill": [128, 128, 128]}),
        ),
        (
            "pad",
            &[
                "input.policy=pad",
                "input.interpolation=area",
                "input.fill=[9,80,250]",
            ],
            json!({"interpolation": "area", "policy": "pad", "fill": [9, 80, 250]}),
        ),
    ] {
        let settings: Vec<&str> = settings.iter().flat_map(|text| ["--set", text]).collect();
        let short = ["--set", "phase1.epochs=2", "--set", "phase2.epochs=0"];
        place
            .train(name, &[&short[..], &settings].concat())
            .success();
        let run: Value =
            serde_json::from_slice(&place.read(&format!("runs/{name}/run.json"))).unwrap();
        let model = format!("moved/{name}.safetensors");
        place.write(
            &model,
            place.read(&format!("runs/{name}/model.safetensors")),
        );
        let told = place.rekindle(&["inspect", &model, "--json"]);
        let told = told.success().json();
        for (key, value) in stored.as_object().unwrap() {
            assert_eq!(told["preprocessing"][key], *value, "{name}");
        }
        let split = format!("runs/{name}/split.json");
        let evaluate = [
            "evaluate",
            &model,
            "photos",
            "--run-split",
            &split,
            "--json",
        ];
        let found = place.rekindle(&evaluate).success().json();
        assert_eq!(found["confusion"], run["validation"]["confusion"], "{name}");
    }
}

#[test]
fn filter_and_border_decide_what_is_seen() {
    let place = Place::with_photos();
    let preview = |settings: &[&str]| {
        let mut args = vec!["preview", "photos", "--count", "2", "--out", "a.png"];
        args.extend(settings.iter().flat_map(|text| ["--set", text]));
        place.rekindle(&args).success();
        let file = place.read("a.png");
        std::fs::remove_file(place.path("a.png")).unwrap();
        file
    };
    let seen = [
        preview(&[]),
        preview(&["input.interpolation=area"]),
        preview(&["input.policy=pad", "input.size=[40,64]"]),
        preview(&[
            "input.policy=pad",
            "input.size=[40,64]",
            "input.fill=[0,0,0]",
        ]),
    ];
    for (place, image) in seen.iter().enumerate() {
        assert!(!seen[..place].contains(image), "{place}");
    }
}

#[test]
fn a_filter_or_a_colour_that_is_none_is_an_error_that_says_what_there_is() {
    let place = Place::with_photos();
    for (setting, words) in [
        (
            "input.interpolation=areas",
            &["\"areas\"", "did you mean `area`"][..],
        ),
        ("input.fill=[1,2]", &["input.fill"]),
        ("input.fill=[1,2,300]", &["300"]),
        (
            "augment.transforms=[{op=\"rotation\",interpolation=\"area\"}]",
            &["interpolation` is area", "bilinear"],
        ),
    ] {
        place.train("a", &["--set", setting]).error(words);
    }
}
