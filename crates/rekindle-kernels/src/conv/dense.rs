//! Dense and grouped convolution as one matrix product over the whole batch, its left factor read from the images in place
//! (implicit GEMM; the indirection is that of Dukhan 2019, "The Indirect Convolution Algorithm").
//!
//! `gather` says where the left factor lies, `panels` packs the right one, `multiply` owns the product.

use super::epilogue::Epilogue;
use super::gather::Gather;
use super::multiply::{ColumnMoments, multiply, multiply_measuring};
use super::panels::Panels;
use crate::ConvShape;
use crate::norm::Moments;
use crate::simd::Level;

/// `out = activation(convolution + bias + residual)`.
pub(super) fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let level = Level::current();
    let panels: Vec<_> = (0..shape.groups)
        .map(|group| Panels::forward(level, shape, group, weight))
        .collect();
    forward_with(shape, x, &panels, epilogue, out);
}

/// The convolution alone, and its moments per channel.
pub(super) fn forward_moments(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    out: &mut [f32],
) -> Moments {
    let level = Level::current();
    let mut all = Moments {
        mean: Vec::new(),
        variance: Vec::new(),
    };
    for group in 0..shape.groups {
        let panels = Panels::forward(level, shape, group, weight);
        let mut moments = ColumnMoments::default();
        let gather = Gather::forward(shape, group);
        multiply_measuring(&gather, x, &panels, out, &mut moments);
        let Moments { mean, variance } = moments.combined(panels.columns, level.tile().1);
        all.mean.extend(mean);
        all.variance.extend(variance);
    }
    all
}

/// The same with each group's panels.
pub(super) fn forward_with(
    shape: &ConvShape,
    x: &[f32],
    panels: &[Panels],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    for (group, panels) in panels.iter().enumerate() {
        multiply(&Gather::forward(shape, group), x, panels, epilogue, out);
    }
}

/// The gradient of the input, to which the epilogue is applied.
pub(super) fn backward_input(
    shape: &ConvShape,
    dy: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    dx: &mut [f32],
) {
    let level = Level::current();
    for group in 0..shape.groups {
        for gather in Gather::backward(shape, group) {
            let panels = Panels::backward(level, shape, group, weight, &gather);
            multiply(&gather, dy, &panels, epilogue, dx);
        }
    }
}
