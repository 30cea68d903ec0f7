//! Dense and grouped convolution as one matrix product over the whole batch, its left factor read from the images in place
//! (implicit GEMM; the indirection is that of Dukhan 2019, "The Indirect Convolution Algorithm").
//!
//! `gather` says where the left factor lies, `panels` packs the right one, `multiply` owns the product.

use super::Epilogue;
use super::gather::Gather;
use super::multiply::{ColumnMoments, multiply, multiply_measuring};
use super::panels::Panels;
use crate::ConvShape;
use crate::buffer::Buffer;
use crate::norm::Moments;
use crate::parallel::{Shared, for_each};
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
    if joins_rows(shape) {
        return forward_joined(
            shape,
            x,
            &Panels::joined(level, shape, weight),
            epilogue,
            out,
        );
    }
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
    let mut add = |gather: &Gather, x: &[f32], panels: &Panels| {
        let mut moments = ColumnMoments::default();
        multiply_measuring(gather, x, panels, out, &mut moments);
        let Moments { mean, variance } = moments.combined(panels.columns, level.tile().1);
        all.mean.extend(mean);
        all.variance.extend(variance);
    };
    if joins_rows(shape) {
        let (padded, gather) = join_rows(shape, x);
        add(&gather, &padded, &Panels::joined(level, shape, weight));
    } else {
        for group in 0..shape.groups {
            let panels = Panels::forward(level, shape, group, weight);
            add(&Gather::forward(shape, group), x, &panels);
        }
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

/// The same with panels over [joined rows](joins_rows).
pub(super) fn forward_joined(
    shape: &ConvShape,
    x: &[f32],
    panels: &Panels,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let (padded, gather) = join_rows(shape, x);
    multiply(&gather, &padded, panels, epilogue, out);
}

/// Whether the taps of a kernel row are joined into one segment: with few channels (an image's three) a tap alone is too short.
pub(super) fn joins_rows(shape: &ConvShape) -> bool {
    shape.groups == 1 && shape.channels_in < 8 && shape.kernel[1] > 1 && shape.dilation[1] == 1
}

/// The padded input, in which the pixels under a kernel row lie side by side, and the product over it.
pub(super) fn join_rows(shape: &ConvShape, x: &[f32]) -> (Buffer, Gather) {
    let [[top, bottom], [left, right]] = shape.padding;
    let (height, width) = (shape.height + top + bottom, shape.width + left + right);
    let channels = shape.channels_in;
    let row = width * channels;
    let mut padded = Buffer::unspecified(shape.batch * height * row);
    let shared = Shared::new(&mut padded);
    for_each(shape.batch, |image| {
        // SAFETY: each part writes its own image.
        let padded = unsafe {
            std::slice::from_raw_parts_mut(shared.get().add(image * height * row), height * row)
        };
        for (y, padded) in padded.chunks_exact_mut(row).enumerate() {
            if y < top || y >= top + shape.height {
                padded.fill(0.0);
                continue;
            }
            let from = (image * shape.height + y - top) * shape.width * channels;
            let (before, rest) = padded.split_at_mut(left * channels);
            let (inside, after) = rest.split_at_mut(shape.width * channels);
            before.fill(0.0);
            inside.copy_from_slice(&x[from..from + inside.len()]);
            after.fill(0.0);
        }
    });
    let padding = [[0; 2]; 2];
    let mut gather = Gather::forward(
        &ConvShape {
            height,
            width,
            padding,
            ..*shape
        },
        0,
    );
    let rows = (0..shape.kernel[0]).map(|ky| [(ky * shape.dilation[0]) as isize, 0]);
    gather.segments = rows.collect();
    gather.depth = shape.kernel[1] * channels;
    (padded, gather)
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
