//! What the tests of the passes share: numbers, definitions in double precision, and comparisons.

use crate::Activation;
use crate::simd::{Level, with_level};

pub(crate) const ACTIVATIONS: [Activation; 7] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Relu6,
    Activation::Silu,
    Activation::HardSwish,
    Activation::HardSigmoid,
    Activation::Gelu,
];

/// `len` numbers between -3 and 3, the same for a seed.
pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 * 6.0 - 3.0
    };
    (0..len).map(|_| next()).collect()
}

/// Runs `test` at every level of this processor.
pub(crate) fn at_each_level(test: impl Fn()) {
    for &level in Level::available() {
        with_level(level, &test);
    }
}

/// `work` in a pool of its own.
pub(crate) fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool of threads");
    pool.install(work)
}

/// Fails unless each number lies within 1e-4 of the expected one, relative to the larger of it and one.
#[track_caller]
pub(crate) fn assert_close(actual: &[f32], expected: &[f64], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(a) - e).abs();
        assert!(
            error <= 1e-4 * e.abs().max(1.0),
            "{what}: number {i} is {a}, expected {e}"
        );
    }
}

/// The derivative of `f` by `x[i]`, for all `i`, by central differences.
pub(crate) fn differences(x: &[f32], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut x: Vec<f64> = wide(x);
    (0..x.len())
        .map(|i| {
            let (step, middle) = (1e-6, x[i]);
            x[i] = middle + step;
            let above = f(&x);
            x[i] = middle - step;
            let below = f(&x);
            x[i] = middle;
            (above - below) / (2.0 * step)
        })
        .collect()
}

pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

/// The error function: its series near zero, the continued fraction of its complement beyond.
fn erf(x: f64) -> f64 {
    if x.abs() < 2.5 {
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    let size = x.abs();
    let fraction = (1..60)
        .rev()
        .fold(size, |below, n| size + f64::from(n) / 2.0 / below);
    let complement = (-size * size).exp() / fraction / std::f64::consts::PI.sqrt();
    (1.0 - complement).copysign(x)
}

/// The definition of an activation.
pub(crate) fn value(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::HardSigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
    }
}

/// The derivative of an activation, by central differences of its definition.
pub(crate) fn slope(activation: Activation, x: f64) -> f64 {
    (value(activation, x + 1e-6) - value(activation, x - 1e-6)) / 2e-6
}

/// Whether the derivative has no jump near `x`, so that single and double precision see the same side.
pub(crate) fn smooth(activation: Activation, x: f64) -> bool {
    let jumps: &[f64] = match activation {
        Activation::Relu => &[0.0],
        Activation::Relu6 => &[0.0, 6.0],
        Activation::HardSwish | Activation::HardSigmoid => &[-3.0, 3.0],
        _ => &[],
    };
    jumps.iter().all(|jump| (x - jump).abs() > 1e-4)
}
