//! Inference of a whole network: its layers in order, each one step with everything folded into it, over images in parts that stay in
//! the caches.
//!
//! Training must keep every layer's result; inference need not. So a part of the batch is taken through several layers before the
//! next part, as many images at a time as the caches hold ([`Plan::run`]), the parts side by side on the threads, and the memory of a
//! result is given to the next layer as soon as its last reader has finished. Weights are prepared once.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::buffer::Buffer;
use crate::conv::{Epilogue, PreparedConv};
use crate::elementwise::add_activate;
use crate::gate::gate;
use crate::parallel::{Shared, for_each};
use crate::pool::{PoolShape, average_pool, global_average_pool, max_pool};
use crate::{Activation, ConvShape, Precision};

/// The input of a plan or the result of one of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(usize);

/// Border padding of a planned layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanPadding {
    /// So many zeros on each side.
    Fixed(usize),
    /// TensorFlow's "same": output size `ceil(input / stride)`, the odd pixel at the bottom and right.
    Same,
}

/// A convolution's weights and geometry.
pub struct PlannedConv {
    /// `[channels_out, channels_in / groups, kernel height, kernel width]`.
    pub weight: Vec<f32>,
    /// The weight's dimensions.
    pub dims: [usize; 4],
    /// `[channels_out]`.
    pub bias: Option<Vec<f32>>,
    /// Step in both directions.
    pub stride: usize,
    /// Border padding.
    pub padding: PlanPadding,
    /// Number of groups.
    pub groups: usize,
}

impl PlannedConv {
    fn shape(&self, [batch, height, width, channels_in]: [usize; 4]) -> ConvShape {
        let [channels_out, group_in, kernel_height, kernel_width] = self.dims;
        assert_eq!(
            channels_in,
            group_in * self.groups,
            "an image's channels and a weight {:?}",
            self.dims
        );
        let pad = |size: usize, kernel: usize| match self.padding {
            PlanPadding::Fixed(pad) => [pad; 2],
            PlanPadding::Same => {
                let total =
                    ((size.div_ceil(self.stride) - 1) * self.stride + kernel).saturating_sub(size);
                [total / 2, total - total / 2]
            }
        };
        ConvShape {
            batch,
            height,
            width,
            channels_in,
            channels_out,
            kernel: [kernel_height, kernel_width],
            stride: [self.stride; 2],
            dilation: [1; 2],
            padding: [pad(height, kernel_height), pad(width, kernel_width)],
            groups: self.groups,
            precision: Precision::current(),
        }
    }
}

/// A pooling window of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedPool {
    /// Side of the window.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Padding on each side, never counted.
    pub padding: usize,
    /// Whether windows may reach over the bottom and right border.
    pub ceil: bool,
}

impl PlannedPool {
    fn shape(&self, [batch, height, width, channels]: [usize; 4]) -> PoolShape {
        let shape = PoolShape::new(
            batch,
            [height, width],
            channels,
            self.kernel,
            self.stride,
            self.padding,
        );
        if self.ceil { shape.with_ceil() } else { shape }
    }
}

enum Layer {
    Conv {
        conv: PlannedConv,
        prepared: Mutex<Option<Arc<PreparedConv>>>,
        residual: Option<Value>,
        activation: Activation,
    },
    MaxPool(PlannedPool),
    AveragePool(PlannedPool),
    GlobalAverage,
    /// The product with one number per channel, `[batch, 1, 1, channels]`.
    Gate(Value),
    Add {
        other: Value,
        activation: Activation,
    },
}

struct Step {
    layer: Layer,
    input: Value,
}

impl Step {
    /// What it reads.
    fn reads(&self) -> impl Iterator<Item = Value> {
        let other = match &self.layer {
            Layer::Conv { residual, .. } => *residual,
            Layer::Gate(gate) => Some(*gate),
            Layer::Add { other, .. } => Some(*other),
            _ => None,
        };
        std::iter::once(self.input).chain(other)
    }

