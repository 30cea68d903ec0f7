//! Both gradients image by image, some rows at a time, from a gradient of the output that is computed for these rows: it stays in the
//! caches, where the gradient of the weight and that of the input find it. Where the input is a [`Deferred`](crate::Deferred) map, its
//! rows are computed there too, and its gradient goes on to the map's own input before it is stored.

use super::backward_input::InputGradient;
use super::backward_weight::ByImages;
use super::images::{Images, Source};
use crate::ConvShape;
use crate::buffer::{Buffer, streams};
use crate::conv::PixelGradient;
use crate::parallel::{Shared, for_each};
use crate::simd::Level;

/// Images that keep the threads busy.
const IMAGES: usize = 8;

/// Bytes of the input and the output together from which storing a gradient costs more than it brings.
const LARGE: usize = 8 << 20;

/// Numbers of the input that are handled together, about: they stay in the second-level cache.
const BAND: usize = 32 << 10;

/// Whether this way is the faster one (measured).
pub(crate) fn takes_images(shape: &ConvShape) -> bool {
    let numbers = shape.input_len() + shape.output_len();
    shape.batch >= IMAGES && numbers * size_of::<f32>() >= LARGE
}

/// The gradients of the weight and, where it is wanted, of the input. Of a deferred input `dx` receives the gradient in front of the
/// map's activation, and the gradients of its beta and gamma are returned.
pub(crate) fn backward(
    shape: &ConvShape,
    x: Source<'_>,
    weight: &[f32],
    gradient: &dyn PixelGradient,
    dw: &mut [f32],
    dx: Option<&mut [f32]>,
) -> Option<(Vec<f32>, Vec<f32>)> {
    backward_in_bands(BAND, shape, x, weight, gradient, dw, dx)
}

/// The same with about `band` numbers of the input at a time.
pub(super) fn backward_in_bands(
    band: usize,
    shape: &ConvShape,
    x: Source<'_>,
    weight: &[f32],
    gradient: &dyn PixelGradient,
    dw: &mut [f32],
    dx: Option<&mut [f32]>,
) -> Option<(Vec<f32>, Vec<f32>)> {
    let level = Level::current();
    let (out_height, out_width) = (shape.out_height(), shape.out_width());
    let (line, out_line) = (
        shape.width * shape.channels_in,
        out_width * shape.channels_out,
    );
    let stream = dx.as_deref().is_some_and(streams) && line.is_multiple_of(16);
    let of_weight = ByImages::new(level, shape);
    let of_input = dx.map(|dx| (InputGradient::new(level, shape, weight), Shared::new(dx)));
    let len = of_weight.sums_len();
    let mut sums = Buffer::zeros(shape.batch * len);
    let shared = Shared::new(&mut sums);
    let norm_len = match x {
        Source::Stored(_) => 0,
        Source::Deferred(reading) => reading.sums_len(),
    };
    let mut norm_sums = vec![0.0f64; shape.batch * norm_len];
    let shared_norm = Shared::new(&mut norm_sums);
    let rows_at_once = (band / (line * shape.stride[0])).max(1).next_multiple_of(2);
    for_each(shape.batch, |image| {
        let mut images = Images::new(level, shape, x);
        let mut dy = Buffer::unspecified(out_height * out_line);
        let mut masking = Buffer::unspecified(0);
        // SAFETY: each image has its own sums.
        let (sums, norm_sums) = unsafe {
            (
                std::slice::from_raw_parts_mut(shared.get().add(image * len), len),
                std::slice::from_raw_parts_mut(shared_norm.get().add(image * norm_len), norm_len),
            )
        };
        let mut done = 0;
        for first in (0..out_height).step_by(rows_at_once) {
            let rows = first..(first + rows_at_once).min(out_height);
            let pixels = (image * out_height + rows.start) * out_width
                ..(image * out_height + rows.end) * out_width;
            let band = &mut dy[rows.start * out_line..rows.end * out_line];
            gradient.compute(level, pixels, band);
            let upcoming = &images.memory()[image * shape.height * line..];
            let x_image = images.seen_by(shape, image, rows.clone());
            of_weight.add([x_image, upcoming], &dy, rows.clone(), sums);
            let Some((input, dx)) = &of_input else {
                continue;
            };
            let until = if rows.end == out_height {
                shape.height
            } else {
                input.rows_above(rows.end) / input.band() * input.band()
            };
            if until <= done {
                continue;
            }
            let (start, count) = ((image * shape.height + done) * line, (until - done) * line);
            // SAFETY: each part writes its own image.
            let dx = unsafe { std::slice::from_raw_parts_mut(dx.get().add(start), count) };
            match x {
                Source::Stored(_) => input.rows(&dy, done, dx, None),
                Source::Deferred(reading) => {
                    if masking.len() < count {
                        masking = Buffer::unspecified(count);
                    }
                    let gradient = &mut masking[..count];
                    let upcoming = (!stream).then_some(&*dx);
                    input.rows(&dy, done, gradient, upcoming);
                    reading.mask(level, start, gradient, dx, norm_sums, stream);
                }
            }
            done = until;
        }
    });
    of_weight.finish(&sums, dw);
    let Source::Deferred(reading) = x else {
        return None;
    };
    of_input.is_some().then(|| {
        let mut total = vec![0.0f64; norm_len];
        for image in norm_sums.chunks_exact(norm_len) {
            total.iter_mut().zip(image).for_each(|(sum, x)| *sum += x);
        }
        reading.gradients(&total)
    })
}
