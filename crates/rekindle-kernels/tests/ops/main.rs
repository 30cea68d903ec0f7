//! Every operation against Burn's own on the same backend: results and gradients.

mod channels;
mod joined;

use std::cell::Cell;

use burn::tensor::module::{avg_pool2d, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions as BurnConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use rekindle_kernels::ops::{
    Carries, Carry, ConvNorm, ConvOptions, PoolOptions, accelerated, avg_pool, channels_first,
    channels_last, conv_act, conv_norm_act, gate, global_average, layer_norm, max_pool,
    response_norm,
};
use rekindle_kernels::{Activation, Precision, reads_deferred};

fn device() -> Device {
    Device::flex().autodiff()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    normal(shape).require_grad()
}

/// Numbers of the standard normal distribution. Each test, which is a thread, has the same in every run: a sum of a few numbers that comes
/// out near 0 has no digits right, and no bound holds for all.
fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(1) };
    }
    // SplitMix64.
    let uniform = || {
        let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        STATE.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    // Box and Muller.
    let number = || {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * uniform()).cos()) as f32
    };
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| number()).collect();
    Tensor::from_data(TensorData::new(numbers, shape), &device())
}

/// Fails where two tensors differ by more than 1e-4 of the largest number expected.
fn assert_close<const D: usize>(what: &str, got: Tensor<D>, expected: Tensor<D>) {
    assert_eq!(got.dims(), expected.dims(), "{what}");
    let expected: Vec<f32> = expected.into_data().try_into_vec().unwrap();
    let got: Vec<f32> = got.into_data().try_into_vec().unwrap();
    let scale = expected.iter().fold(1e-3f32, |a, b| a.max(b.abs()));
    for (got, expected) in got.iter().zip(&expected) {
        assert!(
            (got - expected).abs() <= 1e-4 * scale,
            "{what}: {got}, not {expected}, of at most {scale}"
        );
    }
}

/// Compares outputs, and the gradients of the leaves after a weighted sum of each output.
fn compare<const N: usize>(
    leaves: [Tensor<4>; N],
    vectors: &[Tensor<1>],
    kernel: impl Fn(&[Tensor<4>; N], &[Tensor<1>]) -> Tensor<4>,
    burn: impl Fn(&[Tensor<4>; N], &[Tensor<1>]) -> Tensor<4>,
) {
    compare_where(None, leaves, vectors, kernel, burn);
}

/// 1, and 0 where an activation of `x` may have a kink that roundings fall on both sides of: no two computations need agree on the
/// gradient there.
fn away_from_kinks(x: Tensor<4>) -> Tensor<4> {
    let x = x.detach();
    let near = 1e-4 * x.clone().abs().max().into_scalar::<f32>().max(1.0);
    let mut mask = x.ones_like();
    for kink in [-3.0, 0.0, 3.0, 6.0] {
        let near = x.clone().sub_scalar(kink).abs().lower_elem(near);
        mask = mask.mask_fill(near, 0.0);
    }
    mask
}

/// [`compare`], with the outputs weighted by `mask` too.
fn compare_where<const N: usize>(
    mask: Option<Tensor<4>>,
    leaves: [Tensor<4>; N],
    vectors: &[Tensor<1>],
    kernel: impl Fn(&[Tensor<4>; N], &[Tensor<1>]) -> Tensor<4>,
    burn: impl Fn(&[Tensor<4>; N], &[Tensor<1>]) -> Tensor<4>,
) {
    assert!(accelerated(&leaves[0]), "the kernels take over on Flex");
    let got = kernel(&leaves, vectors);
    let expected = burn(&leaves, vectors);
    let weights = normal(expected.dims());
    let weights = match mask {
        Some(mask) => weights * mask,
        None => weights,
    };
    assert_close("output", got.clone(), expected.clone());
    let got = (got * weights.clone()).sum().backward();
    let expected = (expected * weights).sum().backward();
    for (index, leaf) in leaves.iter().enumerate() {
        assert_close(
            &format!("gradient {index}"),
            leaf.grad(&got).unwrap(),
            leaf.grad(&expected).unwrap(),
        );
    }
    for (index, vector) in vectors.iter().enumerate() {
        assert_close(
            &format!("gradient of vector {index}"),
            vector.grad(&got).unwrap(),
            vector.grad(&expected).unwrap(),
        );
    }
}

