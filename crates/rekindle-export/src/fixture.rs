//! Models for tests: any architecture with random weights, norms that are not the identity, and a head of any kind.

use std::collections::BTreeMap;

use burn::tensor::{Device, TensorData};
use rekindle_augment::Preprocessing;
use rekindle_backbone::{Architecture, Backbone, Precision};
use rekindle_data::{NumberScale, TaskKind};
use rekindle_head::HeadConfig;
use rekindle_model::{Joint, ModelFile, ModelInfo, Network, head_for};

/// A model of three classes for images of this size.
pub(crate) fn model(architecture: &str, size: [usize; 2]) -> ModelFile {
    with_head(architecture, size, HeadConfig::default(), &[], false)
}

/// The same with a head and taps.
pub(crate) fn with_head(
    architecture: &str,
    size: [usize; 2],
    head: HeadConfig,
    taps: &[&str],
    unit_rms: bool,
) -> ModelFile {
    let backbone = Architecture::from_name(architecture).unwrap();
    of_backbone(backbone.init(&Device::flex()), size, head, taps, unit_rms)
}

/// The same of any backbone.
pub(crate) fn of_backbone(
    backbone: Backbone,
    size: [usize; 2],
    head: HeadConfig,
    taps: &[&str],
    unit_rms: bool,
) -> ModelFile {
    let device = Device::flex();
    let architecture = backbone.name().to_owned();
    // Weights of He's scale, and statistics, scales and shifts as training would leave them; the same ones in every run, which those
    // drawn by the device are not while other tests draw, too.
    let mut state = backbone.state();
    // At He's scale the maps of GhostNetV2 grow from layer to layer, and its gates, sigmoids of them, amplify what rounding leaves: see
    // tests/parity/README.md, where PyTorch itself is far from its own float64.
    let gain = match architecture.starts_with("ghostnetv2") {
        true => 0.7,
        false => 1.0,
    };
    let mut number = 0u32;
    let mut share = || {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (number >> 8) as f32 / (1 << 24) as f32
    };
    for (key, data) in &mut state {
        let shape = data.shape().to_vec();
        let fan_in: usize = shape[1..].iter().product();
        let varied = data.iter::<f32>().map(|value| match shape.len() {
            1 if key.ends_with("running_mean") || key.ends_with("bias") => {
                value + 0.2 * (share() - 0.5)
            }
            1 if key.ends_with("gamma") => 0.2 + 0.1 * share(),
            1 => value * (0.8 + 0.4 * share()),
            _ => gain * (2.0 * share() - 1.0) * (6.0 / fan_in as f32).sqrt(),
        });
        *data = TensorData::new(varied.collect(), shape);
    }
    let backbone = backbone.load_state(&state, "a test").unwrap();
    let names = backbone.stage_names();
    let index = |name: &&str| names.iter().position(|stage| stage == name).unwrap();
    let indices: Vec<usize> = taps.iter().map(index).collect();
    let built = head_for(&head, &backbone, &indices, 3, 7, &device);
    let joint = Joint {
        taps: indices,
        unit_rms,
    };
    let info = ModelInfo {
        format: 1,
        rekindle: "0".into(),
        backbone: architecture.clone(),
        architecture,
        backbone_sha256: String::new(),
        task: TaskKind::default(),
        classes: ["ash", "birch \"silver\"", "chêne"]
            .map(String::from)
            .into(),
        number_scale: None,
        preprocessing: Preprocessing {
            input_size: size,
            ..Preprocessing::default()
        },
        precision: Precision::F32,
        head,
        tapped_stages: taps.iter().map(|name| (*name).to_owned()).collect(),
        unit_rms,
        best_phase: "phase1".into(),
        best_epoch: 1,
        validation: BTreeMap::new(),
        recipe: String::new(),
        after: Default::default(),
    };
    ModelFile {
        info,
        network: Network::new(Some(backbone), built, joint),
    }
}

/// The model as one of three numbers.
pub(crate) fn of_numbers(mut model: ModelFile) -> ModelFile {
    model.info.task = TaskKind::Regression;
    model.info.number_scale = Some(NumberScale {
        mean: vec![10.0, -3.0, 0.5],
        std: vec![2.0, 0.1, 100.0],
    });
    model
}