    /// The dimensions of its result.
    fn out(&self, dims: [usize; 4]) -> [usize; 4] {
        match &self.layer {
            Layer::Conv { conv, .. } => {
                let shape = conv.shape(dims);
                shape.check();
                [
                    dims[0],
                    shape.out_height(),
                    shape.out_width(),
                    shape.channels_out,
                ]
            }
            Layer::MaxPool(pool) | Layer::AveragePool(pool) => {
                let [height, width] = pool.shape(dims).out;
                [dims[0], height, width, dims[3]]
            }
            Layer::GlobalAverage => [dims[0], 1, 1, dims[3]],
            Layer::Gate(_) | Layer::Add { .. } => dims,
        }
    }
}

/// Adds layers one after the other.
#[derive(Default)]
pub struct PlanBuilder {
    steps: Vec<Step>,
}

impl PlanBuilder {
    /// A plan without layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The images.
    pub fn input(&self) -> Value {
        Value(0)
    }

    /// `activation(convolution(x) + bias + residual)`.
    pub fn conv(
        &mut self,
        x: Value,
        conv: PlannedConv,
        residual: Option<Value>,
        activation: Activation,
    ) -> Value {
        let prepared = Mutex::new(None);
        self.push(
            x,
            Layer::Conv {
                conv,
                prepared,
                residual,
                activation,
            },
        )
    }

    /// The largest number of each window.
    pub fn max_pool(&mut self, x: Value, pool: PlannedPool) -> Value {
        self.push(x, Layer::MaxPool(pool))
    }

    /// The mean of each window's pixels inside the image.
    pub fn average_pool(&mut self, x: Value, pool: PlannedPool) -> Value {
        self.push(x, Layer::AveragePool(pool))
    }

    /// The mean of each image, `[batch, 1, 1, channels]`.
    pub fn global_average(&mut self, x: Value) -> Value {
        self.push(x, Layer::GlobalAverage)
    }

    /// `x * gate`, the gate `[batch, 1, 1, channels]`.
    pub fn gate(&mut self, x: Value, gate: Value) -> Value {
        self.push(x, Layer::Gate(gate))
    }

    /// `activation(x + other)`.
    pub fn add(&mut self, x: Value, other: Value, activation: Activation) -> Value {
        self.push(x, Layer::Add { other, activation })
    }

    fn push(&mut self, input: Value, layer: Layer) -> Value {
        let step = Step { layer, input };
        assert!(
            step.reads().all(|value| value.0 <= self.steps.len()),
            "a step reads what comes behind it"
        );
        self.steps.push(step);
        Value(self.steps.len())
    }

    /// The plan; its results are those of `outputs`.
    pub fn build(self, outputs: Vec<Value>) -> Plan {
        assert!(
            outputs.iter().all(|value| value.0 <= self.steps.len()),
            "an output that no step makes"
        );
        let mut last_reader = vec![0; self.steps.len() + 1];
        for (index, step) in self.steps.iter().enumerate() {
            for value in step.reads() {
                last_reader[value.0] = index;
            }
        }
        Plan {
            steps: self.steps,
            outputs,
            last_reader,
            part_bytes: PART_BYTES,
            stripe_bytes: LARGE_MAP,
        }
    }
}

/// Layers of a network for inference.
pub struct Plan {
    steps: Vec<Step>,
    outputs: Vec<Value>,
    /// [`PART_BYTES`], or what a test sets.
    part_bytes: usize,
    /// [`LARGE_MAP`], or what a test sets.
    stripe_bytes: usize,
    /// Of each value, the last step that reads it.
    last_reader: Vec<usize>,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Plan({} steps)", self.steps.len())
    }
}

/// Bytes of a step's maps, both sides, that one part of the batch brings with it: about what the caches of one core hold.
const PART_BYTES: usize = 2 << 20;

/// Bytes of one image's map from which it is not stored whole between two convolutions, but computed and used in stripes.
const LARGE_MAP: usize = 1 << 20;

/// Bytes of the stripes of a chain's maps, together.
const STRIPE_BYTES: usize = 384 << 10;

