//! The forward pass of a convolution with few input channels, such as a network's first: a tap alone is too short for a product, so
//! that those of a kernel row, whose pixels lie side by side, are taken together. A part pads the rows that it reads into its cache, and
//! within a row the factors are found by steps, without a list of places.
//!
//! In `f32` in every precision, as Winograd's algorithm and the depthwise kernels are.

use super::epilogue::Epilogue;
use super::multiply::ColumnMoments;
use super::panels::Panels;
use super::product::{Finish, InTiles, Tiled, ask_for, bias_of, finish, join_moments};
use crate::buffer::{Buffer, streams};
use crate::norm::Moments;
use crate::parallel::{Shared, for_each};
use crate::simd::{Level, Simd, dispatch_at};
use crate::{ConvShape, Precision};

/// Bytes of the padded rows of a part.
const ROWS_BYTES: usize = 96 << 10;

/// Numbers from one result's factors to the next one's for an image of three channels and a stride of two, as in most networks: such
/// stems are compiled for themselves, so that the factors of a tile lie at distances that the instructions hold.
const USUAL_STEP: usize = 6;

/// A panel that fills one register is computed with so many times the rows of a tile, which leaves the sums in registers, too.
const NARROW: usize = 2;

/// Whether a convolution is one of few channels.
pub(super) fn applies(shape: &ConvShape) -> bool {
    shape.groups == 1 && shape.channels_in < 8 && shape.kernel[1] > 1 && shape.dilation[1] == 1
}

/// Packs the weights for [`forward_with`].
pub(super) fn pack(shape: &ConvShape, weight: &[f32]) -> Panels {
    Panels::by_rows(Level::current(), shape, weight)
}

/// `out = activation(convolution + bias + residual)`.
pub(super) fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    forward_with(shape, x, &pack(shape, weight), epilogue, out);
}

/// The same with packed weights.
pub(super) fn forward_with(
    shape: &ConvShape,
    x: &[f32],
    panels: &Panels,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    compute(shape, x, panels, epilogue, out, None);
}

/// The convolution alone, and its moments per channel.
pub(super) fn forward_moments(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    out: &mut [f32],
) -> Moments {
    let panels = pack(shape, weight);
    let mut moments = ColumnMoments::default();
    let measured = Some(&mut moments);
    compute(shape, x, &panels, Epilogue::default(), out, measured);
    moments.combined(shape.channels_out, panels.level.tile().1)
}

fn compute(
    shape: &ConvShape,
    x: &[f32],
    panels: &Panels,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
    moments: Option<&mut ColumnMoments>,
) {
    assert!(applies(shape) && panels.precision == Precision::F32);
    let (tile_rows, width) = panels.level.tile();
    let (rows, columns) = (shape.out_height(), shape.out_width());
    // A row of the padded input, as long as whole tiles of its last output see.
    let (step, depth) = (
        shape.stride[1] * shape.channels_in,
        shape.kernel[1] * shape.channels_in,
    );
    let row = (columns.next_multiple_of(NARROW * tile_rows) - 1) * step + depth;
    let reach = (shape.kernel[0] - 1) * shape.dilation[0] + 1;
    let held = ROWS_BYTES / (4 * row);
    let at_once = (held.saturating_sub(reach) / shape.stride[0] + 1).min(rows);
    let stripes = rows.div_ceil(at_once);
    let at_once = rows.div_ceil(stripes);
    let stripes = rows.div_ceil(at_once);
    let stream = streams(out) && shape.channels_out.is_multiple_of(16);
    let block = panels.columns.div_ceil(width) * 2 * width;
    // A block for each row, since the mean of a long one loses digits while it grows.
    let moments = moments.map(|moments| {
        let counts = vec![columns; shape.batch * rows];
        Shared::new(moments.of_blocks(counts, block))
    });
    let out = Shared::new(out);
    let finish = Finish::onto(epilogue, out, 0, stream);
    for_each(shape.batch * stripes, |part| {
        let (image, first) = (part / stripes, part % stripes * at_once);
        let count = at_once.min(rows - first);
        let padded_rows = (count - 1) * shape.stride[0] + reach;
        let mut padded = Buffer::unspecified(padded_rows * row);
        let image_len = shape.height * shape.width * shape.channels_in;
        let x = &x[image * image_len..][..image_len];
        pad(shape, x, first * shape.stride[0], row, &mut padded);
        dispatch_at(
            panels.level,
            InTiles(Stripe {
                shape,
                padded: &padded,
                row,
                step,
                depth,
                rows: count,
                panels,
                out,
                first: (image * rows + first) * columns * shape.channels_out,
                finish,
                moments: moments.map(|all| {
                    // SAFETY: each row of the result has a block.
                    let first = unsafe { all.get().add((image * rows + first) * block) };
                    (Shared::at(first), block)
                }),
            }),
        );
    });
}

/// Copies rows of an image, from the one `first` of the padded image on, to `padded`, rows of `row` numbers with zeros around.
fn pad(shape: &ConvShape, x: &[f32], first: usize, row: usize, padded: &mut [f32]) {
    let [[top, _], [left, _]] = shape.padding;
    let line = shape.width * shape.channels_in;
    let before = (left * shape.channels_in).min(row);
    let inside = line.min(row - before);
    for (y, padded) in padded.chunks_exact_mut(row).enumerate() {
        match (first + y).checked_sub(top) {
            Some(y) if y < shape.height => {
                padded[..before].fill(0.0);
                padded[before..before + inside].copy_from_slice(&x[y * line..][..inside]);
                padded[before + inside..].fill(0.0);
            }
            _ => padded.fill(0.0),
        }
    }
}

