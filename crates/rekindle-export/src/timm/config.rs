//! `config.json` as timm's repositories on the hub have it: architecture, classes and preprocessing. Checked against what timm 1.0.31
//! reads (`load_model_config_from_path`).

use burn::module::{Param, RunningState};
use burn::tensor::Tensor;
use rekindle_augment::{Interpolation, ResizePolicy};
use rekindle_backbone::{Backbone, Named, StateVisitor};
use rekindle_data::OutputKind;
use rekindle_model::ModelFile;
use serde_json::{Value, json};

use crate::onnx::mean_and_std;

/// The text of the file, and what timm has no place for.
pub(super) fn config(model: &ModelFile, backbone: &Backbone) -> (String, Vec<String>) {
    let info = &model.info;
    let input = &info.preprocessing;
    let mut notes = Vec::new();
    let [height, width] = input.input_size;
    let channels = input.channels();
    let size = json!([channels, height, width]);
    let mut cfg = json!({
        "input_size": size,
        "fixed_input_size": false,
        "interpolation": interpolation(input.interpolation, &mut notes),
        "crop_pct": short(input.crop_ratio),
        "crop_mode": match input.policy {
            ResizePolicy::Crop => "center",
            ResizePolicy::Squash => "squash",
            ResizePolicy::Pad => "border",
        },
        "num_classes": info.classes.len(),
        "classifier": backbone.classifier(),
    });
    match mean_and_std(input) {
        Some((mean, std)) => {
            cfg["mean"] = json!(mean.into_iter().map(short).collect::<Vec<_>>());
            cfg["std"] = json!(std.into_iter().map(short).collect::<Vec<_>>());
        }
        None => {
            let scale = json!(input.rescale);
            notes.push(format!(
                "timm's config.json has no place for the scale of the input, {scale}: rescale images so before the model"
            ));
        }
    }
    // Where it is named, earlier versions of timm (1.0.9 does, 1.0.31 does not) would adapt weights to other channels than three that
    // are for them already, cannot, and go on with random ones.
    if channels == 3
        && let Some(first) = first_convolution(backbone)
    {
        cfg["first_conv"] = json!(first);
    }
    match info.task.outputs() {
        OutputKind::Distribution => {}
        OutputKind::Indicators => notes.push(
            "its outputs are labels, each by itself: take the sigmoid of each logit, not the softmax of all".into(),
        ),
        OutputKind::Numbers => {
            let scale = json!(info.number_scale);
            notes.push(format!(
                "its outputs are standardised numbers: multiply each by its std and add its mean, {scale}"
            ));
        }
    }
    let mut config = json!({
        "architecture": info.architecture,
        "num_classes": info.classes.len(),
        "label_names": info.classes,
        "global_pool": "avg",
        "pretrained_cfg": cfg,
    });
    if channels != 3 {
        config["model_args"] = json!({ "in_chans": channels });
    }
    let text = serde_json::to_string_pretty(&config).unwrap_or_default();
    (text + "\n", notes)
}

/// As a decimal number of f32's digits: 0.485, not 0.48500001430511475.
fn short(value: f32) -> Value {
    let text = value.to_string();
    text.parse::<f64>()
        .map_or(Value::Null, |value| json!(value))
}

fn interpolation(filter: Interpolation, notes: &mut Vec<String>) -> &'static str {
    match filter {
        Interpolation::Nearest => "nearest",
        Interpolation::Bilinear => "bilinear",
        Interpolation::Bicubic => "bicubic",
        Interpolation::Lanczos => "lanczos",
        Interpolation::Area => {
            notes.push(
                "timm has no filter `area`; `box`, which config.json names, is near it".into(),
            );
            "box"
        }
    }
}

/// timm's name of the convolution that reads the image.
fn first_convolution(backbone: &Backbone) -> Option<String> {
    struct First(Option<String>);
    impl StateVisitor for First {
        fn parameter<const D: usize>(&mut self, key: &str, _: &mut Param<Tensor<D>>) {
            if D == 4 && self.0.is_none() {
                self.0 = key.strip_suffix(".weight").map(str::to_owned);
            }
        }

        fn buffer(&mut self, _: &str, _: &mut RunningState<Tensor<1>>) {}
    }
    let mut first = First(None);
    backbone.clone().visit_state(&mut first);
    first.0
}
