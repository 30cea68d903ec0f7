//! A kind of layer that only these tests know, in networks that train, fold, are saved and summed up; and what each kind says of itself
//! beside what it computes.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor, Tolerance};
use rekindle_kernels::Activation;

use super::run::run;
use super::*;
use crate::walk::{ConvStep, Custom, Step, Value, Walker};
use crate::{Architecture, Backbone, Stage, StateDict};

/// Layer norm over the channels of each pixel (Ba et al. 2016), which no inference plan knows.
#[derive(Module, Debug)]
struct PixelNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
}

impl Custom for PixelNorm {
    fn name(&self) -> &str {
        "layer norm"
    }

    fn forward(&self, inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let x = inputs[0].clone();
        let centred = x.clone() - x.mean_dim(1);
        let variance = centred.clone().powf_scalar(2.0).mean_dim(1);
        let each = |factors: &Param<Tensor<1>>| factors.val().reshape([1, -1, 1, 1]);
        centred / variance.add_scalar(1e-6).sqrt() * each(&self.gamma) + each(&self.beta)
    }
}

/// ConvNeXt's block (Liu et al. 2022): a depthwise convolution, layer norm and two layers of each pixel, around which `x` goes.
#[derive(Module, Debug)]
struct ConvNext {
    depthwise: Conv2d,
    norm: PixelNorm,
    expand: Conv2d,
    project: Conv2d,
    #[module(skip)]
    keys: [String; 2],
}

impl ConvNext {
    fn new(key: &str, channels: usize, device: &Device) -> Self {
        let conv = |name: &str, channels, kernel, groups| {
            let conv = Conv2dConfig::new(format!("{key}.{name}"), channels, kernel);
            let bias = true;
            Conv2dConfig {
                bias,
                groups,
                ..conv
            }
            .init(device)
        };
        Self {
            depthwise: conv("conv_dw", [channels; 2], 7, channels),
            norm: PixelNorm {
                gamma: Param::from_tensor(Tensor::ones([channels], device)),
                beta: Param::from_tensor(Tensor::zeros([channels], device)),
            },
            expand: conv("mlp.fc1", [channels, 4 * channels], 1, 1),
            project: conv("mlp.fc2", [4 * channels, channels], 1, 1),
            keys: ["weight", "bias"].map(|name| format!("{key}.norm.{name}")),
        }
    }
}

impl Layer for ConvNext {
    const KIND: &'static str = "ConvNext";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        let step = |conv, activation, residual| ConvStep {
            conv,
            norm: None,
            residual,
            activation,
        };
        let [x, shortcut] = walker.fork(x);
        let x = walker.conv(x, step(&self.depthwise, Activation::Identity, None))?;
        let x = walker.custom(vec![x], &self.norm)?;
        let x = walker.conv(x, step(&self.expand, Activation::Gelu, None))?;
        walker.conv(x, step(&self.project, Activation::Identity, Some(shortcut)))
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        let [weight, bias] = &self.keys;
        each(Part::Conv(&mut self.depthwise));
        each(Part::Vector(weight, &mut self.norm.gamma));
        each(Part::Vector(bias, &mut self.norm.beta));
        each(Part::Conv(&mut self.expand));
        each(Part::Conv(&mut self.project));
    }
}

fn conv(key: &str, channels: [usize; 2], stride: usize, device: &Device) -> AnyLayer {
    let conv = Conv2dConfig {
        stride,
        ..Conv2dConfig::new(format!("{key}.conv"), channels, 3)
    };
    let config = ConvNormActConfig {
        norm: Some(BatchNormConfig::new(format!("{key}.bn"), channels[1])),
        conv,
        activation: Activation::Relu,
    };
    AnyLayer::new(config.init(device))
}

/// Known layers, the unknown one between two known ones, known layers.
fn network(device: &Device) -> Backbone {
    let stem = vec![conv("stem", [3, 8], 2, device)];
    let middle = vec![
        conv("middle.0", [8, 16], 2, device),
        AnyLayer::new(ConvNext::new("middle.1", 16, device)),
        conv("middle.2", [16, 16], 1, device),
    ];
    let last = vec![
        conv("last.0", [16, 24], 1, device),
        conv("last.1", [24, 24], 2, device),
    ];
    let stages = vec![
        Stage::new("stem", stem, 8, 2).tapped(),
        Stage::new("middle", middle, 16, 4).tapped(),
        Stage::new("last", last, 24, 8).tapped(),
    ];
    Backbone::new("mixed", stages, "head")
}

fn images(device: &Device) -> Tensor<4> {
    Tensor::random([2, 3, 33, 40], Distribution::Normal(0.0, 1.0), device)
}

/// A network whose running statistics are not those of the start.
fn trained(device: &Device) -> Backbone {
    let backbone = network(device).train();
    for _ in 0..3 {
        backbone.forward(Tensor::from_inner(images(device)));
    }
    backbone.valid()
}

fn assert_close(got: Tensor<4>, expected: Tensor<4>) {
    let (got, expected) = (got.into_data(), expected.into_data());
    got.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
}

