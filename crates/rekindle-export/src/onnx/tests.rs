//! Files of every family and head, read back, checked and run; and what is wrong with files that are not.

use burn::tensor::Device;
use rekindle_augment::Rescale;
use rekindle_backbone::layers::{
    Activation, AdaptivePool, AnyLayer, Conv2dConfig, ConvNormActConfig, Enlarge, Pool, PoolConfig,
    PoolKind,
};
use rekindle_backbone::{Backbone, Stage};
use rekindle_data::TaskKind;
use rekindle_head::{HeadConfig, HiddenActivation, Pooling};
use rekindle_model::ModelFile;

use super::*;
use crate::check::check_onnx;
use crate::fixture;

fn written(model: &ModelFile, options: &OnnxOptions) -> OnnxFile {
    OnnxFile::read(&to_onnx(model, options).unwrap()).unwrap()
}

/// Writes the model, reads it back and asserts that it says the same.
fn agree(model: &ModelFile, options: &OnnxOptions) -> OnnxFile {
    let file = written(model, options);
    let found = check_onnx(&file, model, options, &Device::flex()).unwrap();
    // Rounding through dozens of layers, in other orders of adding up: 1.2e-5 of the largest where it is most. A wrong factor or
    // padding is a thousand times that.
    assert!(
        found.difference <= 3e-5 * found.largest.max(1.0),
        "{} {options:?}: {found:?}",
        model.info.architecture
    );
    file
}

const LOGITS: OnnxOptions = OnnxOptions {
    logits: true,
    rescale: None,
    precision: WeightPrecision::F32,
};

#[test]
fn a_network_of_every_family_says_the_same_as_onnx() {
    for (architecture, size) in [
        ("resnet18", [48, 40]),
        ("resnet26t", [40, 40]),
        ("tf_efficientnet_lite0", [49, 35]),
        ("mobilenetv3_small_050", [40, 40]),
        ("mobilenetv2_035", [40, 40]),
        ("efficientnet_b0", [40, 40]),
        ("tf_efficientnetv2_b0", [45, 40]),
        ("mnasnet_small", [40, 40]),
        ("mobilenetv4_conv_small_035", [40, 40]),
        ("regnetx_002", [40, 40]),
        ("regnety_002", [40, 40]),
        ("convnext_atto", [64, 40]),
        ("convnextv2_atto", [40, 64]),
        ("legacy_seresnet18", [45, 40]),
        ("densenet121", [40, 40]),
        ("ghostnet_050", [45, 40]),
        ("ghostnetv2_100", [40, 45]),
        ("inception_v3", [91, 80]),
        ("squeezenet1_1", [40, 45]),
        ("googlenet", [45, 40]),
        ("shufflenet_v2_x0_5", [45, 40]),
    ] {
        // Shown where it fails.
        println!("{architecture}");
        agree(&fixture::model(architecture, size), &LOGITS);
    }
}

#[test]
fn probabilities_and_numbers_are_those_of_predictions() {
    let options = OnnxOptions::default();
    let mut model = fixture::model("resnet18", [32, 32]);
    let file = agree(&model, &options);
    assert_eq!(
        file.contents().output,
        ("probabilities".into(), vec![None, Some(3)])
    );
    model.info.task = TaskKind::Multilabel;
    assert!(agree(&model, &options).operations().contains("Sigmoid"));
    let file = agree(&fixture::of_numbers(model), &options);
    assert_eq!(file.contents().output.0, "numbers");
}

#[test]
fn levels_are_written_with_their_probabilities() {
    let head = HeadConfig {
        ordinal: true,
        ..HeadConfig::default()
    };
    let mut model = fixture::with_head("resnet18", [40, 33], head, &["layer2"], true);
    model.info.task = TaskKind::Ordinal;
    assert!(agree(&model, &LOGITS).operations().contains("Softplus"));
    let file = agree(&model, &OnnxOptions::default());
    assert_eq!(
        file.contents().output,
        ("probabilities".into(), vec![None, Some(3)])
    );
}

#[test]
fn every_kind_of_head_is_written() {
    let taps = ["stem", "layer2"];
    for (pool, activation) in [
        (Pooling::Average, HiddenActivation::Relu),
        (Pooling::Max, HiddenActivation::Silu),
        (Pooling::AverageMax, HiddenActivation::Gelu),
        (Pooling::Gem, HiddenActivation::HardSwish),
        (Pooling::Gem, HiddenActivation::Tanh),
    ] {
        let head = HeadConfig {
            pool,
            activation,
            hidden: vec![7, 5],
            input_norm: true,
            ..HeadConfig::default()
        };
        let model = fixture::with_head("resnet18", [40, 33], head, &taps, true);
        agree(&model, &LOGITS);
    }
}

#[test]
fn rescaling_in_the_graph_is_that_of_the_model() {
    let mut model = fixture::model("mobilenetv2_035", [32, 32]);
    for scale in [
        Rescale::IMAGENET,
        Rescale::Unit,
        Rescale::Symmetric,
        Rescale::Centre {
            mean: [0.2, 0.3, 0.4],
        },
        Rescale::None,
        Rescale::PerImage { per_channel: true },
        Rescale::PerImage { per_channel: false },
        Rescale::Whiten {
            mean: [0.5, 0.4, 0.3],
            matrix: [[2.0, 0.5, 0.0], [0.1, 3.0, 0.2], [0.0, 0.3, 1.0]],
        },
    ] {
        model.info.preprocessing.rescale = scale;
        for white in [White::Byte, White::One] {
            let options = OnnxOptions {
                rescale: Some(white),
                ..LOGITS
            };
            agree(&model, &options);
        }
    }
}

