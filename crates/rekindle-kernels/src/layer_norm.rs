//! Layer normalisation of each pixel over its channels, forward and backward (Ba et al. 2016; in convolutional networks Liu et al. 2022).
//!
//! Arrays are `[pixels, channels]`. A pixel's channels lie side by side, so a pixel is read three times from the first-level cache and once
//! from memory; four pixels are gone through together, whose sums do not wait for each other.

use crate::buffer::Buffer;
use crate::channels::{CHUNK, in_parts};
use crate::parallel::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// Pixels that are gone through together.
const TOGETHER: usize = 4;

/// As many numbers as the widest register has lanes.
const WIDEST: usize = 16;

/// `out = (x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and biased variance over the channels of each pixel.
///
/// `x` and `out` are `[pixels, channels]`, `gamma` and `beta` `[channels]`. `found`, `[pixels, 2]`, is given mean and
/// `1 / sqrt(variance + epsilon)` of each pixel, for [`layer_norm_backward`].
///
/// # Panics
///
/// When a slice has another length, or there are no channels.
pub fn layer_norm(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    found: Option<&mut [f32]>,
    out: &mut [f32],
) {
    let rows = Rows::new(x, gamma);
    assert_eq!(beta.len(), gamma.len(), "shifts of a layer norm");
    assert_eq!(out.len(), x.len(), "output of a layer norm");
    let found = found.map(|found| {
        assert_eq!(found.len(), 2 * rows.pixels, "moments of a layer norm");
        Shared::new(found)
    });
    let (level, out) = (Level::current(), Shared::new(out));
    let part = |part: usize| {
        let [first, last] = rows.part(part);
        let forward = Forward {
            x,
            gamma,
            beta,
            epsilon,
            found,
            out,
        };
        dispatch_at(
            level,
            InTurn {
                work: forward,
                first,
                last,
            },
        );
    };
    in_parts(rows.parts(), &part);
}

