//! Settings of phases that change how weights move: L-BFGS, drop path, and batches whose size is left to the plan.

use std::fs;

use crate::support::{Place, TINY, gives_the_same_bytes};

fn metrics(place: &Place, run: &str) -> String {
    fs::read_to_string(place.path(&format!("runs/{run}/metrics.csv"))).unwrap()
}

#[test]
fn lbfgs_finds_the_head_in_few_epochs_and_the_plan_says_how() {
    let place = Place::with_photos();
    let settings = [
        "--set",
        "phase1.optim.name=lbfgs",
        "--set",
        "phase1.epochs=4",
        "--set",
        "phase2.epochs=0",
    ];
    place.train("found", &settings).success();
    let plan = fs::read_to_string(place.path("runs/found/plan.toml")).unwrap();
    let plan: toml::Table = plan.parse().unwrap();
    let phase = &plan["recipe"]["phase"][0];
    let images = plan["facts"]["train_images"].as_integer().unwrap();
    assert_eq!(phase["batch_size"].as_integer(), Some(2 * images));
    assert_eq!(phase["lr"].as_float(), Some(1.0));
    assert_eq!(phase["schedule"]["name"].as_str(), Some("constant"));
    let csv = metrics(&place, "found");
    let loss = |line: usize| -> f64 {
        let row = csv.lines().nth(line).unwrap();
        row.split(',').nth(3).unwrap().parse().unwrap()
    };
    // From equal probabilities of three classes to a head that tells all images.
    assert!((loss(1) - 3f64.ln()).abs() < 1e-3, "{csv}");
    // The least that targets with a smoothing of 0.1 leave, their own entropy, is 0.291.
    assert!((loss(4) - 0.291).abs() < 0.02, "{csv}");
}

#[test]
fn lbfgs_is_refused_where_the_loss_is_another_one_in_every_step() {
    let place = Place::with_photos();
    for (set, words) in [
        (
            ["phase2.optim.name=lbfgs", "seed=0"],
            ["`phase2.unfreeze`", "lbfgs"],
        ),
        (
            ["phase1.optim.name=lbfgs", "head.dropout=0.2"],
            ["`head.dropout` is 0.2", "drawn anew"],
        ),
        (
            ["phase1.optim.name=lbfgs", "data.feature_cache_mb=0"],
            ["`data.feature_cache_mb` is 0", "several times in each step"],
        ),
    ] {
        let set = ["--dry-run", "--set", set[0], "--set", set[1]];
        place.train("no", &set).error(&words);
    }
    let find = ["lr-find", "photos", "--set", "phase1.optim.name=lbfgs"];
    place
        .rekindle(&find)
        .error(&["`phase1.optim.name`", "the length of each step itself"]);
}

#[test]
fn drop_path_changes_training_and_runs_repeat_it() {
    let place = Place::with_photos();
    let run = |name: &str, more: &[&str]| {
        let once = ["--set", "phase1.epochs=1", "--set", "phase2.epochs=2"];
        place.train(name, &[&once[..], more].concat()).success();
        metrics(&place, name)
    };
    let plain = run("plain", &[]);
    let dropping = ["--set", "phase2.drop_path=0.5"];
    let first = run("first", &dropping);
    assert_ne!(first, plain);
    if gives_the_same_bytes() {
        assert_eq!(run("second", &dropping), first);
        // Parts of a batch drop what the whole drops.
        let losses = |csv: &str| -> Vec<f64> {
            let rows = csv.lines().skip(2);
            rows.map(|row| row.split(',').nth(3).unwrap().parse().unwrap())
                .collect()
        };
        let parts = run(
            "parts",
            &[&dropping[..], &["--set", "phase2.micro_batch=5"]].concat(),
        );
        let pair = [losses(&first)[0], losses(&parts)[0]];
        assert!((pair[0] - pair[1]).abs() < 1e-3 * pair[0], "{pair:?}");
    }
    let none = [
        "--set",
        "backbone.name=vgg11",
        "--set",
        "backbone.weights=random",
    ];
    let none = [&none[..], &dropping, &["--dry-run"]].concat();
    place
        .train("none", &none)
        .error(&["`phase2.drop_path` is 0.5", "vgg11"]);
}

#[test]
fn a_batch_size_left_to_the_plan_is_a_number_in_it() {
    if crate::support::device() != "cpu" || !cfg!(target_os = "linux") {
        return;
    }
    let place = Place::with_photos();
    let dry = place
        .train("no", &["--batch-size", "auto", "--dry-run"])
        .success();
    for phase in ["phase1", "phase2"] {
        // Of some twenty images an epoch keeps eight steps.
        let told = format!("# Batch     {phase}: 2 images a step; more would leave fewer than 8");
        assert!(dry.stdout.contains(&told), "{dry:?}");
    }
    assert!(!dry.stdout.contains("\"auto\""), "{dry:?}");
    let run = place
        .train("auto", &["--set", "phase2.batch_size=auto"])
        .success();
    assert!(run.stdout.contains("phase2: 2 images a step"), "{run:?}");
    let plan = fs::read_to_string(place.path("runs/auto/plan.toml")).unwrap();
    let plan: toml::Table = plan.parse().unwrap();
    let phases = plan["recipe"]["phase"].as_array().unwrap();
    assert_eq!(phases[1]["batch_size"].as_integer(), Some(2));
    place
        .rekindle(&[&["train", "photos", "--batch-size", "most"], TINY].concat())
        .error(&["or `auto`"]);
}