/// Rows of a matrix product over which the reading of its weights should be spread: where these come from memory, and where from the
/// last-level cache.
const ROWS_PER_WEIGHT: [usize; 2] = [192, 32];

/// Weights of a network up to which they stay in the last-level cache.
const CACHED_WEIGHTS: usize = 16 << 20;

/// Bytes of a layer's weights that any number of images may read again.
const SMALL_WEIGHTS: usize = 1 << 20;

/// Consecutive steps that take the same number of images at a time.
struct Segment {
    steps: Range<usize>,
    images: usize,
}

impl Plan {
    /// Runs the plan on `images`, `[batch, height, width, channels]` with these dimensions, and gives each output with its dimensions.
    ///
    /// # Panics
    ///
    /// When the dimensions do not fit the numbers or the layers.
    pub fn run(&self, images: &[f32], dims: [usize; 4]) -> Vec<(Buffer, [usize; 4])> {
        assert_eq!(
            images.len(),
            dims.iter().product::<usize>(),
            "images {dims:?}"
        );
        let mut shapes = vec![dims];
        for step in &self.steps {
            let from = shapes[step.input.0];
            shapes.push(step.out(from));
        }
        let mut values: Vec<Option<Buffer>> = shapes.iter().map(|_| None).collect();
        for segment in self.segments(&shapes) {
            self.run_segment(&segment, images, &shapes, &mut values);
            for (index, value) in values.iter_mut().enumerate() {
                if self.last_reader[index] < segment.steps.end
                    && !self.outputs.contains(&Value(index))
                {
                    *value = None;
                }
            }
        }
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for (at, &Value(index)) in self.outputs.iter().enumerate() {
            let again = self.outputs[at + 1..].contains(&Value(index));
            let buffer = match values[index].take() {
                Some(buffer) if again => {
                    let copy = copied(&buffer);
                    values[index] = Some(buffer);
                    copy
                }
                Some(buffer) => buffer,
                None => copied(images),
            };
            outputs.push((buffer, shapes[index]));
        }
        outputs
    }

