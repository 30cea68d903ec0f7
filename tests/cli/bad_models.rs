//! Weights and model files that are not what they should be.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use crate::support::{Place, trained};

/// A safetensors file with one tensor of zeros.
fn one_tensor(key: &str, shape: &[usize]) -> Vec<u8> {
    let bytes = vec![0; 4 * shape.iter().product::<usize>()];
    let view = TensorView::new(Dtype::F32, shape.to_vec(), &bytes).unwrap();
    safetensors::serialize([(key, view)], None).unwrap()
}

/// A model file with its header changed by `change`; the tensors stay.
fn with_header(model: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let length = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&model[8..8 + length]).unwrap();
    change(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_slice(),
        &model[8 + length..],
    ]
    .concat()
}

#[test]
fn weights_with_other_keys_are_refused() {
    let place = Place::with_photos();
    place.write("weights.safetensors", one_tensor("surprise.weight", &[3]));
    place
        .train("a", &["--weights", "weights.safetensors"])
        .error(&["weights.safetensors", "surprise.weight", "conv_stem.weight"]);
}

#[test]
fn weights_of_another_shape_are_refused() {
    let place = Place::with_photos();
    // The model of a run has the keys of its backbone, and a classifier that is passed over.
    let weights = trained().read("runs/done/model.safetensors");
    let changed = with_header(&weights, |header| {
        let shape = &mut header["conv_stem.weight"]["shape"];
        let sizes: Vec<u64> = shape
            .as_array()
            .unwrap()
            .iter()
            .map(|size| size.as_u64().unwrap())
            .collect();
        *shape = serde_json::json!([sizes.iter().product::<u64>()]);
    });
    place.write("weights.safetensors", changed);
    place
        .train("a", &["--weights", "weights.safetensors"])
        .error(&["weights.safetensors", "conv_stem.weight", "[32, 3, 3, 3]"]);
}

#[test]
fn weights_with_a_broken_header_are_refused() {
    let place = Place::with_photos();
    place.write("a.safetensors", [0xFF; 64]);
    place.write("b.safetensors", b"<html>not found</html>");
    place.write("c.safetensors", b"");
    for file in ["a.safetensors", "b.safetensors", "c.safetensors"] {
        place.train("run", &["--weights", file]).error(&[file]);
        assert!(
            !place.path("runs/run").exists(),
            "what failed at its start leaves nothing, so that its name is free"
        );
    }
    place
        .train("run", &["--weights", "missing.safetensors"])
        .error(&["missing.safetensors"]);
}

#[test]
fn weights_that_are_not_bundled_say_where_they_are() {
    let place = Place::with_photos();
    place.train("a", &["--backbone", "resnet18"]).error(&[
        "resnet18.a1_in1k",
        "https://huggingface.co/timm/",
        "--weights",
    ]);
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let place = trained();
    let own = Place::new();
    let photos = place.path("photos").display().to_string();
    let model = place.read("runs/done/model.safetensors");
    let files: BTreeMap<&str, Vec<u8>> = BTreeMap::from([
        ("text.safetensors", b"hello".to_vec()),
        ("picture.png", place.read("photos/sky/1.png")),
        ("weights.safetensors", one_tensor("fc.weight", &[3, 4])),
        ("cut.safetensors", model[..model.len() / 2].to_vec()),
        (
            "later.safetensors",
            with_header(&model, |header| {
                let info = header["__metadata__"]["rekindle"]
                    .as_str()
                    .unwrap()
                    .replacen("\"format\":1", "\"format\":99", 1);
                header["__metadata__"]["rekindle"] = info.into();
            }),
        ),
    ]);
    for (name, bytes) in files {
        own.write(name, bytes);
        own.rekindle(&["inspect", name])
            .error(&[name, "is not a rekindle model"]);
        own.rekindle(&["predict", name, &photos])
            .error(&[name, "is not a rekindle model"]);
        own.rekindle(&["evaluate", name, &photos])
            .error(&[name, "is not a rekindle model"]);
    }
}

#[test]
fn a_model_whose_tensors_do_not_fit_is_refused() {
    let place = trained();
    let own = Place::new();
    let photos = place.path("photos").display().to_string();
    let model = with_header(&place.read("runs/done/model.safetensors"), |header| {
        let info = header["__metadata__"]["rekindle"].as_str().unwrap();
        header["__metadata__"]["rekindle"] = info
            .replacen("[\"apple\",", "[\"apple\",\"pear\",", 1)
            .into();
    });
    own.write("model.safetensors", model);
    own.rekindle(&["predict", "model.safetensors", &photos])
        .error(&["weight"]);
}

#[test]
fn a_directory_without_a_model_is_refused() {
    let place = Place::with_photos();
    place
        .rekindle(&["inspect", "photos"])
        .error(&["`photos`", "model.safetensors"]);
    place.write("runs/half/plan.toml", "");
    place
        .rekindle(&["inspect", "runs/half"])
        .error(&["not finished", "rekindle train --resume runs/half"]);
}
