//! Global response normalisation, forward and backward: channels that answer strongly in an image are made stronger (Woo et al. 2023,
//! ConvNeXt V2).
//!
//! Arrays are `[batch, pixels, channels]`; what is found of an image's channels is `[batch, channels]`.

use crate::channels::{Access, Pass, Registers};
use crate::images::Images;
use crate::parallel::Shared;
use crate::simd::{Level, Simd};

/// Added to the sum of squares: the root has no derivative at 0, where a channel is 0 throughout.
pub(crate) const TINY: f64 = 1e-24;

/// `out = x * (1 + gamma * n) + beta`, where `n` is the norm of a channel over the image's pixels, divided by `epsilon` and the mean of the
/// norms of all channels. Returns the norms, `[batch, channels]`, for [`response_norm_backward`].
///
/// # Panics
///
/// When `x` is not of `batch` images with as many channels as `gamma`, or another slice has another length.
pub fn response_norm(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f64,
    batch: usize,
    out: &mut [f32],
) -> Vec<f32> {
    let images = Images::new(batch, gamma.len(), x.len(), "the input of a response norm");
    assert_eq!(beta.len(), gamma.len(), "shifts of a response norm");
    assert_eq!(out.len(), x.len(), "output of a response norm");
    let (level, out) = (Level::current(), Shared::new(out));
    let squares = images.sum(|stretch, sums| {
        let pass = Squares { x };
        let pattern = images.pattern();
        pattern.sum_part(level, pass, stretch.start, stretch.len, sums);
    });
    let norms: Vec<f64> = squares.iter().map(|sum| (sum + TINY).sqrt()).collect();
    let factors = factors(&norms, gamma, epsilon);
    let shift = images.pattern().expand(beta);
    images.for_each(|stretch| {
        let factor = images.pattern().expand(stretch.channels(&factors));
        let pass = Scaled {
            x,
            factor: &factor,
            shift: &shift,
            out,
        };
        images
            .pattern()
            .map_part(level, pass, stretch.start, stretch.len);
    });
    norms.into_iter().map(|norm| norm as f32).collect()
}

/// The backward pass of [`response_norm`]: writes the gradient of `x` to `dx` and returns those of gamma and beta. `norms` are what the forward
/// pass returned.
///
/// # Panics
///
/// As for [`response_norm`].
pub fn response_norm_backward(
    x: &[f32],
    gamma: &[f32],
    norms: &[f32],
    epsilon: f64,
    batch: usize,
    gradient: &[f32],
    dx: &mut [f32],
) -> [Vec<f32>; 2] {
    let channels = gamma.len();
    let images = Images::new(batch, channels, x.len(), "the input of a response norm");
    assert_eq!(norms.len(), batch * channels, "norms of a response norm");
    assert_eq!(gradient.len(), x.len(), "gradient of a response norm");
    assert_eq!(dx.len(), x.len(), "gradient of a response norm's input");
    let (level, dx) = (Level::current(), Shared::new(dx));
    // Of each image and channel: of the gradient times x, and of the gradient.
    let sums = images.sums(2, |stretch, sums| {
        let pass = Products { x, gradient };
        let pattern = images.pattern();
        pattern.sum_part(level, pass, stretch.start, stretch.len, sums);
    });
    let norms: Vec<f64> = norms.iter().copied().map(f64::from).collect();
    let factors = factors(&norms, gamma, epsilon);
    let (mut d_gamma, mut d_beta) = (vec![0.0f64; channels], vec![0.0f64; channels]);
    let mut of_x = vec![0.0f32; batch * channels];
    for ((norms, sums), of_x) in norms
        .chunks_exact(channels)
        .zip(sums.chunks_exact(2 * channels))
        .zip(of_x.chunks_exact_mut(channels))
    {
        let (products, plain) = sums.split_at(channels);
        let mean = norms.iter().sum::<f64>() / channels as f64 + epsilon;
        // n = norm / mean, and every norm is in the mean.
        let along: f64 = (0..channels)
            .map(|c| f64::from(gamma[c]) * products[c] * norms[c])
            .sum();
        let common = along / (mean * mean * channels as f64);
        for c in 0..channels {
            d_gamma[c] += norms[c] / mean * products[c];
            d_beta[c] += plain[c];
            let of_norm = f64::from(gamma[c]) * products[c] / mean - common;
            of_x[c] = (of_norm / norms[c]) as f32;
        }
    }
    images.for_each(|stretch| {
        let factor = images.pattern().expand(stretch.channels(&factors));
        let of_x = images.pattern().expand(stretch.channels(&of_x));
        let pass = Backward {
            x,
            gradient,
            factor: &factor,
            of_x: &of_x,
            dx,
        };
        images
            .pattern()
            .map_part(level, pass, stretch.start, stretch.len);
    });
    [d_gamma, d_beta].map(|sums| sums.into_iter().map(|sum| sum as f32).collect())
}

