//! The walker that writes what it is shown as ONNX operations: the stages of a backbone. What comes before and behind them is
//! `ends.rs`'s and `head.rs`'s.

use burn::module::Param;
use burn::tensor::Tensor;
use rekindle_backbone::Stage;
use rekindle_backbone::layers::{
    Activation, AdaptivePool, BatchNorm, Channels, Enlarge, Grn, LayerNorm, PoolConfig, PoolKind,
    nearest_pixels,
};
use rekindle_backbone::walk::{ConvStep, Custom, Step, Unknown, Value, Walker};

use super::graph::{GraphBuilder, float, int, ints, sizes};
use crate::ExportError;

/// A feature map in the graph.
#[derive(Debug, Clone)]
pub(super) struct Map {
    /// Its name.
    pub name: String,
    /// Channels, height and width.
    pub shape: [usize; 3],
}

/// Writes stages one behind the other.
#[derive(Debug)]
pub(super) struct OnnxWalker<'a> {
    graph: &'a mut GraphBuilder,
    /// By the number of the walk's value.
    maps: Vec<Map>,
    /// The stage that is being written, for the names of operations that have no key of their own.
    stage: String,
    /// Why the walk ended, where it was not for an unknown operation.
    failed: Option<ExportError>,
}

impl<'a> OnnxWalker<'a> {
    pub(super) fn new(graph: &'a mut GraphBuilder) -> Self {
        Self {
            graph,
            maps: Vec::new(),
            stage: String::new(),
            failed: None,
        }
    }

    /// Writes a stage behind the map `x`; its output.
    ///
    /// # Errors
    ///
    /// [`ExportError::UnknownOperation`], or a weight does not fit its type.
    pub(super) fn stage(
        &mut self,
        stage: &Stage,
        x: Map,
        architecture: &str,
    ) -> Result<Map, ExportError> {
        stage.name().clone_into(&mut self.stage);
        self.maps = vec![x];
        match stage.walk(self, Value::new(0)) {
            Ok(out) => Ok(self.map(&out)),
            Err(unknown) => {
                Err(self
                    .failed
                    .take()
                    .unwrap_or_else(|| ExportError::UnknownOperation {
                        architecture: architecture.to_owned(),
                        operation: unknown.operation,
                    }))
            }
        }
    }

    fn map(&self, value: &Value) -> Map {
        self.maps[value.index()].clone()
    }

    fn give(&mut self, name: String, shape: [usize; 3]) -> Value {
        self.maps.push(Map { name, shape });
        Value::new(self.maps.len() - 1)
    }

    /// The name of an operation without a key of its own.
    fn name(&self, what: &str) -> String {
        format!("{}.{what}", self.stage)
    }

    fn weights(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Result<String, Unknown> {
        self.graph.weights(name, dims, values).map_err(|error| {
            self.failed = Some(error);
            Unknown::new("weight")
        })
    }

    /// Some places of a dimension, in this order.
    fn gathered(&mut self, x: &str, axis: usize, places: &[usize], name: &str) -> String {
        let places = self.graph.places(&format!("{name}.places"), places);
        let axis = int("axis", axis as i64);
        self.graph.node("Gather", &[x, &places], vec![axis], name)
    }

    /// The map pooled to so many rows and columns, each pixel the mean of those that it covers.
    fn adapted(&mut self, x: Map, [rows, columns]: [usize; 2], what: &str) -> Value {
        let [channels, height, width] = x.shape;
        if [rows, columns] == [height, width] {
            return self.give(x.name, x.shape);
        }
        // Adaptive pooling is a product with a matrix on each side.
        let name = self.name(what);
        let above = means(height, rows);
        let beside = means(width, columns);
        let transposed: Vec<f32> = (0..width * columns)
            .map(|place| beside[place % columns * width + place / columns])
            .collect();
        let above = self
            .graph
            .vector(&format!("{name}.rows"), &[1, 1, rows, height], &above);
        let dims = [1, 1, width, columns];
        let beside = self
            .graph
            .vector(&format!("{name}.columns"), &dims, &transposed);
        let tall = self.graph.node("MatMul", &[&above, &x.name], vec![], &name);
        let out = self.graph.node("MatMul", &[&tall, &beside], vec![], &name);
        self.give(out, [channels, rows, columns])
    }

    /// `norm(x)` with the running statistics.
    fn norm(&mut self, x: &str, norm: &BatchNorm) -> String {
        let key = norm.key();
        let each = |graph: &mut GraphBuilder, name: &str, values: Vec<f32>| {
            graph.vector(&format!("{key}.{name}"), &[values.len()], &values)
        };
        let inputs = [
            each(self.graph, "weight", host(norm.gamma.val())),
            each(self.graph, "bias", host(norm.beta.val())),
            each(
                self.graph,
                "running_mean",
                host(norm.running_mean.value_sync()),
            ),
            each(
                self.graph,
                "running_var",
                host(norm.running_var.value_sync()),
            ),
        ];
        let [gamma, beta, mean, variance] = inputs.each_ref().map(String::as_str);
        let epsilon = float("epsilon", norm.epsilon() as f32);
        self.graph.node(
            "BatchNormalization",
            &[x, gamma, beta, mean, variance],
            vec![epsilon],
            key,
        )
    }

    /// One factor or summand for each channel, `[1, channels, 1, 1]`.
    fn per_channel(&mut self, name: &str, values: &[f32]) -> String {
        self.graph.vector(name, &[1, values.len(), 1, 1], values)
    }
}

/// Numbers on the host.
pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .without_autodiff()
        .into_data()
        .iter::<f32>()
        .collect()
}