/// The backward pass of [`layer_norm`]: writes the gradient of `x` to `dx` and returns those of gamma and beta. `found` is what the forward
/// pass found. Sums over pixels are taken in single precision within a part of fixed size and in double precision over the parts.
///
/// # Panics
///
/// When a slice has another length, or there are no channels.
pub fn layer_norm_backward(
    x: &[f32],
    gamma: &[f32],
    found: &[f32],
    gradient: &[f32],
    dx: &mut [f32],
) -> [Vec<f32>; 2] {
    let rows = Rows::new(x, gamma);
    let channels = gamma.len();
    assert_eq!(found.len(), 2 * rows.pixels, "moments of a layer norm");
    assert_eq!(gradient.len(), x.len(), "gradient of a layer norm");
    assert_eq!(dx.len(), x.len(), "gradient of a layer norm's input");
    let (level, dx) = (Level::current(), Shared::new(dx));
    let mut sums = vec![0.0f32; 2 * channels * rows.parts()];
    let of_parts = Shared::new(&mut sums);
    let part = |part: usize| {
        let [first, last] = rows.part(part);
        let mut own = Buffer::zeros(2 * channels);
        let backward = Backward {
            x,
            gamma,
            found,
            gradient,
            dx,
            sums: Shared::new(&mut own),
        };
        dispatch_at(
            level,
            InTurn {
                work: backward,
                first,
                last,
            },
        );
        // SAFETY: every part has its own stretch of the sums, which outlive the loop.
        unsafe {
            std::ptr::copy_nonoverlapping(
                own.as_ptr(),
                of_parts.get().add(part * 2 * channels),
                2 * channels,
            );
        }
    };
    in_parts(rows.parts(), &part);
    let mut total = vec![0.0f64; 2 * channels];
    for part in sums.chunks_exact(2 * channels) {
        total
            .iter_mut()
            .zip(part)
            .for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let narrow = |sums: &[f64]| sums.iter().map(|sum| *sum as f32).collect();
    [narrow(&total[..channels]), narrow(&total[channels..])]
}

/// The pixels and their parts.
struct Rows {
    pixels: usize,
    /// Pixels of a part.
    each: usize,
}

impl Rows {
    fn new(x: &[f32], gamma: &[f32]) -> Self {
        let channels = gamma.len();
        assert!(
            channels > 0 && x.len().is_multiple_of(channels),
            "a layer norm's input has {} numbers for {channels} channels",
            x.len()
        );
        Self {
            pixels: x.len() / channels,
            each: (CHUNK / channels).max(1).next_multiple_of(TOGETHER),
        }
    }

    fn parts(&self) -> usize {
        self.pixels.div_ceil(self.each)
    }

    /// The first pixel, and the one behind the last.
    fn part(&self, part: usize) -> [usize; 2] {
        [part * self.each, ((part + 1) * self.each).min(self.pixels)]
    }
}

/// What a pixel's channels are read with: all lanes of a register, or the first ones.
macro_rules! channels_of {
    ($s:ident, $whole:expr, $rest:expr, |$c:ident, $load:ident, $store:ident| $body:block) => {
        let mut $c = 0;
        while $c < $whole {
            macro_rules! $load {
                ($at:expr) => {
                    $s.load($at)
                };
            }
            #[allow(unused_macros, reason = "a sum stores nothing")]
            macro_rules! $store {
                ($at:expr, $v:expr) => {
                    $s.store($at, $v)
                };
            }
            $body
            $c += S::LANES;
        }
        if $rest > 0 {
            macro_rules! $load {
                ($at:expr) => {
                    $s.load_partial($at, $rest)
                };
            }
            #[allow(unused_macros, reason = "a sum stores nothing")]
            macro_rules! $store {
                ($at:expr, $v:expr) => {
                    $s.store_partial($at, $v, $rest)
                };
            }
            $body
        }
    };
}

/// What is done with pixels of which each has its own result.
trait Work {
    /// Handles `R` pixels together. Must be `#[inline(always)]`.
    ///
    /// # Safety
    ///
    /// The `R` pixels from `pixel` on lie inside the arrays, and no other thread writes them or what the work adds up.
    unsafe fn pixels<S: Simd, const R: usize>(&self, s: S, pixel: usize);
}

/// Work on the pixels of one part.
struct InTurn<W> {
    work: W,
    first: usize,
    /// Behind the last.
    last: usize,
}

impl<W: Work> Kernel for InTurn<W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut pixel = self.first;
        while pixel + TOGETHER <= self.last {
            // SAFETY: these pixels lie inside the part, whose place in the arrays is its own, as are its sums.
            unsafe { self.work.pixels::<S, TOGETHER>(s, pixel) };
            pixel += TOGETHER;
        }
        while pixel < self.last {
            // SAFETY: as above.
            unsafe { self.work.pixels::<S, 1>(s, pixel) };
            pixel += 1;
        }
    }
}

struct Forward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
    found: Option<Shared<f32>>,
    out: Shared<f32>,
}

