//! What in images decided: pictures, explanations.json, and where they are written.

use serde_json::Value;

use crate::support::{Place, trained};

/// Stages of 32-pixel images whose maps have more than one pixel.
const STAGE: &str = "blocks.4";

fn explain(place: &Place, to: &str, more: &[&str]) -> Value {
    let args = [
        &["explain", "runs/done", "photos/sky/1.png", "-o", to],
        more,
    ]
    .concat();
    place.rekindle(&args).success();
    let index = place.read(&format!("{to}/explanations.json"));
    serde_json::from_slice(&index).unwrap()
}

#[test]
fn every_method_has_a_map_and_the_class_is_the_predicted_one() {
    let place = trained();
    let before = place.snapshot("photos");
    let predicted = place
        .rekindle(&["predict", "runs/done", "photos/sky/1.png", "--json"])
        .success()
        .json();
    let methods = "grad-cam,grad-cam++,integrated-gradients,occlusion";
    let found = explain(
        place,
        "every",
        &["--method", methods, "--steps", "12", "--window", "8"],
    );
    let image = &found["images"][0];
    assert_eq!(image["path"], "photos/sky/1.png");
    assert_eq!(image["output"], predicted[0]["class"]);
    let [ours, theirs] = [&image["probability"], &predicted[0]["probability"]];
    let apart = ours.as_f64().unwrap() - theirs.as_f64().unwrap();
    assert!(apart.abs() < 1e-4, "{ours} {theirs}");
    let maps = image["maps"].as_array().unwrap();
    let names: Vec<&str> = maps
        .iter()
        .map(|map| map["method"].as_str().unwrap())
        .collect();
    assert_eq!(names.join(","), methods);
    for map in &maps[..2] {
        assert_eq!(
            (&map["stage"], &map["size"]),
            (&STAGE.into(), &[2, 2].into())
        );
        let rows = map["values"].as_array().unwrap();
        let values = rows.iter().flat_map(|row| row.as_array().unwrap());
        assert!(
            values
                .map(|value| value.as_f64().unwrap())
                .all(|value| value >= 0.0)
        );
    }
    assert_eq!(maps[2]["size"], Value::from([32, 32]));
    // How near they are to each other is the library's test.
    for key in ["sum", "difference"] {
        assert!(maps[2][key].is_number(), "{}", maps[2]);
    }
    let drawing = image::open(place.path("every").join("1.png")).unwrap();
    // The picture and four maps, each enlarged to 224 pixels.
    assert_eq!(drawing.width(), 12 + 5 * 236);
    assert_eq!(place.snapshot("photos"), before);
}

#[test]
fn maps_of_many_values_are_arrays_beside_the_index() {
    let place = Place::with_photos();
    place
        .train(
            "done",
            &["--set", "input.size=[48,32]", "--set", "phase2.epochs=0"],
        )
        .success();
    let found = explain(&place, "out", &["--method", "occlusion"]);
    let map = &found["images"][0]["maps"][0];
    assert_eq!(map["size"], Value::from([48, 32]));
    assert_eq!(map["values_in"], "1.occlusion.npy");
    let array = place.read("out/1.occlusion.npy");
    assert!(array.starts_with(b"\x93NUMPY\x01\x00"));
    assert_eq!(array.len(), 128 + 4 * 48 * 32);
}

#[test]
fn class_and_stage_can_be_named_and_others_are_refused_with_what_there_is() {
    let place = trained();
    let found = explain(place, "leaf", &["--class", "leaf", "--stage", "2"]);
    let image = &found["images"][0];
    assert_eq!(image["output"], "leaf");
    assert_eq!(image["maps"][0]["stage"], "blocks.1");
    let refused = |more: &[&str], words: &[&str]| {
        let args = [
            &["explain", "runs/done", "photos/sky/1.png", "-o", "never"],
            more,
        ];
        place.rekindle(&args.concat()).error(words);
        assert!(!place.path("never").exists());
    };
    refused(
        &["--class", "laef"],
        &["laef", "did you mean `leaf`", "apple"],
    );
    refused(
        &["--stage", "blocks.9"],
        &["blocks.9", "blocks.6", "conv_head"],
    );
    refused(&["--stage", "9"], &["`9`", "from 0 to 8"]);
    refused(
        &["--stage", "2", "--method", "occlusion"],
        &["grad-cam", "leave it out"],
    );
    refused(&["--method", "gradcam"], &["grad-cam"]);
}

