use proptest::prelude::*;

use crate::conv::tests::InMemory;
use crate::conv::{reference_backward_input, reference_backward_weight, reference_forward};
use crate::norm::{Deferred, NormActBackward, Reading, normalize_act};
use crate::simd::{Level, with_level};
use crate::{Activation, ConvShape, Epilogue};

use super::Source;
use super::backward::backward_in_bands;

/// Numbers of both signs without a pattern that taps could cancel.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn assert_close(what: &str, level: Level, ours: &[f32], expected: &[f32]) {
    let largest = expected.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= 1e-4 * largest,
            "{what} at {level:?}: {a} instead of {b} at {i}"
        );
    }
}

/// Compares all three passes with the definition at every level.
fn check(shape: &ConvShape, with_bias: bool, with_residual: bool, activation: Activation) {
    shape.check();
    let x = numbers(shape.input_len(), 1);
    let weight = numbers(shape.weight_len(), 2);
    let dy = numbers(shape.output_len(), 3);
    let bias = numbers(shape.channels_out, 4);
    let residual = numbers(shape.output_len(), 5);
    let epilogue = Epilogue {
        bias: with_bias.then_some(&bias),
        residual: with_residual.then_some(&residual),
        activation,
        ..Epilogue::default()
    };
    // Kernels overwrite: what was there before must not matter.
    let run = |len: usize, pass: &dyn Fn(&mut [f32])| {
        let mut out = vec![f32::NAN; len];
        pass(&mut out);
        out
    };
    let expected = [
        run(dy.len(), &|out| {
            reference_forward(shape, &x, &weight, epilogue, out)
        }),
        run(x.len(), &|out| {
            reference_backward_input(shape, &dy, &weight, out)
        }),
        run(weight.len(), &|out| {
            reference_backward_weight(shape, &x, &dy, out)
        }),
    ];
    for &level in Level::available() {
        with_level(level, || {
            let out = run(dy.len(), &|out| {
                super::forward(shape, &x, &weight, epilogue, out)
            });
            assert_close("forward", level, &out, &expected[0]);
            let dx = run(x.len(), &|out| {
                super::backward_input(shape, &dy, &weight, out)
            });
            assert_close("gradient of the input", level, &dx, &expected[1]);
            let dw = run(weight.len(), &|out| {
                super::backward_weight(shape, &x, &dy, out)
            });
            assert_close("gradient of the weight", level, &dw, &expected[2]);
            let gradient = InMemory(&dy, shape.channels_out);
            let mut dx = vec![f32::NAN; x.len()];
            let mut dw = vec![f32::NAN; weight.len()];
            for band in [1, 4 << 10] {
                let x = Source::Stored(&x);
                backward_in_bands(band, shape, x, &weight, &gradient, &mut dw, Some(&mut dx));
                assert_close("input by images", level, &dx, &expected[1]);
                assert_close("weight by images", level, &dw, &expected[2]);
            }
            check_deferred(shape, &weight, &dy, activation);
        });
    }
}

/// Compares a map whose normalisation is left to the convolution with one that is normalised before.
fn check_deferred(shape: &ConvShape, weight: &[f32], dy: &[f32], activation: Activation) {
    let (level, channels) = (Level::current(), shape.channels_in);
    let y = numbers(shape.input_len(), 6);
    let [scale, shift, mean, inv_std] = [7, 8, 9, 10].map(|seed| numbers(channels, seed));
    let map = Deferred {
        y: &y,
        scale: &scale,
        shift: &shift,
        mean: &mean,
        inv_std: &inv_std,
        activation,
    };
    let reading = Reading::new(&map);
    let mut x = vec![f32::NAN; y.len()];
    normalize_act(&y, &scale, &shift, None, activation, &mut x);

    let mut outs = [(); 2].map(|()| vec![f32::NAN; shape.output_len()]);
    let sources = [Source::Stored(&x), Source::Deferred(&reading)];
    let [plain, deferred] = &mut outs;
    let moments = [(sources[0], plain), (sources[1], deferred)]
        .map(|(source, out)| super::forward_moments(shape, source, weight, out));
    assert!(outs[0] == outs[1], "{shape:?} at {level:?}");
    assert_eq!(moments[0], moments[1], "{shape:?} at {level:?}");

    let gradient = InMemory(dy, shape.channels_out);
    let mut dx = vec![f32::NAN; x.len()];
    let mut dw = vec![f32::NAN; weight.len()];
    super::backward(shape, sources[0], weight, &gradient, &mut dw, Some(&mut dx));
    let norm = NormActBackward {
        y: &y,
        scale: &scale,
        shift: &shift,
        mean: &mean,
        inv_std: &inv_std,
        residual: None,
        output: None,
        activation,
        gradient: &dx,
    };
    let mut masked = vec![f32::NAN; x.len()];
    let (d_beta, d_gamma) = norm.sums(Some(&mut masked));
    for band in [1, 4 << 10] {
        let mut masked_here = vec![f32::NAN; x.len()];
        let mut dw_here = vec![f32::NAN; weight.len()];
        let sums = backward_in_bands(
            band,
            shape,
            sources[1],
            weight,
            &gradient,
            &mut dw_here,
            Some(&mut masked_here),
        );
        let (d_beta_here, d_gamma_here) = sums.expect("the gradient of the input was wanted");
        assert!(dw == dw_here, "weight of {shape:?} at {level:?}");
        assert!(masked == masked_here, "masked of {shape:?} at {level:?}");
        assert_close("beta", level, &d_beta_here, &d_beta);
        assert_close("gamma", level, &d_gamma_here, &d_gamma);
        let none = backward_in_bands(
            band,
            shape,
            sources[1],
            weight,
            &gradient,
            &mut dw_here,
            None,
        );
        assert!(none.is_none() && dw == dw_here);
    }
}