/// Writes an elementwise function; the name of its result, or of `x` where it is the identity.
pub(super) fn activation(
    graph: &mut GraphBuilder,
    x: String,
    activation: Activation,
    name: &str,
) -> String {
    match activation {
        Activation::Identity => x,
        Activation::Relu => graph.node("Relu", &[&x], vec![], &format!("{name}.relu")),
        Activation::Relu6 => {
            let (zero, six) = (graph.scalar(0.0), graph.scalar(6.0));
            graph.node("Clip", &[&x, &zero, &six], vec![], &format!("{name}.relu6"))
        }
        Activation::HardSigmoid => {
            let settings = vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)];
            graph.node(
                "HardSigmoid",
                &[&x],
                settings,
                &format!("{name}.hard_sigmoid"),
            )
        }
        Activation::HardSwish => {
            graph.node("HardSwish", &[&x], vec![], &format!("{name}.hard_swish"))
        }
        Activation::Sigmoid => graph.node("Sigmoid", &[&x], vec![], &format!("{name}.sigmoid")),
        Activation::Silu => {
            let gate = graph.node("Sigmoid", &[&x], vec![], &format!("{name}.sigmoid"));
            graph.node("Mul", &[&x, &gate], vec![], &format!("{name}.silu"))
        }
        // The operation Gelu is younger than the operators that these files are for. Runtimes know the pattern.
        Activation::Gelu => {
            let root = graph.scalar(std::f32::consts::SQRT_2);
            let [one, half] = [1.0, 0.5].map(|number| graph.scalar(number));
            let mut step = |operation: &str, inputs: &[&str]| {
                graph.node(operation, inputs, vec![], &format!("{name}.gelu"))
            };
            let scaled = step("Div", &[&x, &root]);
            let erf = step("Erf", &[&scaled]);
            let shifted = step("Add", &[&erf, &one]);
            let product = step("Mul", &[&x, &shifted]);
            step("Mul", &[&product, &half])
        }
    }
}

/// The rows that bring a side of `from` pixels to `to`, each the mean of the pixels that it covers, `[to, from]`.
fn means(from: usize, to: usize) -> Vec<f32> {
    let mut rows = vec![0.0; to * from];
    for (row, values) in rows.chunks_mut(from).enumerate() {
        let covered = row * from / to..((row + 1) * from).div_ceil(to);
        let share = 1.0 / covered.len() as f32;
        values[covered].fill(share);
    }
    rows
}