    /// How many images each step takes at a time, neighbours that agree together.
    fn segments(&self, shapes: &[[usize; 4]]) -> Vec<Segment> {
        let batch = shapes[0][0];
        let weights: usize = self.steps.iter().map(|step| step.weights()).sum();
        let rows = ROWS_PER_WEIGHT[usize::from(weights * 4 <= CACHED_WEIGHTS)];
        let mut segments: Vec<Segment> = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let (from, to) = (shapes[step.input.0], shapes[index + 1]);
            let bytes = 4 * (from[1] * from[2] * from[3] + to[1] * to[2] * to[3]);
            let by_maps = self.part_bytes / bytes.max(1);
            let by_weights = match &step.layer {
                Layer::Conv { conv, .. } if conv.groups == 1 => {
                    rows.div_ceil(step.rows_per_image(conv, from))
                }
                _ => 1,
            };
            let images = by_maps.max(by_weights).clamp(1, batch);
            match segments.last_mut() {
                // Cutting costs a pass through memory, so that only a clear difference is worth it.
                Some(last)
                    if images >= last.images
                        && (images <= last.images * 2 || step.weights() * 4 < SMALL_WEIGHTS) =>
                {
                    last.steps.end = index + 1;
                }
                Some(last) if images < last.images && images * 2 >= last.images => {
                    last.steps.end = index + 1
                }
                _ => segments.push(Segment {
                    steps: index..index + 1,
                    images,
                }),
            }
        }
        segments
    }

    fn run_segment(
        &self,
        segment: &Segment,
        images: &[f32],
        shapes: &[[usize; 4]],
        values: &mut [Option<Buffer>],
    ) {
        let batch = shapes[0][0];
        let per_image = |index: usize| shapes[index][1..].iter().product::<usize>();
        // Results that are read behind the segment have their place in memory for the whole batch.
        for index in segment.steps.clone() {
            let value = index + 1;
            if self.last_reader[value] >= segment.steps.end || self.outputs.contains(&Value(value))
            {
                values[value] = Some(Buffer::unspecified(batch * per_image(value)));
            }
        }
        let whole: Vec<Option<Shared<f32>>> = values
            .iter_mut()
            .map(|value| value.as_mut().map(|buffer| Shared::new(buffer)))
            .collect();
        let first = segment.steps.start;
        // Before the parts, which must not wait for each other.
        let prepare = |index: usize| {
            let step = &self.steps[index];
            let mut dims = shapes[step.input.0];
            dims[0] = segment.images;
            step.prepared(dims)
        };
        let prepared: Vec<Option<Arc<PreparedConv>>> = segment.steps.clone().map(prepare).collect();
        for_each(batch.div_ceil(segment.images), |part| {
            let range = part * segment.images..((part + 1) * segment.images).min(batch);
            let mut own: Vec<Option<Buffer>> = segment.steps.clone().map(|_| None).collect();
            let mut next = first;
            while next < segment.steps.end {
                // A chain's results between are never stored; its last step is handled as a step alone would be.
                let chain = next..next
                    + self.chain(next..segment.steps.end, shapes, &prepared[next - first..]);
                next = chain.end;
                let index = chain.end - 1;
                let step = &self.steps[index];
                let len = per_image(index + 1);
                let kept = whole[index + 1];
                let mut buffer = if kept.is_some() {
                    None
                } else {
                    Some(Buffer::unspecified(range.len() * len))
                };
                let out: &mut [f32] = match (&mut buffer, kept) {
                    (Some(buffer), _) => buffer,
                    // SAFETY: the part owns its images of a result that this segment makes, which has the batch's length; within the
                    // part the steps that read it come later.
                    (None, Some(kept)) => unsafe {
                        std::slice::from_raw_parts_mut(
                            kept.get().add(range.start * len),
                            range.len() * len,
                        )
                    },
                    (None, None) => unreachable!("a result is kept or its part's own"),
                };
                {
                    let read = |Value(value): Value| -> &[f32] {
                        let len = per_image(value);
                        if value == 0 {
                            return &images[range.start * len..range.end * len];
                        }
                        if value > first
                            && let Some(buffer) = &own[value - 1 - first]
                        {
                            return buffer;
                        }
                        let kept = whole[value].expect("a value that is read was made before");
                        // SAFETY: made by an earlier segment, or by this part for its own images; no one writes it any more.
                        unsafe {
                            std::slice::from_raw_parts(
                                kept.get().add(range.start * len),
                                range.len() * len,
                            )
                        }
                    };
                    if chain.len() > 1 {
                        let prepared = &prepared[chain.start - first..chain.end - first];
                        self.run_chain(chain.clone(), shapes, range.len(), prepared, read, out);
                    } else {
                        let mut dims = shapes[step.input.0];
                        dims[0] = range.len();
                        step.run(dims, prepared[index - first].as_deref(), read, out);
                    }
                }
                own[index - first] = buffer;
                for Value(value) in self.steps[chain].iter().flat_map(Step::reads) {
                    if value > first && self.last_reader[value] <= index {
                        own[value - 1 - first] = None;
                    }
                }
            }
        });
    }
}

