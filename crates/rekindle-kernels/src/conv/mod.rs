//! Two-dimensional convolution, forward and backward, over channels-last images.
//!
//! This module chooses the kernel; each file below owns one way to compute.

mod dense;
mod depthwise;
mod gather;
mod prepared;
mod product;
mod reference;
#[cfg(test)]
mod tests;
mod weight_gradient;
mod winograd;

pub use prepared::PreparedConv;
pub use reference::{reference_backward_input, reference_backward_weight, reference_forward};

use crate::{Activation, ConvShape};

/// What happens to a convolution's result before it is stored: `activation(result + bias + residual)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added per channel, `[channels_out]`.
    pub bias: Option<&'a [f32]>,
    /// Added per element, of the output's shape.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

/// `out = activation(convolution(x, weight) + bias + residual)`.
///
/// `x` is `[batch, height, width, channels_in]`, `weight` `[channels_out, channels_in / groups, kernel height, kernel width]` and `out`
/// `[batch, out_height, out_width, channels_out]`, all dense.
///
/// # Panics
///
/// When a slice has another length than `shape` says.
pub fn conv_forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    check(shape, x, weight.len(), &epilogue, out);
    if shape.is_depthwise() {
        return depthwise::forward(shape, x, weight, epilogue, out);
    }
    if winograd::wins(shape) {
        return winograd::forward(shape, x, weight, epilogue, out);
    }
    dense::forward(shape, x, weight, epilogue, out);
}

/// The gradient with respect to the input: `dx` of the shape of `x` from `dy` of the shape of the output.
///
/// # Panics
///
/// When a slice has another length than `shape` says.
pub fn conv_backward_input(shape: &ConvShape, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    check(shape, dx, weight.len(), &Epilogue::default(), dy);
    if shape.is_depthwise() {
        return depthwise::backward_input(shape, dy, weight, dx);
    }
    if winograd::wins(shape) {
        return winograd::backward_input(shape, dy, weight, dx);
    }
    dense::backward_input(shape, dy, weight, dx);
}

/// The gradient with respect to the weight, in the weight's order.
///
/// # Panics
///
/// When a slice has another length than `shape` says.
pub fn conv_backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    check(shape, x, dw.len(), &Epilogue::default(), dy);
    if shape.is_depthwise() {
        return depthwise::backward_weight(shape, x, dy, dw);
    }
    if winograd::wins(shape) {
        return winograd::backward_weight(shape, x, dy, dw);
    }
    weight_gradient::backward_weight(shape, x, dy, dw);
}

/// Whether many images of this size are convolved in tiles, by Winograd's algorithm.
pub(crate) fn uses_tiles(shape: &ConvShape) -> bool {
    winograd::wins(&ConvShape {
        batch: shape.batch.max(1 << 10),
        ..*shape
    })
}

fn check(shape: &ConvShape, x: &[f32], weight: usize, epilogue: &Epilogue<'_>, out: &[f32]) {
    shape.check();
    assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(weight, shape.weight_len(), "weight of {shape:?}");
    assert_eq!(out.len(), shape.output_len(), "output of {shape:?}");
    if let Some(bias) = epilogue.bias {
        assert_eq!(bias.len(), shape.channels_out, "bias of {shape:?}");
    }
    if let Some(residual) = epilogue.residual {
        assert_eq!(residual.len(), shape.output_len(), "residual of {shape:?}");
    }
}
