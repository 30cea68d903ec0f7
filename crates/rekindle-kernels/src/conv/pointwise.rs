//! The backward pass of a 1x1 convolution, block by block of pixels: the gradient of its result is computed into the cache, serves the
//! gradient of the weight and that of the input there, and is never stored. Where maps are large, memory is what such a layer waits for.

use super::epilogue::Epilogue;
use super::gather::Gather;
use super::multiply::Alone;
use super::panels::{Panels, weight_gradient_precision};
use super::pixel_gradient::PixelGradient;
use super::weight_gradient::{Accumulate, Pixels, Tap, add_chunks, reorder, sums_len};
use crate::ConvShape;
use crate::buffer::{Buffer, streams};
use crate::cache::second_level;
use crate::parallel::{Shared, for_each};
use crate::simd::Level;

/// Sixteenths of the second-level cache for a block's gradients: they stay there beside the input's pixels.
const BLOCK_SIXTEENTHS: usize = 3;

/// Parts of the pixels, each with sums of its own.
const CHUNKS: usize = 16;

/// Numbers in the sums of a part at most.
const SUMS: usize = 1 << 18;

/// Bytes of the result from which storing its gradient costs more than cutting the products into blocks.
const LARGE: usize = 4 << 20;

/// Whether this way is the faster one (measured).
pub(super) fn wins(shape: &ConvShape) -> bool {
    applies(shape)
        && shape.channels_in * shape.channels_out <= SUMS
        && shape.output_len() * size_of::<f32>() >= LARGE
}

/// Whether the convolution can be computed this way.
pub(super) fn applies(shape: &ConvShape) -> bool {
    shape.is_pointwise()
}

/// The gradients of the weight and, where it is wanted, of the input, to which `other` is added.
pub(super) fn backward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    gradient: &dyn PixelGradient,
    other: Option<&[f32]>,
    dw: &mut [f32],
    dx: Option<&mut [f32]>,
) {
    let (level, precision) = (Level::current(), weight_gradient_precision(shape));
    let (rows, width) = level.tile();
    let (depth, columns) = (shape.channels_in, shape.channels_out);
    let pixels = shape.batch * shape.height * shape.width;
    let per_chunk = pixels.div_ceil(CHUNKS).next_multiple_of(rows);
    let chunks = pixels.div_ceil(per_chunk);
    let block_bytes = second_level() / 16 * BLOCK_SIXTEENTHS;
    let block = (block_bytes / (columns * size_of::<f32>()) / rows).max(1) * rows;

    let size = sums_len(level, 1, depth, columns);
    let mut sums = Buffer::unspecified(chunks * size);
    let shared_sums = Shared::new(&mut sums);
    let input = dx.map(|dx| {
        let [gather] = <[Gather; 1]>::try_from(Gather::backward(shape, 0))
            .expect("all pixels of a 1x1 convolution are of one class");
        let panels = Panels::backward(level, shape, 0, weight, &gather);
        let stream = streams(dx) && depth.is_multiple_of(16);
        (gather, panels, stream, Shared::new(dx))
    });
    let epilogue = Epilogue {
        residual: other,
        ..Epilogue::default()
    };
    for_each(chunks, |chunk| {
        // SAFETY: each part has its own sums.
        let sums =
            unsafe { std::slice::from_raw_parts_mut(shared_sums.get().add(chunk * size), size) };
        sums.fill(0.0);
        let sums = Shared::new(sums);
        let end = ((chunk + 1) * per_chunk).min(pixels);
        let mut dy = Buffer::unspecified(block.min(per_chunk) * columns);
        for start in (chunk * per_chunk..end).step_by(block) {
            let range = start..(start + block).min(end);
            let dy = &mut dy[..range.len() * columns];
            gradient.compute(level, range.clone(), dy);
            let pixels = Pixels {
                x: &x[range.start * depth..range.end * depth],
                dy,
                batch: 1,
                x_steps: [0, 0, depth],
                dy_steps: [0, 0, columns],
                depth,
                columns,
                taps: vec![Tap {
                    rows: 0..1,
                    columns: 0..range.len(),
                    start: 0,
                    dy_start: 0,
                }],
                separate_taps: true,
            };
            let part = Accumulate {
                pixels: &pixels,
                sums,
                start: 0,
                images: 0..1,
                taps: 0..1,
                panels: 0..columns.div_ceil(width),
                rows: 0..depth,
            };
            part.run_in(level, precision);
            if let Some((gather, panels, stream, dx)) = &input {
                let gather = Gather {
                    batch: 1,
                    rows: 1,
                    columns: range.len(),
                    to_start: range.start * depth,
                    height: 1,
                    width: range.len(),
                    ..gather.clone()
                };
                Alone::new(&gather, panels, epilogue, *stream).multiply(dy, *dx);
            }
        }
    });
    let (first, others) = sums.split_at_mut(size);
    add_chunks(first, others);
    reorder(first, width, 1, depth, dw);
}