impl Work for Forward<'_> {
    #[inline(always)]
    unsafe fn pixels<S: Simd, const R: usize>(&self, s: S, pixel: usize) {
        let channels = self.gamma.len();
        let whole = channels - channels % S::LANES;
        let rest = channels - whole;
        let start = pixel * channels;
        // SAFETY: all places lie inside pixels that the caller names, or below the number of channels.
        unsafe {
            let x = self.x.as_ptr().add(start);
            let out = self.out.get().add(start);
            let mut sums = [s.zero(); R];
            channels_of!(s, whole, rest, |c, load, store| {
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum = s.add(*sum, load!(x.add(r * channels + c)));
                }
            });
            // In memory, so that behind the last channel 0 is read on both sides of a difference.
            let mut means = [[0.0f32; WIDEST]; R];
            for r in 0..R {
                means[r] = [s.sum(sums[r]) / channels as f32; WIDEST];
            }
            let mut squares = [s.zero(); R];
            channels_of!(s, whole, rest, |c, load, store| {
                for r in 0..R {
                    let mean = load!(means[r].as_ptr());
                    let apart = s.sub(load!(x.add(r * channels + c)), mean);
                    squares[r] = s.mul_add(apart, apart, squares[r]);
                }
            });
            let mut inverses = [0.0f32; R];
            for r in 0..R {
                let variance = s.sum(squares[r]) / channels as f32;
                inverses[r] = 1.0 / (variance + self.epsilon).sqrt();
                if let Some(found) = self.found {
                    *found.get().add(2 * (pixel + r)) = means[r][0];
                    *found.get().add(2 * (pixel + r) + 1) = inverses[r];
                }
            }
            channels_of!(s, whole, rest, |c, load, store| {
                let gamma = load!(self.gamma.as_ptr().add(c));
                let beta = load!(self.beta.as_ptr().add(c));
                for r in 0..R {
                    let apart = s.sub(load!(x.add(r * channels + c)), s.splat(means[r][0]));
                    let normal = s.mul(apart, s.splat(inverses[r]));
                    store!(out.add(r * channels + c), s.mul_add(normal, gamma, beta));
                }
            });
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    found: &'a [f32],
    gradient: &'a [f32],
    dx: Shared<f32>,
    /// Of gamma, then of beta.
    sums: Shared<f32>,
}

