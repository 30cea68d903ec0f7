//! Ranges of wide samples that are fitted on the training images, from the recipe to the model file and back.

use serde_json::Value;

use crate::support::Place;

/// `photos` of 12 bits in 16: two classes of six images, of which the last of each is the brightest.
fn place() -> Place {
    let place = Place::new();
    for (class, light) in [("dark", 300u16), ("light", 2600)] {
        std::fs::create_dir_all(place.path(&format!("photos/{class}"))).unwrap();
        for number in 0..6u16 {
            let image = image::ImageBuffer::from_fn(40, 40, |x, y| {
                image::Luma([light + number * 90 + (x * 5 + y * 3) as u16])
            });
            let path = place.path(&format!("photos/{class}/{number}.png"));
            image.save(path).unwrap();
        }
    }
    place
}

fn range(preprocessing: &Value) -> [f64; 2] {
    let span = &preprocessing["range"]["span"];
    ["low", "high"].map(|key| span[key].as_f64().unwrap())
}

#[test]
fn a_fitted_range_is_in_the_plan_and_the_model_file_and_evaluates_as_it_was_trained() {
    let place = place();
    let setting = "input.range={percentiles=[1, 99]}";
    place.train("run", &["--set", setting]).success();
    let told = place.rekindle(&["inspect", "runs/run", "--json"]).success();
    let [low, high] = range(&told.json()["preprocessing"]);
    assert!(low > 300.0 && high < 3365.0, "{low} {high}");
    let plan = String::from_utf8(place.read("runs/run/plan.toml")).unwrap();
    assert!(plan.contains("[preprocessing.range.span]"), "{plan}");
    let model = place.write(
        "moved/m.safetensors",
        place.read("runs/run/model.safetensors"),
    );
    let model = model.display().to_string();
    let split = ["--run-split", "runs/run/split.json", "--json"];
    let found = place.rekindle(&[&["evaluate", &model, "photos"], &split[..]].concat());
    let found = found.success().json();
    let run: Value = serde_json::from_slice(&place.read("runs/run/run.json")).unwrap();
    let loss = |value: &Value| value["loss"].as_f64().unwrap();
    assert!(
        (loss(&found) - loss(&run["validation"])).abs() < 1e-4,
        "{found}"
    );
    assert_eq!(found["confusion"], run["validation"]["confusion"]);
    // Resumed, the plan is the same one.
    place
        .rekindle(&["train", "--resume", "runs/run"])
        .error(&["finished"]);
}

#[test]
fn the_largest_number_is_that_of_the_training_images() {
    let place = place();
    let dry = |seed: &str| {
        let more = [
            "--set",
            "input.range=max",
            "--dry-run",
            "--seed",
            seed,
            "--json",
        ];
        range(&place.train("a", &more).success().json()["preprocessing"])
    };
    // 2600 + 5 * 90 + 39 * 8, or with the brightest held out 90 less.
    let found: Vec<f64> = ["0", "1", "2", "3", "4", "5"]
        .map(|seed| dry(seed)[1])
        .into();
    assert!(
        found.iter().all(|high| [3362.0, 3272.0].contains(high)),
        "{found:?}"
    );
    assert!(
        found.contains(&3362.0) && found.contains(&3272.0),
        "{found:?}"
    );
    let text = place.train("a", &["--set", "input.range=max", "--dry-run"]);
    let text = text.success().stdout;
    assert!(
        text.contains("# Range     max, fitted on the training images: 0 is black"),
        "{text}"
    );
    let text = place.rekindle(&["check", "photos"]).success().stdout;
    assert!(text.contains("input.range=max"), "{text}");
    let text = place.rekindle(&["check", "photos", "--set", "input.range=max"]);
    assert!(!text.success().stdout.contains("few grey levels"));
}

#[test]
fn images_of_8_bits_have_no_range_to_be_fitted() {
    let place = Place::with_photos();
    place.train("a", &["--set", "input.range=max"]).error(&[
        "`input.range` is `max`",
        "8 bits",
        "leave it out",
    ]);
    place
        .train("a", &["--set", "input.range={percentiles=[99, 1]}"])
        .error(&["input.range.percentiles", "the lower one first"]);
    assert!(!place.path("runs").exists());
}
