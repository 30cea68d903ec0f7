//! The forward pass: one correlation, then what is left of the epilogue while the rows are in the cache.

use super::ahead::Ahead;
use super::correlation::{Correlation, Last, Target};
use super::images::{Images, Source};
use super::packed::{for_each_part, pack_weight, row_below, rows_per_item};
use super::tiles::Line;
use crate::channels::Pattern;
use crate::norm::{Combined, part_moments};
use crate::parallel::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch_at};
use crate::{Activation, ConvShape, Epilogue, Moments};

/// As [`conv_forward`](crate::conv_forward) for a shape that [is depthwise](ConvShape::is_depthwise).
pub(crate) fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    forward_with(shape, x, &Weights::new(shape, weight), epilogue, out);
}

/// The same with weights that were packed before.
pub(crate) fn forward_with(
    shape: &ConvShape,
    x: &[f32],
    weights: &Weights,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    compute(shape, Source::Stored(x), weights, epilogue, out, &|_, _| ());
}

/// A depthwise convolution's weights as the forward pass reads them.
pub(crate) struct Weights(Vec<f32>);

impl Weights {
    pub(crate) fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        let taps: Vec<usize> = (0..shape.kernel[0] * shape.kernel[1]).collect();
        Self(pack_weight(weight, shape.channels_in, taps.len(), &taps))
    }
}

/// The convolution alone, and its moments per channel, which each part takes of what it has just written.
pub(crate) fn forward_moments(
    shape: &ConvShape,
    x: Source<'_>,
    weight: &[f32],
    out: &mut [f32],
) -> Moments {
    let (level, channels) = (Level::current(), shape.channels_in);
    let line = shape.out_width() * channels;
    let rows = shape.batch * shape.out_height();
    let height = rows_per_item(rows, line * shape.kernel[0] * shape.kernel[1]);
    let mut partial = vec![0.0f64; 2 * channels * rows.div_ceil(height)];
    let shared = Shared::new(&mut partial);
    let weights = Weights::new(shape, weight);
    compute(
        shape,
        x,
        &weights,
        Epilogue::default(),
        out,
        &|part, out| {
            // SAFETY: each part has its own sums, which outlive the loop.
            let sums = unsafe {
                std::slice::from_raw_parts_mut(shared.get().add(part * 2 * channels), 2 * channels)
            };
            let pattern = Pattern::new(channels, out.len(), "a part of the convolution");
            part_moments(level, pattern, out, (0, out.len()), channels, sums);
        },
    );
    let mut combined = Combined::new(channels);
    for (part, sums) in partial.chunks_exact(2 * channels).enumerate() {
        let count = height.min(rows - part * height) * shape.out_width();
        let (mean, square) = sums.split_at(channels);
        combined.add(count, |c| (mean[c], square[c]));
    }
    combined.moments()
}

/// The convolution; `finished` sees each part, by its index, when it is computed.
fn compute(
    shape: &ConvShape,
    x: Source<'_>,
    weights: &Weights,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
    finished: &(dyn Fn(usize, &[f32]) + Sync),
) {
    let level = Level::current();
    let (channels, out_height) = (shape.channels_in, shape.out_height());
    let line = shape.out_width() * channels;
    let (correlation, rest) = correlation(level, shape, weights, epilogue);
    let input_line = shape.width * channels;
    let image_len = shape.height * input_line;
    let height = rows_per_item(
        shape.batch * out_height,
        line * shape.kernel[0] * shape.kernel[1],
    );
    for_each_part(out, height * line, |part, out| {
        let mut images = Images::new(level, shape, x);
        let memory = images.memory();
        let (mut row, end) = (part * height, part * height + out.len() / line);
        while row < end {
            let (image, y) = (row / out_height, row % out_height);
            let pair = row + 1 < end && y + 1 < out_height && correlation.pairs();
            let count = if pair { 2 } else { 1 };
            let start = (row - part * height) * line;
            let rows = &mut out[start..start + count * line];
            let ahead = [
                // The rows below those that the last row of these outputs sees.
                Ahead::new(
                    &memory[image * image_len..],
                    row_below(shape, y + count - 1) * input_line as isize,
                    count * shape.stride[0] * input_line,
                ),
                Ahead::new(rows, (count * line) as isize, count * line),
            ]
            .map(|piece| piece.if_large(shape));
            let target = Target {
                out: rows.as_mut_ptr(),
                pixel: channels,
                row: line,
                ahead,
            };
            // SAFETY: `rows` is one row of outputs, or two if `pair`.
            unsafe {
                let image = images.seen_by(shape, image, y..y + count);
                correlation.rows(image, y, pair, target);
            };
            if let Some((residual, activation)) = rest {
                let residual = residual.map(|residual| &residual[row * line..][..count * line]);
                dispatch_at(
                    level,
                    Finish {
                        out: rows,
                        residual,
                        activation,
                    },
                );
            }
            row += count;
        }
        finished(part, out);
    });
}

pub(super) type Rest<'a> = Option<(Option<&'a [f32]>, Activation)>;

/// The correlation with as much of the epilogue as it does itself, and the rest of it.
pub(super) fn correlation<'a>(
    level: Level,
    shape: &ConvShape,
    weights: &'a Weights,
    epilogue: Epilogue<'a>,
) -> (Correlation<'a>, Rest<'a>) {
    let line = |dim: usize, size: usize, outputs: usize| Line {
        size,
        outputs,
        kernel: shape.kernel[dim],
        stride: shape.stride[dim],
        dilation: shape.dilation[dim],
        origin: -(shape.padding[dim][0] as isize),
    };
    let mut correlation = Correlation::new(
        level,
        shape.channels_in,
        line(0, shape.height, shape.out_height()),
        line(1, shape.width, shape.out_width()),
        weights.0.as_slice().into(),
    );
    if let Some(bias) = epilogue.bias {
        assert_eq!(bias.len(), shape.channels_out, "bias of {shape:?}");
        correlation.bias[..bias.len()].copy_from_slice(bias);
    }
    match (epilogue.residual, epilogue.activation) {
        (None, Activation::Identity) => {}
        (None, Activation::Relu) => correlation.last = Last::Clamp([0.0, f32::INFINITY]),
        (None, Activation::Relu6) => correlation.last = Last::Clamp([0.0, 6.0]),
        (None, Activation::HardSwish) => correlation.last = Last::HardSwish,
        (None, activation) => correlation.activation = Some(activation),
        (residual, activation) => return (correlation, Some((residual, activation))),
    }
    (correlation, None)
}

/// `out = activation(out + residual)`.
struct Finish<'a> {
    out: &'a mut [f32],
    residual: Option<&'a [f32]>,
    activation: Activation,
}

impl Kernel for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.out.len();
        assert!(self.residual.is_none_or(|residual| residual.len() == len));
        let out = self.out.as_mut_ptr();
        for at in (0..len).step_by(S::LANES) {
            let lanes = S::LANES.min(len - at);
            // SAFETY: `lanes` numbers from `at` lie inside both slices.
            unsafe {
                let mut v = s.load_partial(out.add(at), lanes);
                if let Some(residual) = self.residual {
                    v = s.add(v, s.load_partial(residual.as_ptr().add(at), lanes));
                }
                let v = self.activation.vector(s, v);
                if lanes == S::LANES {
                    s.store(out.add(at), v);
                } else {
                    s.store_partial(out.add(at), v, lanes);
                }
            }
        }
    }
}
