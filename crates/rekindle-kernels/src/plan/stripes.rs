//! Chains of convolutions over large maps, computed stripe by stripe of rows so that the maps between them are never stored whole.

use std::ops::Range;
use std::sync::Arc;

use super::step::{Layer, Step};
use super::{Plan, Value};
use crate::buffer::Buffer;
use crate::conv::{Epilogue, PreparedConv};
use crate::parallel::{Shared, for_each};
use crate::{Activation, ConvShape};

/// Bytes of the stripes of a chain's maps, together.
const STRIPE_BYTES: usize = 384 << 10;

impl Plan {
    /// How many of these steps, from the first, are convolutions that are computed in stripes of rows, one behind the other: where the
    /// maps between them are larger than the cache and nothing else reads them. At least 1.
    pub(super) fn chain(
        &self,
        steps: Range<usize>,
        shapes: &[[usize; 4]],
        prepared: &[Option<Arc<PreparedConv>>],
    ) -> usize {
        let by_rows = |at: usize| prepared[at].as_ref().is_some_and(|conv| !conv.is_tiled());
        let mut length = 1;
        while by_rows(length - 1) && length < steps.len() && by_rows(length) {
            let (this, next) = (steps.start + length - 1, steps.start + length);
            let value = Value(this + 1);
            let [_, height, width, channels] = shapes[value.0];
            let alone = self.steps[next].input == value
                && self.last_reader[value.0] == next
                && self
                    .steps
                    .iter()
                    .flat_map(Step::reads)
                    .filter(|read| *read == value)
                    .count()
                    == 1
                && !self.outputs.contains(&value);
            if !alone || height * width * channels * 4 < self.stripe_bytes {
                break;
            }
            length += 1;
        }
        length
    }

    /// Runs a chain: stripe by stripe of the last map's rows, each step computing the rows that the next one's stripe reads. Rows that
    /// two stripes read are computed twice.
    pub(super) fn run_chain<'a>(
        &self,
        steps: Range<usize>,
        shapes: &[[usize; 4]],
        images: usize,
        prepared: &[Option<Arc<PreparedConv>>],
        read: impl Fn(Value) -> &'a [f32],
        out: &mut [f32],
    ) {
        let x = read(self.steps[steps.start].input);
        let layers: Vec<ChainLayer<'_>> = steps
            .zip(prepared)
            .map(|(index, prepared)| {
                let step = &self.steps[index];
                let Layer::Conv {
                    conv,
                    residual,
                    activation,
                    ..
                } = &step.layer
                else {
                    unreachable!("a chain has convolutions only")
                };
                let mut dims = shapes[step.input.0];
                dims[0] = 1;
                ChainLayer {
                    prepared: prepared
                        .as_deref()
                        .expect("a convolution's weights are prepared before its segment runs"),
                    shape: conv.shape(dims),
                    bias: conv.bias.as_deref(),
                    residual: residual.map(&read),
                    activation: *activation,
                }
            })
            .collect();
        let last = &layers[layers.len() - 1].shape;
        let (rows, row_len) = (last.out_height(), last.out_width() * last.channels_out);
        // Rows per stripe: the maps between fit in the cache together.
        let between: usize = layers[1..]
            .iter()
            .map(|layer| layer.shape.width * layer.shape.channels_in * layer.shape.height * 4)
            .sum();
        let at_once = (STRIPE_BYTES * rows / between).clamp(1, rows);
        let stripes = rows.div_ceil(at_once);
        let out = Shared::new(out);
        for_each(images * stripes, |part| {
            let (image, stripe) = (part / stripes, part % stripes);
            let range = stripe * at_once..((stripe + 1) * at_once).min(rows);
            let len = range.len() * row_len;
            // SAFETY: each part owns its rows of its image.
            let out = unsafe {
                std::slice::from_raw_parts_mut(
                    out.get().add((image * rows + range.start) * row_len),
                    len,
                )
            };
            run_stripe(&layers, image, x, range, out);
        });
    }
}

/// A convolution of a chain, for one image.
struct ChainLayer<'a> {
    prepared: &'a PreparedConv,
    shape: ConvShape,
    bias: Option<&'a [f32]>,
    /// Of all the part's images.
    residual: Option<&'a [f32]>,
    activation: Activation,
}

impl ChainLayer<'_> {
    /// The rows of its input that these rows of its output see, and the convolution of those rows alone.
    fn rows(&self, out: &Range<usize>) -> (Range<usize>, ConvShape) {
        let shape = &self.shape;
        let (stride, [top, _]) = (shape.stride[0], shape.padding[0]);
        let reach = shape.dilation[0] * (shape.kernel[0] - 1) + 1;
        // In rows of the padded input.
        let (start, end) = (out.start * stride, (out.end - 1) * stride + reach);
        let rows = start.saturating_sub(top)..(end.saturating_sub(top)).min(shape.height);
        let padding = [
            top.saturating_sub(start),
            end.saturating_sub(top + shape.height),
        ];
        let shape = ConvShape {
            height: rows.len(),
            padding: [padding, shape.padding[1]],
            ..*shape
        };
        (rows, shape)
    }
}

/// Computes some rows of the last layer's output of one image; `x` has all the part's images.
fn run_stripe(
    layers: &[ChainLayer<'_>],
    image: usize,
    x: &[f32],
    range: Range<usize>,
    out: &mut [f32],
) {
    // From the back: which rows each layer gives.
    let mut wanted = vec![range; layers.len()];
    for index in (1..layers.len()).rev() {
        wanted[index - 1] = layers[index].rows(&wanted[index]).0;
    }
    let mut held: Option<Buffer> = None;
    for (index, layer) in layers.iter().enumerate() {
        let (rows, shape) = layer.rows(&wanted[index]);
        let row_len = layer.shape.width * layer.shape.channels_in;
        let input = match &held {
            Some(rows) => &rows[..],
            None => {
                &x[(image * layer.shape.height + rows.start) * row_len..][..rows.len() * row_len]
            }
        };
        let out_row = layer.shape.out_width() * layer.shape.channels_out;
        let first = (image * layer.shape.out_height() + wanted[index].start) * out_row;
        let epilogue = Epilogue {
            bias: layer.bias,
            residual: layer
                .residual
                .map(|residual| &residual[first..][..wanted[index].len() * out_row]),
            activation: layer.activation,
        };
        if index + 1 == layers.len() {
            layer.prepared.forward(&shape, input, epilogue, out);
        } else {
            let mut next = Buffer::unspecified(wanted[index].len() * out_row);
            layer.prepared.forward(&shape, input, epilogue, &mut next);
            held = Some(next);
        }
    }
}