/// `1 + gamma * n` of each image and channel.
fn factors(norms: &[f64], gamma: &[f32], epsilon: f64) -> Vec<f32> {
    let channels = gamma.len();
    let mut factors = Vec::with_capacity(norms.len());
    for norms in norms.chunks_exact(channels) {
        let mean = norms.iter().sum::<f64>() / channels as f64 + epsilon;
        let each = norms.iter().zip(gamma);
        factors.extend(each.map(|(norm, gamma)| (1.0 + f64::from(*gamma) * norm / mean) as f32));
    }
    factors
}

#[derive(Clone, Copy)]
struct Squares<'a> {
    x: &'a [f32],
}

impl Pass for Squares<'_> {
    const SUMS: usize = 1;
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside `x` and the sums by the caller's promise.
        unsafe {
            let mut sum = s.zero();
            for r in 0..R {
                let x = at.load(s, r, self.x);
                sum = s.mul_add(x, x, sum);
            }
            at.add_to_sum(s, 0, sum);
        }
    }
}

#[derive(Clone, Copy)]
struct Scaled<'a> {
    x: &'a [f32],
    factor: &'a [f32],
    shift: &'a [f32],
    out: Shared<f32>,
}

impl Pass for Scaled<'_> {
    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays and the patterns by the caller's promise.
        unsafe {
            let factor = at.pattern(s, self.factor);
            let shift = at.pattern(s, self.shift);
            for r in 0..R {
                let out = s.mul_add(at.load(s, r, self.x), factor, shift);
                at.store(s, r, self.out, out);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Products<'a> {
    x: &'a [f32],
    gradient: &'a [f32],
}

impl Pass for Products<'_> {
    const SUMS: usize = 2;
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays and the sums by the caller's promise.
        unsafe {
            let (mut product, mut plain) = (s.zero(), s.zero());
            for r in 0..R {
                let g = at.load(s, r, self.gradient);
                product = s.mul_add(g, at.load(s, r, self.x), product);
                plain = s.add(plain, g);
            }
            at.add_to_sum(s, 0, product);
            at.add_to_sum(s, 1, plain);
        }
    }
}

#[derive(Clone, Copy)]
struct Backward<'a> {
    x: &'a [f32],
    gradient: &'a [f32],
    factor: &'a [f32],
    of_x: &'a [f32],
    dx: Shared<f32>,
}

