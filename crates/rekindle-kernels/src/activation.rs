//! Elementwise activations on registers, and their derivatives.

use crate::simd::Simd;

/// An elementwise activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// `max(0, x)`.
    Relu,
    /// `min(max(0, x), 6)` (Howard et al. 2017, MobileNets).
    Relu6,
    /// `min(max(0, x + 3), 6) / 6`, a sigmoid of three straight lines (Howard et al. 2019, MobileNetV3; PyTorch's `Hardsigmoid`).
    HardSigmoid,
    /// `x min(max(0, x + 3), 6) / 6`, SiLU with a hard sigmoid (Howard et al. 2019, MobileNetV3; PyTorch's `Hardswish`).
    HardSwish,
    /// `1 / (1 + exp(-x))`, the gate of squeeze-and-excitation (Hu et al. 2018).
    Sigmoid,
    /// `x / (1 + exp(-x))`, also called swish (Elfwing et al. 2018; Ramachandran et al. 2017; PyTorch's `SiLU`).
    Silu,
    /// `x (1 + erf(x / sqrt(2))) / 2`, without the approximation by tanh (Hendrycks & Gimpel 2016; PyTorch's `GELU`).
    Gelu,
}

impl Activation {
    /// Whether the derivative follows from the output alone, so that the input need not be kept.
    pub fn derivative_from_output(self) -> bool {
        matches!(self, Self::Identity | Self::Relu | Self::Relu6)
    }

    /// The function on one number, for the tails and tests.
    pub fn apply(self, x: f32) -> f32 {
        // SAFETY: one number is read and one written, both from the local.
        unsafe {
            let simd = crate::simd::Portable;
            let v = self.vector(simd, simd.load_partial(&raw const x, 1));
            let mut y = 0.0;
            simd.store_partial(&raw mut y, v, 1);
            y
        }
    }

    /// The function on a register.
    #[inline(always)]
    pub(crate) fn vector<S: Simd>(self, s: S, x: S::V) -> S::V {
        match self {
            Self::Identity => x,
            // A value that is not a number stays one: the second operand comes back.
            Self::Relu => s.max(s.zero(), x),
            Self::Relu6 => s.min(s.splat(6.0), s.max(s.zero(), x)),
            Self::Sigmoid => sigmoid(s, x),
            Self::Silu => s.mul(x, sigmoid(s, x)),
            Self::HardSwish => s.mul(x, hard_sigmoid(s, x)),
            Self::HardSigmoid => hard_sigmoid(s, x),
            Self::Gelu => {
                let half = s.mul(s.splat(0.5), x);
                s.mul_add(
                    half,
                    erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2))),
                    half,
                )
            }
        }
    }

    /// `gradient` times the derivative at the input `x`.
    #[inline(always)]
    pub(crate) fn backward<S: Simd>(self, s: S, x: S::V, gradient: S::V) -> S::V {
        let (zero, one) = (s.zero(), s.splat(1.0));
        match self {
            Self::Identity => gradient,
            Self::Relu => s.select_gt(x, zero, gradient, zero),
            Self::Relu6 => {
                let inside = s.select_gt(s.splat(6.0), x, gradient, zero);
                s.select_gt(x, zero, inside, zero)
            }
            Self::Sigmoid => {
                let sigma = sigmoid(s, x);
                s.mul(gradient, s.mul(sigma, s.sub(one, sigma)))
            }
            Self::Silu => {
                let sigma = sigmoid(s, x);
                let slope = s.mul_add(s.mul(x, sigma), s.sub(one, sigma), sigma);
                s.mul(gradient, slope)
            }
            Self::HardSwish => {
                let slope = s.mul_add(x, s.splat(1.0 / 3.0), s.splat(0.5));
                let slope = s.select_gt(x, s.splat(-3.0), slope, zero);
                s.mul(gradient, s.select_gt(s.splat(3.0), x, slope, one))
            }
            Self::HardSigmoid => {
                let slope = s.mul(gradient, s.splat(1.0 / 6.0));
                let inside = s.select_gt(s.splat(3.0), x, slope, zero);
                s.select_gt(x, s.splat(-3.0), inside, zero)
            }
            Self::Gelu => {
                let phi = s.mul_add(
                    s.splat(0.5),
                    erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2))),
                    s.splat(0.5),
                );
                let density = s.mul(
                    s.splat(0.398_942_3),
                    exp(s, s.mul(s.splat(-0.5), s.mul(x, x))),
                );
                s.mul(gradient, s.mul_add(x, density, phi))
            }
        }
    }
}

