//! Computing what a graph says, by Burn's operations: those operations, and those of their settings, that are written here. It shares
//! nothing with the writing but the format, so a mistake in the names, the order or the numbers of a file shows.

use std::collections::HashMap;

use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, activation, module};

use super::file::constant;
use super::proto::{Graph, Node};
use crate::ExportError;

/// The operations that can be computed.
pub(super) const OPERATIONS: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "Div",
    "Erf",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LayerNormalization",
    "MatMul",
    "Max",
    "MaxPool",
    "Mul",
    "Neg",
    "Pow",
    "ReduceL2",
    "ReduceMean",
    "Relu",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Sqrt",
    "Sub",
    "Tanh",
    "Transpose",
];

/// Computes the graph's output.
///
/// Every value has four dimensions here; one of fewer has its own first and 1 for the others, so that numbers of each channel in a graph
/// are `[1, channels]` or `[1, channels, 1, 1]` alike.
pub(super) fn run(graph: &Graph, images: Tensor<4>) -> Result<Tensor<2>, ExportError> {
    let device = images.device();
    let mut values: HashMap<&str, Tensor<4>> = graph
        .initializer
        .iter()
        .map(|tensor| (tensor.name(), constant(tensor, &device)))
        .collect();
    if let Some(input) = graph.input.first() {
        values.insert(input.name(), images);
    }
    // A value is dropped behind its last reader.
    let mut last_reader = HashMap::new();
    for (number, node) in graph.node.iter().enumerate() {
        for input in &node.input {
            last_reader.insert(input.as_str(), number);
        }
    }
    for (number, node) in graph.node.iter().enumerate() {
        let inputs: Vec<Tensor<4>> = node
            .input
            .iter()
            .filter_map(|input| values.get(input.as_str()).cloned())
            .collect();
        let out = Operation { node, inputs }.compute()?;
        for input in &node.input {
            if last_reader[input.as_str()] == number {
                values.remove(input.as_str());
            }
        }
        if let Some(output) = node.output.first() {
            values.insert(output, out);
        }
    }
    let output = graph.output.first().map(|output| output.name());
    let output = output.and_then(|name| values.remove(name));
    let output = output.ok_or_else(|| ExportError::NotOnnx {
        reason: "nothing makes its output".into(),
    })?;
    let [batch, outputs, ..] = output.dims();
    Ok(output.reshape([batch, outputs]))
}

struct Operation<'a> {
    node: &'a Node,
    inputs: Vec<Tensor<4>>,
}