fn shapes() -> impl Strategy<Value = ConvShape> {
    let kernel = prop_oneof![Just([3usize, 3]), Just([5, 5]), [1..8usize, 1..8usize]];
    let stride = prop_oneof![(1..3usize).prop_map(|s| [s, s]), [1..4usize, 1..4usize]];
    let dilation = prop_oneof![3 => Just([1usize, 1]), 1 => [1..3usize, 1..3usize]];
    let padding = [[0..5usize, 0..5usize], [0..5usize, 0..5usize]];
    let channels = prop_oneof![2..71usize, Just(16), Just(32), Just(64)];
    (
        1..4usize,
        [1..14usize, 1..26usize],
        channels,
        kernel,
        stride,
        dilation,
        padding,
    )
        .prop_map(
            |(batch, [height, width], channels, kernel, stride, dilation, padding)| ConvShape {
                batch,
                height,
                width,
                channels_in: channels,
                channels_out: channels,
                kernel,
                stride,
                dilation,
                padding,
                groups: channels,
                precision: crate::Precision::F32,
            },
        )
        .prop_filter("the kernel fits", |shape| {
            (0..2).all(|dim| {
                let size = [shape.height, shape.width][dim]
                    + shape.padding[dim][0]
                    + shape.padding[dim][1];
                size > shape.dilation[dim] * (shape.kernel[dim] - 1)
            })
        })
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::Identity),
        Just(Activation::Relu),
        Just(Activation::Relu6),
        Just(Activation::Silu),
        Just(Activation::HardSwish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_definition(
        shape in shapes(),
        bias in any::<bool>(),
        residual in any::<bool>(),
        activation in activations(),
    ) {
        check(&shape, bias, residual, activation);
    }
}

#[test]
fn shapes_of_real_networks_agree_with_the_definition() {
    for (size, channels, kernel, stride) in [
        (28, 72, 3, 1),
        (28, 24, 3, 2),
        (28, 40, 5, 1),
        (15, 120, 5, 2),
        (14, 200, 3, 1),
        (7, 184, 5, 1),
        (56, 32, 5, 1),
        (112, 16, 3, 1),
    ] {
        let shape = ConvShape::new(2, [size; 2], [channels; 2], kernel)
            .with_stride(stride)
            .with_groups(channels);
        check(&shape, true, false, Activation::Relu6);
    }
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    for (batch, size, channels, kernel, stride) in [
        (16, 7, 96, 5, 1),
        (1, 14, 480, 3, 1),
        (4, 56, 40, 3, 2),
        (1, 9, 7, 4, 3),
    ] {
        let shape = ConvShape::new(batch, [size; 2], [channels; 2], kernel)
            .with_stride(stride)
            .with_groups(channels);
        let (x, weight) = (
            numbers(shape.input_len(), 1),
            numbers(shape.weight_len(), 2),
        );
        let dy = numbers(shape.output_len(), 3);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let (mut out, mut dx, mut dw) = (
                    vec![0.0; dy.len()],
                    vec![0.0; x.len()],
                    vec![0.0; weight.len()],
                );
                super::forward(&shape, &x, &weight, Epilogue::default(), &mut out);
                super::backward_input(&shape, &dy, &weight, &mut dx);
                super::backward_weight(&shape, &x, &dy, &mut dw);
                [out, dx, dw].map(|v| v.into_iter().map(f32::to_bits).collect::<Vec<_>>())
            })
        };
        assert!(run(1) == run(4), "{shape:?}");
    }
}
