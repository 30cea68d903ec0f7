//! Which parameters a phase trains, by stage and by name, and the range test of learning rates.

use std::collections::BTreeMap;

use safetensors::SafeTensors;

use crate::support::Place;

/// The tensors of a run's model, as bytes.
fn tensors(place: &Place, run: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = place.read(&format!("runs/{run}/model.safetensors"));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let all = file.tensors().into_iter();
    all.map(|(name, tensor)| (name, tensor.data().to_vec()))
        .collect()
}

#[test]
fn what_is_frozen_by_stage_or_by_name_keeps_its_bytes() {
    let place = Place::with_photos();
    let head_only = ["--freeze", "--seed", "1"];
    place.train("head", &head_only).success();
    // Everything but two kinds of tensors of the last two stages; a phase that is sure to be the best by having only it.
    let set = [
        "phase1.epochs=0",
        "phase2.epochs=2",
        "phase2.batch_size=6",
        "phase2.lr=1e-3",
        "phase2.ema=0",
        "phase2.unfreeze=2",
        "phase2.freeze=[\"*.bn?.*\", \"*conv_dw.weight\"]",
    ];
    let mut args = vec!["--seed", "1"];
    args.extend(set.iter().flat_map(|setting| ["--set", setting]));
    place.train("named", &args).success();
    let (before, after) = (tensors(&place, "head"), tensors(&place, "named"));
    assert_eq!(before.len(), after.len());
    let changed: Vec<&String> = before
        .iter()
        .filter(|(name, bytes)| after[*name] != **bytes)
        .map(|(name, _)| name)
        .collect();
    assert!(!changed.is_empty());
    for name in &changed {
        let of_head = name.starts_with("classifier.");
        let unfrozen = name.contains("blocks.6.")
            || name.contains("conv_head")
            || name.ends_with("bn2.weight")
            || name.ends_with("bn2.bias");
        assert!(of_head || unfrozen, "{name} has changed");
        assert!(!name.contains("conv_dw.weight"), "{name} has changed");
        assert!(!name.contains("blocks.6.0.bn"), "{name} has changed");
    }
    for name in before
        .keys()
        .filter(|name| name.contains("blocks.6.0.conv_pw"))
    {
        assert!(changed.contains(&name), "{name} has not changed");
    }
    let table = String::from_utf8(place.read("runs/named/parameters.csv")).unwrap();
    assert!(
        table.starts_with("phase,name,part,state,lr,weight_decay\n"),
        "{table}"
    );
    assert!(
        table.contains("phase2,blocks.6.0.bn1.weight,blocks.6,frozen by name,0e0,0e0"),
        "{table}"
    );
    assert!(
        table.contains("phase2,blocks.0.0.conv_pw.weight,blocks.0,frozen,0e0,0e0"),
        "{table}"
    );
    assert!(
        table.contains("phase2,head.weight,head,trained,1e-3,1e-2"),
        "{table}"
    );
}

#[test]
fn a_pattern_that_names_nothing_is_refused_with_what_is_near() {
    let place = Place::with_photos();
    for (setting, words) in [
        (
            "phase2.freeze=[\"blocks.6.0.bn1.wieght\"]",
            ["phase2.freeze", "did you mean `blocks.6.0.bn1.weight`"],
        ),
        (
            "phase2.lr_of={\"stem*\"=0.1}",
            ["phase2.lr_of", "a name of what the phase trains"],
        ),
        (
            "phase2.freeze=[\"*\"]",
            ["phase2.freeze", "leave something to train"],
        ),
    ] {
        place.train("a", &["--set", setting]).error(&words);
    }
}

#[test]
fn a_dry_run_shows_the_groups_of_parameters() {
    let place = Place::with_photos();
    let args = [
        "train",
        "photos",
        "--dry-run",
        "--set",
        "phase2.lr_of={\"head.*\"=10.0}",
    ];
    let shown = place.rekindle(&args).success().stdout;
    for row in [
        "Phase     part             tensors",
        "stem to conv_head",
        "frozen",
        "3e-3     1e-2",
    ] {
        assert!(shown.contains(row), "no `{row}` in {shown}");
    }
    let json = place
        .rekindle(&[&args[..], &["--json"]].concat())
        .success()
        .json();
    let groups = json["parameters"].as_array().unwrap();
    let count = |phase: &str| -> u64 {
        let own = groups.iter().filter(|group| group["phase"] == phase);
        own.map(|group| group["parameters"].as_u64().unwrap()).sum()
    };
    assert!(count("phase1") > 3_000_000);
    assert_eq!(
        count("phase1"),
        count("phase2"),
        "a phase has every parameter once"
    );
}

#[test]
fn a_range_test_suggests_a_rate_and_keeps_nothing() {
    let place = Place::with_photos();
    let before = place.snapshot("photos");
    let args = [
        "lr-find",
        "photos",
        "--set",
        "input.size=[32,32]",
        "--set",
        "phase1.epochs=1",
        "--steps",
        "30",
        "--quiet",
    ];
    let shown = place
        .rekindle(&[&args[..], &["-o", "lr"]].concat())
        .success()
        .stdout;
    for words in ["phase1: ", "valley", "steepest", "try: --set phase1.lr="] {
        assert!(shown.contains(words), "no `{words}` in {shown}");
    }
    for file in ["lr-find.png", "lr-find.svg", "lr-find.csv"] {
        assert!(!place.read(&format!("lr/{file}")).is_empty(), "{file}");
    }
    let second = place
        .rekindle(&[&args[..], &["--phase", "phase2", "--json"]].concat())
        .success()
        .json();
    assert_eq!(second["phase"], "phase2");
    assert_eq!(second["rates"].as_array().unwrap()[0], 1e-7);
    assert_eq!(place.snapshot("photos"), before);
    assert!(!place.path("runs").exists());
    place
        .rekindle(&[&args[..], &["--phase", "phase3"]].concat())
        .error(&["phase3", "phase1, phase2"]);
    place
        .rekindle(&[&args[..], &["--from", "1", "--to", "0.1"]].concat())
        .error(&["to", "above the first"]);
}
