//! The poolings beside their definitions, finite differences, and each other on other threads.

use proptest::prelude::*;

use super::*;
use crate::check::{assert_close, at_each_level, differences, numbers, wide, with_threads};

/// Calls `visit(output, input, tap)` for every pixel of every window, in the windows' order; channels are left to the caller.
fn each_tap(shape: &PoolShape, mut visit: impl FnMut(usize, usize, usize)) {
    for image in 0..shape.batch {
        for output in 0..shape.out[0] * shape.out[1] {
            let (oy, ox) = (output / shape.out[1], output % shape.out[1]);
            for tap in 0..shape.kernel[0] * shape.kernel[1] {
                let (ky, kx) = (tap / shape.kernel[1], tap % shape.kernel[1]);
                let y = (oy * shape.stride[0] + ky * shape.dilation[0]) as isize
                    - shape.padding[0] as isize;
                let x = (ox * shape.stride[1] + kx * shape.dilation[1]) as isize
                    - shape.padding[1] as isize;
                if (0..shape.height as isize).contains(&y) && (0..shape.width as isize).contains(&x)
                {
                    let input = (image * shape.height + y as usize) * shape.width + x as usize;
                    for c in 0..shape.channels {
                        let output = image * shape.out[0] * shape.out[1] + output;
                        visit(output * shape.channels + c, input * shape.channels + c, tap);
                    }
                }
            }
        }
    }
}

/// The maxima, and where in the input they lie.
fn defined_max(shape: &PoolShape, x: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let mut best = vec![f64::NEG_INFINITY; shape.output_len()];
    let mut from = vec![usize::MAX; shape.output_len()];
    each_tap(shape, |o, i, _| {
        if from[o] == usize::MAX || x[i] > best[o] || x[i].is_nan() {
            (best[o], from[o]) = (x[i], i);
        }
    });
    (best, from)
}

fn counts(shape: &PoolShape) -> Vec<f64> {
    let mut counts = vec![0.0; shape.output_len()];
    each_tap(shape, |o, _, _| counts[o] += 1.0);
    counts
}

fn defined_average(shape: &PoolShape, x: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; shape.output_len()];
    each_tap(shape, |o, i, _| sums[o] += x[i]);
    sums.iter()
        .zip(counts(shape))
        .map(|(sum, count)| sum / count)
        .collect()
}

fn check_max(shape: &PoolShape, x: &[f32], dy: &[f32]) {
    let (best, from) = defined_max(shape, &wide(x));
    let mut expected = vec![0.0; shape.input_len()];
    from.iter()
        .zip(dy)
        .for_each(|(&i, &dy)| expected[i] += f64::from(dy));
    at_each_level(|| {
        let (mut out, mut alone) = (vec![0.5; shape.output_len()], vec![0.5; shape.output_len()]);
        let mut taps = vec![77; shape.output_len()];
        max_pool(shape, x, &mut out, Some(&mut taps));
        max_pool(shape, x, &mut alone, None);
        for ((&out, &alone), &best) in out.iter().zip(&alone).zip(&best) {
            assert!(
                f64::from(out) == best || (out.is_nan() && best.is_nan()),
                "{out}, expected {best}"
            );
            assert_eq!(out.to_bits(), alone.to_bits());
        }
        let mut dx = vec![f32::NAN; shape.input_len()];
        max_pool_backward(shape, &taps, dy, &mut dx);
        assert_close(&dx, &expected, "gradient of the maximum");
    });
}

fn check_average(shape: &PoolShape, x: &[f32], dy: &[f32]) {
    let mut expected = vec![0.0; shape.input_len()];
    let counts = counts(shape);
    each_tap(shape, |o, i, _| expected[i] += f64::from(dy[o]) / counts[o]);
    at_each_level(|| {
        let mut out = vec![f32::NAN; shape.output_len()];
        average_pool(shape, x, &mut out);
        assert_close(&out, &defined_average(shape, &wide(x)), "mean");
        let mut dx = vec![f32::NAN; shape.input_len()];
        average_pool_backward(shape, dy, &mut dx);
        assert_close(&dx, &expected, "gradient of the mean");
    });
}

