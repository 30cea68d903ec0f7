//! What holds for every architecture: stage shapes, a gradient for every parameter, a state that goes out and comes back, strictness.

use burn::module::{Module, Param, RunningState};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use rekindle_backbone::{Architecture, BackboneError, Named, StateVisitor};

const SIDE: usize = 32;

fn image(device: &Device) -> Tensor<4> {
    Tensor::random([2, 3, SIDE, SIDE], Distribution::Normal(0.0, 1.0), device)
}

#[test]
fn every_stage_has_the_shape_it_says() {
    let device = Device::flex();
    for architecture in Architecture::all() {
        let backbone = architecture.init(&device);
        let mut x = image(&device);
        for stage in backbone.stages() {
            x = stage.forward(x);
            let side = stage.side(SIDE);
            let expected = [2, stage.channels(), side, side];
            assert_eq!(x.dims(), expected, "{} {}", architecture.name, stage.name());
        }
        assert_eq!(backbone.channels(), x.dims()[1]);
        assert_eq!(
            backbone
                .stages()
                .iter()
                .filter(|stage| stage.is_tap())
                .count(),
            5
        );
    }
}

#[test]
fn a_stage_behind_global_pooling_has_one_pixel_and_pooling_again_changes_nothing() {
    let device = Device::flex();
    let backbone = Architecture::from_name("mobilenetv3_small_100")
        .unwrap()
        .init(&device);
    let last = backbone.stages().len() - 1;
    let stages = backbone.stages();
    assert!(stages[last].is_pooled() && !stages[..last].iter().any(|stage| stage.is_pooled()));
    let images = Tensor::random([2, 3, 70, 100], Distribution::Normal(0.0, 1.0), &device);
    let (features, kept) = backbone.forward_keeping(images, &[last - 1]);
    assert_eq!(kept[0].dims(), [2, 576, 3, 4]);
    assert_eq!(features.dims(), [2, 1024, 1, 1]);
    let again = features.clone().mean_dims(&[2, 3]);
    assert_eq!(again.into_data(), features.into_data());
}

struct Gradients<'a> {
    gradients: &'a GradientsParams,
    without: Vec<String>,
    elements: usize,
}

impl StateVisitor for Gradients<'_> {
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>) {
        match self.gradients.get::<D>(parameter.id) {
            Some(gradient) if gradient.dims() == parameter.val().dims() => {
                self.elements += gradient.shape().num_elements();
            }
            _ => self.without.push(key.to_owned()),
        }
    }

    fn buffer(&mut self, _: &str, _: &mut RunningState<Tensor<1>>) {}
}

#[test]
fn every_parameter_gets_a_gradient() {
    let device = Device::flex();
    for name in [
        "resnet18",
        "resnet50d",
        "resnext50_32x4d",
        "wide_resnet50_2",
        "tf_efficientnet_lite2",
        "mobilenetv3_large_100",
        "mobilenetv3_rw",
        "tf_mobilenetv3_small_minimal_100",
    ] {
        let mut backbone = Architecture::from_name(name).unwrap().init(&device).train();
        let images = Tensor::from_inner(image(&device));
        let gradients = backbone.forward(images).powf_scalar(2.0).mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &backbone);
        let mut seen = Gradients {
            gradients: &gradients,
            without: Vec::new(),
            elements: 0,
        };
        backbone.visit_state(&mut seen);
        assert_eq!(seen.without, Vec::<String>::new(), "{name}");
        let parameters = backbone.state();
        let parameters = parameters
            .iter()
            .filter(|(key, _)| !key.contains("running"));
        let expected: usize = parameters.map(|(_, value)| value.num_elements()).sum();
        assert_eq!(seen.elements, expected, "{name}");
    }
}

#[test]
fn frozen_stages_get_no_gradient_and_keep_their_statistics() {
    let device = Device::flex();
    let backbone = Architecture::from_name("resnet18")
        .unwrap()
        .init(&device)
        .train();
    let mut backbone = backbone.freeze_before(3, true);
    let before = backbone.state();
    let gradients = backbone
        .forward(Tensor::from_inner(image(&device)))
        .mean()
        .backward();
    let gradients = GradientsParams::from_grads(gradients, &backbone);
    let mut seen = Gradients {
        gradients: &gradients,
        without: Vec::new(),
        elements: 0,
    };
    backbone.visit_state(&mut seen);
    let frozen = |key: &str| {
        ["conv1", "bn1", "layer1", "layer2"]
            .iter()
            .any(|start| key.starts_with(start))
    };
    let parameters = before.keys().filter(|key| !key.contains("running"));
    let expected: Vec<_> = parameters.filter(|key| frozen(key)).cloned().collect();
    seen.without.sort();
    assert_eq!(seen.without, expected);
    for (key, value) in backbone.state() {
        let changes = key.contains("running") && !frozen(&key);
        assert_eq!(value != before[&key], changes, "{key}");
    }
}

#[test]
fn a_state_goes_out_and_comes_back() {
    let device = Device::flex();
    for architecture in Architecture::all()
        .into_iter()
        .filter(|a| !a.name.contains("101") && !a.name.contains("152"))
    {
        let state = architecture.init(&device).state();
        let loaded = architecture
            .init(&device)
            .load_state(&state, "memory")
            .unwrap();
        assert!(loaded.state() == state, "{}", architecture.name);
    }
}

#[test]
fn every_missing_unused_and_misshapen_key_is_named() {
    let device = Device::flex();
    let architecture = Architecture::from_name("resnet18").unwrap();
    let mut state = architecture.init(&device).state();
    state.remove("bn1.weight");
    let misshapen = state["layer1.0.bn1.bias"].clone();
    state.insert("conv1.weight".into(), misshapen.clone());
    state.insert("layer9.0.bn1.bias".into(), misshapen.clone());
    state.insert("fc.bias".into(), misshapen);
    let error = architecture
        .init(&device)
        .load_state(&state, "file.safetensors")
        .unwrap_err();
    let text = error.to_string();
    let BackboneError::UnmatchedWeights { mismatch, .. } = error else {
        panic!("{text}")
    };
    assert_eq!(mismatch.missing, ["bn1.weight"]);
    assert_eq!(mismatch.unused, ["layer9.0.bn1.bias"]);
    assert_eq!(mismatch.shape.len(), 1);
    for part in [
        "file.safetensors",
        "resnet18",
        "bn1.weight",
        "layer9.0.bn1.bias",
        "conv1.weight",
        "[64, 3, 7, 7]",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}
