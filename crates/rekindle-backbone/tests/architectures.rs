//! What holds for every architecture: stage shapes, a gradient for every parameter, a state that goes out and comes back, strictness.

use burn::module::{Module, Param, RunningState};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use rekindle_backbone::layers::{BatchNorm, PoolConfig};
use rekindle_backbone::walk::{ConvStep, Custom, Step, Value, Walker};
use rekindle_backbone::{
    Architecture, Backbone, BackboneError, Family, Named, Precision, StateVisitor,
};

const SIDE: usize = 32;

fn image(device: &Device) -> Tensor<4> {
    Tensor::random([2, 3, SIDE, SIDE], Distribution::Normal(0.0, 1.0), device)
}

/// The architectures whose numbers tests compute: of the families with networks beyond any test's time those that are small or differ.
/// What all have in common without computing is in `variants.rs`.
fn computed() -> Vec<Architecture> {
    const OF_LARGE_FAMILIES: [&str; 29] = [
        "mobilenetv2_035",
        "mobilenetv2_120d",
        "efficientnet_b0",
        "tf_efficientnet_b1",
        "efficientnet_es",
        "tf_efficientnetv2_b0",
        "efficientnetv2_rw_t",
        "mnasnet_small",
        "semnasnet_050",
        "spnasnet_100",
        "fbnetc_100",
        "mobilenetv1_100",
        "mobilenetv4_conv_small_035",
        "mobilenetv4_conv_medium",
        "regnetx_002",
        "regnety_002",
        "regnety_008_tv",
        "convnext_atto",
        "convnext_atto_ols",
        "convnext_tiny_hnf",
        "convnext_tiny",
        "convnextv2_atto",
        "vgg11",
        "vgg11_bn",
        "densenet121",
        "resnet26t",
        "ghostnet_050",
        "googlenet",
        "shufflenet_v2_x0_5",
    ];
    // More than a hundred layers, or wide ones: what they have, smaller ones of their kind have too.
    const LARGE: [&str; 9] = [
        "200", "269", "270", "350", "420", "16d", "32d", "rs152", "seresne",
    ];
    const SQUEEZED: [&str; 4] = [
        "seresnet18",
        "seresnet50",
        "seresnet50t",
        "seresnext26d_32x4d",
    ];
    let whole = |one: &Architecture| match one.family {
        Family::ResNet(_) => {
            SQUEEZED.contains(&one.name) || !LARGE.iter().any(|part| one.name.contains(part))
        }
        Family::EfficientNetLite(_) | Family::MobileNetV3(_) => true,
        _ => OF_LARGE_FAMILIES.contains(&one.name),
    };
    Architecture::all().into_iter().filter(whole).collect()
}

#[test]
fn every_stage_has_the_shape_it_says() {
    let device = Device::flex();
    for architecture in computed() {
        let backbone = architecture.init(&device);
        let mut x = image(&device);
        for stage in backbone.stages() {
            x = stage.forward(x);
            let side = stage.side(SIDE);
            let expected = [2, stage.channels(), side, side];
            assert_eq!(x.dims(), expected, "{} {}", architecture.name, stage.name());
        }
        assert_eq!(backbone.channels(), x.dims()[1]);
        let taps = backbone.stages().iter().filter(|stage| stage.is_tap());
        let expected = match architecture.family {
            Family::ConvNext(_) => 4,
            Family::Vgg(_) => 6,
            _ => 5,
        };
        assert_eq!(taps.count(), expected, "{}", architecture.name);
    }
}

