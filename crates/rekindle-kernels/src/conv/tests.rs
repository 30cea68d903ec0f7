//! Every kernel against the definition, over random shapes and every instruction set.

mod bf16;
mod whole_images;

use proptest::prelude::*;

use super::gather::Gather;
use super::*;
use crate::precision::all_rounded;
use crate::{Activation, Level, Precision, with_level};

/// Numbers in [-1, 1) from a simple generator.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Largest difference relative to the largest magnitude of the expected.
fn difference(got: &[f32], expected: &[f32]) -> f32 {
    let scale = expected.iter().fold(1e-6f32, |a, b| a.max(b.abs()));
    got.iter().zip(expected).fold(0.0f32, |worst, (a, b)| {
        if a.is_nan() {
            f32::INFINITY
        } else {
            worst.max((a - b).abs())
        }
    }) / scale
}

fn shapes() -> impl Strategy<Value = ConvShape> {
    let sizes = (1usize..4, 1usize..20, 1usize..20);
    let channels = (
        1usize..40,
        1usize..40,
        prop::sample::select(vec![1usize, 1, 1, 2, 3, 4]),
    );
    let kernel = (
        1usize..6,
        1usize..6,
        1usize..4,
        1usize..4,
        1usize..3,
        1usize..3,
    );
    let padding = (0usize..3, 0usize..3, 0usize..3, 0usize..3);
    (sizes, channels, kernel, padding).prop_filter_map(
        "kernel larger than the image",
        |(sizes, channels, kernel, padding)| {
            let shape = ConvShape {
                batch: sizes.0,
                height: sizes.1,
                width: sizes.2,
                channels_in: channels.0 * channels.2,
                channels_out: channels.1 * channels.2,
                kernel: [kernel.0, kernel.1],
                stride: [kernel.2, kernel.3],
                dilation: [kernel.4, kernel.5],
                padding: [[padding.0, padding.1], [padding.2, padding.3]],
                groups: channels.2,
                precision: Precision::F32,
            };
            let fits = |size: usize, dim: usize| {
                size + shape.padding[dim][0] + shape.padding[dim][1]
                    > shape.dilation[dim] * (shape.kernel[dim] - 1)
            };
            (fits(shape.height, 0) && fits(shape.width, 1)).then_some(shape)
        },
    )
}

/// The convolution alone, and its moments beside those of its results in double precision.
fn check_moments(shape: &ConvShape) {
    // Far from zero, so that sums of squares alone would lose the variance.
    let x: Vec<f32> = numbers(shape.input_len(), 1)
        .iter()
        .map(|x| x + 8.0)
        .collect();
    let weight = numbers(shape.weight_len(), 2);
    for &level in Level::available() {
        let mut plain = vec![f32::NAN; shape.output_len()];
        let mut out = plain.clone();
        let found = with_level(level, || {
            conv_forward(shape, &x, &weight, Epilogue::default(), &mut plain);
            conv_forward_moments(shape, &x, &weight, &mut out)
        });
        assert!(plain == out, "{level:?} {shape:?}");
        let count = (out.len() / shape.channels_out) as f64;
        for c in 0..shape.channels_out {
            let of_channel = || {
                out.iter()
                    .skip(c)
                    .step_by(shape.channels_out)
                    .map(|&y| f64::from(y))
            };
            let mean = of_channel().sum::<f64>() / count;
            let variance = of_channel().map(|y| (y - mean).powi(2)).sum::<f64>() / count;
            let (m, v) = (f64::from(found.mean[c]), f64::from(found.variance[c]));
            assert!(
                (m - mean).abs() <= 1e-6 * (mean.abs() + variance.sqrt()) + 1e-6,
                "{shape:?}: mean {m}, {mean}"
            );
            let bound = 1e-4 * variance + 1e-11 * mean * mean + 1e-9;
            assert!(
                (v - variance).abs() <= bound,
                "{shape:?}: variance {v}, {variance}"
            );
        }
    }
}

