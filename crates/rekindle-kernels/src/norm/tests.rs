//! The passes beside their definitions in double precision, finite differences, and each other on other threads.

use proptest::prelude::*;

use super::*;
use crate::check::{
    ACTIVATIONS, assert_close, at_each_level, differences, numbers, slope, smooth, value, wide,
    with_threads,
};
use crate::conv::PixelGradient;
use crate::{Activation, Level};

/// Mean and variance by their definition.
fn defined_moments(y: &[f64], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let n = (y.len() / channels) as f64;
    let channel = |c: usize| y.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| channel(c).sum::<f64>() / n).collect();
    let variance = (0..channels)
        .map(|c| channel(c).map(|y| (y - mean[c]).powi(2)).sum::<f64>() / n)
        .collect();
    (mean, variance)
}

fn assert_moments(y: &[f32], channels: usize) {
    let (mean, variance) = defined_moments(&wide(y), channels);
    at_each_level(|| {
        let moments = moments(y, channels);
        for c in 0..channels {
            let (m, v) = (f64::from(moments.mean[c]), f64::from(moments.variance[c]));
            assert!(
                (m - mean[c]).abs() <= 1e-6 * mean[c].abs() + 1e-6,
                "mean {m}, expected {}",
                mean[c]
            );
            assert!(
                (v - variance[c]).abs() <= 1e-5 * variance[c] + 1e-9,
                "variance {v}, expected {}",
                variance[c]
            );
        }
    });
}

/// A forward pass with the batch's moments.
struct Case {
    channels: usize,
    y: Vec<f32>,
    gamma: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    mean: Vec<f32>,
    inv_std: Vec<f32>,
    residual: Option<Vec<f32>>,
    activation: Activation,
    output: Vec<f32>,
    gradient: Vec<f32>,
}

const EPSILON: f64 = 1e-3;

impl Case {
    fn new(
        pixels: usize,
        channels: usize,
        activation: Activation,
        residual: bool,
        seed: u64,
    ) -> Self {
        let len = pixels * channels;
        let y = numbers(len, seed);
        let gamma = numbers(channels, seed + 1);
        let Moments { mean, variance } = moments(&y, channels);
        let inv_std: Vec<f32> = variance
            .iter()
            .map(|v| (v + EPSILON as f32).sqrt().recip())
            .collect();
        let scale: Vec<f32> = gamma.iter().zip(&inv_std).map(|(g, s)| g * s).collect();
        let beta = numbers(channels, seed + 2);
        let shift = (0..channels)
            .map(|c| beta[c] - mean[c] * scale[c])
            .collect();
        let residual = residual.then(|| numbers(len, seed + 3));
        let gradient = numbers(len, seed + 4);
        let output = vec![0.0; len];
        let mut case = Self {
            channels,
            y,
            gamma,
            scale,
            shift,
            mean,
            inv_std,
            residual,
            activation,
            output,
            gradient,
        };
        // Where single and double precision may see different sides of a jump there is no gradient.
        for i in 0..len {
            if !smooth(activation, case.input(i)) {
                case.gradient[i] = 0.0;
            }
        }
        case.output = case.forward();
        case
    }

    /// The activation's input.
    fn input(&self, i: usize) -> f64 {
        let c = i % self.channels;
        let residual = self.residual.as_ref().map_or(0.0, |r| f64::from(r[i]));
        f64::from(self.y[i]) * f64::from(self.scale[c]) + f64::from(self.shift[c]) + residual
    }