#[test]
fn networks_take_their_smallest_image_and_say_so_of_smaller_ones() {
    let device = Device::flex();
    for (name, smallest) in [
        ("alexnet", 63),
        ("squeezenet1_0", 21),
        ("squeezenet1_1", 17),
        ("googlenet", 15),
        ("inception_v3", 75),
        ("ghostnetv2_100", 33),
        ("resnet18", 1),
    ] {
        let backbone = Architecture::from_name(name).unwrap().init(&device);
        assert_eq!(backbone.smallest_side(), smallest, "{name}");
        let [height, width] = [smallest, smallest + 8];
        assert!(backbone.check_size([height, width]).is_ok());
        let mut x = Tensor::random([1, 3, height, width], Distribution::Default, &device);
        for (said, stage) in backbone
            .summary(height, width)
            .iter()
            .zip(backbone.stages())
        {
            x = stage.forward(x);
            let expected = [1, said.channels, said.height, said.width];
            assert_eq!(x.dims(), expected, "{name} {}", said.name);
        }
        let error = backbone.check_size([width, smallest - 1]).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn classifiers_on_the_way_are_passed_over_and_nothing_else_is() {
    let device = Device::flex();
    let architecture = Architecture::from_name("googlenet").unwrap();
    let mut state = architecture.init(&device).state();
    let bias = state["conv1.bn.bias"].clone();
    for key in ["aux1.fc1.bias", "aux2.conv.bn.bias", "fc.bias"] {
        state.insert(key.into(), bias.clone());
    }
    let load = |state: &_| architecture.init(&device).load_state(state, "memory");
    assert!(load(&state).is_ok());
    state.insert("aux10.fc1.bias".into(), bias);
    let error = load(&state).unwrap_err().to_string();
    assert!(
        error.contains("aux10.fc1.bias") && !error.contains("aux1."),
        "{error}"
    );
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
        "efficientnet_b0",
        "mobilenetv4_conv_small_035",
        "regnety_002",
        "convnext_atto",
        "convnextv2_atto",
        "densenet121",
        "ghostnet_050",
        "googlenet",
        "shufflenet_v2_x0_5",
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
    for architecture in computed()
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

#[test]
fn weights_that_are_not_finite_are_refused_by_name() {
    let device = Device::flex();
    let architecture = Architecture::from_name("resnet18").unwrap();
    let mut state = architecture.init(&device).state();
    let mut values = state["bn1.weight"].try_to_vec::<f32>().unwrap();
    values[7] = f32::NAN;
    state.insert(
        "bn1.weight".into(),
        burn::tensor::TensorData::new(values, [64]),
    );
    let error = architecture
        .init(&device)
        .load_state(&state, "file.safetensors")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("file.safetensors") && error.contains("1 tensors: bn1.weight"),
        "{error}"
    );
}

#[test]
fn multiply_adds_and_parameters_are_the_published_ones() {
    let device = Device::flex();
    // Of the whole networks, fvcore's and thop's counts of convolutions and torchvision's parameters, without the classifier: resnet18
    // 1,814,073,344 and 11,689,512; resnet50 4,089,184,256 and 25,557,032; mobilenetv3_large_100 216,589,760 and 5,483,032. Those of
    // tf_efficientnet_lite0, 4,652,008 parameters as timm has it, are from the formula (n + 2p - f) / s + 1 by hand.
    for (name, multiply_adds, parameters) in [
        (
            "resnet18",
            1_814_073_344 - 512 * 1000,
            11_689_512 - 513 * 1000,
        ),
        (
            "resnet50",
            4_089_184_256 - 2048 * 1000,
            25_557_032 - 2049 * 1000,
        ),
        (
            "mobilenetv3_large_100",
            216_589_760 - 1280 * 1000,
            5_483_032 - 1281 * 1000,
        ),
        (
            "tf_efficientnet_lite0",
            383_907_552,
            4_652_008 - 1281 * 1000,
        ),
    ] {
        let backbone = Architecture::from_name(name).unwrap().init(&device);
        let summary = backbone.summary(224, 224);
        let sum: u64 = summary.iter().map(|stage| stage.multiply_adds).sum();
        assert_eq!(sum, multiply_adds, "{name}");
        let sum: usize = summary.iter().map(|stage| stage.parameters).sum();
        assert_eq!(sum, parameters, "{name}");
        for (said, stage) in summary.iter().zip(backbone.stages()) {
            let side = stage.side(224);
            assert_eq!(
                (said.height, said.width),
                (side, side),
                "{name} {}",
                said.name
            );
            assert_eq!(
                (&said.name[..], said.channels),
                (stage.name(), stage.channels())
            );
        }
    }
    let stages = Architecture::from_name("resnet18")
        .unwrap()
        .init(&device)
        .summary(224, 224);
    let each: Vec<u64> = stages.iter().map(|stage| stage.multiply_adds).collect();
    assert_eq!(
        each,
        [
            118_013_952,
            462_422_016,
            411_041_792,
            411_041_792,
            411_041_792
        ]
    );
}

#[test]
fn a_summary_says_the_sizes_of_any_image() {
    let device = Device::flex();
    for name in [
        "resnet18d",
        "mobilenetv3_small_100",
        "tf_mobilenetv3_small_100",
    ] {
        let backbone = Architecture::from_name(name).unwrap().init(&device);
        let mut x = Tensor::random([1, 3, 71, 98], Distribution::Default, &device);
        for (said, stage) in backbone.summary(71, 98).iter().zip(backbone.stages()) {
            x = stage.forward(x);
            assert_eq!(
                [1, said.channels, said.height, said.width],
                x.dims(),
                "{name} {}",
                said.name
            );
        }
    }
}

/// The precisions of all convolutions, in order.
#[derive(Default)]
struct Precisions(Vec<Precision>);

impl Precisions {
    fn of(backbone: &Backbone) -> Vec<Precision> {
        let mut seen = Self::default();
        for stage in backbone.stages() {
            stage.walk(&mut seen, Value::new(0)).unwrap();
        }
        seen.0
    }
}

impl Walker for Precisions {
    fn fork(&mut self, x: Value) -> [Value; 2] {
        [Value::new(x.index()), x]
    }

    fn conv(&mut self, x: Value, step: ConvStep<'_>) -> Step {
        self.0.push(step.conv.precision());
        Ok(x)
    }

    fn batch_norm(&mut self, x: Value, _: &BatchNorm) -> Step {
        Ok(x)
    }

    fn pool(&mut self, x: Value, _: &PoolConfig) -> Step {
        Ok(x)
    }

    fn add(&mut self, x: Value, _: Value, _: rekindle_backbone::layers::Activation) -> Step {
        Ok(x)
    }

    fn gate(&mut self, x: Value, _: Value) -> Step {
        Ok(x)
    }

    fn custom(&mut self, mut inputs: Vec<Value>, _: &dyn Custom) -> Step {
        Ok(inputs.remove(0))
    }
}

#[test]
fn a_precision_reaches_every_convolution_and_stays_with_what_is_made_of_the_network() {
    let device = Device::flex();
    let plain = Architecture::from_name("mobilenetv3_small_100")
        .unwrap()
        .init(&device);
    assert_eq!(plain.precision(), Precision::F32);
    let backbone = plain.clone().with_precision(Precision::Bf16);
    let last = backbone.stages().len();
    let state = backbone.state();
    let trained = backbone.clone().train();
    for made in [
        backbone.fold_norms(),
        backbone.part(1, last),
        backbone.fold_norms().part(1, 3),
        trained.valid(),
        trained.freeze_before(2, true),
        backbone.clone().load_state(&state, "memory").unwrap(),
        backbone.clone().to_device(&device),
    ] {
        assert_eq!(made.precision(), Precision::Bf16);
        let precisions = Precisions::of(&made);
        assert!(precisions.len() > 3 && precisions.iter().all(|&one| one == Precision::Bf16));
    }
    for made in [&plain, &backbone.with_precision(Precision::F32)] {
        assert!(
            Precisions::of(made)
                .iter()
                .all(|&one| one == Precision::F32)
        );
    }
}

#[test]
fn two_backbones_of_different_precision_do_not_influence_each_other() {
    let device = Device::flex();
    let plain = Architecture::from_name("resnet18").unwrap().init(&device);
    let rounded = plain.clone().with_precision(Precision::Bf16);
    let images = image(&device);
    let features = |backbone: &Backbone| backbone.forward(images.clone()).into_data();
    let gradients = |backbone: &Backbone| {
        let mut backbone = backbone.clone().train();
        let grads = backbone
            .forward(Tensor::from_inner(images.clone()))
            .mean()
            .backward();
        let grads = GradientsParams::from_grads(grads, &backbone);
        let mut kept = Kept {
            grads,
            all: Vec::new(),
        };
        backbone.visit_state(&mut kept);
        kept.all
    };
    let folded = plain.fold_norms();
    // A clone shares its plans until it is given a precision of its own.
    let folded_rounded = folded.clone().with_precision(Precision::Bf16);
    let before = (features(&plain), features(&folded), gradients(&plain));
    let other = (
        features(&rounded),
        features(&folded_rounded),
        gradients(&rounded),
    );
    assert!(before == (features(&plain), features(&folded), gradients(&plain)));
    assert!(
        other
            == (
                features(&rounded),
                features(&folded_rounded),
                gradients(&rounded)
            )
    );
    // Elsewhere products stay in `f32`.
    let differs = Precision::Bf16.is_available();
    assert_eq!(before.0 != other.0, differs);
    assert_eq!(before.1 != other.1, differs);
    assert_eq!(before.2 != other.2, differs);
}

struct Kept {
    grads: GradientsParams,
    all: Vec<burn::tensor::TensorData>,
}

impl StateVisitor for Kept {
    fn parameter<const D: usize>(&mut self, _: &str, parameter: &mut Param<Tensor<D>>) {
        let gradient = self.grads.get::<D>(parameter.id);
        self.all.extend(gradient.map(Tensor::into_data));
    }

    fn buffer(&mut self, _: &str, _: &mut RunningState<Tensor<1>>) {}
}

#[test]
fn a_precision_is_written_as_its_name() {
    assert_eq!(Precision::default(), Precision::F32);
    for precision in [Precision::F32, Precision::Bf16] {
        let text = serde_json::to_string(&precision).unwrap();
        assert_eq!(text, format!("\"{}\"", precision.name()));
        assert_eq!(serde_json::from_str::<Precision>(&text).unwrap(), precision);
    }
}

#[test]
fn a_mistyped_name_is_told_the_nearest() {
    let error = Architecture::from_name("resnet81").unwrap_err().to_string();
    assert!(
        error.starts_with("unknown backbone `resnet81` (did you mean `resnet18`?);"),
        "{error}"
    );
}
