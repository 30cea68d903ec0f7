//! Which way of computing is the fastest for a shape, and the name that its time is reported under.

use super::{matrix, panels, stem, winograd};
use crate::{ConvShape, Precision, profile};

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Depthwise,
    /// A kernel as large as the image.
    Matrix,
    Winograd,
    /// The forward pass of few channels; the backward one is that of dense ones.
    Stem,
    Dense,
}

impl Algorithm {
    /// The fastest one for this shape.
    pub(super) fn of(shape: &ConvShape) -> Self {
        if shape.is_depthwise() {
            Self::Depthwise
        } else if matrix::wins(shape) {
            Self::Matrix
        } else if winograd::wins(shape) {
            Self::Winograd
        } else if stem::applies(shape) {
            Self::Stem
        } else {
            Self::Dense
        }
    }

    /// The same for the gradient of the weight.
    pub(super) fn of_weight_gradient(shape: &ConvShape) -> Self {
        match Self::of(shape) {
            Self::Winograd
                if panels::weight_gradient_precision(shape) == Precision::Bf16
                    && shape.channels_in * shape.channels_out >= BF16_TAP =>
            {
                Self::Dense
            }
            other => other,
        }
    }
}

/// Numbers of a 3x3 kernel's tap from which `bf16` is faster than Winograd's algorithm for the gradient of the weight (measured): the sums
/// of its many frequencies are then too large for the caches.
const BF16_TAP: usize = 1 << 16;

/// The pass that computes the gradients of the weight and of the input.
pub(super) const BOTH: &str = "backward both";

/// That of the weight alone.
pub(super) const OF_WEIGHT: &str = "backward weight";

pub(super) fn timed<R>(shape: &ConvShape, pass: &str, work: impl FnOnce() -> R) -> R {
    let passes = if pass == BOTH { 2.0 } else { 1.0 };
    let name = || {
        let algorithm = match pass {
            OF_WEIGHT => Algorithm::of_weight_gradient(shape),
            _ => Algorithm::of(shape),
        };
        format!("conv {pass} {algorithm:?} {}", sizes(shape))
    };
    profile::timed(name, passes * flop(shape), work)
}

/// As [`timed`], for an expansion and the depthwise convolution behind it.
pub(super) fn timed_pair<R>(shape: &ConvShape, next: &ConvShape, work: impl FnOnce() -> R) -> R {
    let name = || {
        format!(
            "conv inference Expansion {} + {}",
            sizes(shape),
            sizes(next)
        )
    };
    profile::timed(name, flop(shape) + flop(next), work)
}

fn sizes(shape: &ConvShape) -> String {
    let [kernel_height, kernel_width] = shape.kernel;
    format!(
        "{}x{} {}->{} k{kernel_height}x{kernel_width} s{} g{}",
        shape.height,
        shape.width,
        shape.channels_in,
        shape.channels_out,
        shape.stride[0],
        shape.groups,
    )
}

/// Floating-point operations of one pass, by the definition.
fn flop(shape: &ConvShape) -> f64 {
    2.0 * shape.output_len() as f64 * (shape.weight_len() / shape.channels_out) as f64
}
