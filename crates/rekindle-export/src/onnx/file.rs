//! Reading an ONNX file back, and checking how it is made. Computing what it says is `run.rs`'s.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use prost::Message;

use super::proto::{self, Graph, Model, TensorProto};
use super::run;
use crate::ExportError;

/// An ONNX file that has been read and checked: operations that are known here, each name given once and before it is used, and as many
/// numbers as every tensor's dimensions say.
#[derive(Debug)]
pub struct OnnxFile {
    graph: Graph,
    opset: i64,
    metadata: BTreeMap<String, String>,
}

/// What is in an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxContents {
    /// The version of the operators.
    pub opset: i64,
    /// Operations.
    pub nodes: usize,
    /// Tensors of weights.
    pub tensors: usize,
    /// Numbers in them.
    pub numbers: usize,
    /// The input's name and dimensions, none for the batch.
    pub input: (String, Vec<Option<usize>>),
    /// The output's.
    pub output: (String, Vec<Option<usize>>),
}

fn fault(reason: impl Into<String>) -> ExportError {
    ExportError::NotOnnx {
        reason: reason.into(),
    }
}

impl OnnxFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`ExportError::NotOnnx`] says what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, ExportError> {
        let file = Model::decode(bytes).map_err(|error| fault(error.to_string()))?;
        let graph = file.graph.ok_or_else(|| fault("it has no graph"))?;
        let own = |set: &&proto::OperatorSet| set.domain().is_empty();
        let opset = file.opset_import.iter().find(own);
        let opset = opset.ok_or_else(|| fault("it names no version of the operators"))?;
        check(&graph)?;
        let entry = |entry: &proto::Entry| (entry.key().to_owned(), entry.value().to_owned());
        Ok(Self {
            opset: opset.version(),
            metadata: file.metadata_props.iter().map(entry).collect(),
            graph,
        })
    }

    /// What is in it.
    pub fn contents(&self) -> OnnxContents {
        let value = |values: &[proto::ValueInfo]| {
            let value = values.first().cloned().unwrap_or_default();
            (value.name().to_owned(), dimensions(&value))
        };
        OnnxContents {
            opset: self.opset,
            nodes: self.graph.node.len(),
            tensors: self.graph.initializer.len(),
            numbers: self.graph.initializer.iter().map(count).sum(),
            input: value(&self.graph.input),
            output: value(&self.graph.output),
        }
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The names of the operations, without repetitions.
    pub fn operations(&self) -> BTreeSet<&str> {
        self.graph.node.iter().map(|node| node.op_type()).collect()
    }

    /// The numbers of a tensor of weights with their dimensions, if there is one of this name.
    pub fn tensor(&self, name: &str) -> Option<TensorData> {
        let mut all = self.graph.initializer.iter();
        all.find(|tensor| tensor.name() == name).map(numbers)
    }

    /// Computes the output for images, by Burn's operations.
    ///
    /// # Shapes
    ///
    /// `[batch, 3, height, width]` to `[batch, outputs]`.
    ///
    /// # Errors
    ///
    /// An operation has settings that none written here has.
    pub fn run(&self, images: Tensor<4>) -> Result<Tensor<2>, ExportError> {
        run::run(&self.graph, images)
    }
}

fn check(graph: &Graph) -> Result<(), ExportError> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for tensor in &graph.initializer {
        let size = match tensor.data_type() {
            proto::F32 => 4,
            proto::F16 => 2,
            proto::INT64 => 8,
            other => {
                return Err(fault(format!(
                    "`{}` has the unknown type {other}",
                    tensor.name()
                )));
            }
        };
        if tensor.dims.iter().any(|size| *size < 0)
            || tensor.raw_data().len() != count(tensor).saturating_mul(size)
        {
            return Err(fault(format!(
                "`{}` of dimensions {:?} has {} bytes",
                tensor.name(),
                tensor.dims,
                tensor.raw_data().len()
            )));
        }
        known.insert(tensor.name());
    }
    let tensors = known.clone();
    if tensors.len() != graph.initializer.len() {
        return Err(fault("two tensors have the same name"));
    }
    let [input] = &graph.input[..] else {
        return Err(fault(format!("it has {} inputs", graph.input.len())));
    };
    known.insert(input.name());
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for node in &graph.node {
        if !run::OPERATIONS.contains(&node.op_type()) {
            return Err(fault(format!("it has the operation {}", node.op_type())));
        }
        for input in &node.input {
            if !known.contains(input.as_str()) {
                return Err(fault(format!(
                    "{} of `{input}` comes before it is known",
                    node.op_type()
                )));
            }
            used.insert(input);
        }
        for output in &node.output {
            if !known.insert(output) {
                return Err(fault(format!("two values are called `{output}`")));
            }
        }
    }
    if let Some(unused) = tensors.iter().find(|name| !used.contains(*name)) {
        return Err(fault(format!("nothing reads the tensor `{unused}`")));
    }
    match &graph.output[..] {
        [output] if known.contains(output.name()) => Ok(()),
        _ => Err(fault("nothing makes its output")),
    }
}

/// Numbers in a tensor.
fn count(tensor: &TensorProto) -> usize {
    let sizes = tensor.dims.iter().map(|size| *size as usize);
    sizes.fold(1, usize::saturating_mul)
}

/// A tensor's numbers in f32.
fn numbers(tensor: &TensorProto) -> TensorData {
    let raw = tensor.raw_data();
    let values: Vec<f32> = match tensor.data_type() {
        proto::F16 => raw
            .chunks_exact(2)
            .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        proto::INT64 => raw
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
        _ => raw
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
    };
    let dims: Vec<usize> = tensor.dims.iter().map(|size| *size as usize).collect();
    TensorData::new(values, dims)
}

/// A tensor as one of four dimensions, those that it has first.
pub(super) fn constant(tensor: &TensorProto, device: &Device) -> Tensor<4> {
    let mut data = numbers(tensor);
    let mut dims = [1; 4];
    for (place, size) in dims.iter_mut().zip(data.shape().iter()) {
        *place = *size;
    }
    data = TensorData::new(data.iter::<f32>().collect(), dims);
    Tensor::from_data(data, device)
}

fn dimensions(value: &proto::ValueInfo) -> Vec<Option<usize>> {
    let shape = value
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref())
        .and_then(|tensor| tensor.shape.as_ref());
    let sizes = shape.into_iter().flat_map(|shape| &shape.dim);
    sizes
        .map(|dimension| dimension.dim_value.map(|size| size as usize))
        .collect()
}