impl Pass for Backward<'_> {
    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays and the patterns by the caller's promise.
        unsafe {
            let factor = at.pattern(s, self.factor);
            let of_x = at.pattern(s, self.of_x);
            for r in 0..R {
                let through = s.mul(at.load(s, r, self.gradient), factor);
                let dx = s.mul_add(at.load(s, r, self.x), of_x, through);
                at.store(s, r, self.dx, dx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, at_each_level, differences, numbers, wide, with_threads};

    const EPSILON: f64 = 1e-6;

    fn defined(x: &[f64], gamma: &[f64], beta: &[f64], batch: usize) -> Vec<f64> {
        let channels = gamma.len();
        let mut out = Vec::with_capacity(x.len());
        for image in x.chunks_exact(x.len() / batch) {
            let norm = |c: usize| {
                let squares = image.iter().skip(c).step_by(channels).map(|x| x * x);
                (squares.sum::<f64>() + TINY).sqrt()
            };
            let norms: Vec<f64> = (0..channels).map(norm).collect();
            let mean = norms.iter().sum::<f64>() / channels as f64 + EPSILON;
            out.extend(image.iter().enumerate().map(|(i, x)| {
                let c = i % channels;
                x * (1.0 + gamma[c] * norms[c] / mean) + beta[c]
            }));
        }
        out
    }

    fn both(x: &[f32], gamma: &[f32], beta: &[f32], batch: usize, g: &[f32]) -> [Vec<f32>; 4] {
        let (mut out, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        let norms = response_norm(x, gamma, beta, EPSILON, batch, &mut out);
        let [d_gamma, d_beta] =
            response_norm_backward(x, gamma, &norms, EPSILON, batch, g, &mut dx);
        [out, dx, d_gamma, d_beta]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn outputs_are_those_of_the_definition(
            batch in 1usize..4, pixels in 1usize..60, channels in 1usize..70, seed in 0u64..1 << 40
        ) {
            let x = numbers(batch * pixels * channels, seed);
            let (gamma, beta) = (numbers(channels, seed + 1), numbers(channels, seed + 2));
            let expected = defined(&wide(&x), &wide(&gamma), &wide(&beta), batch);
            at_each_level(|| {
                let mut out = vec![f32::NAN; x.len()];
                response_norm(&x, &gamma, &beta, EPSILON, batch, &mut out);
                assert_close(&out, &expected, "response norm");
            });
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (batch, pixels, channels) = (2, 5, 19);
        let len = batch * pixels * channels;
        let (x, gradient) = (numbers(len, 1), numbers(len, 2));
        let (gamma, beta) = (numbers(channels, 3), numbers(channels, 4));
        let loss = |x: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
            let out = defined(x, gamma, beta, batch);
            out.iter()
                .zip(&gradient)
                .map(|(y, &g)| y * f64::from(g))
                .sum()
        };
        let (x_wide, gamma_wide, beta_wide) = (wide(&x), wide(&gamma), wide(&beta));
        let of_x = differences(&x, |x| loss(x, &gamma_wide, &beta_wide));
        let of_gamma = differences(&gamma, |gamma| loss(&x_wide, gamma, &beta_wide));
        let of_beta = differences(&beta, |beta| loss(&x_wide, &gamma_wide, beta));
        at_each_level(|| {
            let [_, dx, d_gamma, d_beta] = both(&x, &gamma, &beta, batch, &gradient);
            assert_close(&dx, &of_x, "gradient of the input");
            assert_close(&d_gamma, &of_gamma, "gradient of gamma");
            assert_close(&d_beta, &of_beta, "gradient of beta");
        });
    }

    #[test]
    fn a_channel_of_zeros_has_no_gradient_that_is_not_a_number() {
        let x = vec![0.0; 2 * 3 * 4];
        let [out, dx, ..] = both(&x, &[1.0; 4], &[0.5; 4], 2, &[1.0; 24]);
        assert!(out.iter().all(|&out| out == 0.5));
        assert!(dx.iter().all(|dx| dx.is_finite()), "{dx:?}");
    }

    #[test]
    fn results_are_the_same_bytes_with_any_number_of_threads() {
        let (x, gradient) = (numbers(2 * 5000 * 24, 1), numbers(2 * 5000 * 24, 2));
        let (gamma, beta) = (numbers(24, 3), numbers(24, 4));
        let run = || both(&x, &gamma, &beta, 2, &gradient);
        assert_eq!(with_threads(1, run), with_threads(4, run));
    }
}
