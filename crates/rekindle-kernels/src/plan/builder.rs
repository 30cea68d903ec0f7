//! Building a plan, layer by layer.

use std::sync::Mutex;

use super::channels::PlannedChannels;
use super::inference::{InferencePlan, LARGE_MAP, PART_BYTES};
use super::layers::{PlannedConv, PlannedPool};
use super::norms::PlannedNorm;
use super::step::{Layer, Step};
use super::value::Value;
use crate::Activation;

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

    /// The mean of each window's pixels inside the image, or of all with zeros outside where the padding is counted.
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

    /// The channels of maps of one size, one map's behind the other's.
    ///
    /// # Panics
    ///
    /// When there are no maps.
    pub fn concat(&mut self, maps: &[Value]) -> Value {
        let (first, others) = maps.split_first().expect("a concatenation has maps");
        self.push(*first, Layer::Concat(others.to_vec()))
    }

    /// Some channels of `x`, or all in another order.
    pub fn channels(&mut self, x: Value, channels: PlannedChannels) -> Value {
        self.push(x, Layer::Channels(channels))
    }

    /// A norm that is folded into no convolution.
    pub fn norm(&mut self, x: Value, norm: PlannedNorm) -> Value {
        self.push(x, Layer::Norm(norm))
    }

    /// `activation(x)`.
    pub fn activation(&mut self, x: Value, activation: Activation) -> Value {
        self.push(x, Layer::Activation(activation))
    }

    /// `x * weights`, of as many channels; weights of fewer pixels are enlarged, each to the pixels that it lies nearest to.
    pub fn weight(&mut self, x: Value, weights: Value) -> Value {
        self.push(x, Layer::Weight(weights))
    }

    /// How many layers there are, for [`truncate`](Self::truncate).
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Forgets the layers behind the first `len`, and with them their values: for layers that turn out not to fit a plan halfway.
    pub fn truncate(&mut self, len: usize) {
        self.steps.truncate(len);
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
    pub fn build(self, outputs: Vec<Value>) -> InferencePlan {
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
        InferencePlan {
            steps: self.steps,
            outputs,
            last_reader,
            part_bytes: PART_BYTES,
            stripe_bytes: LARGE_MAP,
        }
    }
}
