//! Chains of convolutions whose maps between are never stored whole: those over large maps are computed stripe by stripe of rows, and
//! an expansion gives its map to the depthwise convolution behind it a panel of channels at a time.

use std::ops::Range;
use std::sync::Arc;

use super::inference::InferencePlan;
use super::step::{Layer, Step};
use super::value::Value;
use crate::buffer::Buffer;
use crate::conv::{Epilogue, PreparedConv};
use crate::parallel::{Shared, for_each};
use crate::{Activation, ConvShape};

/// Bytes of the stripes of a chain's maps, together.
const STRIPE_BYTES: usize = 384 << 10;

/// Channels of a panel, about.
const PANEL: usize = 16;

impl InferencePlan {
    /// How many of these steps, from the first, are convolutions one behind the other whose maps between are not stored: nothing else
    /// reads them, and they are larger than the cache or an expansion's. At least 1.
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
            let [_, height, width, channels] = shapes[this + 1];
            let large = height * width * channels * 4 >= self.stripe_bytes;
            let between = [this, next];
            let apart = self.is_read_by_next_alone(this) && large;
            if !(apart || self.feeds(between, shapes, &prepared[length - 1..])) {
                break;
            }
            length += 1;
        }
        length
    }

    /// Whether only the step behind `step` reads its result, once.
    fn is_read_by_next_alone(&self, step: usize) -> bool {
        let value = Value(step + 1);
        let reads = self.steps.iter().flat_map(Step::reads);
        step + 1 < self.steps.len()
            && self.steps[step + 1].input == value
            && reads.filter(|read| *read == value).count() == 1
            && !self.outputs.contains(&value)
    }

    /// Whether a step is an expansion whose map only the depthwise convolution behind it reads.
    pub(super) fn expands(&self, step: usize) -> bool {
        let conv = |step: usize| match &self.steps.get(step)?.layer {
            Layer::Conv {
                conv,
                residual: None,
                ..
            } => Some(conv),
            _ => None,
        };
        let (Some(first), Some(second)) = (conv(step), conv(step + 1)) else {
            return false;
        };
        first.groups == 1
            && first.dims[2..] == [1, 1]
            && first.stride == 1
            && second.groups > 1
            && second.groups == second.dims[0]
            && self.is_read_by_next_alone(step)
    }

    /// Whether the first of two steps gives its result to the next in parts, as
    /// [`PreparedConv::forward_into`] does.
    fn feeds(
        &self,
        [this, next]: [usize; 2],
        shapes: &[[usize; 4]],
        prepared: &[Option<Arc<PreparedConv>>],
    ) -> bool {
        let shape = |step: usize| match &self.steps[step].layer {
            Layer::Conv { conv, .. } => Some(conv.shape(shapes[self.steps[step].input.0])),
            _ => None,
        };
        let ([Some(first), Some(second), ..], Some(shape), Some(next_shape)) =
            (prepared, shape(this), shape(next))
        else {
            return false;
        };
        self.expands(this) && first.feeds(&shape, second, &next_shape)
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
            .clone()
            .enumerate()
            .map(|(at, index)| {
                let pair = [index, index + 1];
                let feeds_next = index + 1 < steps.end && self.feeds(pair, shapes, &prepared[at..]);
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
                    prepared: prepared[at]
                        .as_deref()
                        .expect("a convolution's weights are prepared before its segment runs"),
                    shape: conv.shape(dims),
                    bias: conv.bias.as_deref(),
                    residual: residual.map(&read),
                    activation: *activation,
                    feeds_next,
                }
            })
            .collect();
        let last = &layers[layers.len() - 1].shape;
        let (rows, row_len) = (last.out_height(), last.out_width() * last.channels_out);
        // Rows per stripe: what is stored of the maps between fits in the cache together. An expansion reads its input once per panel,
        // so that this is to stay there too, beside the panel's map.
        let between: usize = layers
            .windows(2)
            .map(|pair| {
                let (first, next) = (&pair[0].shape, &pair[1].shape);
                if pair[0].feeds_next {
                    4 * (first.input_len() + first.height * first.width * PANEL)
                } else {
                    4 * next.input_len()
                }
            })
            .sum();
        if let ([first, next], true) = (&layers[..], between <= self.stripe_bytes)
            && first.feeds_next
        {
            let whole = |layer: &ChainLayer<'_>| ConvShape {
                batch: images,
                ..layer.shape
            };
            let (shape, next_shape) = (whole(first), whole(next));
            let (epilogue, next_epilogue) = (first.epilogue(None), next.epilogue(None));
            return first.prepared.forward_into(
                (&shape, epilogue),
                x,
                next.prepared,
                (&next_shape, next_epilogue),
                out,
            );
        }
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
    /// Whether the result goes to the next layer in parts.
    feeds_next: bool,
}

impl ChainLayer<'_> {
    /// What is added and applied, with the residual's part that fits the result.
    fn epilogue<'a>(&'a self, residual: Option<&'a [f32]>) -> Epilogue<'a> {
        Epilogue {
            bias: self.bias,
            residual,
            activation: self.activation,
            ..Epilogue::default()
        }
    }

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
    let mut index = 0;
    while index < layers.len() {
        let layer = &layers[index];
        let (rows, shape) = layer.rows(&wanted[index]);
        let row_len = layer.shape.width * layer.shape.channels_in;
        let input = match &held {
            Some(rows) => &rows[..],
            None => {
                &x[(image * layer.shape.height + rows.start) * row_len..][..rows.len() * row_len]
            }
        };
        // The step computes this layer, or this and the next.
        let last = index + usize::from(layer.feeds_next);
        let out_row = layers[last].shape.out_width() * layers[last].shape.channels_out;
        let rows = &wanted[last];
        let mut between =
            (last + 1 < layers.len()).then(|| Buffer::unspecified(rows.len() * out_row));
        let target = between.as_deref_mut().unwrap_or(&mut *out);
        if layer.feeds_next {
            let next = &layers[last];
            layer.prepared.forward_into(
                (&shape, layer.epilogue(None)),
                input,
                next.prepared,
                (&next.rows(rows).1, next.epilogue(None)),
                target,
            );
        } else {
            let first = (image * layer.shape.out_height() + rows.start) * out_row;
            let residual = layer.residual;
            let residual = residual.map(|residual| &residual[first..][..rows.len() * out_row]);
            layer
                .prepared
                .forward(&shape, input, layer.epilogue(residual), target);
        }
        held = between;
        index = last + 1;
    }
}
