//! What is done to a convolution's result before it is stored, and whether all of its arrays fit.

use crate::{Activation, ConvShape};

/// What happens to a convolution's result before it is stored: `activation(result + bias + residual)`, the residual a map or what is
/// there already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added per channel, `[channels_out]`.
    pub bias: Option<&'a [f32]>,
    /// Added per element, of the output's shape.
    pub residual: Option<&'a [f32]>,
    /// Whether what the output's place holds is added, in place of a residual: one that nothing reads any more need not leave the caches.
    /// Not for depthwise convolutions.
    pub accumulate: bool,
    /// Applied last.
    pub activation: Activation,
}

/// # Panics
///
/// When a slice has another length than `shape` says, or the epilogue accumulates beside a residual or in a depthwise convolution.
pub(super) fn check(
    shape: &ConvShape,
    x: &[f32],
    weight: usize,
    epilogue: &Epilogue<'_>,
    out: &[f32],
) {
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
    if epilogue.accumulate {
        assert!(!shape.is_depthwise(), "{shape:?} does not accumulate");
        assert!(epilogue.residual.is_none(), "a residual of {shape:?}");
    }
}