#[test]
fn explanations_replace_nothing_and_stay_out_of_the_images() {
    let place = trained();
    let before = place.snapshot("photos");
    explain(place, "kept", &[]);
    let args = |to: &str, more: &[&str]| {
        let args = [&["explain", "runs/done", "photos/leaf", "-o", to], more].concat();
        place.rekindle(&args)
    };
    args("kept", &[]).error(&["kept", "--force"]);
    let text = args("kept", &["--force"]).success().stdout;
    assert!(text.ends_with("kept/explanations.json\n"), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for inside in ["photos/leaf", "photos/leaf/maps"] {
        args(inside, &["--force"]).error(&[inside, "only read"]);
    }
    args("runs/done", &["--force"]).error(&["runs/done", "not empty"]);
    assert_eq!(place.snapshot("photos"), before);
}

#[test]
fn labels_and_numbers_are_explained_in_their_own_words() {
    let place = Place::with_photos();
    let rows = |head: &str, value: &dyn Fn(usize) -> String| {
        let row = |number: usize| {
            let class = ["apple", "leaf", "sky"][number % 3];
            let path = format!("photos/{class}/{}.png", number / 3);
            format!("{path},{}\n", value(number))
        };
        let rows: String = (0..24).map(row).collect();
        format!("path,{head}\n{rows}")
    };
    place.write(
        "labels.csv",
        rows("labels", &|number| {
            ["red|round", "green", "blue|round"][number % 3].into()
        }),
    );
    place.write(
        "numbers.csv",
        rows("number:slope", &|number| format!("{}", 100 * (number / 3))),
    );
    for (list, output, value) in [
        ("labels.csv", "round", "probability"),
        ("numbers.csv", "slope", "value"),
    ] {
        let train = ["train", list, "--name", list, "--set", "input.size=[32,32]"];
        let short = ["--set", "phase1.epochs=1", "--set", "phase2.epochs=0"];
        place.rekindle(&[&train[..], &short].concat()).success();
        let run = format!("runs/{list}");
        let to = format!("of-{list}");
        let args = ["explain", &run, "photos/apple/1.png", "-o", &to];
        let methods = ["--class", output, "--method", "grad-cam,occlusion"];
        let table = place.rekindle(&[&args[..], &methods].concat()).success();
        assert!(table.stdout.contains(output), "{table:?}");
        let index = place.read(&format!("{to}/explanations.json"));
        let found: Value = serde_json::from_slice(&index).unwrap();
        let image = &found["images"][0];
        assert_eq!(image["output"], output);
        assert!(image[value].is_number(), "{image}");
    }
}

#[test]
fn a_report_shows_what_decided_in_the_pictures_that_are_most_wrong() {
    let place = Place::with_photos();
    // Classes that no picture tells, so that some are wrong.
    let row = |number: usize| {
        let colour = ["apple", "leaf", "sky"][number % 3];
        let class = ["odd", "even"][number / 5 % 2];
        format!("photos/{colour}/{}.png,{class}\n", number / 3)
    };
    let rows: String = (0..24).map(row).collect();
    place.write("list.csv", format!("path,label\n{rows}"));
    let train = [
        "train",
        "list.csv",
        "--name",
        "a",
        "--set",
        "input.size=[64,64]",
    ];
    let short = ["--set", "phase1.epochs=1", "--set", "phase2.epochs=0"];
    place.rekindle(&[&train[..], &short].concat()).success();
    let table = String::from_utf8(place.read("runs/a/predictions.csv")).unwrap();
    let wrong = table.lines().skip(1).filter(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        cells[1] != cells[2]
    });
    let wrong = wrong.count();
    assert!(wrong > 0, "{table}");
    let page = String::from_utf8(place.read("runs/a/report.html")).unwrap();
    assert_eq!(page.matches("What in it decided for ").count(), wrong);
    assert!(page.contains("red most"), "the pictures are not explained");
    // A report without the model does without.
    std::fs::remove_file(place.path("runs/a/model.safetensors")).unwrap();
    place.rekindle(&["report", "runs/a"]).success();
    let page = String::from_utf8(place.read("runs/a/report.html")).unwrap();
    assert!(!page.contains("What in it decided for "));
}