impl Work for Backward<'_> {
    #[inline(always)]
    unsafe fn pixels<S: Simd, const R: usize>(&self, s: S, pixel: usize) {
        let channels = self.gamma.len();
        let whole = channels - channels % S::LANES;
        let rest = channels - whole;
        let start = pixel * channels;
        let found = &self.found[2 * pixel..2 * (pixel + R)];
        // SAFETY: all places lie inside pixels that the caller names, or below the number of channels.
        unsafe {
            let x = self.x.as_ptr().add(start);
            let gradient = self.gradient.as_ptr().add(start);
            let dx = self.dx.get().add(start);
            let (gammas, of_gamma) = (self.gamma.as_ptr(), self.sums.get());
            let of_beta = of_gamma.add(channels);
            // Over a pixel's channels: of the gradient in front of the scale, and of its product with the normalised numbers.
            let (mut plain, mut along) = ([s.zero(); R], [s.zero(); R]);
            channels_of!(s, whole, rest, |c, load, store| {
                let gamma = load!(gammas.add(c));
                let mut d_gamma = load!(of_gamma.add(c));
                let mut d_beta = load!(of_beta.add(c));
                for r in 0..R {
                    let g = load!(gradient.add(r * channels + c));
                    let apart = s.sub(load!(x.add(r * channels + c)), s.splat(found[2 * r]));
                    let normal = s.mul(apart, s.splat(found[2 * r + 1]));
                    d_gamma = s.mul_add(g, normal, d_gamma);
                    d_beta = s.add(d_beta, g);
                    let g = s.mul(g, gamma);
                    plain[r] = s.add(plain[r], g);
                    along[r] = s.mul_add(g, normal, along[r]);
                }
                store!(of_gamma.add(c), d_gamma);
                store!(of_beta.add(c), d_beta);
            });
            let (mut shift, mut slope) = ([0.0f32; R], [0.0f32; R]);
            for r in 0..R {
                shift[r] = s.sum(plain[r]) / channels as f32;
                slope[r] = s.sum(along[r]) / channels as f32;
            }
            channels_of!(s, whole, rest, |c, load, store| {
                let gamma = load!(gammas.add(c));
                for r in 0..R {
                    let g = s.mul(load!(gradient.add(r * channels + c)), gamma);
                    let inverse = s.splat(found[2 * r + 1]);
                    let apart = s.sub(load!(x.add(r * channels + c)), s.splat(found[2 * r]));
                    let normal = s.mul(apart, inverse);
                    let g = s.sub(
                        s.sub(g, s.splat(shift[r])),
                        s.mul(normal, s.splat(slope[r])),
                    );
                    store!(dx.add(r * channels + c), s.mul(g, inverse));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, at_each_level, differences, numbers, wide, with_threads};

    const EPSILON: f32 = 1e-3;

    fn defined(x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
        let channels = gamma.len();
        let mut out = Vec::with_capacity(x.len());
        for pixel in x.chunks_exact(channels) {
            let mean = pixel.iter().sum::<f64>() / channels as f64;
            let variance = pixel.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / channels as f64;
            let inverse = 1.0 / (variance + f64::from(EPSILON)).sqrt();
            let each = pixel.iter().zip(gamma).zip(beta);
            out.extend(each.map(|((x, gamma), beta)| (x - mean) * inverse * gamma + beta));
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn normalised_pixels_are_those_of_the_definition(
            pixels in 0usize..40, channels in 1usize..90, seed in 0u64..1 << 40
        ) {
            let x = numbers(pixels * channels, seed);
            let (gamma, beta) = (numbers(channels, seed + 1), numbers(channels, seed + 2));
            let expected = defined(&wide(&x), &wide(&gamma), &wide(&beta));
            at_each_level(|| {
                let mut out = vec![f32::NAN; x.len()];
                layer_norm(&x, &gamma, &beta, EPSILON, None, &mut out);
                assert_close(&out, &expected, "layer norm");
            });
        }
    }

    #[test]
    fn a_large_mean_takes_nothing_from_the_variance() {
        let x: Vec<f32> = numbers(3 * 37, 5).iter().map(|x| x + 1000.0).collect();
        let (gamma, beta) = (vec![1.0; 37], vec![0.0; 37]);
        let expected = defined(&wide(&x), &wide(&gamma), &wide(&beta));
        at_each_level(|| {
            let mut out = vec![f32::NAN; x.len()];
            layer_norm(&x, &gamma, &beta, EPSILON, None, &mut out);
            for (out, expected) in out.iter().zip(&expected) {
                assert!(
                    (f64::from(*out) - expected).abs() < 1e-3,
                    "{out} {expected}"
                );
            }
        });
    }

    fn both(x: &[f32], gamma: &[f32], beta: &[f32], gradient: &[f32]) -> [Vec<f32>; 3] {
        let mut found = vec![f32::NAN; 2 * x.len() / gamma.len()];
        let (mut out, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        layer_norm(x, gamma, beta, EPSILON, Some(&mut found), &mut out);
        let [d_gamma, d_beta] = layer_norm_backward(x, gamma, &found, gradient, &mut dx);
        [dx, d_gamma, d_beta]
    }

    #[test]
    fn gradients_match_finite_differences() {
        for (pixels, channels) in [(6, 19), (5, 1), (1, 32)] {
            let (x, gradient) = (numbers(pixels * channels, 1), numbers(pixels * channels, 2));
            let (gamma, beta) = (numbers(channels, 3), numbers(channels, 4));
            let loss = |x: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
                let out = defined(x, gamma, beta);
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
                let [dx, d_gamma, d_beta] = both(&x, &gamma, &beta, &gradient);
                assert_close(&dx, &of_x, "gradient of the input");
                assert_close(&d_gamma, &of_gamma, "gradient of gamma");
                assert_close(&d_beta, &of_beta, "gradient of beta");
            });
        }
    }

    #[test]
    fn results_are_the_same_bytes_with_any_number_of_threads() {
        let (x, gradient) = (numbers(9000 * 24, 1), numbers(9000 * 24, 2));
        let (gamma, beta) = (numbers(24, 3), numbers(24, 4));
        let run = || both(&x, &gamma, &beta, &gradient);
        assert_eq!(with_threads(1, run), with_threads(4, run));
    }
}
