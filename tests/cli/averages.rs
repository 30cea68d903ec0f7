//! Averages of weights: over the last epochs of a phase, of models to one model, slow weights; and targets that a teacher has a say in.

use std::fs;

use serde_json::Value;

use crate::support::{Place, TINY};

fn metrics(place: &Place, run: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(place.path(&format!("runs/{run}/metrics.csv"))).unwrap();
    text.lines()
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_average_of_the_last_epochs_is_measured_in_place_of_the_weights() {
    let place = Place::with_photos();
    let steady = [
        "--set",
        "phase1.epochs=4",
        "--set",
        "phase2.epochs=0",
        "--set",
        "phase1.schedule={name='constant'}",
        "--set",
        "phase1.keep_every=1",
        "--set",
        "phase1.stopping.patience=9",
    ];
    place.train("plain", &steady).success();
    let averaged = [&steady[..], &["--set", "phase1.swa_epochs=2"]].concat();
    place.train("swa", &averaged).success();
    let (plain, swa) = (metrics(&place, "plain"), metrics(&place, "swa"));
    // The epochs before are the same to the byte.
    assert_eq!(plain[..4], swa[..4]);
    // The weights are trained as before: the average is measured alone.
    let loss = |rows: &[Vec<String>]| rows[4][3].clone();
    assert_eq!(loss(&plain), loss(&swa));
    assert_ne!(plain[4], swa[4]);
    // The last epoch's model is the soup of the two last ones of the run without.
    let two = ["003", "004"].map(|epoch| format!("runs/plain/epochs/phase1-{epoch}.safetensors"));
    let soup = ["soup", &two[0], &two[1], "-o", "soup.safetensors"];
    let told = place.rekindle(&soup).success();
    assert!(told.stdout.contains("one network"), "{told:?}");
    let predict = |model: &str| {
        let found = place.rekindle(&["predict", model, "photos", "--json"]);
        found.success().json()
    };
    let (soup, last) = (
        predict("soup.safetensors"),
        predict("runs/swa/epochs/phase1-004.safetensors"),
    );
    let rows = |of: &Value| -> Vec<f64> {
        let images = of.as_array().unwrap().iter();
        let each = images.flat_map(|image| image["probabilities"].as_object().unwrap().values());
        each.map(|value| value.as_f64().unwrap()).collect()
    };
    assert!(rows(&soup).len() > 10);
    for (soup, last) in rows(&soup).iter().zip(rows(&last)) {
        assert!((soup - last).abs() < 1e-4, "{soup} for {last}");
    }
    // What the run was trained on is known of an epoch and of the soup.
    for model in [
        "runs/plain/epochs/phase1-003.safetensors",
        "soup.safetensors",
    ] {
        let outcome = place.rekindle(&["evaluate", model, "photos", "--json"]);
        assert_eq!(outcome.success().json()["split"], "not trained on");
    }
}

#[test]
fn an_average_of_the_last_epochs_waits_for_them() {
    let place = Place::with_photos();
    // Nothing gets better by as much as that, so that early stopping would end the phase at its second epoch.
    let settings = [
        "--set",
        "phase1.epochs=4",
        "--set",
        "phase2.epochs=0",
        "--set",
        "phase1.stopping={patience=1, min_change=5}",
    ];
    place.train("stopped", &settings).success();
    assert_eq!(metrics(&place, "stopped").len(), 1 + 2);
    let averaged = [&settings[..], &["--set", "phase1.swa_epochs=1"]].concat();
    place.train("averaged", &averaged).success();
    assert_eq!(metrics(&place, "averaged").len(), 1 + 4);
}

#[test]
fn a_soup_takes_the_models_that_make_it_no_worse() {
    let place = Place::with_photos();
    place.train("good", &["--seed", "1"]).success();
    place
        .train(
            "bad",
            &[
                "--seed",
                "1",
                "--set",
                "phase1.lr=1e-9",
                "--set",
                "phase2.epochs=0",
            ],
        )
        .success();
    for class in ["apple", "leaf", "sky"] {
        place.add_images(&format!("held/{class}"), class, 16);
    }
    let soup = [
        "soup",
        "runs/bad",
        "runs/good",
        "--fit",
        "held",
        "-o",
        "soup.safetensors",
        "--json",
    ];
    let found = place.rekindle(&soup).success().json();
    let mixed: Vec<&Value> = found["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["mixed"])
        .collect();
    assert_eq!(mixed.len(), 2);
    assert_eq!(mixed[1], true, "{found}");
    let row = |name: &str| {
        let mut rows = found["rows"].as_array().unwrap().iter();
        let row = rows.find(|row| row["name"] == name).unwrap();
        row["loss"].as_f64().unwrap()
    };
    assert!(row("chosen") <= row("runs/good") && row("chosen") <= row("runs/bad"));
    place
        .train("other", &["--set", "features.taps=0"])
        .success();
    place
        .rekindle(&["soup", "runs/good", "runs/other", "-o", "no.safetensors"])
        .error(&["runs/good", "runs/other", "features"]);
    place
        .rekindle(&["soup", "runs/good", "runs/bad", "-o", "soup.safetensors"])
        .error(&["soup.safetensors", "--force"]);
}

#[test]
fn slow_weights_change_what_is_trained() {
    let place = Place::with_photos();
    place.train("without", &[]).success();
    place
        .train("with", &["--set", "phase1.lookahead=2"])
        .success();
    assert_ne!(metrics(&place, "with")[2], metrics(&place, "without")[2]);
}

#[test]
fn a_student_with_no_say_of_its_own_learns_what_its_teacher_says() {
    let place = Place::with_photos();
    let more = ["--set", "phase1.epochs=8"];
    place.train("teacher", &more).success();
    // Images of leaves among the apples, and the other way round.
    for (folder, pictures) in [("apple", "leaf"), ("leaf", "apple"), ("sky", "sky")] {
        place.add_images(&format!("swapped/{folder}"), pictures, 16);
    }
    let taught = [
        &["train", "swapped", "--name", "student"],
        TINY,
        &more,
        &["--set", "distill.model=runs/teacher/model.safetensors"],
        &["--set", "distill.weight=1"],
    ];
    place.rekindle(&taught.concat()).success();
    let accuracy = |images: &str| {
        let found = place.rekindle(&[
            "evaluate",
            "runs/student",
            images,
            "--split",
            "all",
            "--json",
        ]);
        found.success().json()["accuracy"].as_f64().unwrap()
    };
    let (as_the_teacher, as_labelled) = (accuracy("photos"), accuracy("swapped"));
    assert!(
        as_the_teacher > 0.9 && as_labelled < 0.5,
        "{as_the_teacher} and {as_labelled}"
    );
}

#[test]
fn a_teacher_has_a_say_in_the_targets() {
    let place = Place::with_photos();
    place.train("teacher", &[]).success();
    let taught = [
        "--set",
        "distill.model=runs/teacher/model.safetensors",
        "--set",
        "distill.weight=0.9",
        "--set",
        "distill.temperature=2",
    ];
    let told = place.train("student", &taught).success();
    assert!(told.stdout.contains("the teacher"), "{told:?}");
    assert_ne!(metrics(&place, "student")[1], metrics(&place, "teacher")[1]);
    let plan = fs::read_to_string(place.path("runs/student/plan.toml")).unwrap();
    assert!(plan.contains("teacher_sha256"), "{plan}");
    for (setting, words) in [
        ("distill.weight=0", ["distill.weight", "above 0"]),
        ("distill.temperature=0", ["distill.temperature", "0"]),
        (
            "distill.model=none.safetensors",
            ["none.safetensors", "cannot read"],
        ),
    ] {
        let args = [&["train", "photos", "--set", setting], TINY].concat();
        place.rekindle(&args).error(&words);
    }
    let range = ["--set", taught[1], "--set", "input.range={bits=12}"];
    let args = [&["train", "photos"], TINY, &range].concat();
    place
        .rekindle(&args)
        .error(&["distill.model", "the range `full`", "`{ bits = 12 }`"]);
    place.add_images("two/apple", "apple", 8);
    place.add_images("two/leaf", "leaf", 8);
    let args = [&["train", "two", "--set", taught[1]], TINY].concat();
    place
        .rekindle(&args)
        .error(&["distill.model", "has in addition sky"]);
}
