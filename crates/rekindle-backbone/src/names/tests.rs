//! Which names are found under wrappers and in the tables.

use burn::tensor::{Device, TensorData};

use crate::{Architecture, Backbone, BackboneError, StateDict};

fn network(name: &str) -> Backbone {
    Architecture::from_name(name).unwrap().init(&Device::flex())
}

fn wrapped(state: &StateDict, prefix: &str) -> StateDict {
    let each = |(name, data): (&String, &TensorData)| (format!("{prefix}{name}"), data.clone());
    state.iter().map(each).collect()
}

#[test]
fn plain_names_are_taken_as_they_are_and_without_a_note() {
    let backbone = network("resnet18");
    let mut state = backbone.state();
    state.insert("fc.weight".into(), TensorData::zeros::<f32, _>([10, 512]));
    let (loaded, notes) = backbone.load_fitted(state.clone(), "it").unwrap();
    assert!(notes.is_empty());
    state.remove("fc.weight");
    assert_eq!(loaded.state(), state);
    state.insert("more".into(), TensorData::zeros::<f32, _>([1]));
    let error = loaded.load_fitted(state, "it").unwrap_err();
    assert!(
        error.to_string().contains("1 not in the network: more"),
        "{error}"
    );
}

#[test]
fn wrappers_are_dropped_and_said_also_several_in_one_another() {
    let backbone = network("resnet18");
    let state = backbone.state();
    for prefix in [
        "module.",
        "model.",
        "_orig_mod.",
        "backbone.",
        "state_dict.module.",
        "model_ema.module.",
        "state_dict.model._orig_mod.",
    ] {
        let file = wrapped(&state, prefix);
        let (loaded, notes) = network("resnet18").load_fitted(file, "it").unwrap();
        assert_eq!(loaded.state(), state, "{prefix}");
        assert_eq!(notes, [format!("took the tensors under `{prefix}`")]);
    }
}

#[test]
fn averaged_weights_are_preferred_and_what_else_a_checkpoint_holds_is_passed_over() {
    let averaged = network("resnet18").state();
    let mut file = wrapped(&averaged, "model_ema.module.");
    file.extend(wrapped(&network("resnet18").state(), "model."));
    let moment = TensorData::zeros::<f32, _>([1]);
    file.insert("optimizer.state.0.exp_avg".into(), moment);
    let (loaded, notes) = network("resnet18").load_fitted(file, "it").unwrap();
    assert_eq!(loaded.state(), averaged);
    assert_eq!(
        notes,
        [
            "took the tensors under `model_ema.module.` and passed over 101 others (`model`, `optimizer`)"
        ]
    );
}

#[test]
fn a_missing_tensor_under_a_wrapper_is_still_an_error_under_the_networks_name() {
    let mut file = wrapped(&network("resnet18").state(), "module.");
    file.remove("module.bn1.bias");
    let error = network("resnet18").load_fitted(file, "it").unwrap_err();
    let BackboneError::UnmatchedWeights { mismatch, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(mismatch.missing, ["bn1.bias"]);
    assert!(mismatch.unused.is_empty());
}

/// timm's name to the other author's, by the rules of a table read backwards, for the blocks of a network.
fn as_efficientnet_pytorch(state: &StateDict) -> StateDict {
    let mut blocks: Vec<String> = Vec::new();
    let mut names: Vec<&String> = state.keys().collect();
    names.sort_by_key(|name| {
        let mut words = name
            .split('.')
            .skip(1)
            .map(|word| word.parse().unwrap_or(0));
        (words.next().unwrap_or(0), words.next().unwrap_or(0_usize))
    });
    for name in names.iter().filter(|name| name.starts_with("blocks.")) {
        let block: Vec<&str> = name.split('.').take(3).collect();
        let block = block.join(".");
        if blocks.last() != Some(&block) {
            blocks.push(block);
        }
    }
    let each = |(name, data): (&String, &TensorData)| {
        let words: Vec<&str> = name.split('.').collect();
        let new = match words.as_slice() {
            ["conv_stem", rest] => format!("_conv_stem.{rest}"),
            ["bn1", rest] => format!("_bn0.{rest}"),
            ["conv_head", rest] => format!("_conv_head.{rest}"),
            ["bn2", rest] => format!("_bn1.{rest}"),
            ["blocks", stage, number, layer, rest] => {
                let block = format!("blocks.{stage}.{number}");
                let index = blocks.iter().position(|found| *found == block).unwrap();
                let expanded = state.contains_key(&format!("{block}.conv_pwl.weight"));
                let layer = match (*layer, expanded) {
                    ("conv_pw", true) => "_expand_conv",
                    ("bn1", true) => "_bn0",
                    ("conv_dw", _) => "_depthwise_conv",
                    ("bn2", true) | ("bn1", false) => "_bn1",
                    ("conv_pwl", true) | ("conv_pw", false) => "_project_conv",
                    _ => "_bn2",
                };
                format!("_blocks.{index}.{layer}.{rest}")
            }
            _ => panic!("{name}"),
        };
        (new, data.clone())
    };
    state.iter().map(each).collect()
}

#[test]
fn the_names_of_efficientnet_pytorch_become_timms() {
    for name in ["tf_efficientnet_lite0", "tf_efficientnet_lite2"] {
        let state = network(name).state();
        let mut file = as_efficientnet_pytorch(&state);
        assert!(file.contains_key("_blocks.0._project_conv.weight"));
        file.insert("_fc.weight".into(), TensorData::zeros::<f32, _>([10, 1280]));
        let (loaded, notes) = network(name).load_fitted(file.clone(), "it").unwrap();
        assert_eq!(loaded.state(), state);
        assert_eq!(
            notes,
            ["its tensors have the names of efficientnet_pytorch"]
        );
        let (_, notes) = network(name)
            .load_fitted(wrapped(&file, "module."), "it")
            .unwrap();
        assert_eq!(notes.len(), 2);
    }
}

#[test]
fn a_table_that_does_not_have_a_blocks_number_leaves_the_key_to_the_error() {
    let mut file = as_efficientnet_pytorch(&network("tf_efficientnet_lite0").state());
    let data = TensorData::zeros::<f32, _>([1]);
    file.insert("_blocks.99._bn1.weight".into(), data);
    let error = network("tf_efficientnet_lite0")
        .load_fitted(file, "it")
        .unwrap_err();
    assert!(
        error.to_string().contains("_blocks.99._bn1.weight"),
        "{error}"
    );
}