fn check_forward(shape: &ConvShape, activation: Activation, extras: bool) {
    check_moments(shape);
    let x = numbers(shape.input_len(), 1);
    let weight = numbers(shape.weight_len(), 2);
    let bias = numbers(shape.channels_out, 3);
    let residual = numbers(shape.output_len(), 4);
    let epilogue = Epilogue {
        bias: extras.then_some(&bias),
        residual: extras.then_some(&residual),
        activation,
        ..Epilogue::default()
    };
    let mut expected = vec![0.0; shape.output_len()];
    reference_forward(shape, &x, &weight, epilogue, &mut expected);
    for &level in Level::available() {
        let mut out = vec![f32::NAN; shape.output_len()];
        with_level(level, || {
            conv_forward(shape, &x, &weight, epilogue, &mut out)
        });
        let worst = difference(&out, &expected);
        assert!(worst < 1e-4, "{level:?} {shape:?} {activation:?}: {worst}");
        if extras && !shape.is_depthwise() {
            let mut onto = residual.clone();
            with_level(level, || {
                conv_forward(shape, &x, &weight, accumulating(epilogue), &mut onto)
            });
            assert_eq!(onto, out, "{level:?} {shape:?} {activation:?}");
        }
    }
}

/// The same with the residual where the output will be.
fn accumulating(epilogue: Epilogue<'_>) -> Epilogue<'_> {
    Epilogue {
        residual: None,
        accumulate: epilogue.residual.is_some(),
        ..epilogue
    }
}

/// One way of computing a convolution, asked for by itself.
struct Way {
    forward: fn(&ConvShape, &[f32], &[f32], Epilogue<'_>, &mut [f32]),
    backward_input: fn(&ConvShape, &[f32], &[f32], Epilogue<'_>, &mut [f32]),
    backward_weight: fn(&ConvShape, &[f32], &[f32], &mut [f32]),
}

const WINOGRAD: Way = Way {
    forward: winograd::forward,
    backward_input: winograd::backward_input,
    backward_weight: winograd::backward_weight,
};

/// Both passes of one way, also where it would not be chosen.
fn check_way(way: &Way, shape: &ConvShape, activation: Activation, extras: bool) {
    let x = numbers(shape.input_len(), 1);
    let weight = numbers(shape.weight_len(), 2);
    let bias = numbers(shape.channels_out, 3);
    let residual = numbers(shape.output_len(), 4);
    let dy = numbers(shape.output_len(), 5);
    let other = numbers(shape.input_len(), 6);
    let epilogue = Epilogue {
        bias: extras.then_some(&bias),
        residual: extras.then_some(&residual),
        activation,
        ..Epilogue::default()
    };
    let adding = Epilogue {
        residual: Some(&other),
        ..Epilogue::default()
    };
    let mut expected = vec![0.0; shape.output_len()];
    reference_forward(shape, &x, &weight, epilogue, &mut expected);
    let mut expected_input = vec![0.0; shape.input_len()];
    reference_backward_input(shape, &dy, &weight, &mut expected_input);
    let expected_sum: Vec<f32> = expected_input
        .iter()
        .zip(&other)
        .map(|(a, b)| a + b)
        .collect();
    let mut expected_weight = vec![0.0; shape.weight_len()];
    reference_backward_weight(shape, &x, &dy, &mut expected_weight);
    for &level in Level::available() {
        let mut out = vec![f32::NAN; shape.output_len()];
        let mut dx = vec![f32::NAN; shape.input_len()];
        let mut dx_sum = dx.clone();
        let mut dw = vec![f32::NAN; shape.weight_len()];
        with_level(level, || {
            (way.forward)(shape, &x, &weight, epilogue, &mut out);
            let mut onto = residual.clone();
            (way.forward)(shape, &x, &weight, accumulating(epilogue), &mut onto);
            assert_eq!(onto, out, "{level:?} {shape:?} {activation:?}");
            (way.backward_input)(shape, &dy, &weight, Epilogue::default(), &mut dx);
            (way.backward_input)(shape, &dy, &weight, adding, &mut dx_sum);
            (way.backward_weight)(shape, &x, &dy, &mut dw);
        });
        for (what, got, expected) in [
            ("output", &out, &expected),
            ("input", &dx, &expected_input),
            ("input with another", &dx_sum, &expected_sum),
            ("weight", &dw, &expected_weight),
        ] {
            let worst = difference(got, expected);
            assert!(worst < 1e-4, "{what}, {level:?} {shape:?}: {worst}");
        }
    }
}

fn check_winograd(shape: &ConvShape, activation: Activation, extras: bool) {
    assert!(winograd::applies(shape));
    check_way(&WINOGRAD, shape, activation, extras);
}

fn check_gradients(shape: &ConvShape) {
    let x = numbers(shape.input_len(), 1);
    let weight = numbers(shape.weight_len(), 2);
    let dy = numbers(shape.output_len(), 5);
    let mut expected_input = vec![0.0; shape.input_len()];
    reference_backward_input(shape, &dy, &weight, &mut expected_input);
    let mut expected_weight = vec![0.0; shape.weight_len()];
    reference_backward_weight(shape, &x, &dy, &mut expected_weight);
    for &level in Level::available() {
        let mut dx = vec![f32::NAN; shape.input_len()];
        let mut dw = vec![f32::NAN; shape.weight_len()];
        with_level(level, || {
            conv_backward_input(shape, &dy, &weight, &mut dx);
            conv_backward_weight(shape, &x, &dy, &mut dw);
        });
        let worst = difference(&dx, &expected_input);
        assert!(worst < 1e-4, "input, {level:?} {shape:?}: {worst}");
        let worst = difference(&dw, &expected_weight);
        assert!(worst < 1e-4, "weight, {level:?} {shape:?}: {worst}");
        if shape.is_depthwise() || pointwise::applies(shape) {
            let other = numbers(shape.input_len(), 6);
            let (dx, dw) = with_level(level, || by_parts(shape, &x, &weight, &dy, &other));
            let sum: Vec<f32> = expected_input
                .iter()
                .zip(&other)
                .map(|(a, b)| a + b)
                .collect();
            let worst = difference(&dx, &sum);
            assert!(worst < 1e-4, "input by parts, {level:?} {shape:?}: {worst}");
            let worst = difference(&dw, &expected_weight);
            assert!(
                worst < 1e-4,
                "weight by parts, {level:?} {shape:?}: {worst}"
            );
        }
    }
}

/// A gradient in memory, given in parts.
pub(super) struct InMemory<'a>(pub &'a [f32], pub usize);

impl PixelGradient for InMemory<'_> {
    fn compute(&self, _: Level, pixels: std::ops::Range<usize>, out: &mut [f32]) {
        out.copy_from_slice(&self.0[pixels.start * self.1..pixels.end * self.1]);
    }
}

/// The gradients of the input, with `other` added, and of the weight, also where the input's is not wanted.
fn by_parts(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    other: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let mut dx = vec![f32::NAN; shape.input_len()];
    let mut dw = vec![f32::NAN; shape.weight_len()];
    let mut alone = dw.clone();
    let gradient = InMemory(dy, shape.channels_out);
    conv_backward_from_parts(
        shape,
        x,
        weight,
        &gradient,
        Some(other),
        &mut dw,
        Some(&mut dx),
    );
    conv_backward_from_parts(shape, x, weight, &gradient, None, &mut alone, None);
    assert_eq!(alone, dw, "{shape:?}");
    (dx, dw)
}

fn pointwise_shapes() -> impl Strategy<Value = ConvShape> {
    (1usize..4, 1usize..40, 1usize..40, 1usize..150, 1usize..150).prop_map(
        |(batch, height, width, channels_in, channels_out)| {
            ConvShape::new(batch, [height, width], [channels_in, channels_out], 1)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn pointwise_gradients_are_the_definition(shape in pointwise_shapes()) {
        check_gradients(&shape);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn forward_is_the_definition(shape in shapes(), extras: bool, activation in prop::sample::select(vec![Activation::Identity, Activation::Relu, Activation::Relu6, Activation::Silu, Activation::HardSwish])) {
        check_forward(&shape, activation, extras);
    }

    #[test]
    fn winograd_is_the_definition(
        sizes in (1usize..4, 1usize..20, 1usize..20),
        channels in (1usize..80, 1usize..80),
        padding in (0usize..3, 0usize..3, 0usize..3, 0usize..3),
        activation in prop::sample::select(vec![Activation::Identity, Activation::Relu6]),
        extras: bool,
    ) {
        let shape = ConvShape {
            padding: [[padding.0, padding.1], [padding.2, padding.3]],
            ..ConvShape::new(sizes.0, [sizes.1, sizes.2], [channels.0, channels.1], 3)
        };
        prop_assume!(sizes.1 + padding.0 + padding.1 >= 3 && sizes.2 + padding.2 + padding.3 >= 3);
        check_winograd(&shape, activation, extras);
    }

    #[test]
    fn gradients_are_the_definition(shape in shapes()) {
        check_gradients(&shape);
    }
}

#[test]
fn shapes_of_the_common_networks() {
    let pointwise = |size: usize, channels: [usize; 2]| ConvShape {
        padding: [[0; 2]; 2],
        ..ConvShape::new(2, [size, size], channels, 1)
    };
    for shape in [
        ConvShape::new(2, [14, 14], [64, 64], 3),
        ConvShape::new(1, [7, 7], [128, 96], 3),
        ConvShape::new(2, [13, 9], [32, 48], 3),
        // More channels than Winograd's weight gradient takes in blocks.
        ConvShape::new(4, [8, 8], [136, 200], 3),
        ConvShape::new(2, [15, 15], [64, 64], 3).with_stride(2),
        ConvShape::new(2, [33, 32], [3, 64], 7).with_stride(2),
        ConvShape::new(2, [33, 32], [3, 32], 3).with_stride(2),
        ConvShape::new(2, [8, 8], [64, 64], 3).with_groups(16),
        pointwise(14, [24, 144]),
        pointwise(7, [160, 40]),
        pointwise(1, [64, 256]),
        // Several blocks in each part of the backward pass, the last one smaller.
        pointwise(50, [8, 400]),
        pointwise(8, [32, 48]).with_stride(2),
        ConvShape::new(2, [30, 30], [48, 48], 3).with_groups(48),
        ConvShape::new(2, [15, 15], [40, 40], 5)
            .with_groups(40)
            .with_stride(2),
    ] {
        check_forward(&shape, Activation::Relu, true);
        check_gradients(&shape);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Of so many channels the weight gradient copies both factors, here from pixels that do not lie side by side, and takes taps one by
    /// one.
    #[test]
    fn weight_gradients_of_many_channels_are_the_definition(
        batch in 1usize..4,
        size in (3usize..12, 3usize..12),
        channels in (64usize..100, 130usize..500),
        kernel in prop::sample::select(vec![1, 3]),
        precision in prop::sample::select(vec![Precision::F32, Precision::Bf16]),
    ) {
        let shape = ConvShape::new(batch, [size.0, size.1], [channels.0, channels.1], kernel)
            .with_stride(2)
            .with_precision(precision);
        let x = numbers(shape.input_len(), 1);
        let dy = numbers(shape.output_len(), 2);
        for &level in Level::available() {
            let mut dw = vec![f32::NAN; shape.weight_len()];
            let mut expected = vec![0.0; shape.weight_len()];
            with_level(level, || {
                // Threads take panels each; one takes them in few parts.
                crate::check::with_threads(1, || with_level(level, || conv_backward_weight(&shape, &x, &dy, &mut dw)));
                match panels::weight_gradient_precision(&shape) {
                    Precision::F32 => reference_backward_weight(&shape, &x, &dy, &mut expected),
                    Precision::Bf16 => {
                        reference_backward_weight(&shape, &all_rounded(&x), &all_rounded(&dy), &mut expected);
                    }
                }
            });
            let worst = difference(&dw, &expected);
            prop_assert!(worst < 1e-4, "{level:?} {shape:?}: {worst}");
        }
    }

    /// Channels by which the rows of a product lie in one set of the first-level cache, and are copied where that has too few places.
    #[test]
    fn rows_that_compete_are_the_definition(
        batch in 1usize..3,
        size in (3usize..9, 3usize..9),
        kind in 0usize..4,
        channels_out in 33usize..100,
        extras: bool,
    ) {
        let image = [size.0, size.1];
        let shape = match kind {
            0 => ConvShape::new(batch, image, [1024, channels_out], 1),
            1 => ConvShape::new(batch, image, [512, channels_out], 1).with_stride(2),
            2 => ConvShape::new(batch, image, [512, channels_out], 3).with_stride(2),
            _ => ConvShape::new(batch, image, [1024, 2 * channels_out], 3).with_groups(2),
        };
        let gather = Gather::forward(&shape, 0);
        prop_assert!(copies::compete(&gather, 14) && !copies::compete(&gather, 8));
        check_forward(&shape, Activation::Relu, extras);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for shape in [
        ConvShape::new(2, [14, 14], [64, 64], 3),
        ConvShape::new(4, [8, 8], [136, 200], 3),
        ConvShape::new(3, [15, 15], [33, 70], 3).with_stride(2),
        ConvShape::new(2, [32, 32], [3, 32], 3).with_stride(2),
        ConvShape::new(3, [20, 20], [70, 90], 1),
        ConvShape::new(3, [40, 40], [64, 64], 3).with_groups(64),
        ConvShape::new(3, [1, 1], [640, 640], 1),
    ] {
        let x = numbers(shape.input_len(), 1);
        let weight = numbers(shape.weight_len(), 2);
        let dy = numbers(shape.output_len(), 5);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut out = vec![0.0; shape.output_len()];
                let mut dx = vec![0.0; shape.input_len()];
                let mut dw = vec![0.0; shape.weight_len()];
                let moments = conv_forward_moments(&shape, &x, &weight, &mut out);
                conv_backward_input(&shape, &dy, &weight, &mut dx);
                conv_backward_weight(&shape, &x, &dy, &mut dw);
                if shape.is_depthwise() || pointwise::applies(&shape) {
                    let (of_input, of_weight) = by_parts(&shape, &x, &weight, &dy, &x);
                    dx.extend(of_input);
                    dw.extend(of_weight);
                }
                out.extend(moments.mean);
                out.extend(moments.variance);
                (out, dx, dw)
            })
        };
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let (one, four) = (run(1), run(4));
        assert_eq!(bits(&one.0), bits(&four.0));
        assert_eq!(bits(&one.1), bits(&four.1));
        assert_eq!(bits(&one.2), bits(&four.2));
    }
}

/// Shapes whose forward pass is that of a stem.
fn stems() -> impl Strategy<Value = ConvShape> {
    (shapes(), 1usize..8, 1usize..70, 2usize..8).prop_map(|(shape, channels, wide, kernel)| {
        let padding = [kernel / 2, (kernel - 1) / 2];
        ConvShape {
            channels_in: channels,
            channels_out: wide,
            kernel: [shape.kernel[0], kernel],
            padding: [shape.padding[0], padding],
            dilation: [shape.dilation[0], 1],
            groups: 1,
            ..shape
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stems_are_the_definition(
        shape in stems(), extras: bool, activation in prop::sample::select(vec![Activation::Identity, Activation::HardSwish])
    ) {
        prop_assume!(Algorithm::of(&shape) == Algorithm::Stem);
        check_forward(&shape, activation, extras);
        bf16::check(&shape, extras);
    }
}

#[test]
fn a_stem_of_several_stripes_is_the_definition() {
    // The last stripe of each image is shorter; the last tile of each row and the last panel are not whole. The third has whole
    // registers in narrow panels.
    for (size, channels, kernel, stride) in [
        ([150, 230], [3, 20], 7, 2),
        ([97, 224], [1, 9], 3, 1),
        ([97, 150], [3, 16], 3, 2),
        ([97, 150], [3, 8], 3, 2),
    ] {
        let shape = ConvShape::new(2, size, channels, kernel).with_stride(stride);
        assert!(Algorithm::of(&shape) == Algorithm::Stem);
        check_forward(&shape, Activation::Relu, true);
    }
}

#[test]
fn a_batch_too_large_for_the_caches_has_the_same_bytes_as_its_images() {
    let shape = ConvShape::new(32, [224, 224], [3, 16], 3).with_stride(2);
    let (x, weight, bias) = (
        numbers(shape.input_len(), 1),
        numbers(27 * 16, 2),
        numbers(16, 3),
    );
    let epilogue = Epilogue {
        bias: Some(&bias),
        activation: Activation::Relu6,
        ..Epilogue::default()
    };
    // From the pool of large pages, so that it is aligned and stored past the caches.
    let mut out = crate::buffer::Buffer::unspecified(shape.output_len());
    assert!(crate::buffer::streams(&out));
    conv_forward(&shape, &x, &weight, epilogue, &mut out);
    let alone = ConvShape { batch: 1, ..shape };
    let mut image = vec![f32::NAN; alone.output_len()];
    let images = x.chunks_exact(alone.input_len());
    for (x, out) in images.zip(out.chunks_exact(alone.output_len())) {
        conv_forward(&alone, x, &weight, epilogue, &mut image);
        assert!(image == out);
    }
}
