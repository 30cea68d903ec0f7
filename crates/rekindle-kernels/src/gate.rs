//! The product with one number per image and channel, the last step of a squeeze-and-excitation block (Hu et al. 2018).
//!
//! Arrays are `[batch, pixels, channels]`, the gate is `[batch, channels]`.

use crate::channels::{Access, Pass, Registers};
use crate::images::Images;
use crate::parallel::Shared;
use crate::simd::{Level, Simd};

/// `out[image, pixel, channel] = x[image, pixel, channel] * gate[image, channel]`.
///
/// # Panics
///
/// When `gate` or `x` does not have `batch` images, or `out` has another length than `x`.
pub fn gate(x: &[f32], gate: &[f32], batch: usize, out: &mut [f32]) {
    let images = Images::new(batch, channels(gate, batch), x.len(), "the input of a gate");
    assert_eq!(out.len(), x.len(), "output of a gate");
    let (level, out) = (Level::current(), Shared::new(out));
    images.for_each(|stretch| {
        let factor = images.pattern().expand(stretch.channels(gate));
        let pass = Product {
            x,
            factor: &factor,
            out,
        };
        images
            .pattern()
            .map_part(level, pass, stretch.start, stretch.len);
    });
}

/// The backward pass of [`gate`]: `dx = gradient * gate`, and returns the gate's gradient `sum(gradient * x)` over the pixels,
/// `[batch, channels]`.
///
/// # Panics
///
/// As for [`gate`].
pub fn gate_backward(
    x: &[f32],
    gate: &[f32],
    batch: usize,
    gradient: &[f32],
    dx: &mut [f32],
) -> Vec<f32> {
    let images = Images::new(batch, channels(gate, batch), x.len(), "the input of a gate");
    assert_eq!(gradient.len(), x.len(), "gradient of a gate");
    assert_eq!(dx.len(), x.len(), "gradient of a gate's input");
    let (level, dx) = (Level::current(), Shared::new(dx));
    let sums = images.sum(|stretch, sums| {
        let factor = images.pattern().expand(stretch.channels(gate));
        let pass = Backward {
            x,
            gradient,
            factor: &factor,
            dx,
        };
        images
            .pattern()
            .sum_part(level, pass, stretch.start, stretch.len, sums);
    });
    sums.into_iter().map(|sum| sum as f32).collect()
}

fn channels(gate: &[f32], batch: usize) -> usize {
    assert!(
        batch > 0 && gate.len().is_multiple_of(batch),
        "{} gates for {batch} images",
        gate.len()
    );
    gate.len() / batch
}

#[derive(Clone, Copy)]
struct Product<'a> {
    x: &'a [f32],
    factor: &'a [f32],
    out: Shared<f32>,
}

impl Pass for Product<'_> {
    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays and the pattern by the caller's promise.
        unsafe {
            let factor = at.pattern(s, self.factor);
            for r in 0..R {
                at.store(s, r, self.out, s.mul(at.load(s, r, self.x), factor));
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Backward<'a> {
    x: &'a [f32],
    gradient: &'a [f32],
    factor: &'a [f32],
    dx: Shared<f32>,
}

impl Pass for Backward<'_> {
    const SUMS: usize = 1;
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays, the pattern and the sums by the caller's promise.
        unsafe {
            let factor = at.pattern(s, self.factor);
            let mut sum = s.zero();
            for r in 0..R {
                let x = at.load(s, r, self.x);
                let g = at.load(s, r, self.gradient);
                sum = s.mul_add(g, x, sum);
                at.store(s, r, self.dx, s.mul(g, factor));
            }
            at.add_to_sum(s, 0, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, at_each_level, differences, numbers, wide, with_threads};

    fn defined(x: &[f64], gate: &[f64], batch: usize) -> Vec<f64> {
        let (image, channels) = (x.len() / batch, gate.len() / batch);
        x.iter()
            .enumerate()
            .map(|(i, x)| x * gate[i / image * channels + i % channels])
            .collect()
    }

    fn check(batch: usize, pixels: usize, channels: usize, seed: u64) {
        let len = batch * pixels * channels;
        let (x, factor, gradient) = (
            numbers(len, seed),
            numbers(batch * channels, seed + 1),
            numbers(len, seed + 2),
        );
        let products = defined(&wide(&x), &wide(&factor), batch);
        let inputs = defined(&wide(&gradient), &wide(&factor), batch);
        let mut sums = vec![0.0f64; batch * channels];
        for i in 0..len {
            sums[i / (pixels * channels) * channels + i % channels] +=
                f64::from(x[i]) * f64::from(gradient[i]);
        }
        at_each_level(|| {
            let mut out = vec![f32::NAN; len];
            gate(&x, &factor, batch, &mut out);
            assert_close(&out, &products, "product");
            let d_gate = gate_backward(&x, &factor, batch, &gradient, &mut out);
            assert_close(&out, &inputs, "gradient of the input");
            assert_close(&d_gate, &sums, "gradient of the gate");
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn products_are_those_of_the_definition(
            batch in 1usize..5, pixels in 1usize..150, channels in 1usize..70, seed in 0u64..1 << 40
        ) {
            check(batch, pixels, channels, seed);
        }
    }

    #[test]
    fn images_of_several_parts_are_those_of_the_definition() {
        check(3, 2500, 24, 9);
        check(40, 49, 72, 9);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (x, factor, gradient) = (
            numbers(2 * 5 * 3, 1),
            numbers(2 * 3, 2),
            numbers(2 * 5 * 3, 3),
        );
        let loss = |x: &[f64], gate: &[f64]| -> f64 {
            defined(x, gate, 2)
                .iter()
                .zip(&gradient)
                .map(|(y, &g)| y * f64::from(g))
                .sum()
        };
        let mut dx = vec![0.0; x.len()];
        let d_gate = gate_backward(&x, &factor, 2, &gradient, &mut dx);
        assert_close(&dx, &differences(&x, |x| loss(x, &wide(&factor))), "input");
        assert_close(
            &d_gate,
            &differences(&factor, |gate| loss(&wide(&x), gate)),
            "gate",
        );
    }

    #[test]
    fn results_are_the_same_bytes_with_any_number_of_threads() {
        let (x, factor, gradient) = (
            numbers(2 * 5000 * 24, 1),
            numbers(2 * 24, 2),
            numbers(2 * 5000 * 24, 3),
        );
        let run = || {
            let mut dx = vec![0.0; x.len()];
            let d_gate = gate_backward(&x, &factor, 2, &gradient, &mut dx);
            (d_gate, dx)
        };
        assert_eq!(with_threads(1, run), with_threads(4, run));
    }
}
