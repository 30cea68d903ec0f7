//! One step of a plan: what it reads, the size of its result, and how it is computed.

use std::sync::{Arc, Mutex};

use super::channels::{PlannedChannels, concat};
use super::layers::{PlannedConv, PlannedPool};
use super::norms::{PlannedNorm, weight};
use super::value::Value;
use crate::Activation;
use crate::conv::{Epilogue, PreparedConv};
use crate::elementwise::{activate, add_activate};
use crate::gate::gate;
use crate::pool::{average_pool, global_average_pool, max_pool};

/// What a step computes.
pub(super) enum Layer {
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
    /// The channels of the input, then those of these.
    Concat(Vec<Value>),
    Channels(PlannedChannels),
    Norm(PlannedNorm),
    Activation(Activation),
    /// The product with a map of as many channels, which may have fewer pixels.
    Weight(Value),
}

/// One layer and what it reads.
pub(super) struct Step {
    pub(super) layer: Layer,
    pub(super) input: Value,
}

impl Step {
    /// What it reads.
    pub(super) fn reads(&self) -> impl Iterator<Item = Value> + '_ {
        let others = match &self.layer {
            Layer::Concat(others) => &others[..],
            _ => &[],
        };
        let other = match &self.layer {
            Layer::Conv { residual, .. } => *residual,
            Layer::Gate(other) | Layer::Weight(other) => Some(*other),
            Layer::Add { other, .. } => Some(*other),
            _ => None,
        };
        std::iter::once(self.input)
            .chain(other)
            .chain(others.iter().copied())
    }

    /// The dimensions of its result; `shapes` are those of the values before it.
    pub(super) fn out(&self, shapes: &[[usize; 4]]) -> [usize; 4] {
        let dims = shapes[self.input.0];
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
            Layer::Gate(_)
            | Layer::Add { .. }
            | Layer::Norm(_)
            | Layer::Activation(_)
            | Layer::Weight(_) => dims,
            Layer::Concat(others) => {
                let all = others.iter().map(|other| shapes[other.0]);
                let same = |other: &[usize; 4]| other[..3] == dims[..3];
                assert!(
                    all.clone().all(|other| same(&other)),
                    "maps of different sizes are put together"
                );
                let others: usize = all.map(|other| other[3]).sum();
                [dims[0], dims[1], dims[2], dims[3] + others]
            }
            Layer::Channels(channels) => [dims[0], dims[1], dims[2], channels.count(dims[3])],
        }
    }

    /// Numbers of its weight.
    pub(super) fn weights(&self) -> usize {
        match &self.layer {
            Layer::Conv { conv, .. } => conv.weight.len(),
            _ => 0,
        }
    }

    /// The residual that it can add to where it lies: one that it does not also convolve.
    pub(super) fn adds_onto(&self, prepared: Option<&PreparedConv>) -> Option<Value> {
        match &self.layer {
            Layer::Conv { residual, .. } if prepared?.accumulates() => {
                residual.filter(|residual| *residual != self.input)
            }
            _ => None,
        }
    }

    /// Computes its result for images of these dimensions; `shapes` are those of all values for the whole batch, and `out` holds the residual that it [adds onto](Self::adds_onto) if `onto`.
    pub(super) fn run<'a>(
        &self,
        dims: [usize; 4],
        shapes: &[[usize; 4]],
        prepared: Option<&PreparedConv>,
        read: impl Fn(Value) -> &'a [f32],
        out: &mut [f32],
        onto: bool,
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
                    residual: residual.filter(|_| !onto).map(read),
                    accumulate: onto,
                    activation: *activation,
                };
                prepared.forward(&shape, x, epilogue, out);
            }
            Layer::MaxPool(pool) => max_pool(&pool.shape(dims), x, out, None),
            Layer::AveragePool(pool) => average_pool(&pool.shape(dims), x, out),
            Layer::GlobalAverage => global_average_pool(x, dims[0], out),
            Layer::Gate(factors) => gate(x, read(*factors), dims[0], out),
            Layer::Add { other, activation } => add_activate(x, read(*other), *activation, out),
            Layer::Concat(others) => {
                let others = others.iter().map(|other| read(*other));
                let maps: Vec<&[f32]> = std::iter::once(x).chain(others).collect();
                concat(&maps, dims[..3].iter().product(), out);
            }
            Layer::Channels(channels) => channels.take(x, dims[3], out),
            Layer::Norm(norm) => norm.run(x, dims[0], out),
            Layer::Activation(activation) => activate(x, *activation, out),
            Layer::Weight(weights) => {
                let [_, height, width, channels] = shapes[weights.0];
                let from = [dims[0], height, width, channels];
                weight(x, dims, read(*weights), from, out);
            }
        }
    }

    /// The weights in the form for images of this size, prepared now if they are not; none for a step without weights.
    pub(super) fn prepared(&self, dims: [usize; 4]) -> Option<Arc<PreparedConv>> {
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
