//! Two-dimensional convolution, forward and backward, over channels-last images.
//!
//! This module chooses the kernel; each file below owns one way to compute.

mod algorithm;
mod copies;
mod dense;
mod depthwise;
mod epilogue;
mod expansion;
mod gather;
mod matrix;
mod multiply;
mod panels;
mod pixel_gradient;
mod pointwise;
mod prepared;
mod product;
mod reference;
mod stem;
#[cfg(test)]
mod tests;
mod weight_gradient;
mod winograd;

pub use epilogue::Epilogue;
pub use pixel_gradient::PixelGradient;
pub use prepared::PreparedConv;
pub use reference::{reference_backward_input, reference_backward_weight, reference_forward};

use crate::elementwise::add_to;
use crate::norm::{Deferred, Reading};
use crate::{ConvShape, Moments, moments};
use algorithm::{Algorithm, BOTH, OF_WEIGHT, timed};
use depthwise::Source;
use epilogue::check;

/// `out = activation(convolution(x, weight) + bias + residual)`.
///
/// `x` is `[batch, height, width, channels_in]`, `weight` `[channels_out, channels_in / groups, kernel height, kernel width]` and `out`
/// `[batch, out_height, out_width, channels_out]`, all dense.
///
/// # Panics
///
/// When a slice has another length than `shape` says, or the epilogue accumulates beside a residual or in a depthwise convolution.
pub fn conv_forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    check(shape, x, weight.len(), &epilogue, out);
    timed(shape, "forward", || match Algorithm::of(shape) {
        Algorithm::Depthwise => depthwise::forward(shape, x, weight, epilogue, out),
        Algorithm::Winograd => winograd::forward(shape, x, weight, epilogue, out),
        Algorithm::Stem => stem::forward(shape, x, weight, epilogue, out),
        Algorithm::Matrix => matrix::forward(shape, x, weight, epilogue, out),
        Algorithm::Dense => dense::forward(shape, x, weight, epilogue, out),
    });
}

/// The convolution alone, `out = convolution(x, weight)`, with the [moments] of each channel of the result: what a batch
/// normalisation behind it needs. They are taken while the results are in the caches.
///
/// # Panics
///
/// When a slice has another length than `shape` says, or the output is empty.
pub fn conv_forward_moments(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    out: &mut [f32],
) -> Moments {
    check(shape, x, weight.len(), &Epilogue::default(), out);
    assert!(!out.is_empty(), "moments of nothing");
    match Algorithm::of(shape) {
        Algorithm::Depthwise => timed(shape, "forward", || {
            depthwise::forward_moments(shape, Source::Stored(x), weight, out)
        }),
        Algorithm::Stem => timed(shape, "forward", || {
            stem::forward_moments(shape, x, weight, out)
        }),
        Algorithm::Dense => timed(shape, "forward", || {
            dense::forward_moments(shape, x, weight, out)
        }),
        Algorithm::Winograd | Algorithm::Matrix => {
            conv_forward(shape, x, weight, Epilogue::default(), out);
            moments(out, shape.channels_out)
        }
    }
}

/// Whether the convolution can read a map whose normalisation was left to it, and is faster for it
/// ([`conv_forward_moments_deferred`], [`conv_backward_deferred`]).
pub fn reads_deferred(shape: &ConvShape) -> bool {
    shape.is_depthwise() && depthwise::takes_images(shape)
}

/// As [`conv_forward_moments`] of a map whose normalisation is done here, row by row. For depthwise convolutions;
/// [`reads_deferred`] says where it is the faster way.
///
/// # Panics
///
/// When a slice has another length than `shape` says, the output is empty, or the convolution is not depthwise.
pub fn conv_forward_moments_deferred(
    shape: &ConvShape,
    x: &Deferred<'_>,
    weight: &[f32],
    out: &mut [f32],
) -> Moments {
    check(shape, x.y, weight.len(), &Epilogue::default(), out);
    assert!(shape.is_depthwise(), "{shape:?} of a deferred map");
    assert!(!out.is_empty(), "moments of nothing");
    let reading = Reading::new(x);
    timed(shape, "forward", || {
        depthwise::forward_moments(shape, Source::Deferred(&reading), weight, out)
    })
}

