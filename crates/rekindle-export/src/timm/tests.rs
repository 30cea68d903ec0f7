//! Folders that are read back; heads that timm has not; files that are not replaced.

use burn::tensor::Device;
use rekindle_augment::{Interpolation, Rescale, ResizePolicy};
use rekindle_data::TaskKind;
use rekindle_head::{HeadConfig, Pooling};
use serde_json::{Value, json};

use super::*;
use crate::fixture;

#[test]
fn what_is_written_reads_back_as_the_same_network() {
    for architecture in [
        "resnet18",
        "mobilenetv3_small_050",
        "convnext_atto",
        "ghostnet_050",
    ] {
        let model = fixture::model(architecture, [40, 64]);
        let files = to_timm(&model, WeightPrecision::F32).unwrap();
        let device = Device::flex();
        let found = check_timm(&files.weights, &model, WeightPrecision::F32, &device).unwrap();
        assert_eq!(found.difference, 0.0, "{architecture}: {found:?}");
        assert_eq!(files, to_timm(&model, WeightPrecision::F32).unwrap());
    }
}

#[test]
fn a_network_that_timm_does_not_have_is_refused() {
    let model = fixture::model("shufflenet_v2_x0_5", [40, 40]);
    let error = to_timm(&model, WeightPrecision::F32).unwrap_err();
    let expected = "timm has no shufflenet_v2_x0_5, which is torchvision's; `--format onnx` writes every network";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn weights_of_16_bits_leave_norms_in_32() {
    let model = fixture::model("resnet18", [64, 64]);
    let files = to_timm(&model, WeightPrecision::F16).unwrap();
    let file = safetensors::SafeTensors::deserialize(&files.weights).unwrap();
    assert_eq!(file.tensor("conv1.weight").unwrap().dtype(), Dtype::F16);
    assert_eq!(file.tensor("bn1.running_var").unwrap().dtype(), Dtype::F32);
    let device = Device::flex();
    let found = check_timm(&files.weights, &model, WeightPrecision::F16, &device).unwrap();
    assert!(found.difference > 0.0 && found.difference < 0.01 * found.largest);
}

#[test]
fn the_config_is_what_timm_reads() {
    let mut model = fixture::model("resnet18d", [96, 64]);
    model.info.preprocessing.policy = ResizePolicy::Squash;
    let files = to_timm(&model, WeightPrecision::F32).unwrap();
    let config: Value = serde_json::from_str(&files.config).unwrap();
    assert_eq!(config["architecture"], "resnet18d");
    assert_eq!(config["label_names"], json!(model.info.classes));
    let expected = json!({
        "input_size": [3, 96, 64],
        "fixed_input_size": false,
        "interpolation": "bicubic",
        "crop_pct": 0.875,
        "crop_mode": "squash",
        "num_classes": 3,
        "classifier": "fc",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "first_conv": "conv1.0",
    });
    assert_eq!(config["pretrained_cfg"], expected);
    assert!(files.notes.is_empty());
}

#[test]
fn what_timm_has_no_place_for_is_said() {
    let mut model = fixture::model("resnet18", [32, 32]);
    model.info.preprocessing.rescale = Rescale::PerImage { per_channel: true };
    model.info.preprocessing.interpolation = Interpolation::Area;
    model.info.task = TaskKind::Multilabel;
    let notes = to_timm(&model, WeightPrecision::F32)
        .unwrap()
        .notes
        .join("\n");
    for words in ["per_image", "`area`", "sigmoid"] {
        assert!(notes.contains(words), "{notes}");
    }
}

#[test]
fn a_head_that_timm_has_not_is_an_error_that_says_what_it_has() {
    let head = HeadConfig {
        pool: Pooling::Gem,
        hidden: vec![8],
        input_norm: true,
        ..HeadConfig::default()
    };
    let model = fixture::with_head("resnet18", [32, 32], head, &["layer1", "layer3"], true);
    let error = to_timm(&model, WeightPrecision::F32)
        .unwrap_err()
        .to_string();
    for words in [
        "layer1, layer3",
        "features.taps=0",
        "features.unit_rms=false",
        "head.pool",
        "head.hidden",
        "head.input_norm",
        "--format onnx",
    ] {
        assert!(error.contains(words), "no `{words}` in {error}");
    }
}

#[test]
fn nothing_is_written_where_one_of_the_files_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let files = to_timm(&fixture::model("resnet18", [32, 32]), WeightPrecision::F32).unwrap();
    std::fs::write(folder.path().join("config.json"), "mine").unwrap();
    let error = write_timm(folder.path(), &files, false).unwrap_err();
    assert!(matches!(error, ExportError::Exists { .. }));
    assert!(!folder.path().join("model.safetensors").exists());
    write_timm(folder.path(), &files, true).unwrap();
    let fresh = folder.path().join("a/b");
    write_timm(&fresh, &files, false).unwrap();
    assert_eq!(
        std::fs::read(fresh.join("model.safetensors")).unwrap(),
        files.weights
    );
}