/// Some rows of one image's result.
struct Stripe<'a> {
    shape: &'a ConvShape,
    padded: &'a [f32],
    /// Numbers of a padded row.
    row: usize,
    /// Numbers of the padded row from one result to the next, and of a kernel row.
    step: usize,
    depth: usize,
    /// Rows of the result.
    rows: usize,
    panels: &'a Panels,
    out: Shared<f32>,
    /// Where the first row of the result starts.
    first: usize,
    finish: Finish,
    /// The [`ColumnMoments`] of these rows, if wanted, and the numbers of a block.
    moments: Option<(Shared<f32>, usize)>,
}

impl Tiled for Stripe<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const C: usize>(self, s: S) {
        let width = C * S::LANES;
        for channel in (0..self.panels.columns).step_by(width) {
            // A last panel that fills one register at most is computed with one.
            if C > 1 && self.panels.columns - channel <= S::LANES {
                match R {
                    14 => self.panel::<S, 28, 1>(s, channel, width),
                    6 => self.panel::<S, 12, 1>(s, channel, width),
                    _ => unreachable!("a tile of {R} rows and {C} registers"),
                }
            } else {
                self.panel::<S, R, C>(s, channel, width);
            }
        }
        if self.finish.stream {
            s.fence();
        }
    }
}

impl Stripe<'_> {
    /// The results in one panel's channels.
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const C: usize>(&self, s: S, channel: usize, width: usize) {
        match self.step {
            USUAL_STEP => self.panel_at::<S, R, C>(s, channel, width, USUAL_STEP),
            step => self.panel_at::<S, R, C>(s, channel, width, step),
        }
    }

    /// The same with the step as a constant, where it is the usual one.
    #[inline(always)]
    fn panel_at<S: Simd, const R: usize, const C: usize>(
        &self,
        s: S,
        channel: usize,
        width: usize,
        step: usize,
    ) {
        let (shape, depth) = (self.shape, self.depth);
        let kernel_rows = shape.kernel[0];
        let size = kernel_rows * depth * width;
        let packed = &self.panels.data[channel / width * size..][..size];
        let columns = (self.panels.columns - channel).min(width);
        // The sums start with the bias.
        // SAFETY: the bias has a number for each of the panel's columns.
        let bias: [S::V; C] = unsafe { bias_of(s, self.finish.bias, channel, columns) };
        let how = Finish {
            bias: std::ptr::null(),
            ..self.finish
        };
        let out_width = shape.out_width();
        for y in 0..self.rows {
            for first in (0..out_width).step_by(R) {
                let used = R.min(out_width - first);
                let mut held = [bias; R];
                let mut b = packed.as_ptr();
                let place = self.first + (y * out_width + first) * shape.channels_out;
                let places: [usize; R] = std::array::from_fn(|r| place + r * shape.channels_out);
                ask_for(s, self.out.get(), &places[..used], channel, columns, how);
                for ky in 0..kernel_rows {
                    let row = y * shape.stride[0] + ky * shape.dilation[0];
                    let from = &self.padded[row * self.row + first * step..];
                    let from = from[..(R - 1) * step + depth].as_ptr();
                    // With the usual step the loop below is the faster, since the sums stay in registers from row to row.
                    let loops = s.has_rows_at_pitch::<R, C>() && step != USUAL_STEP;
                    if loops && width == C * S::LANES {
                        // SAFETY: inside the slice above, and the packed panel.
                        unsafe {
                            s.rows_at_pitch(&mut held, (from, step), depth, b);
                            b = b.add(depth * width);
                        }
                        continue;
                    }
                    for k in 0..depth {
                        let mut weights = [s.zero(); C];
                        for (c, weights) in weights.iter_mut().enumerate() {
                            // SAFETY: inside the packed panel.
                            *weights = unsafe { s.load(b.add(c * S::LANES)) };
                        }
                        for (r, held) in held.iter_mut().enumerate() {
                            // SAFETY: inside the slice above.
                            let x = s.splat(unsafe { *from.add(r * step + k) });
                            for (sum, weights) in held.iter_mut().zip(weights) {
                                *sum = s.mul_add(x, weights, *sum);
                            }
                        }
                        // SAFETY: at most one past the panel's end.
                        b = unsafe { b.add(width) };
                    }
                }
                // A copy, since what is indexed below has its place in memory.
                let sums = held;
                if let Some((all, block)) = self.moments {
                    // SAFETY: a block for each row, in it two rows of each panel; a row's tiles come in order.
                    unsafe {
                        let to = all.get().add(y * block + 2 * channel);
                        join_moments::<S, R, C>(s, &sums, used, to, width, first);
                    }
                }
                // SAFETY: the places of the first `used` results lie in the rows that are this part's alone, `columns` numbers wide from
                // `channel`.
                unsafe {
                    let out = self.out.get();
                    finish::<S, R, C>(s, &sums, out, &places[..used], channel, columns, how);
                }
            }
        }
    }
}