fn shapes() -> impl Strategy<Value = PoolShape> {
    let window = || (1usize..4, 1usize..4, 1usize..3, 0usize..2);
    (
        (1usize..4, 1usize..12, 1usize..12, 1usize..70),
        window(),
        window(),
        any::<bool>(),
    )
        .prop_filter_map(
            "a window outside the input",
            |((batch, height, width, channels), y, x, ceil)| {
                let mut shape = PoolShape {
                    kernel: [y.0, x.0],
                    stride: [y.1, x.1],
                    dilation: [y.2, x.2],
                    padding: [y.3.min(y.0 / 2), x.3.min(x.0 / 2)],
                    ..PoolShape::new(batch, [height, width], channels, 1, 1, 0)
                };
                for (dim, size) in [(0, height), (1, width)] {
                    let reach = shape.dilation[dim] * (shape.kernel[dim] - 1) + 1;
                    let room = (size + 2 * shape.padding[dim]).checked_sub(reach)?;
                    shape.out[dim] = room / shape.stride[dim] + 1;
                }
                let shape = if ceil { shape.with_ceil() } else { shape };
                let inside = (0..2).all(|dim| {
                    shape
                        .windows(dim)
                        .iter()
                        .all(|window| !window.taps.is_empty())
                });
                inside.then_some(shape)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn poolings_are_those_of_the_definition(shape in shapes(), seed in 0u64..1 << 40) {
        let (x, dy) = (numbers(shape.input_len(), seed), numbers(shape.output_len(), seed + 1));
        check_max(&shape, &x, &dy);
        check_average(&shape, &x, &dy);
        // Few values, so that many are equal and the first must win; some are infinite or not numbers.
        let values = [0.0, 1.0, -1.0, f32::NEG_INFINITY, f32::INFINITY, f32::MAX, f32::NAN, 2.0];
        let odd: Vec<f32> = x.iter().map(|x| values[(x.abs() * 100.0) as usize % values.len()]).collect();
        check_max(&shape, &odd, &dy);
    }

    #[test]
    fn global_means_are_those_of_the_definition(
        batch in 1usize..5, pixels in 1usize..150, channels in 1usize..70, seed in 0u64..1 << 40
    ) {
        check_global(batch, pixels, channels, seed);
    }
}

fn check_global(batch: usize, pixels: usize, channels: usize, seed: u64) {
    let (x, dy) = (
        numbers(batch * pixels * channels, seed),
        numbers(batch * channels, seed + 1),
    );
    let mut means = vec![0.0; dy.len()];
    let place = |i: usize| i / (pixels * channels) * channels + i % channels;
    x.iter()
        .enumerate()
        .for_each(|(i, &x)| means[place(i)] += f64::from(x) / pixels as f64);
    let expected: Vec<f64> = (0..x.len())
        .map(|i| f64::from(dy[place(i)]) / pixels as f64)
        .collect();
    at_each_level(|| {
        let mut out = vec![f32::NAN; dy.len()];
        global_average_pool(&x, batch, &mut out);
        assert_close(&out, &means, "mean");
        let mut dx = vec![f32::NAN; x.len()];
        global_average_pool_backward(&dy, batch, &mut dx);
        assert_close(&dx, &expected, "gradient of the mean");
    });
}

#[test]
fn global_means_of_several_parts() {
    check_global(2, 3000, 24, 3);
    check_global(70, 49, 40, 4);
}

#[test]
fn output_sizes_are_those_of_pytorch() {
    // ResNet's first pooling, and SqueezeNet's and GoogLeNet's with the last window over the border.
    assert_eq!(PoolShape::new(1, [112, 112], 64, 3, 2, 1).out, [56, 56]);
    assert_eq!(
        PoolShape::new(1, [55, 54], 64, 3, 2, 0).with_ceil().out,
        [27, 27]
    );
    assert_eq!(PoolShape::new(1, [54, 54], 64, 3, 2, 0).out, [26, 26]);
    // A window that would begin in the right padding is left out.
    assert_eq!(
        PoolShape::new(1, [3, 3], 1, 2, 2, 1).with_ceil().out,
        [2, 2]
    );
}

#[test]
fn a_number_that_is_none_wins() {
    for nan_at in 0..9 {
        for other in [1.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let mut x = vec![other; 9 * 17];
            x[nan_at * 17..(nan_at + 1) * 17].fill(f32::NAN);
            let shape = PoolShape::new(1, [3, 3], 17, 3, 1, 0);
            at_each_level(|| {
                let (mut out, mut taps) = (vec![0.0; 17], vec![0; 17]);
                max_pool(&shape, &x, &mut out, Some(&mut taps));
                assert!(out.iter().all(|out| out.is_nan()));
                assert!(taps.iter().all(|&tap| usize::from(tap) == nan_at));
            });
        }
    }
}

#[test]
fn gradients_match_finite_differences() {
    let shape = PoolShape::new(2, [5, 4], 3, 3, 2, 1).with_ceil();
    let (x, dy) = (
        numbers(shape.input_len(), 1),
        numbers(shape.output_len(), 2),
    );
    let weigh = |y: Vec<f64>| -> f64 { y.iter().zip(&dy).map(|(y, &dy)| y * f64::from(dy)).sum() };
    let (mut out, mut taps) = (vec![0.0; dy.len()], vec![0; dy.len()]);
    max_pool(&shape, &x, &mut out, Some(&mut taps));
    let mut dx = vec![0.0; x.len()];
    max_pool_backward(&shape, &taps, &dy, &mut dx);
    assert_close(
        &dx,
        &differences(&x, |x| weigh(defined_max(&shape, x).0)),
        "maximum",
    );
    average_pool_backward(&shape, &dy, &mut dx);
    assert_close(
        &dx,
        &differences(&x, |x| weigh(defined_average(&shape, x))),
        "mean",
    );
}

#[test]
fn results_are_the_same_bytes_with_any_number_of_threads() {
    let shape = PoolShape::new(3, [40, 41], 24, 3, 2, 1);
    let x = numbers(shape.input_len(), 1);
    let run = || {
        let (mut out, mut means) = (vec![0.0; shape.output_len()], vec![0.0; shape.output_len()]);
        let mut taps = vec![0; shape.output_len()];
        max_pool(&shape, &x, &mut out, Some(&mut taps));
        average_pool(&shape, &x, &mut means);
        let (mut dx, mut d_means) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        max_pool_backward(&shape, &taps, &out, &mut dx);
        average_pool_backward(&shape, &means, &mut d_means);
        let mut global = vec![0.0; 3 * 24];
        global_average_pool(&x, 3, &mut global);
        (out, taps, means, dx, d_means, global)
    };
    assert_eq!(with_threads(1, run), with_threads(4, run));
}

#[test]
#[should_panic(expected = "lies outside the input")]
fn windows_without_pixels_are_refused() {
    let shape = PoolShape {
        out: [4, 3],
        ..PoolShape::new(1, [3, 3], 1, 1, 1, 0)
    };
    average_pool(&shape, &[0.0; 9], &mut [0.0; 12]);
}
