//! Cards, names, where weights are, and what is loaded from a file of each kind.

use std::collections::BTreeSet;

use burn::tensor::Device;
use rekindle_augment::Interpolation;
use rekindle_backbone::Architecture;

use super::source::{origin_with, resolve_with};
use super::*;
use crate::settings::{BackboneRecipe, InputRecipe};

#[test]
fn every_card_is_valid_and_names_an_architecture_there_is() {
    let cards = cards().unwrap();
    assert_eq!(cards[0].name, rekindle_models::DEFAULT_CARD);
    for card in &cards {
        Architecture::from_name(&card.architecture).unwrap();
        assert!(
            ["bilinear", "bicubic"].contains(&card.preprocessing.interpolation.as_str()),
            "{}",
            card.name
        );
        preprocessing(card, &InputRecipe::default()).unwrap();
    }
    let names: BTreeSet<_> = cards.iter().map(|card| &card.name).collect();
    assert_eq!(names.len(), cards.len());
}

#[test]
fn an_unknown_filter_of_a_card_is_an_error_and_the_users_own_counts() {
    let mut card = card_from_name(rekindle_models::DEFAULT_CARD).unwrap();
    card.preprocessing.interpolation = "box".into();
    let error = preprocessing(&card, &InputRecipe::default()).unwrap_err();
    let expected = "`preprocessing.interpolation` is box";
    assert!(error.to_string().contains(expected), "{error}");
    card.preprocessing.interpolation = "lanczos".into();
    let input = InputRecipe {
        interpolation: Some(Interpolation::Area),
        ..InputRecipe::default()
    };
    let found = preprocessing(&card, &input).unwrap();
    assert_eq!(found.interpolation, Interpolation::Area);
}

#[test]
fn weights_that_are_on_no_hub_say_where_they_are() {
    let card = card_from_name("alexnet").unwrap();
    let url = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth";
    let error = hub_file(&card).unwrap_err().to_string();
    assert!(
        error.contains(url) && error.contains("--weights FILE"),
        "{error}"
    );
}

#[cfg(all(feature = "bundled", feature = "flex"))]
#[test]
fn the_bundled_weights_are_those_of_their_card() {
    let card = card_from_name(rekindle_models::DEFAULT_CARD).unwrap();
    let recipe = BackboneRecipe::default();
    let loaded = load_backbone(&card, &recipe, 0, &Device::flex()).unwrap();
    assert_eq!(Some(loaded.sha256), card.source.sha256);
}

#[test]
fn a_misspelt_backbone_suggests_the_nearest() {
    let error = card_from_name("resnet81").unwrap_err().to_string();
    assert!(error.contains("did you mean `resnet"), "{error}");
}

#[test]
fn an_architecture_is_found_by_its_weights_and_without_a_card() {
    let name = |name| architecture_from_name(name).map(|found| found.name);
    assert_eq!(name("resnet18.a1_in1k").unwrap(), "resnet18");
    assert_eq!(name("efficientnet_lite4").unwrap(), "efficientnet_lite4");
    let error = name("resnet81").unwrap_err().to_string();
    assert!(error.contains("did you mean `resnet18`"), "{error}");
}

fn hub(cache: &std::path::Path) -> rekindle_weights::Hub {
    // Nothing listens there, and nothing may be asked.
    let settings = rekindle_weights::HubSettings {
        offline: true,
        ..rekindle_weights::HubSettings::new("https://huggingface.co", cache)
    };
    rekindle_weights::Hub::new(settings)
}

fn recipe(name: &str, weights: Option<&str>) -> BackboneRecipe {
    BackboneRecipe {
        name: name.into(),
        weights: weights.map(Into::into),
    }
}

/// Puts a file into the cache as Python does where it has no links.
fn cached(cache: &std::path::Path, repository: &str, file: &str, bytes: &[u8]) {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let folder = cache.join(format!("models--{}", repository.replace('/', "--")));
    let snapshot = folder.join("snapshots").join(commit);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(folder.join("refs")).unwrap();
    std::fs::write(folder.join("refs/main"), commit).unwrap();
    std::fs::write(snapshot.join(file), bytes).unwrap();
}

#[test]
fn weights_that_are_not_cached_say_where_to_get_them_where_there_is_no_network() {
    let cache = tempfile::tempdir().unwrap();
    let card = card_from_name("resnet18").unwrap();
    let recipe = recipe("resnet18", None);
    let error = origin_with(&card, &recipe, &|| Ok(hub(cache.path()))).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("huggingface.co/timm/resnet18.a1_in1k") && error.contains("--weights"),
        "{error}"
    );
    cached(
        cache.path(),
        "timm/resnet18.a1_in1k",
        "model.safetensors",
        b"",
    );
    let found = origin_with(&card, &recipe, &|| Ok(hub(cache.path()))).unwrap();
    assert_eq!(found, "hf://timm/resnet18.a1_in1k/model.safetensors");
}