/// As [`conv_backward_from_parts`] behind [`conv_forward_moments_deferred`]: `dx` receives the gradient in front of the deferred
/// map's activation, and the gradients of the map's beta and gamma are returned, in this order, if `dx` is given.
///
/// # Panics
///
/// When a slice has another length than `shape` says, or the convolution is not depthwise.
pub fn conv_backward_deferred(
    shape: &ConvShape,
    x: &Deferred<'_>,
    weight: &[f32],
    gradient: &dyn PixelGradient,
    dw: &mut [f32],
    dx: Option<&mut [f32]>,
) -> Option<(Vec<f32>, Vec<f32>)> {
    shape.check();
    assert!(shape.is_depthwise(), "{shape:?} of a deferred map");
    assert_eq!(x.y.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weight of {shape:?}");
    assert_eq!(dw.len(), shape.weight_len(), "weight of {shape:?}");
    if let Some(dx) = &dx {
        assert_eq!(
            dx.len(),
            shape.input_len(),
            "gradient of the input of {shape:?}"
        );
    }
    let reading = Reading::new(x);
    timed(shape, BOTH, || {
        depthwise::backward(shape, Source::Deferred(&reading), weight, gradient, dw, dx)
    })
}

/// The gradient with respect to the input: `dx` of the shape of `x` from `dy` of the shape of the output.
///
/// # Panics
///
/// When a slice has another length than `shape` says.
pub fn conv_backward_input(shape: &ConvShape, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    conv_backward_input_adding(shape, dy, weight, None, dx);
}

/// The same with a gradient of the input from elsewhere, of the shape of `x`, that is added while `dx` is written.
///
/// # Panics
///
/// When a slice has another length than `shape` says.
pub fn conv_backward_input_adding(
    shape: &ConvShape,
    dy: &[f32],
    weight: &[f32],
    other: Option<&[f32]>,
    dx: &mut [f32],
) {
    check(shape, dx, weight.len(), &Epilogue::default(), dy);
    if let Some(other) = other {
        assert_eq!(
            other.len(),
            dx.len(),
            "another gradient of the input of {shape:?}"
        );
    }
    let adding = Epilogue {
        residual: other,
        ..Epilogue::default()
    };
    timed(shape, "backward input", || match Algorithm::of(shape) {
        Algorithm::Depthwise => {
            depthwise::backward_input(shape, dy, weight, dx);
            if let Some(other) = other {
                add_to(other, dx);
            }
        }
        Algorithm::Winograd => winograd::backward_input(shape, dy, weight, adding, dx),
        Algorithm::Matrix => matrix::backward_input(shape, dy, weight, adding, dx),
        Algorithm::Stem | Algorithm::Dense => dense::backward_input(shape, dy, weight, adding, dx),
    });
}

/// The gradient with respect to the weight, in the weight's order.
///
/// # Panics
///
/// When a slice has another length than `shape` says.
pub fn conv_backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    check(shape, x, dw.len(), &Epilogue::default(), dy);
    timed(shape, OF_WEIGHT, || {
        match Algorithm::of_weight_gradient(shape) {
            Algorithm::Depthwise => depthwise::backward_weight(shape, x, dy, dw),
            Algorithm::Winograd => winograd::backward_weight(shape, x, dy, dw),
            Algorithm::Matrix => matrix::backward_weight(shape, x, dy, dw),
            Algorithm::Stem | Algorithm::Dense => {
                weight_gradient::backward_weight(shape, x, dy, dw)
            }
        }
    });
}

/// Whether the backward pass is better given the gradient of the result in parts
/// ([`conv_backward_from_parts`]): it is large, and what meets each of its numbers lies close together.
pub fn takes_gradient_in_parts(shape: &ConvShape) -> bool {
    match Algorithm::of(shape) {
        Algorithm::Depthwise => depthwise::takes_images(shape),
        Algorithm::Dense => pointwise::wins(shape),
        Algorithm::Winograd | Algorithm::Stem | Algorithm::Matrix => false,
    }
}

/// The gradients of the weight and of the input, if wanted, from a gradient of the result that is never stored; `other` is added to that
/// of the input. For depthwise convolutions and 1x1 ones of stride 1; [`takes_gradient_in_parts`] says where it is the faster way.
///
/// # Panics
///
/// When a slice has another length than `shape` says, or the convolution is none of those.
pub fn conv_backward_from_parts(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    gradient: &dyn PixelGradient,
    other: Option<&[f32]>,
    dw: &mut [f32],
    dx: Option<&mut [f32]>,
) {
    shape.check();
    let depthwise = shape.is_depthwise();
    assert!(depthwise || pointwise::applies(shape), "{shape:?} by parts");
    assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weight of {shape:?}");
    assert_eq!(dw.len(), shape.weight_len(), "weight of {shape:?}");
    for of_input in [other, dx.as_deref()].into_iter().flatten() {
        assert_eq!(
            of_input.len(),
            shape.input_len(),
            "gradient of the input of {shape:?}"
        );
    }
    timed(shape, BOTH, || {
        if !depthwise {
            return pointwise::backward(shape, x, weight, gradient, other, dw, dx);
        }
        let mut dx = dx;
        depthwise::backward(
            shape,
            Source::Stored(x),
            weight,
            gradient,
            dw,
            dx.as_deref_mut(),
        );
        if let Some((other, dx)) = other.zip(dx) {
            add_to(other, dx);
        }
    });
}

/// Whether many images of this size are convolved in tiles, by Winograd's algorithm.
pub(crate) fn uses_tiles(shape: &ConvShape) -> bool {
    winograd::wins(&ConvShape {
        batch: shape.batch.max(1 << 10),
        ..*shape
    })
}