    fn forward(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.y.len()];
        normalize_act(
            &self.y,
            &self.scale,
            &self.shift,
            self.residual.as_deref(),
            self.activation,
            &mut out,
        );
        out
    }

    fn backward(&self, with_output: bool) -> NormActBackward<'_> {
        NormActBackward {
            y: &self.y,
            scale: &self.scale,
            shift: &self.shift,
            mean: &self.mean,
            inv_std: &self.inv_std,
            residual: self.residual.as_deref(),
            output: with_output.then_some(&self.output),
            activation: self.activation,
            gradient: &self.gradient,
        }
    }

    fn masked(&self) -> Vec<f64> {
        let g = |i| f64::from(self.gradient[i]) * slope(self.activation, self.input(i));
        (0..self.y.len()).map(g).collect()
    }

    fn normalized(&self, i: usize) -> f64 {
        let c = i % self.channels;
        (f64::from(self.y[i]) - f64::from(self.mean[c])) * f64::from(self.inv_std[c])
    }

    fn defined_sums(&self) -> (Vec<f64>, Vec<f64>) {
        let (mut d_shift, mut d_gamma) = (vec![0.0; self.channels], vec![0.0; self.channels]);
        for (i, g) in self.masked().into_iter().enumerate() {
            d_shift[i % self.channels] += g;
            d_gamma[i % self.channels] += g * self.normalized(i);
        }
        (d_shift, d_gamma)
    }

    fn defined_input_gradient(&self) -> Vec<f64> {
        let (d_shift, d_gamma) = self.defined_sums();
        let count = (self.y.len() / self.channels) as f64;
        let of = |(i, g): (usize, f64)| {
            let c = i % self.channels;
            f64::from(self.scale[c])
                * (g - d_shift[c] / count - self.normalized(i) * d_gamma[c] / count)
        };
        self.masked().into_iter().enumerate().map(of).collect()
    }

    fn check(&self) {
        let outputs: Vec<f64> = (0..self.y.len())
            .map(|i| value(self.activation, self.input(i)))
            .collect();
        assert_close(&self.forward(), &outputs, "output");
        for with_output in [false, true] {
            let backward = self.backward(with_output);
            let mut masked = vec![f32::NAN; self.y.len()];
            let (d_shift, d_gamma) = backward.sums(Some(&mut masked));
            assert_close(&masked, &self.masked(), "masked gradient");
            let (defined_shift, defined_gamma) = self.defined_sums();
            assert_close(&d_shift, &defined_shift, "gradient of the shift");
            assert_close(&d_gamma, &defined_gamma, "gradient of gamma");
            let (alone_shift, alone_gamma) = backward.sums(None);
            assert_close(&alone_shift, &defined_shift, "gradient of the shift");
            assert_close(&alone_gamma, &defined_gamma, "gradient of gamma");

            let count = self.y.len() / self.channels;
            let defined = self.defined_input_gradient();
            for stored in [None, Some(&masked[..])] {
                let mut out = vec![f32::NAN; self.y.len()];
                backward.input_gradient(&d_shift, &d_gamma, count, stored, &mut out);
                assert_close(&out, &defined, "gradient of the input");
                let parts = backward.input_gradient_in_parts(&d_shift, &d_gamma, count, stored);
                let mut part = vec![f32::NAN; 3 * self.channels];
                for start in (0..count).step_by(3) {
                    let pixels = start..(start + 3).min(count);
                    let range = start * self.channels..pixels.end * self.channels;
                    let part = &mut part[..range.len()];
                    parts.compute(Level::current(), pixels, part);
                    assert_eq!(part, &out[range], "part of the gradient of the input");
                }
            }
            backward.input_gradient_in_place(&d_shift, &d_gamma, count, &mut masked);
            assert_close(&masked, &defined, "gradient of the input in place");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn moments_are_those_of_the_definition(
        pixels in 1usize..300, channels in 1usize..70, offset in prop::sample::select(vec![0.0f32, 1.0, -300.0, 1e4]), seed: u64
    ) {
        let y: Vec<f32> = numbers(pixels * channels, seed).iter().map(|y| y + offset).collect();
        assert_moments(&y, channels);
    }

    #[test]
    fn normalisation_is_that_of_the_definition(
        pixels in 1usize..200, channels in 1usize..70, activation in prop::sample::select(&ACTIVATIONS[..]), residual: bool,
        seed in 0u64..1 << 40
    ) {
        let case = Case::new(pixels, channels, activation, residual, seed);
        at_each_level(|| case.check());
    }

    #[test]
    fn frozen_backward_is_that_of_the_definition(
        pixels in 1usize..200, channels in 1usize..70, activation in prop::sample::select(&ACTIVATIONS[..]), scaled: bool,
        seed in 0u64..1 << 40
    ) {
        let len = pixels * channels;
        let x: Vec<f32> = numbers(len, seed).iter().map(|x| x * 3.0).collect();
        let mut gradient = numbers(len, seed + 1);
        gradient.iter_mut().zip(&x).filter(|(_, x)| !smooth(activation, f64::from(**x))).for_each(|(g, _)| *g = 0.0);
        let output: Vec<f32> = x.iter().map(|&x| activation.apply(x)).collect();
        let scale = numbers(channels, seed + 2);
        let masked: Vec<f64> = (0..len).map(|i| f64::from(gradient[i]) * slope(activation, f64::from(x[i]))).collect();
        let factor = |i: usize| if scaled { f64::from(scale[i % channels]) } else { 1.0 };
        let expected: Vec<f64> = (0..len).map(|i| masked[i] * factor(i)).collect();
        let sums: Vec<f64> = (0..channels).map(|c| masked.iter().skip(c).step_by(channels).sum()).collect();
        at_each_level(|| {
            let mut derivatives = vec![Derivative::Input(&x)];
            if activation.derivative_from_output() {
                derivatives.push(Derivative::Output(&output));
            }
            for derivative in derivatives {
                let mut out = vec![f32::NAN; len];
                let scale = scaled.then_some(&scale[..]);
                let d_shift = act_backward(derivative, activation, &gradient, channels, scale, &mut out);
                assert_close(&out, &expected, "gradient of the input");
                assert_close(&d_shift, &sums, "gradient of the shift");
            }
        });
    }
}

#[test]
fn moments_of_many_parts_far_from_zero() {
    // A drift over the pixels, so that the parts' means differ, and a deviation of a thousandth of the mean.
    for channels in [1, 24, 64, 137] {
        let len = channels * (200_000 / channels);
        let mut y = numbers(len, 7);
        y.iter_mut()
            .enumerate()
            .for_each(|(i, y)| *y += 3000.0 + i as f32 * 1e-5);
        assert_moments(&y, channels);
    }
}

#[test]
fn an_outlier_in_the_first_pixel_leaves_the_moments_accurate() {
    let mut y = numbers(20_000, 3);
    y[0] = 1e5;
    y[1] = -1e5;
    assert_moments(&y, 2);
}

#[test]
fn gradients_match_finite_differences() {
    for (activation, residual) in ACTIVATIONS
        .into_iter()
        .flat_map(|a| [(a, false), (a, true)])
    {
        let case = Case::new(7, 3, activation, residual, 11);
        let beta: Vec<f64> = (0..3)
            .map(|c| f64::from(case.shift[c]) + f64::from(case.mean[c]) * f64::from(case.scale[c]))
            .collect();
        let loss = |y: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
            let (mean, variance) = defined_moments(y, 3);
            let term = |i: usize| {
                let c = i % 3;
                let normalized = (y[i] - mean[c]) / (variance[c] + EPSILON).sqrt();
                let residual = case.residual.as_ref().map_or(0.0, |r| f64::from(r[i]));
                f64::from(case.gradient[i])
                    * value(activation, normalized * gamma[c] + beta[c] + residual)
            };
            (0..y.len()).map(term).sum()
        };
        let (y, gamma) = (wide(&case.y), wide(&case.gamma));
        let narrow: Vec<f32> = beta.iter().map(|&b| b as f32).collect();
        let backward = case.backward(true);
        let (d_shift, d_gamma) = backward.sums(None);
        assert_close(
            &d_shift,
            &differences(&narrow, |beta| loss(&y, &gamma, beta)),
            "beta",
        );
        assert_close(
            &d_gamma,
            &differences(&case.gamma, |gamma| loss(&y, gamma, &beta)),
            "gamma",
        );
        let mut dy = vec![0.0; y.len()];
        backward.input_gradient(&d_shift, &d_gamma, 7, None, &mut dy);
        assert_close(
            &dy,
            &differences(&case.y, |y| loss(y, &gamma, &beta)),
            "input",
        );
    }
}

#[test]
fn results_are_the_same_bytes_with_any_number_of_threads() {
    let run = || {
        let case = Case::new(9973, 24, Activation::Silu, true, 5);
        let backward = case.backward(true);
        let mut masked = vec![0.0; case.y.len()];
        let (d_shift, d_gamma) = backward.sums(Some(&mut masked));
        backward.input_gradient_in_place(&d_shift, &d_gamma, 9973, &mut masked);
        let mut out = vec![0.0; case.y.len()];
        let input = Derivative::Input(&case.y);
        let frozen = act_backward(
            input,
            Activation::Silu,
            &case.gradient,
            24,
            Some(&case.scale),
            &mut out,
        );
        (
            case.mean.clone(),
            case.inv_std.clone(),
            case.output.clone(),
            d_shift,
            d_gamma,
            masked,
            out,
            frozen,
        )
    };
    assert_eq!(with_threads(1, run), with_threads(4, run));
}

#[test]
#[should_panic(expected = "does not follow from its output")]
fn silu_needs_its_input() {
    let x = [1.0f32; 4];
    let _ = act_backward(
        Derivative::Output(&x),
        Activation::Silu,
        &x,
        2,
        None,
        &mut [0.0; 4],
    );
}