#[inline(always)]
fn hard_sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.add(x, s.splat(3.0));
    s.mul(s.min(s.splat(6.0), s.max(s.zero(), x)), s.splat(1.0 / 6.0))
}

/// `e^x` within two units in the last place, for any `x`; 0 and infinity are saturated at `e^-87` and `e^87`.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.max(s.splat(-87.0), s.min(s.splat(87.0), x));
    let (whole, power) = s.round_and_exp2(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // Cody and Waite's two-part ln 2, then Taylor's polynomial on [-ln 2 / 2, ln 2 / 2].
    let r = s.mul_add(whole, s.splat(-0.693_359_4), x);
    let r = s.mul_add(whole, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.0 / 5040.0);
    for c in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = s.mul_add(p, r, s.splat(c));
    }
    s.mul(p, power)
}

#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.zero(), x))))
}

/// The error function within 1.5e-7 (Abramowitz & Stegun 7.1.26).
#[inline(always)]
fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    let negative = s.sub(s.zero(), x);
    let size = s.max(x, negative);
    let t = s.div(one, s.mul_add(s.splat(0.327_591_1), size, one));
    let mut p = s.splat(1.061_405_4);
    for c in [-1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        p = s.mul_add(p, t, s.splat(c));
    }
    let tail = s.mul(s.mul(p, t), exp(s, s.mul(size, s.sub(s.zero(), size))));
    let positive = s.sub(one, tail);
    s.select_gt(x, s.zero(), positive, s.sub(s.zero(), positive))
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f32; 8] = [-4.0, -3.0, -1.5, -0.5, 0.0, 0.5, 1.5, 7.0];

    /// What `torch.nn.functional` gives for [`X`] in float64, PyTorch 2.15.0.
    const EXPECTED: [(Activation, [f32; 8]); 8] = [
        (Activation::Identity, X),
        (Activation::Relu, [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.5, 7.0]),
        (Activation::Relu6, [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.5, 6.0]),
        (
            Activation::HardSigmoid,
            [0.0, 0.0, 0.25, 0.4166667, 0.5, 0.5833333, 0.75, 1.0],
        ),
        (
            Activation::HardSwish,
            [0.0, 0.0, -0.375, -0.2083333, 0.0, 0.2916667, 1.125, 7.0],
        ),
        (
            Activation::Sigmoid,
            [
                0.0179862, 0.0474259, 0.1824255, 0.3775407, 0.5, 0.6224593, 0.8175745, 0.999089,
            ],
        ),
        (
            Activation::Silu,
            [
                -0.0719448, -0.1422776, -0.2736383, -0.1887703, 0.0, 0.3112297, 1.2263617, 6.993623,
            ],
        ),
        (
            Activation::Gelu,
            [
                -0.0001267, -0.0040497, -0.1002108, -0.1542688, 0.0, 0.3457312, 1.3997892, 7.0,
            ],
        ),
    ];

    #[test]
    fn every_function_gives_pytorchs_values() {
        for (function, expected) in EXPECTED {
            for (x, expected) in X.into_iter().zip(expected) {
                let got = function.apply(x);
                assert!(
                    (got - expected).abs() < 1e-6,
                    "{function:?}({x}) = {got}, not {expected}"
                );
            }
        }
    }
}
