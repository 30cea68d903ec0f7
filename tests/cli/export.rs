//! `export`, `features` and the longer lists of `backbones`, as a user meets them.

use crate::support::{Place, TINY, trained};

/// The folder of a run whose head is timm's own.
fn plain() -> Place {
    let place = Place::with_photos();
    let mut words = vec!["train", "photos", "--name", "plain", "-q"];
    words.extend(TINY);
    words.extend([
        "--set",
        "features.taps=0",
        "--set",
        "features.unit_rms=false",
    ]);
    place.rekindle(&words).success();
    place
}

#[test]
fn a_model_becomes_an_onnx_file_that_says_the_same() {
    let place = Place::with_photos();
    let model = trained().path("runs/done").display().to_string();
    let found = place
        .rekindle(&["export", &model, "-o", "m.onnx"])
        .success();
    for words in [
        "opset 17",
        "images [batch, 3, 32, 32]",
        "probabilities [batch, 3]",
        "4 generated images",
    ] {
        assert!(found.stdout.contains(words), "no `{words}` in {found:?}");
    }
    place
        .rekindle(&["export", &model, "-o", "m.onnx"])
        .error(&["m.onnx is there already", "--force"]);
    let half = [
        "--precision",
        "f16",
        "--include-rescale",
        "--logits",
        "--force",
    ];
    let found = place
        .rekindle(&[&["export", &model, "-o", "m.onnx"], &half[..]].concat())
        .success();
    assert!(found.stdout.contains("pixels from 0 to 255"), "{found:?}");
    assert!(found.stdout.contains("logits [batch, 3]"), "{found:?}");
    place
        .rekindle(&["export", &model, "-o", "photos"])
        .error(&["`photos` is a folder", "photos/model.onnx"]);
    place
        .rekindle(&["export", &model, "-o", "x.onnx", "--include-rescale=2"])
        .error(&["255", "1"]);
}

#[test]
fn a_plain_head_becomes_a_folder_for_timm_and_another_says_why_not() {
    let place = plain();
    let found = place
        .rekindle(&["export", "runs/plain", "--format", "timm", "-o", "for-timm"])
        .success();
    assert!(found.stdout.contains("local-dir:for-timm"), "{found:?}");
    assert!(found.stdout.contains("at most 0.0e0"), "{found:?}");
    let config = std::fs::read_to_string(place.path("for-timm/config.json")).unwrap();
    assert!(config.contains("tf_efficientnet_lite0"), "{config}");
    let done = trained().path("runs/done").display().to_string();
    place
        .rekindle(&["export", &done, "--format", "timm", "-o", "none"])
        .error(&["features.taps=0", "--format onnx"]);
    assert!(!place.path("none").exists());
    place
        .rekindle(&[
            "export", &done, "--format", "timm", "-o", "none", "--logits",
        ])
        .error(&["--logits"]);
}

#[test]
fn features_are_written_in_the_order_of_the_images() {
    let place = Place::with_photos();
    let found = place
        .rekindle(&[
            "features",
            "tf_efficientnet_lite0",
            "photos",
            "--size",
            "32",
            "-o",
            "f.csv",
        ])
        .success();
    assert!(found.stdout.contains("1280 features"), "{found:?}");
    let text = std::fs::read_to_string(place.path("f.csv")).unwrap();
    let paths: Vec<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    assert!(paths.is_sorted() && paths.len() > 3, "{paths:?}");
    let model = trained().path("runs/done").display().to_string();
    let words = [
        "features", &model, "photos", "--stage", "blocks.3", "-o", "f.npy",
    ];
    place
        .rekindle(&[&words[..], &["--unlabelled"]].concat())
        .error(&["f.csv is there"]);
    let found = place
        .rekindle(
            &[
                &words[..],
                &["--unlabelled", "--force", "--batch-size", "3"],
            ]
            .concat(),
        )
        .success();
    assert!(found.stdout.contains("behind blocks.3"), "{found:?}");
    let list = std::fs::read_to_string(place.path("f.csv")).unwrap();
    assert!(list.starts_with("path\n"), "{list}");
    place
        .rekindle(&[
            "features",
            "tf_efficientnet_lite0",
            "photos",
            "--stage",
            "x",
            "-o",
            "g.npy",
        ])
        .error(&["no stage `x`", "blocks.0"]);
    place
        .rekindle(&["features", "tf_efficientnet_lite0", "photos", "-o", "g.txt"])
        .error(&[".npy, .safetensors or .csv"]);
}

#[test]
fn backbones_are_found_by_words_also_those_without_a_card() {
    let place = Place::new();
    let found = place
        .rekindle(&["backbones", "mobilenetv2", "035"])
        .success()
        .stdout;
    assert!(found.contains("mobilenetv2_035"), "{found}");
    assert!(!found.contains("resnet50"), "{found}");
    let json = place
        .rekindle(&["backbones", "resnet18.a1", "--json"])
        .success()
        .json();
    let multiply_adds = json[0]["multiply_adds"].as_u64().unwrap();
    assert!(multiply_adds > 1_000_000_000, "{json}");
    place
        .rekindle(&["backbones", "resnet", "nothing"])
        .error(&["`resnet` and `nothing`", "--all"]);
}