/// Burn's convolution of a channels-last image.
fn burn_conv(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions,
) -> Tensor<4> {
    let [[top, bottom], [left, right]] = options.padding;
    let pads = [(top, bottom), (left, right)];
    let options =
        BurnConvOptions::new_with_padding(options.stride, pads, options.dilation, options.groups);
    channels_last(conv2d(channels_first(x), weight, bias, options))
}

#[derive(Debug, Clone)]
struct Case {
    x: [usize; 4],
    weight: [usize; 4],
    options: ConvOptions,
    activation: Activation,
    residual: bool,
    bias: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let kind = prop::sample::select(vec!["dense", "dense", "depthwise", "grouped", "winograd"]);
    let sizes = (1usize..4, 4usize..13, 4usize..13, 1usize..20, 1usize..20);
    let geometry = (1usize..4, 1usize..3, 0usize..2, 0usize..2);
    let activations = vec![
        Activation::Identity,
        Activation::Relu,
        Activation::Relu6,
        Activation::Silu,
        Activation::HardSwish,
        Activation::HardSigmoid,
        Activation::Gelu,
    ];
    (
        kind,
        sizes,
        geometry,
        prop::sample::select(activations),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(
                kind,
                (batch, height, width, a, b),
                (kernel, stride, before, after),
                activation,
                residual,
                bias,
            )| {
                let (channels_in, channels_out, groups, kernel, stride) = match kind {
                    "depthwise" => (a + 1, a + 1, a + 1, kernel, stride),
                    "grouped" => (3 * a, 3 * b, 3, kernel, stride),
                    "winograd" => (32 + a, 32 + b, 1, 3, 1),
                    _ => (a, b, 1, kernel, stride),
                };
                Case {
                    x: [batch, height, width, channels_in],
                    weight: [channels_out, channels_in / groups, kernel, kernel],
                    options: ConvOptions {
                        stride: [stride; 2],
                        padding: [[before, after], [after, before]],
                        dilation: [1; 2],
                        groups,
                        precision: Precision::F32,
                    },
                    activation,
                    residual,
                    bias,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn conv_act_is_burns(case in cases()) {
        let (x, weight) = (random(case.x), random(case.weight));
        let shape = case.options.shape(case.x, case.weight);
        let residual = random([shape.batch, shape.out_height(), shape.out_width(), shape.channels_out]);
        let bias = random([case.weight[0]]);
        let extra = |on: bool, residual: &Tensor<4>| on.then(|| residual.clone());
        let Case { options, activation, .. } = case;
        let vectors: Vec<Tensor<1>> = case.bias.then_some(bias).into_iter().collect();
        let kernel = |[x, weight, residual]: &[Tensor<4>; 3], vectors: &[Tensor<1>]| {
            let out = conv_act(x.clone(), weight.clone(), vectors.first().cloned(), extra(case.residual, residual), options, activation);
            if case.residual { out } else { out + residual.clone() }
        };
        let burn = |[x, weight, residual]: &[Tensor<4>; 3], vectors: &[Tensor<1>]| {
            let out = burn_conv(x.clone(), weight.clone(), vectors.first().cloned(), options);
            match case.residual {
                true => activation.forward(out + residual.clone()),
                false => activation.forward(out) + residual.clone(),
            }
        };
        let sum = burn_conv(x.clone(), weight.clone(), vectors.first().cloned(), options);
        let sum = if case.residual { sum + residual.clone() } else { sum };
        compare_where(Some(away_from_kinks(sum)), [x, weight, residual], &vectors, kernel, burn);
    }

    #[test]
    fn conv_norm_act_is_burns(case in cases()) {
        let shape = case.options.shape(case.x, case.weight);
        // Variances of very few numbers may be nearly zero, where any rounding is large.
        prop_assume!(shape.batch * shape.out_height() * shape.out_width() >= 8);
        let residual = random([shape.batch, shape.out_height(), shape.out_width(), shape.channels_out]);
        let (gamma, beta) = (random([case.weight[0]]), random([case.weight[0]]));
        let Case { options, activation, .. } = case;
        let epsilon = 1e-3;
        let kernel = |[x, weight, residual]: &[Tensor<4>; 3], vectors: &[Tensor<1>]| {
            let (gamma, beta) = (vectors[0].clone(), vectors[1].clone());
            let joined = case.residual.then(|| residual.clone());
            let layer = ConvNorm { weight: weight.clone(), gamma, beta, epsilon, options, activation };
            let out = conv_norm_act(x.clone(), layer, joined, Carries::default()).output.into_tensor();
            if case.residual { out } else { out + residual.clone() }
        };
        let burn = |[x, weight, residual]: &[Tensor<4>; 3], vectors: &[Tensor<1>]| {
            let y = channels_first(burn_conv(x.clone(), weight.clone(), None, options));
            let out = channels_last(batch_norm_train(y, vectors[0].clone(), vectors[1].clone(), epsilon).output);
            match case.residual {
                true => activation.forward(out + residual.clone()),
                false => activation.forward(out) + residual.clone(),
            }
        };
        let (x, weight) = (random(case.x), random(case.weight));
        let y = channels_first(burn_conv(x.clone(), weight.clone(), None, options));
        let sum = channels_last(batch_norm_train(y, gamma.clone(), beta.clone(), epsilon).output);
        let sum = if case.residual { sum + residual.clone() } else { sum };
        let mask = Some(away_from_kinks(sum));
        if shape.weight_len() > shape.channels_out {
            compare_where(mask, [x, weight, residual], &[gamma, beta], kernel, burn);
            return Ok(());
        }
        // The normalisation undoes the scale of a channel's weights: the gradient of a single one is epsilon's and otherwise roundings.
        // All others are compared.
        let with_weight = |[x, residual]: &[Tensor<4>; 2]| [x.clone(), weight.clone(), residual.clone()];
        let kernel = |leaves: &[Tensor<4>; 2], vectors: &[Tensor<1>]| kernel(&with_weight(leaves), vectors);
        let burn = |leaves: &[Tensor<4>; 2], vectors: &[Tensor<1>]| burn(&with_weight(leaves), vectors);
        compare_where(mask, [x, residual], &[gamma, beta], kernel, burn);
    }

    #[test]
    fn pooling_is_burns(
        x in (1usize..3, 4usize..12, 4usize..12, 1usize..20),
        kernel in 2usize..4,
        stride in 1usize..3,
        padding in 0usize..2,
    ) {
        let x = random([x.0, x.1, x.2, x.3]);
        let options = PoolOptions { kernel, stride, padding, ceil: false, counted: false };
        compare(
            [x.clone()],
            &[],
            |[x], _| max_pool(x.clone(), options),
            |[x], _| {
                let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
                channels_last(max_pool2d(channels_first(x.clone()), options))
            },
        );
        let options = PoolOptions { kernel: 2, stride: 2, padding: 0, ceil: true, counted: false };
        compare(
            [x.clone()],
            &[],
            |[x], _| avg_pool(x.clone(), options),
            |[x], _| {
                let options = AvgPoolOptions::new([2; 2]).with_stride([2; 2]).with_count_include_pad(false).with_ceil_mode(true);
                channels_last(avg_pool2d(channels_first(x.clone()), options))
            },
        );
        let options = PoolOptions { kernel, stride, padding, ceil: false, counted: true };
        compare(
            [x.clone()],
            &[],
            |[x], _| avg_pool(x.clone(), options),
            |[x], _| {
                let options = AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
                channels_last(avg_pool2d(channels_first(x.clone()), options.with_count_include_pad(true)))
            },
        );
        compare([x], &[], |[x], _| global_average(x.clone(), None), |[x], _| x.clone().mean_dim(1).mean_dim(2));
    }

    #[test]
    fn the_gate_is_burns(x in (1usize..3, 1usize..9, 1usize..9, 1usize..40)) {
        let (x, factor) = (random([x.0, x.1, x.2, x.3]), random([x.0, 1, 1, x.3]));
        compare([x, factor], &[], |[x, factor], _| gate(x.clone(), factor.clone(), None), |[x, factor], _| x.clone() * factor.clone());
    }
}

#[test]
fn an_image_used_twice_gets_both_gradients() {
    let (x, weight) = (random([2, 6, 6, 8]), random([8, 8, 3, 3]));
    let options = ConvOptions {
        padding: [[1; 2]; 2],
        ..ConvOptions::default()
    };
    compare(
        [x, weight],
        &[],
        |[x, weight], _| {
            conv_act(
                x.clone(),
                weight.clone(),
                None,
                Some(x.clone()),
                options,
                Activation::Relu,
            )
        },
        |[x, weight], _| {
            Activation::Relu
                .forward(burn_conv(x.clone(), weight.clone(), None, options) + x.clone())
        },
    );
}

#[test]
fn frozen_weights_get_no_gradient_and_pass_one_on() {
    let x = random([2, 6, 6, 8]);
    let weight = normal([8, 8, 3, 3]);
    let options = ConvOptions {
        padding: [[1; 2]; 2],
        ..ConvOptions::default()
    };
    let out = conv_act(
        x.clone(),
        weight.clone(),
        None,
        None,
        options,
        Activation::Relu,
    );
    let gradients = out.sum().backward();
    assert!(weight.grad(&gradients).is_none());
    assert!(x.grad(&gradients).is_some());
}

/// The gradient of the input of a residual block of two convolutions, whose steps share it or not.
fn residual_block(x: Tensor<4>, first: Tensor<4>, share: [bool; 2], groups: usize) -> Vec<f32> {
    let channels = x.dims()[3];
    let vector = |value: f64| Tensor::<1>::ones([channels], &device()).mul_scalar(value);
    let (gamma, beta) = (vector(1.5), vector(0.1));
    let second = ramp([channels, channels, 1, 1]).sub_scalar(3.0);
    let pad = first.dims()[2] / 2;
    let options = ConvOptions {
        padding: [[pad; 2]; 2],
        groups,
        ..ConvOptions::default()
    };
    let carry = Carry::default();
    let [takes, gives] = share.map(|share| share.then(|| carry.clone()));
    let layer = |x, weight, residual, options, carries| {
        let (gamma, beta) = (gamma.clone(), beta.clone());
        let layer = ConvNorm {
            weight,
            gamma,
            beta,
            epsilon: 1e-3,
            options,
            activation: Activation::Relu,
        };
        conv_norm_act(x, layer, residual, carries)
            .output
            .into_tensor()
    };
    let carries = Carries { takes, gives: None };
    let inner = layer(x.clone(), first, None, options, carries);
    let carries = Carries { takes: None, gives };
    let out = layer(
        inner,
        second,
        Some(x.clone()),
        ConvOptions::default(),
        carries,
    );
    let weighted = out.clone() * ramp(out.dims());
    let gradients = weighted.sum().backward();
    x.grad(&gradients)
        .expect("x has a gradient")
        .into_data()
        .try_into_vec()
        .unwrap()
}

/// Numbers that differ from place to place.
fn ramp(dims: [usize; 4]) -> Tensor<4> {
    let count = dims.iter().product::<usize>();
    Tensor::<1, burn::tensor::Int>::arange(0..count as i64, &device())
        .float()
        .remainder_scalar(7.0)
        .reshape(dims)
}

#[test]
fn a_carried_gradient_is_added_whoever_computes_the_first_step() {
    // Products, Winograd's tiles, one channel at a time.
    for (channels, kernel, groups) in [(24, 1, 1), (32, 3, 1), (16, 3, 16)] {
        let x = random([2, 12, 12, channels]);
        let first = random([channels, channels / groups, kernel, kernel]);
        let plain = residual_block(x.clone(), first.clone(), [false, false], groups);
        // Given without a promise to take it, or promised and not given, nothing is lost either.
        for share in [[true, true], [false, true], [true, false]] {
            let shared = residual_block(x.clone(), first.clone(), share, groups);
            let largest = plain.iter().fold(0.0f32, |most, g| g.abs().max(most));
            for (a, b) in shared.iter().zip(&plain) {
                assert!(
                    (a - b).abs() <= 1e-5 * largest,
                    "{kernel} {share:?}: {a}, {b}"
                );
            }
        }
    }
}

#[test]
fn a_gated_map_gets_the_gradients_of_the_gate_and_of_its_mean() {
    compare(
        [random([3, 5, 7, 20])],
        &[],
        |[x], _| {
            let carry = Carry::default();
            let mean = global_average(x.clone(), Some(carry.clone()));
            gate(x.clone(), mean, Some(carry))
        },
        |[x], _| x.clone() * x.clone().mean_dim(1).mean_dim(2),
    );
}

/// An expansion and the depthwise convolution behind it, whose normalisations are joined or not: the output and all gradients.
fn expansion(joined: bool, stride: usize, activation: Activation) -> Vec<Vec<f32>> {
    let numbers = |dims: [usize; 4], scale: f32| (ramp(dims) - 3.0).mul_scalar(scale);
    let vector = |low: f32| {
        let numbers = ramp([1, 1, 1, 96]).reshape([96]).mul_scalar(0.1);
        numbers.add_scalar(low).require_grad()
    };
    // Other periods than the ramp's, so that no two pixels of an image are the same.
    let x = (numbers([8, 48, 48, 8], 0.3) * numbers([1, 48, 48, 1], 0.11)).require_grad();
    let expand = numbers([96, 8, 1, 1], 0.2).require_grad();
    let depthwise = numbers([96, 1, 3, 3], 0.3).require_grad();
    let [gamma, beta, gamma_2, beta_2] = [0.5, -0.3, 0.7, 0.1].map(vector);
    let leaves = (x.clone(), expand.clone(), depthwise.clone());
    let vectors = [gamma.clone(), beta.clone(), gamma_2.clone(), beta_2.clone()];
    let layer = |weight, gamma, beta, options| ConvNorm {
        weight,
        gamma,
        beta,
        epsilon: 1e-3,
        options,
        activation,
    };
    let first = layer(expand, gamma, beta, ConvOptions::default());
    let first = conv_norm_act(x, first, None, Carries::default());
    let options = ConvOptions {
        stride: [stride; 2],
        padding: [[1; 2]; 2],
        groups: 96,
        ..ConvOptions::default()
    };
    let map = match joined {
        true => first.output,
        false => first.output.into_tensor().into(),
    };
    assert!(reads_deferred(&options.shape(map.dims(), depthwise.dims())));
    let second = layer(depthwise, gamma_2, beta_2, options);
    let second = conv_norm_act(map, second, None, Carries::default());
    let out = second.output.into_tensor();
    let gradients = (out.clone() * ramp(out.dims())).sum().backward();
    let values = |data: burn::tensor::TensorData| data.try_into_vec::<f32>().unwrap();
    let mut all = vec![values(out.into_data()), values(first.mean.into_data())];
    for leaf in [leaves.0, leaves.1, leaves.2] {
        all.push(values(leaf.grad(&gradients).unwrap().into_data()));
    }
    for leaf in vectors {
        all.push(values(leaf.grad(&gradients).unwrap().into_data()));
    }
    all
}

#[test]
fn a_normalisation_left_to_the_next_operation_gives_the_same() {
    for (stride, activation) in [(1, Activation::Relu6), (2, Activation::HardSwish)] {
        let [joined, apart] = [true, false].map(|joined| expansion(joined, stride, activation));
        assert_eq!(joined[0], apart[0], "the output");
        for (i, (joined, apart)) in joined.iter().zip(&apart).enumerate() {
            let scale = apart.iter().fold(1e-3f32, |a, b| a.max(b.abs()));
            for (a, b) in joined.iter().zip(apart) {
                assert!(
                    (a - b).abs() <= 1e-5 * scale,
                    "tensor {i}: {a}, not {b}, of at most {scale}"
                );
            }
        }
    }
}

#[test]
fn a_layer_norm_gives_what_burns_operations_give() {
    for dims in [[2, 5, 3, 19], [1, 1, 1, 64], [3, 7, 7, 1]] {
        let leaves = [random(dims).add_scalar(2.0).detach().require_grad()];
        let vectors = [random([dims[3]]), random([dims[3]])];
        compare(
            leaves,
            &vectors,
            |[x], vectors| layer_norm(x.clone(), vectors[0].clone(), vectors[1].clone(), 1e-3),
            |[x], vectors| {
                let centred = x.clone() - x.clone().mean_dim(3);
                let variance = (centred.clone() * centred.clone()).mean_dim(3);
                let normal = centred / variance.add_scalar(1e-3).sqrt();
                let [gamma, beta] = [0, 1].map(|i| vectors[i].clone().reshape([1, 1, 1, -1]));
                normal * gamma + beta
            },
        );
    }
}

#[test]
fn a_response_norm_gives_what_burns_operations_give() {
    for dims in [[2, 5, 3, 19], [1, 1, 1, 64], [3, 7, 7, 1]] {
        let vectors = [random([dims[3]]), random([dims[3]])];
        compare(
            [random(dims)],
            &vectors,
            |[x], vectors| response_norm(x.clone(), vectors[0].clone(), vectors[1].clone(), 1e-6),
            |[x], vectors| {
                let squares = (x.clone() * x.clone()).sum_dims(&[1, 2]);
                let norms = squares.add_scalar(1e-24).sqrt();
                let norms = norms.clone() / norms.mean_dim(3).add_scalar(1e-6);
                let [gamma, beta] = [0, 1].map(|i| vectors[i].clone().reshape([1, 1, 1, -1]));
                x.clone() * (norms * gamma).add_scalar(1.0) + beta
            },
        );
    }
}
