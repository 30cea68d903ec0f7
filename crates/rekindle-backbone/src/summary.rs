//! What each stage of a backbone makes of an image, and what that takes: sizes, parameters, multiply-adds.

use burn::module::{Param, RunningState};
use burn::tensor::Tensor;
use rekindle_kernels::Activation;

use crate::layers::{BatchNorm, PoolConfig};
use crate::stage::Stage;
use crate::walk::{ConvStep, Custom, Step, Value, Walker};
use crate::{Named, StateVisitor};

/// What a stage makes of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSummary {
    /// The stage's name.
    pub name: String,
    /// Channels of its output.
    pub channels: usize,
    /// Height of its output in pixels.
    pub height: usize,
    /// Width of its output in pixels.
    pub width: usize,
    /// Numbers in its parameters; running statistics are none.
    pub parameters: usize,
    /// Multiplications of its convolutions and other matrix products, each with an addition, for one image. Norms, activations, pooling
    /// and sums are not counted, as is usual.
    pub multiply_adds: u64,
    /// Numbers that its operations write for one image: what a training step keeps for the way back.
    pub activations: u64,
}

/// Sums up stages for an image of this size.
pub(crate) fn summary(stages: &[Stage], height: usize, width: usize) -> Vec<StageSummary> {
    // The images have as many channels as the first convolution takes.
    let mut x = [0, height, width];
    let mut all = Vec::with_capacity(stages.len());
    for stage in stages {
        let mut counter = Counter {
            shapes: vec![x],
            multiply_adds: 0,
            activations: 0,
        };
        let out = stage
            .walk(&mut counter, Value::new(0))
            .unwrap_or_else(|unknown| panic!("{unknown}, though every operation can be counted"));
        x = counter.shape(&out);
        let mut parameters = Parameters(0);
        stage.clone().visit_state(&mut parameters);
        let [channels, height, width] = x;
        all.push(StageSummary {
            name: stage.name().to_owned(),
            channels,
            height,
            width,
            parameters: parameters.0,
            multiply_adds: counter.multiply_adds,
            activations: counter.activations,
        });
    }
    all
}

struct Parameters(usize);

impl StateVisitor for Parameters {
    fn parameter<const D: usize>(&mut self, _: &str, parameter: &mut Param<Tensor<D>>) {
        self.0 += parameter.lazy_shape().num_elements();
    }

    fn buffer(&mut self, _: &str, _: &mut RunningState<Tensor<1>>) {}
}

/// The walker that follows sizes and counts.
struct Counter {
    /// Channels, height and width by the number of the value.
    shapes: Vec<[usize; 3]>,
    multiply_adds: u64,
    activations: u64,
}

impl Counter {
    fn shape(&self, value: &Value) -> [usize; 3] {
        self.shapes[value.index()]
    }

    fn give(&mut self, shape: [usize; 3]) -> Step {
        self.activations += shape.iter().product::<usize>() as u64;
        self.shapes.push(shape);
        Ok(Value::new(self.shapes.len() - 1))
    }
}

impl Walker for Counter {
    fn fork(&mut self, x: Value) -> [Value; 2] {
        [Value::new(x.index()), x]
    }

    fn conv(&mut self, x: Value, step: ConvStep<'_>) -> Step {
        let [_, height, width] = self.shape(&x);
        // A network that is only counted never draws its weights.
        let weight = step.conv.weight.lazy_shape().dims();
        let dims = [1, height, width, weight[1] * step.conv.groups()];
        let shape = step.conv.options(dims, true).shape(dims, weight);
        let products = shape.output_len() * (shape.weight_len() / shape.channels_out);
        self.multiply_adds += products as u64;
        if step.norm.is_some() {
            // The convolution's own result is kept beside the norm's.
            self.activations += shape.output_len() as u64;
        }
        self.give([shape.channels_out, shape.out_height(), shape.out_width()])
    }

    fn batch_norm(&mut self, x: Value, _: &BatchNorm) -> Step {
        self.give(self.shape(&x))
    }

    fn activation(&mut self, x: Value, _: Activation) -> Step {
        self.give(self.shape(&x))
    }

    fn pool(&mut self, x: Value, pool: &PoolConfig) -> Step {
        let [channels, height, width] = self.shape(&x);
        let [height, width] = pool.out(height, width);
        self.give([channels, height, width])
    }

    fn add(&mut self, x: Value, _: Value, _: Activation) -> Step {
        self.give(self.shape(&x))
    }

    fn gate(&mut self, x: Value, _: Value) -> Step {
        self.give(self.shape(&x))
    }

    fn concat(&mut self, inputs: Vec<Value>) -> Step {
        let shapes = inputs.iter().map(|value| self.shape(value));
        let out =
            shapes.reduce(|[all, ..], [channels, height, width]| [all + channels, height, width]);
        self.give(out.expect("a concatenation has inputs"))
    }

    fn custom(&mut self, inputs: Vec<Value>, operation: &dyn Custom) -> Step {
        let shapes: Vec<_> = inputs.iter().map(|value| self.shape(value)).collect();
        self.multiply_adds += operation.multiply_adds(&shapes);
        self.give(operation.out(&shapes))
    }
}