impl Plan {
    /// How many of these steps, from the first, are convolutions that are computed in stripes of rows, one behind the other: where the
    /// maps between them are larger than the cache and nothing else reads them. At least 1.
    fn chain(
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
    fn run_chain<'a>(
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

fn copied(numbers: &[f32]) -> Buffer {
    let mut buffer = Buffer::unspecified(numbers.len());
    buffer.copy_from_slice(numbers);
    buffer
}

impl Step {
    fn weights(&self) -> usize {
        match &self.layer {
            Layer::Conv { conv, .. } => conv.weight.len(),
            _ => 0,
        }
    }

    /// Rows of the matrix product that one image gives.
    fn rows_per_image(&self, conv: &PlannedConv, dims: [usize; 4]) -> usize {
        let shape = conv.shape(dims);
        let rows = shape.out_height() * shape.out_width();
        // Winograd's products have a row per tile.
        if crate::conv::uses_tiles(&shape) {
            shape.out_height().div_ceil(4) * shape.out_width().div_ceil(4)
        } else {
            rows
        }
    }

    fn run<'a>(
        &self,
        dims: [usize; 4],
        prepared: Option<&PreparedConv>,
        read: impl Fn(Value) -> &'a [f32],
        out: &mut [f32],
    ) {
        let x = read(self.input);
        match &self.layer {
            Layer::Conv {
                conv,
                residual,
                activation,
                ..
            } => {
                let shape = conv.shape(dims);
                let prepared =
                    prepared.expect("a convolution's weights are prepared before its segment runs");
                let epilogue = Epilogue {
                    bias: conv.bias.as_deref(),
                    residual: residual.map(read),
                    activation: *activation,
                };
                prepared.forward(&shape, x, epilogue, out);
            }
            Layer::MaxPool(pool) => max_pool(&pool.shape(dims), x, out, None),
            Layer::AveragePool(pool) => average_pool(&pool.shape(dims), x, out),
            Layer::GlobalAverage => global_average_pool(x, dims[0], out),
            Layer::Gate(factors) => gate(x, read(*factors), dims[0], out),
            Layer::Add { other, activation } => add_activate(x, read(*other), *activation, out),
        }
    }

    /// The weights in the form for images of this size, prepared now if they are not; none for a step without weights.
    fn prepared(&self, dims: [usize; 4]) -> Option<Arc<PreparedConv>> {
        let Layer::Conv { conv, prepared, .. } = &self.layer else {
            return None;
        };
        let shape = conv.shape(dims);
        let mut slot = prepared
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(prepared) = slot.as_ref().filter(|prepared| prepared.fits(&shape)) {
            return Some(prepared.clone());
        }
        let prepared = Arc::new(PreparedConv::new(&shape, &conv.weight));
        *slot = Some(prepared.clone());
        Some(prepared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{numbers, with_threads};
    use crate::conv::{conv_forward, reference_forward};

    fn conv(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        groups: usize,
        padding: PlanPadding,
    ) -> PlannedConv {
        let dims = [channels[1], channels[0] / groups, kernel, kernel];
        PlannedConv {
            weight: numbers(dims.iter().product(), channels[0] as u64),
            dims,
            bias: Some(numbers(channels[1], 9)),
            stride,
            padding,
            groups,
        }
    }

    /// A stem, an inverted residual with a gate, a residual block with Winograd's convolutions, and pooling of each kind.
    fn network() -> Plan {
        let mut plan = PlanBuilder::new();
        let same = PlanPadding::Same;
        let x = plan.input();
        let stem = plan.conv(x, conv([3, 32], 3, 2, 1, same), None, Activation::Relu6);
        let wide = plan.conv(
            stem,
            conv([32, 48], 1, 1, 1, PlanPadding::Fixed(0)),
            None,
            Activation::HardSwish,
        );
        let deep = plan.conv(wide, conv([48, 48], 3, 1, 48, same), None, Activation::Relu);
        let mean = plan.global_average(deep);
        let few = plan.conv(
            mean,
            conv([48, 8], 1, 1, 1, PlanPadding::Fixed(0)),
            None,
            Activation::Relu,
        );
        let factors = plan.conv(
            few,
            conv([8, 48], 1, 1, 1, PlanPadding::Fixed(0)),
            None,
            Activation::HardSigmoid,
        );
        let gated = plan.gate(deep, factors);
        let narrow = plan.conv(
            gated,
            conv([48, 32], 1, 1, 1, PlanPadding::Fixed(0)),
            Some(stem),
            Activation::Identity,
        );
        let pooled = plan.max_pool(
            narrow,
            PlannedPool {
                kernel: 3,
                stride: 2,
                padding: 1,
                ceil: false,
            },
        );
        let first = plan.conv(
            pooled,
            conv([32, 32], 3, 1, 1, PlanPadding::Fixed(1)),
            None,
            Activation::Relu,
        );
        let second = plan.conv(
            first,
            conv([32, 32], 3, 1, 1, PlanPadding::Fixed(1)),
            Some(pooled),
            Activation::Relu,
        );
        let halved = plan.average_pool(
            second,
            PlannedPool {
                kernel: 2,
                stride: 2,
                padding: 0,
                ceil: true,
            },
        );
        let last = plan.add(halved, halved, Activation::Relu);
        plan.build(vec![narrow, last, narrow])
    }

    /// The same, one step after the other over the whole batch.
    fn step_by_step(plan: &Plan, images: &[f32], dims: [usize; 4]) -> Vec<Vec<f32>> {
        let mut values = vec![(images.to_vec(), dims)];
        for step in &plan.steps {
            let (x, dims) = &values[step.input.0];
            let out_dims = step.out(*dims);
            let mut out = vec![f32::NAN; out_dims.iter().product()];
            match &step.layer {
                Layer::Conv {
                    conv,
                    residual,
                    activation,
                    ..
                } => {
                    let epilogue = Epilogue {
                        bias: conv.bias.as_deref(),
                        residual: residual.map(|Value(index)| &values[index].0[..]),
                        activation: *activation,
                    };
                    reference_forward(&conv.shape(*dims), x, &conv.weight, epilogue, &mut out);
                }
                _ => step.run(*dims, None, |Value(index)| &values[index].0, &mut out),
            }
            values.push((out, out_dims));
        }
        plan.outputs
            .iter()
            .map(|value| values[value.0].0.clone())
            .collect()
    }

    #[test]
    fn a_plan_gives_what_its_steps_give_for_any_size_of_the_parts() {
        let dims = [5, 29, 26, 3];
        let images = numbers(dims.iter().product(), 1);
        let expected = step_by_step(&network(), &images, dims);
        for (part_bytes, stripe_bytes) in [
            (1, 1 << 30),
            (40 << 10, 1 << 30),
            (200 << 10, 1),
            (1 << 30, 1 << 30),
            (1 << 30, 1),
        ] {
            let mut plan = network();
            plan.part_bytes = part_bytes;
            plan.stripe_bytes = stripe_bytes;
            // Twice, the second time with weights that are prepared already.
            for _ in 0..2 {
                for ((got, dims), expected) in plan.run(&images, dims).iter().zip(&expected) {
                    assert_eq!(got.len(), dims.iter().product::<usize>());
                    let scale = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
                    let worst = got
                        .iter()
                        .zip(expected)
                        .fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
                    assert!(
                        worst <= 1e-4 * scale,
                        "parts of {part_bytes} bytes: {worst} of {scale}"
                    );
                }
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bytes() {
        let dims = [4, 30, 30, 3];
        let images = numbers(dims.iter().product(), 2);
        let run = |threads: usize| {
            with_threads(threads, || {
                let mut plan = network();
                plan.part_bytes = 200 << 10;
                plan.stripe_bytes = 1;
                let outputs = plan.run(&images, dims);
                outputs
                    .iter()
                    .map(|(out, _)| out.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(run(1), run(4));
    }

    #[test]
    fn weights_are_prepared_anew_for_images_of_another_size() {
        let mut plan = PlanBuilder::new();
        let x = plan.input();
        let out = plan.conv(
            x,
            conv([32, 32], 3, 1, 1, PlanPadding::Fixed(1)),
            None,
            Activation::Identity,
        );
        let plan = plan.build(vec![out]);
        for dims in [[16, 28, 28, 32], [1, 3, 3, 32], [16, 28, 28, 32]] {
            let images = numbers(dims.iter().product(), 3);
            let layer = conv([32, 32], 3, 1, 1, PlanPadding::Fixed(1));
            let shape = layer.shape(dims);
            let mut expected = vec![0.0; shape.output_len()];
            let epilogue = Epilogue {
                bias: layer.bias.as_deref(),
                ..Epilogue::default()
            };
            conv_forward(&shape, &images, &layer.weight, epilogue, &mut expected);
            let got = plan.run(&images, dims);
            let worst = got[0]
                .0
                .iter()
                .zip(&expected)
                .fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(worst < 1e-3, "{dims:?}: {worst}");
        }
    }
}