#[test]
fn a_bare_name_means_the_weights_that_timm_means() {
    for name in [
        "resnet101.a1h_in1k",
        "resnet152.a1h_in1k",
        "resnext50_32x4d.a1h_in1k",
        "resnet50d.ra2_in1k",
        "resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k",
        "wide_resnet101_2.tv_in1k",
        "mobilenetv3_large_100.ra_in1k",
        "resnet50.a1_in1k",
        "tf_efficientnet_lite0.in1k",
    ] {
        let (architecture, _) = name.split_once('.').unwrap();
        assert_eq!(card_from_name(architecture).unwrap().name, name);
    }
    // A card of its own has what timm's list does not.
    assert!(
        card_from_name("tf_efficientnet_lite0")
            .unwrap()
            .source
            .bundled
            .is_some()
    );
    let card = card_from_name("wide_resnet101_2").unwrap();
    assert_eq!(
        card.source.hub.as_deref(),
        Some("timm/wide_resnet101_2.tv_in1k")
    );
    assert_eq!(card.preprocessing.input_size, [224, 224]);
    assert_eq!(card.licence, "BSD-3-Clause");
}

#[test]
fn every_line_of_timms_list_is_a_card_and_every_own_card_agrees_with_it() {
    let mut names = BTreeSet::new();
    for line in rekindle_models::TIMM.lines().skip(1) {
        let name = line.split(',').next().unwrap();
        assert!(names.insert(name), "{name} twice");
        let Ok(card) = card_from_name(name) else {
            let architecture = name.split('.').next().unwrap();
            assert!(Architecture::from_name(architecture).is_err(), "{name}");
            continue;
        };
        assert_eq!(card.name, name);
        preprocessing(&card, &InputRecipe::default()).unwrap();
    }
}

#[test]
fn a_repositorys_config_gives_architecture_and_preprocessing_without_a_card() {
    let cache = tempfile::tempdir().unwrap();
    let config = br#"{"architecture": "resnet18", "pretrained_cfg": {"tag": "mine", "input_size": [1, 96, 80], "mean": [0.449],
        "std": [0.226], "interpolation": "bilinear", "crop_pct": 1.0, "license": "mit"}}"#;
    cached(cache.path(), "me/pets", "config.json", config);
    cached(cache.path(), "timm/resnet18.new_tag", "config.json", config);
    let resolve = |recipe: &BackboneRecipe| resolve_with(recipe, &|| Ok(hub(cache.path())));
    let default = BackboneRecipe::default().name;
    let card = resolve(&recipe(&default, Some("hf://me/pets"))).unwrap();
    assert_eq!(
        (card.name.as_str(), card.architecture.as_str()),
        ("resnet18.mine", "resnet18")
    );
    assert_eq!(
        (card.preprocessing.mean, card.preprocessing.input_size),
        ([0.449; 3], [96, 80])
    );
    assert_eq!(card.licence, "MIT");
    assert!(resolve(&recipe("resnet18", Some("hf://me/pets"))).is_ok());
    let error = resolve(&recipe("resnet34", Some("hf://me/pets")))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("holds weights of resnet18") && error.contains("resnet34"),
        "{error}"
    );
    let card = resolve(&recipe("resnet18.new_tag", None)).unwrap();
    assert_eq!(card.source.hub.as_deref(), Some("timm/resnet18.new_tag"));
    let error = resolve(&recipe("resnet18.none", None))
        .unwrap_err()
        .to_string();
    assert!(error.contains("HF_HUB_OFFLINE"), "{error}");
    assert!(
        resolve(&recipe("resnet81.a1_in1k", None))
            .unwrap_err()
            .to_string()
            .contains("did you mean")
    );
}

#[cfg(feature = "flex")]
#[test]
fn what_is_no_file_of_weights_is_refused_by_name_before_a_reader_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, word) in [
        (&b"<html>404</html>"[..], "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (
            b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.",
            "posix.system",
        ),
        (b"\x80\x02}.", "does not fit"),
        (b"PK\x03\x04", "not a readable PyTorch file"),
    ] {
        let path = folder.path().join("f.pth");
        std::fs::write(&path, bytes).unwrap();
        let backbone = Architecture::from_name("resnet18")
            .unwrap()
            .init(&Device::flex());
        let error = load::load_file(backbone, &path, "f.pth")
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn an_architecture_without_known_weights_takes_those_of_a_user_or_none() {
    let recipe = |weights: Option<&str>| BackboneRecipe {
        name: "ghostnet_050".into(),
        weights: weights.map(Into::into),
    };
    for weights in ["random", "mine.safetensors"] {
        let card = resolve_card(&recipe(Some(weights))).unwrap();
        assert_eq!(card.architecture, "ghostnet_050");
        assert_eq!(card.preprocessing.input_size, [224; 2]);
    }
    let error = resolve_card(&recipe(None)).unwrap_err().to_string();
    assert!(
        error.contains("no weights of ghostnet_050 are known"),
        "{error}"
    );
    assert!(error.contains("`--weights random`"), "{error}");
}
