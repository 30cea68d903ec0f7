//! Mixup and CutMix in a whole run.

use serde_json::Value;

use crate::support::{Place, same_figure};

fn column(place: &Place, run: &str, name: &str) -> Vec<String> {
    let csv = String::from_utf8(place.read(&format!("runs/{run}/metrics.csv"))).unwrap();
    let place = csv
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|column| column == name);
    let field = |line: &str| line.split(',').nth(place.unwrap()).unwrap().to_owned();
    csv.lines().skip(1).map(field).collect()
}

#[test]
fn mixing_changes_training_where_it_says_and_the_model_evaluates_as_its_run_did() {
    let place = Place::with_photos();
    place.train("plain", &[]).success();
    let plain = column(&place, "plain", "train_loss");
    assert_eq!(plain.len(), 5);
    for (name, mix, changed) in [
        // Phase 1 has three epochs, phase 2 has two.
        (
            "mixup",
            "{cutmix_alpha=0}",
            [false, false, false, true, true],
        ),
        (
            "cutmix",
            "{mixup_alpha=0}",
            [false, false, false, true, true],
        ),
        (
            "features",
            "{cutmix_alpha=0, at='features', off_last_epochs=1}",
            [true, true, true, true, true],
        ),
    ] {
        let setting = format!("augment.mix={mix}");
        let outcome = place.train(name, &["--set", &setting]).success();
        let losses = column(&place, name, "train_loss");
        let differs: Vec<bool> = losses
            .iter()
            .zip(&plain)
            .map(|(mixed, plain)| !same_figure(mixed, plain))
            .collect();
        assert_eq!(differs, changed, "{mix}: {plain:?} {losses:?}");
        assert!(outcome.stdout.contains("(alpha "), "{outcome:?}");
        assert!(
            outcome
                .stdout
                .lines()
                .all(|line| line.chars().count() <= 80),
            "{outcome:?}"
        );

        let run: Value =
            serde_json::from_slice(&place.read(&format!("runs/{name}/run.json"))).unwrap();
        let path = format!("runs/{name}");
        let found = place
            .rekindle(&["evaluate", &path, "photos", "--run-split", &path, "--json"])
            .success()
            .json();
        assert_eq!(found["accuracy"], run["validation"]["accuracy"]);
        assert_eq!(found["confusion"], run["validation"]["confusion"]);
        let loss = |value: &Value| value["loss"].as_f64().unwrap();
        assert!(
            (loss(&found) - loss(&run["validation"])).abs() < 1e-4,
            "{found} {run}"
        );
    }
}

#[test]
fn epochs_at_the_end_are_left_alone() {
    let place = Place::with_photos();
    let train = |name: &str, mix: &[&str]| {
        // Without a learning rate to speak of, an epoch's loss depends on its batches alone.
        let still = [
            "phase1.epochs=0",
            "phase2.epochs=3",
            "phase2.lr=1e-30",
            "unfreeze.from=all",
            "head.zero_last=false",
        ];
        let still = still.into_iter().flat_map(|setting| ["--set", setting]);
        let all: Vec<&str> = still.chain(mix.iter().copied()).collect();
        place.train(name, &all).success();
        column(&place, name, "train_loss")
    };
    let unmixed = train("unmixed", &[]);
    let mix = "augment.mix={off_last_epochs=2, mixup_alpha=1}";
    let mixed = train("mixed", &["--set", mix]);
    assert_eq!(mixed.len(), 3);
    let same: Vec<bool> = mixed
        .iter()
        .zip(&unmixed)
        .map(|(mixed, unmixed)| same_figure(mixed, unmixed))
        .collect();
    assert_eq!(same, [false, true, true], "{mixed:?} {unmixed:?}");
}

#[test]
fn mixing_that_no_phase_would_do_is_an_error() {
    let place = Place::with_photos();
    place
        .train(
            "a",
            &["--set", "phase2.epochs=0", "--set", "augment.mix={}"],
        )
        .error(&["augment.mix.at", "features", "no phase trains stages"]);
    let features = "augment.mix={cutmix_alpha=0, at='features'}";
    place
        .train("a", &["--set", "phase2.epochs=0", "--set", features])
        .success();
}