#[test]
fn the_file_says_what_it_is() {
    let model = fixture::model("resnet18", [40, 32]);
    let file = written(&model, &OnnxOptions::default());
    let contents = file.contents();
    assert_eq!(contents.opset, OPSET);
    let input = vec![None, Some(3), Some(40), Some(32)];
    assert_eq!(contents.input, (INPUT.into(), input));
    let said = file.metadata();
    assert_eq!(said["classes"], r#"["ash","birch \"silver\"","chêne"]"#);
    assert_eq!(said["task"], model.info.task.name());
    assert_eq!(said["input_size"], "[40,32]");
    assert_eq!(said["mean"], "[0.485,0.456,0.406]");
    assert_eq!(said["resize_policy"], "crop");
    assert_eq!(said["rescaling"], "before the graph");
}

/// Two convolutions without norms and a layer between them.
fn tiny(between: AnyLayer) -> ModelFile {
    let device = Device::flex();
    let conv = |key: &str, channels| {
        let conv = Conv2dConfig {
            bias: true,
            ..Conv2dConfig::new(key, channels, 3)
        };
        let block = ConvNormActConfig {
            conv,
            norm: None,
            activation: Activation::Relu,
        };
        AnyLayer::new(block.init(&device))
    };
    let layers = vec![conv("first", [3, 5]), between, conv("second", [5, 6])];
    let stages = vec![Stage::new("all", layers, 6, 1)];
    let backbone = Backbone::new("tiny", stages, "fc");
    fixture::of_backbone(backbone, [9, 12], HeadConfig::default(), &[], false)
}

#[test]
fn every_kind_of_pooling_is_written_also_where_windows_reach_over_the_border() {
    for kind in [
        PoolKind::Max,
        PoolKind::MaxCeil,
        PoolKind::Average,
        PoolKind::AverageCeil,
        PoolKind::AverageCounted,
        PoolKind::GlobalAverage,
    ] {
        for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 2, 0), (3, 1, 1), (2, 3, 0)] {
            let pool = PoolConfig {
                kind,
                kernel,
                stride,
                padding,
            };
            agree(&tiny(AnyLayer::new(Pool::new(pool))), &LOGITS);
        }
    }
}

#[test]
fn a_map_that_is_too_small_is_enlarged() {
    for side in [7, 10, 20] {
        let file = agree(&tiny(AnyLayer::new(Enlarge::new(side))), &LOGITS);
        assert_eq!(file.operations().contains("MatMul"), side > 9);
    }
}

#[test]
fn a_map_is_pooled_to_one_size_whatever_its_own() {
    for side in [1, 4, 6, 10] {
        agree(&tiny(AnyLayer::new(AdaptivePool::new(side))), &LOGITS);
    }
}

#[test]
fn weights_are_the_models_numbers() {
    let model = tiny(AnyLayer::new(Enlarge::new(1)));
    let file = written(&model, &LOGITS);
    let state = model.network.state();
    let expected = &state.backbone["second.weight"];
    assert_eq!(file.tensor("second.weight").as_ref(), Some(expected));
    let count = |state: &rekindle_backbone::StateDict| -> usize {
        state.values().map(|data| data.num_elements()).sum()
    };
    assert_eq!(
        file.contents().numbers,
        count(&state.backbone) + count(&state.head)
    );
}

#[test]
fn weights_of_16_bits_take_half_the_room_and_change_little() {
    let model = fixture::model("resnet18", [64, 64]);
    let options = OnnxOptions {
        precision: WeightPrecision::F16,
        ..OnnxOptions::default()
    };
    let (whole, half) = (
        to_onnx(&model, &OnnxOptions::default()).unwrap(),
        to_onnx(&model, &options).unwrap(),
    );
    assert!(half.len() < whole.len() * 51 / 100);
    let file = OnnxFile::read(&half).unwrap();
    let found = check_onnx(&file, &model, &options, &Device::flex()).unwrap();
    assert!(
        found.difference > 0.0 && found.difference < 0.01,
        "{found:?}"
    );
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let model = fixture::model("regnetx_002", [32, 32]);
    assert_eq!(
        to_onnx(&model, &LOGITS).unwrap(),
        to_onnx(&model, &LOGITS).unwrap()
    );
}

#[test]
fn files_that_are_cut_or_changed_are_refused_with_what_is_wrong() {
    let bytes = to_onnx(&fixture::model("mobilenetv2_035", [32, 32]), &LOGITS).unwrap();
    let refused = |bytes: &[u8]| OnnxFile::read(bytes).unwrap_err().to_string();
    assert!(refused(b"").contains("no graph"));
    assert!(refused(&bytes[..bytes.len() / 2]).contains("not an ONNX file"));
    let mut file = Model::decode(&bytes[..]).unwrap();
    let change = |change: &dyn Fn(&mut proto::Graph)| {
        let mut file = file.clone();
        change(file.graph.as_mut().unwrap());
        refused(&file.encode_to_vec())
    };
    let found = change(&|graph| graph.node.swap(0, 1));
    assert!(found.contains("before it is known"), "{found}");
    let found = change(&|graph| graph.node[0].op_type = Some("If".into()));
    assert!(found.contains("the operation If"), "{found}");
    let found = change(&|graph| graph.initializer[0].dims = vec![i64::MAX, 9]);
    assert!(found.contains("bytes"), "{found}");
    let found = change(&|graph| graph.output[0].name = Some("nothing".into()));
    assert!(found.contains("nothing makes its output"), "{found}");
    let found = change(&|graph| graph.node[1].output[0] = graph.node[0].output[0].clone());
    assert!(found.contains("two values"), "{found}");
    file.opset_import.clear();
    assert!(refused(&file.encode_to_vec()).contains("version"));
}
