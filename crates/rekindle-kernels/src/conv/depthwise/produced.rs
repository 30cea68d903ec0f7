//! The forward pass over a map that is never stored: what makes it computes some of its channels, row by row, just ahead of the
//! convolution that reads them, so that they are still in the nearest cache.

use std::ops::Range;

use super::ahead::Ahead;
use super::correlation::{Correlation, Target};
use super::forward::{Weights, correlation};
use super::frame::{Frame, FromFrame};
use super::packed::{GROUP, row_below};
use crate::parallel::{Shared, for_each};
use crate::simd::{Level, dispatch_specialised};
use crate::{ConvShape, Epilogue};

/// What makes a map `[batch, height, width, channels]`, some channels at a time.
pub(crate) trait Producer: Sync {
    /// Channels that are computed together, a panel: the columns of a product's tile. The last panel may have fewer.
    fn width(&self) -> usize;

    /// Computes a panel of at least these pixels, and gives the first that was not computed, `limit` at most. Pixels are counted over
    /// the whole map; the frame starts with the image that has the pixel `first`.
    fn compute(
        &self,
        panel: usize,
        pixels: Range<usize>,
        limit: usize,
        first: usize,
        frame: &mut Frame,
    ) -> usize;
}

/// Pixels of the map that are computed with a panel at hand: of several images if these are small.
const PIXELS: usize = 384;

/// Multiply-adds of the depthwise convolution that are worth a part, tens of microseconds with what makes the map.
const PART_WORK: usize = 256 << 10;

/// Parts that keep the threads of a large machine busy.
const PARTS: usize = 16;

/// Whether the compiler knows the kernel.
pub(crate) fn takes(shape: &ConvShape) -> bool {
    shape.is_depthwise()
        && matches!(shape.kernel, [3, 3] | [5, 5])
        && matches!(shape.stride, [1, 1] | [2, 2])
        && shape.dilation == [1, 1]
}

/// Whether a map of this size is better not stored: a small one stays in the caches anyway, and its rows are too short for tiles.
pub(crate) fn wins(shape: &ConvShape) -> bool {
    takes(shape) && shape.height * shape.width >= 128
}

/// As [`forward`](super::forward) of the map that the producer makes; without a residual, for shapes that it [takes].
pub(crate) fn forward_of(
    shape: &ConvShape,
    producer: &dyn Producer,
    weights: &Weights,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    assert!(takes(shape), "{shape:?} of a map in parts");
    let residual = epilogue.residual.is_some() || epilogue.accumulate;
    assert!(!residual, "a residual is not added here");
    let (channels, width) = (shape.channels_in, producer.width());
    assert!(width.is_multiple_of(GROUP));
    let (correlation, _) = correlation(Level::current(), shape, weights, epilogue);
    let area = shape.height * shape.width;
    let line = shape.out_width() * channels;
    let images = (PIXELS / area).clamp(1, shape.batch);
    let groups = shape.batch.div_ceil(images);
    let panels = channels.div_ceil(width);
    let work = out.len() * shape.kernel[0] * shape.kernel[1];
    let splits = PARTS
        .min(work / PART_WORK)
        .div_ceil(groups)
        .clamp(1, panels);
    let panels_at_once = panels.div_ceil(splits);
    let splits = panels.div_ceil(panels_at_once);
    let out = Shared::new(out);
    for_each(groups * splits, |part| {
        let (group, split) = (part / splits, part % splits);
        let images = group * images..((group + 1) * images).min(shape.batch);
        let (first, limit) = (images.start * area, images.end * area);
        let mut frame = Frame::new(shape, images.len(), width);
        for panel in split * panels_at_once..((split + 1) * panels_at_once).min(panels) {
            let of_panel = [panel * width, ((panel + 1) * width).min(channels)];
            let mut done = first;
            for image in images.clone() {
                let mut y = 0;
                while y < shape.out_height() {
                    let pair = y + 1 < shape.out_height();
                    let count = if pair { 2 } else { 1 };
                    let seen = row_below(shape, y + count - 1).clamp(0, shape.height as isize);
                    let needed = image * area + seen as usize * shape.width;
                    if done < needed {
                        done = producer.compute(panel, done..needed, limit, first, &mut frame);
                    }
                    let row = image * shape.out_height() + y;
                    let target = Target {
                        // SAFETY: a pixel of the output.
                        out: unsafe { out.get().add(row * line + of_panel[0]) },
                        pixel: channels,
                        row: line,
                        ahead: [Ahead::new(&[], 0, 0); 2],
                    };
                    // SAFETY: each part owns its panels of its images; the rows exist.
                    unsafe {
                        rows(
                            &correlation,
                            &frame,
                            image - images.start,
                            of_panel,
                            (y, pair),
                            target,
                        )
                    };
                    y += count;
                }
            }
        }
    });
}

/// As [`Correlation::rows`] from an image of a frame, for a panel's channels.
///
/// # Safety
///
/// Those channels of every pixel of the row or rows at `target` can be written.
unsafe fn rows(
    of: &Correlation<'_>,
    frame: &Frame,
    image: usize,
    channels: [usize; 2],
    (row, pair): (usize, bool),
    target: Target,
) {
    macro_rules! run {
        ($size:literal, $stride:literal) => {
            dispatch_specialised(
                of.level,
                FromFrame::<$size, $stride> {
                    of,
                    frame,
                    image,
                    channels,
                    row,
                    pair,
                    target,
                },
            )
        };
    }
    match (of.horizontal.kernel, of.horizontal.stride) {
        (3, 1) => run!(3, 1),
        (5, 1) => run!(5, 1),
        (3, 2) => run!(3, 2),
        (5, 2) => run!(5, 2),
        _ => unreachable!("other kernels are not taken"),
    }
    of.activate(target, pair, channels[1] - channels[0]);
}