impl Walker for OnnxWalker<'_> {
    fn fork(&mut self, x: Value) -> [Value; 2] {
        [Value::new(x.index()), x]
    }

    fn conv(&mut self, x: Value, step: ConvStep<'_>) -> Step {
        let (conv, x) = (step.conv, self.map(&x));
        let [_, height, width] = x.shape;
        let dims = conv.weight.dims();
        let key = conv.key();
        let values = host(conv.weight.val());
        let weight = self.weights(&format!("{key}.weight"), &dims, &values)?;
        let mut inputs = vec![x.name, weight];
        if let Some(bias) = &conv.bias {
            let values = host(bias.val());
            let name = format!("{key}.bias");
            inputs.push(self.graph.vector(&name, &[values.len()], &values));
        }
        let pads = conv.pads(height, width);
        let [[top, bottom], [left, right]] = pads;
        let settings = vec![
            sizes("kernel_shape", &dims[2..]),
            sizes("strides", &[conv.stride(); 2]),
            sizes("pads", &[top, left, bottom, right]),
            int("group", conv.groups() as i64),
        ];
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let mut out = self.graph.node("Conv", &inputs, settings, key);
        if let Some(norm) = step.norm {
            out = self.norm(&out, norm);
        }
        if let Some(residual) = &step.residual {
            let residual = self.map(residual).name;
            let name = format!("{key}.sum");
            out = self.graph.node("Add", &[&out, &residual], vec![], &name);
        }
        out = activation(self.graph, out, step.activation, key);
        let side = |axis: usize, size: usize| {
            (size + pads[axis][0] + pads[axis][1] - dims[2 + axis]) / conv.stride() + 1
        };
        let shape = [dims[0], side(0, height), side(1, width)];
        Ok(self.give(out, shape))
    }

    fn batch_norm(&mut self, x: Value, norm: &BatchNorm) -> Step {
        let x = self.map(&x);
        let out = self.norm(&x.name, norm);
        Ok(self.give(out, x.shape))
    }

    fn layer_norm(&mut self, x: Value, norm: &LayerNorm) -> Step {
        let x = self.map(&x);
        let name = self.name("layer_norm");
        let [gamma, beta] = [&norm.gamma, &norm.beta].map(|values| host(values.val()));
        let channels = gamma.len();
        let gamma = self
            .graph
            .vector(&format!("{name}.weight"), &[channels], &gamma);
        let beta = self
            .graph
            .vector(&format!("{name}.bias"), &[channels], &beta);
        // The operation works on the last dimension.
        let order = |order: [i64; 4]| vec![ints("perm", &order)];
        let last = self
            .graph
            .node("Transpose", &[&x.name], order([0, 2, 3, 1]), &name);
        let settings = vec![int("axis", -1), float("epsilon", norm.epsilon() as f32)];
        let inputs = [last.as_str(), &gamma, &beta];
        let normed = self
            .graph
            .node("LayerNormalization", &inputs, settings, &name);
        let out = self
            .graph
            .node("Transpose", &[&normed], order([0, 3, 1, 2]), &name);
        Ok(self.give(out, x.shape))
    }

    fn response_norm(&mut self, x: Value, norm: &Grn) -> Step {
        let x = self.map(&x);
        let name = self.name("response_norm");
        let [gamma, beta] = [&norm.gamma, &norm.beta].map(|values| host(values.val()));
        let gamma = self.per_channel(&format!("{name}.weight"), &gamma);
        let beta = self.per_channel(&format!("{name}.bias"), &beta);
        let [epsilon, one] = [norm.epsilon() as f32, 1.0].map(|number| self.graph.scalar(number));
        let keep = || int("keepdims", 1);
        let mut step = |operation: &str, inputs: &[&str], settings| {
            self.graph.node(operation, inputs, settings, &name)
        };
        let over_pixels = vec![ints("axes", &[2, 3]), keep()];
        let norms = step("ReduceL2", &[&x.name], over_pixels);
        let mean = step("ReduceMean", &[&norms], vec![ints("axes", &[1]), keep()]);
        let mean = step("Add", &[&mean, &epsilon], vec![]);
        let share = step("Div", &[&norms, &mean], vec![]);
        let factor = step("Mul", &[&share, &gamma], vec![]);
        let factor = step("Add", &[&factor, &one], vec![]);
        let product = step("Mul", &[&x.name, &factor], vec![]);
        let out = step("Add", &[&product, &beta], vec![]);
        Ok(self.give(out, x.shape))
    }

    fn scale(&mut self, x: Value, factors: &Param<Tensor<1>>) -> Step {
        let x = self.map(&x);
        let name = self.name("scale");
        let factors = self.per_channel(&format!("{name}.weight"), &host(factors.val()));
        let out = self.graph.node("Mul", &[&x.name, &factors], vec![], &name);
        Ok(self.give(out, x.shape))
    }

    fn enlarge(&mut self, x: Value, enlarge: &Enlarge) -> Step {
        let x = self.map(&x);
        let [_, height, width] = x.shape;
        let sides = [height, width].map(|side| side.max(enlarge.side()));
        Ok(self.adapted(x, sides, "enlarge"))
    }

    fn adaptive_pool(&mut self, x: Value, pool: &AdaptivePool) -> Step {
        let x = self.map(&x);
        Ok(self.adapted(x, [pool.side(); 2], "adaptive_pool"))
    }

    fn channels(&mut self, x: Value, channels: &Channels) -> Step {
        let x = self.map(&x);
        let [count, height, width] = x.shape;
        let taken = channels.indices(count);
        let name = self.name("channels");
        let out = self.gathered(&x.name, 1, &taken, &name);
        Ok(self.give(out, [taken.len(), height, width]))
    }

    fn weight(&mut self, x: Value, weights: Value) -> Step {
        let (x, weights) = (self.map(&x), self.map(&weights));
        let name = self.name("weighted");
        let mut enlarged = weights.name;
        for side in [1, 2] {
            let (from, to) = (weights.shape[side], x.shape[side]);
            if from != to {
                enlarged = self.gathered(&enlarged, side + 1, &nearest_pixels(from, to), &name);
            }
        }
        let out = self.graph.node("Mul", &[&x.name, &enlarged], vec![], &name);
        Ok(self.give(out, x.shape))
    }

    fn activation(&mut self, x: Value, function: Activation) -> Step {
        let x = self.map(&x);
        let name = self.name("activation");
        let out = activation(self.graph, x.name, function, &name);
        Ok(self.give(out, x.shape))
    }

    fn pool(&mut self, x: Value, pool: &PoolConfig) -> Step {
        let x = self.map(&x);
        let [channels, height, width] = x.shape;
        let name = self.name("pool");
        let [[top, bottom], [left, right]] = pool.pads(height, width);
        let window = || {
            vec![
                sizes("kernel_shape", &[pool.kernel; 2]),
                sizes("strides", &[pool.stride; 2]),
                sizes("pads", &[top, left, bottom, right]),
            ]
        };
        let (operation, settings) = match pool.kind {
            PoolKind::Max | PoolKind::MaxCeil => ("MaxPool", window()),
            PoolKind::Average | PoolKind::AverageCeil => ("AveragePool", window()),
            PoolKind::AverageCounted => {
                let mut settings = window();
                settings.push(int("count_include_pad", 1));
                ("AveragePool", settings)
            }
            PoolKind::GlobalAverage => ("GlobalAveragePool", vec![]),
        };
        let out = self.graph.node(operation, &[&x.name], settings, &name);
        let [rows, columns] = pool.out(height, width);
        Ok(self.give(out, [channels, rows, columns]))
    }

    fn add(&mut self, x: Value, other: Value, function: Activation) -> Step {
        let (x, other) = (self.map(&x), self.map(&other));
        let name = self.name("sum");
        let sum = self
            .graph
            .node("Add", &[&x.name, &other.name], vec![], &name);
        let out = activation(self.graph, sum, function, &name);
        Ok(self.give(out, x.shape))
    }

    fn gate(&mut self, x: Value, gate: Value) -> Step {
        let (x, gate) = (self.map(&x), self.map(&gate));
        let name = self.name("gate");
        let out = self
            .graph
            .node("Mul", &[&x.name, &gate.name], vec![], &name);
        Ok(self.give(out, x.shape))
    }

    fn concat(&mut self, inputs: Vec<Value>) -> Step {
        let maps: Vec<Map> = inputs.iter().map(|input| self.map(input)).collect();
        let channels = maps.iter().map(|map| map.shape[0]).sum();
        let [_, height, width] = maps.first().map(|map| map.shape).unwrap_or_default();
        let names: Vec<&str> = maps.iter().map(|map| map.name.as_str()).collect();
        let name = self.name("concat");
        let out = self
            .graph
            .node("Concat", &names, vec![int("axis", 1)], &name);
        Ok(self.give(out, [channels, height, width]))
    }

    fn custom(&mut self, _: Vec<Value>, operation: &dyn Custom) -> Step {
        Err(Unknown::new(operation.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_of_an_enlarged_side_is_the_mean_of_those_that_it_covers() {
        assert_eq!(means(1, 3), [1.0, 1.0, 1.0]);
        assert_eq!(means(2, 3), [1.0, 0.0, 0.5, 0.5, 0.0, 1.0]);
        assert_eq!(means(2, 2), [1.0, 0.0, 0.0, 1.0]);
    }
}