impl Operation<'_> {
    fn compute(&self) -> Result<Tensor<4>, ExportError> {
        let x = self.input(0)?;
        Ok(match self.node.op_type() {
            "Add" => x + self.input(1)?,
            "Sub" => x - self.input(1)?,
            "Mul" => x * self.input(1)?,
            "Div" => x / self.input(1)?,
            "Max" => x.max_pair(self.input(1)?),
            "Pow" => x.powf(self.input(1)?),
            "Sqrt" => x.sqrt(),
            "Neg" => x.neg(),
            "Softplus" => activation::softplus(x, 1.0),
            "Erf" => x.erf(),
            "Tanh" => x.tanh(),
            "Relu" => activation::relu(x),
            "Sigmoid" => activation::sigmoid(x),
            "Softmax" => activation::softmax(x, self.int("axis", -1) as usize),
            "HardSigmoid" => {
                let [alpha, beta] = [self.float("alpha", 0.2), self.float("beta", 0.5)];
                (x * alpha + beta).clamp(0.0, 1.0)
            }
            "HardSwish" => x.clone() * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            "Clip" => {
                let x = x.max_pair(self.input(1)?);
                match self.inputs.len() {
                    2 => x,
                    _ => x.min_pair(self.input(2)?),
                }
            }
            // Constants are in f32 here, and the input of the network is.
            "Cast" | "Identity" => x,
            "Flatten" => {
                let [batch, channels, height, width] = x.dims();
                x.reshape([batch, channels * height * width, 1, 1])
            }
            "Concat" => Tensor::cat(self.inputs.clone(), self.int("axis", 0) as usize),
            "Gather" => {
                // Whole numbers are in f32 here, which holds every place in a dimension of less than 2^24.
                let places = self.vector(1)?.int();
                x.select(self.int("axis", 0) as usize, places)
            }
            "Transpose" => {
                let order: Vec<usize> = self.sizes("perm");
                match order[..] {
                    [a, b, c, d] => x.permute([a, b, c, d]),
                    _ => return Err(self.unknown("perm")),
                }
            }
            "ReduceMean" => x.mean_dims(&self.sizes("axes")),
            "ReduceL2" => (x.clone() * x).sum_dims(&self.sizes("axes")).sqrt(),
            "GlobalAveragePool" => x.mean_dims(&[2, 3]),
            "GlobalMaxPool" => x.max_dims(&[2, 3]),
            "Gemm" => {
                let x = x.squeeze_dims::<2>(&[2, 3]);
                let weight = self.input(1)?.squeeze_dims::<2>(&[2, 3]);
                let bias = self.vector(2)?.unsqueeze::<2>();
                (x.matmul(weight) + bias).unsqueeze_dims(&[2, 3])
            }
            "MatMul" => self.matmul(x)?,
            "BatchNormalization" => {
                let [gamma, beta, mean, variance] = self.vectors()?;
                let epsilon = f64::from(self.float("epsilon", 1e-5));
                module::batch_norm(x, gamma, beta, mean, variance, epsilon)
            }
            "LayerNormalization" => {
                let mean = x.clone().mean_dim(3);
                let centred = x - mean;
                let variance = (centred.clone() * centred.clone()).mean_dim(3);
                let normed = centred / (variance + self.float("epsilon", 1e-5)).sqrt();
                let each = |place| Ok::<_, ExportError>(self.vector(place)?.reshape([1, 1, 1, -1]));
                normed * each(1)? + each(2)?
            }
            "Conv" => self.conv(x)?,
            "MaxPool" | "AveragePool" => self.pool(x)?,
            _ => return Err(self.unknown("operation")),
        })
    }

    fn conv(&self, x: Tensor<4>) -> Result<Tensor<4>, ExportError> {
        let bias = match self.inputs.len() {
            3 => Some(self.vector(2)?),
            _ => None,
        };
        let strides = self.pair("strides", 1)?;
        let pads = self.pads()?;
        let groups = self.int("group", 1) as usize;
        let options = ConvOptions::new_with_padding(strides, pads, [1; 2], groups);
        Ok(module::conv2d(x, self.input(1)?, bias, options))
    }

    fn pool(&self, x: Tensor<4>) -> Result<Tensor<4>, ExportError> {
        let kernel = self.pair("kernel_shape", 1)?;
        let strides = self.pair("strides", 1)?;
        let [(top, bottom), (left, right)] = self.pads()?;
        let [batch, channels, height, width] = x.dims();
        // Burn's pools take the same padding on both sides: it is added here, with what each kind leaves out of count.
        let padded = |x: Tensor<4>, value: f32| {
            let dims = [batch, channels, height + top + bottom, width + left + right];
            let inside = [0..batch, 0..channels, top..top + height, left..left + width];
            Tensor::full(dims, value, &x.device()).slice_assign(inside, x)
        };
        if self.node.op_type() == "MaxPool" {
            let options = MaxPoolOptions::new(kernel).with_stride(strides);
            return Ok(module::max_pool2d(padded(x, f32::MIN), options));
        }
        let average = |x: Tensor<4>| {
            let options = AvgPoolOptions::new(kernel).with_stride(strides);
            module::avg_pool2d(padded(x, 0.0), options)
        };
        if self.int("count_include_pad", 0) == 1 {
            return Ok(average(x));
        }
        let inside = average(x.ones_like());
        Ok(average(x) / inside)
    }

    /// A product of the last two dimensions, where one side is `[1, 1, rows, columns]`.
    fn matmul(&self, x: Tensor<4>) -> Result<Tensor<4>, ExportError> {
        let other = self.input(1)?;
        let [batch, channels, ..] = match x.dims()[0] * x.dims()[1] {
            1 => other.dims(),
            _ => x.dims(),
        };
        let spread = |x: Tensor<4>| {
            let [_, _, rows, columns] = x.dims();
            x.expand([batch, channels, rows, columns])
        };
        Ok(spread(x).matmul(spread(other)))
    }

    fn input(&self, place: usize) -> Result<Tensor<4>, ExportError> {
        let input = self.inputs.get(place).cloned();
        input.ok_or_else(|| self.unknown("number of inputs"))
    }

    fn vector(&self, place: usize) -> Result<Tensor<1>, ExportError> {
        Ok(self.input(place)?.flatten(0, 3))
    }

    /// Scale, shift, mean and variance.
    fn vectors(&self) -> Result<[Tensor<1>; 4], ExportError> {
        Ok([
            self.vector(1)?,
            self.vector(2)?,
            self.vector(3)?,
            self.vector(4)?,
        ])
    }

    fn unknown(&self, what: &str) -> ExportError {
        ExportError::NotOnnx {
            reason: format!("{} has an unknown {what}", self.node.op_type()),
        }
    }

    fn attribute(&self, name: &str) -> Option<&super::proto::Attribute> {
        let mut all = self.node.attribute.iter();
        all.find(|attribute| attribute.name() == name)
    }

    fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |one| one.f())
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |one| one.i())
    }

    fn sizes(&self, name: &str) -> Vec<usize> {
        let found = self.attribute(name).into_iter().flat_map(|one| &one.ints);
        found.map(|&size| size as usize).collect()
    }

    fn pair(&self, name: &str, default: usize) -> Result<[usize; 2], ExportError> {
        match self.sizes(name)[..] {
            [] => Ok([default; 2]),
            [height, width] => Ok([height, width]),
            _ => Err(self.unknown(name)),
        }
    }

    /// Above and below, left and right.
    fn pads(&self) -> Result<[(usize, usize); 2], ExportError> {
        match self.sizes("pads")[..] {
            [] => Ok([(0, 0); 2]),
            [top, left, bottom, right] => Ok([(top, bottom), (left, right)]),
            _ => Err(self.unknown("pads")),
        }
    }
}
