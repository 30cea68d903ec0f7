//! Inputs of other channels than red, green and blue, from the recipe through every command.

use serde_json::Value;

use crate::support::Place;

/// An array of `[height, width, bands]` bytes as `numpy.save` writes it.
fn npy([height, width, bands]: [usize; 3], data: &[u8]) -> Vec<u8> {
    let text = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({height}, {width}, {bands}), }}"
    );
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend(118u16.to_le_bytes());
    bytes.extend(format!("{text:<117}\n").as_bytes());
    bytes.extend(data);
    bytes
}

/// `photos` of five bands: two classes that differ in the fifth alone.
fn five_bands() -> Place {
    let place = Place::new();
    for (class, light) in [("dark", 40u8), ("light", 190)] {
        for number in 0..8usize {
            let values = (0..40 * 40 * 5).map(|place| match place % 5 {
                4 => light + (place / 5 % 40) as u8,
                band => ((place / 5 * (number + 3) + band * 50) % 251) as u8,
            });
            let bytes = npy([40, 40, 5], &values.collect::<Vec<u8>>());
            place.write(&format!("photos/{class}/{number}.npy"), bytes);
        }
    }
    place
}

/// Evaluates a model away from its run, as the run did.
fn evaluates_alike(place: &Place, run: &str) {
    let bytes = place.read(&format!("runs/{run}/model.safetensors"));
    let model = place.write("moved/m.safetensors", bytes);
    let model = model.display().to_string();
    let split = format!("runs/{run}/split.json");
    let more = ["--run-split", &split, "--json"];
    let found = place.rekindle(&[&["evaluate", &model, "photos"], &more[..]].concat());
    let found = found.success().json();
    let run: Value = serde_json::from_slice(&place.read(&format!("runs/{run}/run.json"))).unwrap();
    let loss = |value: &Value| value["loss"].as_f64().unwrap();
    let run = &run["validation"];
    assert!((loss(&found) - loss(run)).abs() < 1e-4, "{found} {run}");
    assert_eq!(found["confusion"], run["confusion"]);
}

#[test]
fn grey_images_are_trained_on_and_the_model_takes_any_picture() {
    let place = Place::with_photos();
    place.train("grey", &["--in-chans", "1"]).success();
    evaluates_alike(&place, "grey");
    let told = place
        .rekindle(&["inspect", "runs/grey", "--json"])
        .success();
    let bands = &told.json()["preprocessing"]["bands"];
    assert_eq!(bands["mean"].as_array().unwrap().len(), 1);
    let image = "photos/apple/0.png";
    let words = ["predict", "runs/grey", image, "--json"];
    place.rekindle(&words).success();
    let found = place.rekindle(&["export", "runs/grey", "-o", "g.onnx", "--include-rescale"]);
    assert!(found.success().stdout.contains("images [batch, 1, 32, 32]"));
    place
        .rekindle(&["explain", "runs/grey", image, "-o", "why"])
        .success();
    let words = ["features", "runs/grey", "photos", "-o", "f.csv"];
    place.rekindle(&words).success();
    place
        .train(
            "hue",
            &[
                "--in-chans",
                "1",
                "--set",
                "augment.transforms=[{op='hue'}]",
            ],
        )
        .error(&["augment.transforms[0].op", "`hue`", "input.channels"]);
    place
        .train("zca", &["--in-chans", "1", "--set", "input.rescale=zca"])
        .error(&["input.rescale", "zca", "`dataset`"]);
}

#[test]
fn five_bands_are_trained_on_and_every_command_takes_them() {
    let place = five_bands();
    let transforms = "augment.transforms=[{op='random_resized_crop'},{op='horizontal_flip'},{op='brightness'},{op='contrast'},{op='gaussian_noise'}]";
    let more = [
        "--in-chans",
        "5",
        "--set",
        "input.rescale=dataset",
        "--set",
        transforms,
    ];
    place.train("five", &more).success();
    evaluates_alike(&place, "five");
    let told = place
        .rekindle(&["inspect", "runs/five", "--json"])
        .success();
    let preprocessing = told.json()["preprocessing"].clone();
    let mean: Vec<f64> = serde_json::from_value(preprocessing["bands"]["mean"].clone()).unwrap();
    assert_eq!(mean.len(), 5);
    // Half of 40 and half of 190, and what the columns add.
    assert!((mean[4] - (115.0 + 19.5) / 255.0).abs() < 0.02, "{mean:?}");
    let found = place
        .rekindle(&["export", "runs/five", "-o", "f.onnx"])
        .success();
    assert!(
        found.stdout.contains("images [batch, 5, 32, 32]"),
        "{found:?}"
    );
    place
        .rekindle(&["predict", "runs/five", "photos", "--json"])
        .success();
    place
        .rekindle(&["explain", "runs/five", "photos/dark", "-o", "why"])
        .success();
    place.rekindle(&["report", "runs/five"]).success();
    let as_five = ["--set", "input.channels=5"];
    let words = [&["check", "photos", "--sheet", "sheet.png"], &as_five[..]].concat();
    place.rekindle(&words).success();
    let words = [&["preview", "photos", "--out", "seen.png"], &as_five[..]].concat();
    place.rekindle(&words).success();
}

#[test]
fn a_file_of_other_bands_is_named_with_what_it_has() {
    let place = five_bands();
    place.train("a", &["--in-chans", "4"]).error(&[
        ".npy",
        "5 channels",
        "the network takes 4",
        "`input.channels`",
    ]);
    let place = Place::with_photos();
    place
        .train("a", &["--in-chans", "4"])
        .error(&[".png", "3 channels", "takes 4"]);
    place
        .train("a", &["--set", "input.channels=0"])
        .error(&["input.channels", "1 to 1024"]);
    place
        .train("a", &["--in-chans", "0"])
        .error(&["--in-chans", "1 to 1024"]);
}