#[test]
fn a_layer_of_a_tests_own_is_computed_as_it_describes_itself() {
    let device = Device::flex();
    let layer = ConvNext::new("block", 16, &device);
    let x = Tensor::random([2, 16, 9, 11], Distribution::Normal(0.0, 1.0), &device);
    let y = layer.norm.forward(vec![layer.depthwise.forward(x.clone())]);
    let y = Activation::Gelu.forward(layer.expand.forward(y));
    let expected = layer.project.forward(y) + x.clone();
    assert_close(layer.forward(x), expected);
}

#[test]
fn a_network_with_a_layer_that_no_plan_knows_folds_and_runs() {
    let device = Device::flex();
    let backbone = trained(&device);
    let folded = backbone.fold_norms();
    let images = images(&device);
    // Twice, the second time with the plan that was kept.
    for _ in 0..2 {
        assert_close(
            folded.forward(images.clone()),
            backbone.forward(images.clone()),
        );
    }
    let expected = backbone.forward_taps(images.clone());
    for (got, expected) in folded.forward_taps(images).into_iter().zip(expected) {
        assert_close(got, expected);
    }
    let norms = |state: StateDict| state.keys().filter(|key| key.contains(".bn.")).count();
    assert_eq!((norms(backbone.state()), norms(folded.state())), (20, 0));
}

#[test]
fn a_network_with_it_trains_and_its_state_goes_out_and_comes_back() {
    let device = Device::flex();
    let backbone = network(&device).train();
    let gradients = backbone.forward(Tensor::from_inner(images(&device)));
    let gradients =
        GradientsParams::from_grads(gradients.powf_scalar(2.0).mean().backward(), &backbone);
    let state = backbone.state();
    let parameters = state.keys().filter(|key| !key.contains("running"));
    assert_eq!(gradients.len(), parameters.count());
    for key in [
        "conv_dw.weight",
        "conv_dw.bias",
        "norm.weight",
        "norm.bias",
        "mlp.fc2.bias",
    ] {
        assert!(state.contains_key(&format!("middle.1.{key}")), "{key}");
    }
    let loaded = network(&device).load_state(&state, "memory").unwrap();
    assert!(loaded.state() == state);
}

#[test]
fn a_network_with_it_is_summed_up() {
    let summary = network(&Device::flex()).summary(33, 40);
    let sizes: Vec<_> = summary
        .iter()
        .map(|stage| (&stage.name[..], stage.channels, stage.height, stage.width))
        .collect();
    assert_eq!(
        sizes,
        [
            ("stem", 8, 17, 20),
            ("middle", 16, 9, 10),
            ("last", 24, 5, 5)
        ]
    );
    let pixels = 9 * 10;
    let block = 16 * 49 + 2 * 16 * 64;
    assert_eq!(
        summary[1].multiply_adds,
        (pixels * (8 * 16 * 9 + block + 16 * 16 * 9)) as u64
    );
    let block = (16 * 49 + 16) + 2 * 16 + (16 * 64 + 64) + (64 * 16 + 16);
    assert_eq!(
        summary[1].parameters,
        (8 * 16 * 9 + 32) + block + (16 * 16 * 9 + 32)
    );
}

/// Each stage of the architecture computed by what its layers say of themselves, beside what they compute in their own way.
fn said_and_done(name: &str, tracked: bool) {
    let device = Device::flex();
    let mut backbone = Architecture::from_name(name).unwrap().init(&device);
    let mut images = Tensor::random([2, 3, 64, 64], Distribution::Normal(0.0, 1.0), &device);
    if tracked {
        backbone = backbone.train();
        images = Tensor::from_inner(images);
    }
    let mut x = images;
    for stage in backbone.stages() {
        let said = run(FeatureMap::new(x.clone()), |walker, x| {
            stage.walk(walker, x)
        });
        let done = stage.forward(x);
        let (said, done) = (said.into_images(), done);
        assert_eq!(
            said.into_data(),
            done.clone().into_data(),
            "{name} {}",
            stage.name()
        );
        x = done;
    }
}

#[test]
fn every_kind_computes_what_it_says() {
    for name in [
        "resnet18",
        "resnet50d",
        "mobilenetv3_small_100",
        "tf_efficientnet_lite0",
    ] {
        said_and_done(name, false);
        said_and_done(name, true);
    }
}

#[test]
fn a_walker_that_knows_nothing_names_what_it_misses() {
    struct Nothing;
    impl Walker for Nothing {
        fn fork(&mut self, x: Value) -> [Value; 2] {
            [Value::new(x.index()), x]
        }
    }
    let device = Device::flex();
    let asked = |layer: AnyLayer| {
        let unknown = layer.walk(&mut Nothing, Value::new(0)).unwrap_err();
        unknown.to_string()
    };
    assert_eq!(
        asked(conv("c", [3, 4], 1, &device)),
        "no convolution is known here"
    );
    let pool = AnyLayer::new(Pool::new(PoolConfig::global_average()));
    assert_eq!(asked(pool), "no pooling is known here");
}
