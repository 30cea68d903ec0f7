//! Building a graph: operations, the numbers that they need, and names that no two values share. Which operations a network has is
//! `walker.rs`'s, `head.rs`'s and `ends.rs`'s.

use std::collections::{BTreeSet, HashMap};

use super::proto::{self, Attribute, Node, TensorProto};
use crate::ExportError;
use crate::precision::WeightPrecision;

/// A graph under construction.
#[derive(Debug)]
pub(super) struct GraphBuilder {
    nodes: Vec<Node>,
    tensors: Vec<TensorProto>,
    names: BTreeSet<String>,
    /// The names of single numbers, by their bits.
    scalars: HashMap<u32, String>,
    precision: WeightPrecision,
    /// What new names begin with.
    prefix: String,
}

impl GraphBuilder {
    /// An empty graph whose weights are kept in this precision; `reserved` are names of inputs and outputs.
    pub(super) fn new(precision: WeightPrecision, reserved: &[&str]) -> Self {
        Self {
            nodes: Vec::new(),
            tensors: Vec::new(),
            names: reserved.iter().map(|name| (*name).to_owned()).collect(),
            scalars: HashMap::new(),
            precision,
            prefix: String::new(),
        }
    }

    /// What new names begin with from here on, such as `member.0.`.
    pub(super) fn set_prefix(&mut self, prefix: &str) {
        self.prefix = prefix.to_owned();
    }

    /// Adds an operation whose only output gets `name`, or that with a number behind it where another value has it; the output's name.
    pub(super) fn node(
        &mut self,
        operation: &str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
        name: &str,
    ) -> String {
        let output = self.fresh(name);
        self.push(operation, inputs, attributes, &output);
        output
    }

    /// Adds an operation whose output is one of the reserved names.
    pub(super) fn output(
        &mut self,
        operation: &str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
        name: &str,
    ) {
        self.push(operation, inputs, attributes, name);
    }

    fn push(&mut self, operation: &str, inputs: &[&str], attributes: Vec<Attribute>, output: &str) {
        self.nodes.push(Node {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: Some(format!("{output}/{operation}")),
            op_type: Some(operation.to_owned()),
            attribute: attributes,
        });
    }

    /// A single number.
    pub(super) fn scalar(&mut self, value: f32) -> String {
        if let Some(name) = self.scalars.get(&value.to_bits()) {
            return name.clone();
        }
        // It is everybody's.
        let prefix = std::mem::take(&mut self.prefix);
        let name = self.vector(&format!("number_{value}"), &[], &[value]);
        self.prefix = prefix;
        self.scalars.insert(value.to_bits(), name.clone());
        name
    }

    /// Numbers that are kept as they are.
    pub(super) fn vector(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes());
        let name = self.fresh(name);
        self.tensor(&name, dims, proto::F32, raw.collect());
        name
    }

    /// Places in a dimension, for an operation that gathers them.
    pub(super) fn places(&mut self, name: &str, values: &[usize]) -> String {
        let raw = values
            .iter()
            .flat_map(|value| (*value as i64).to_le_bytes());
        let name = self.fresh(name);
        self.tensor(&name, &[values.len()], proto::INT64, raw.collect());
        name
    }

    /// The weights of a product, which are kept in the graph's precision and computed with in f32.
    ///
    /// # Errors
    ///
    /// A value is beyond what 16 bits hold.
    pub(super) fn weights(
        &mut self,
        name: &str,
        dims: &[usize],
        values: &[f32],
    ) -> Result<String, ExportError> {
        if self.precision == WeightPrecision::F32 {
            return Ok(self.vector(name, dims, values));
        }
        let half = self.precision.halves(name, values)?;
        let raw = half.iter().flat_map(|value| value.to_le_bytes()).collect();
        let kept = self.fresh(&format!("{name}.f16"));
        self.tensor(&kept, dims, proto::F16, raw);
        let to = int("to", i64::from(proto::F32));
        Ok(self.node("Cast", &[&kept], vec![to], name))
    }

    fn tensor(&mut self, name: &str, dims: &[usize], data_type: i32, raw: Vec<u8>) {
        self.tensors.push(TensorProto {
            dims: dims.iter().map(|&size| size as i64).collect(),
            data_type: Some(data_type),
            name: Some(name.to_owned()),
            raw_data: Some(raw),
        });
    }

    fn fresh(&mut self, name: &str) -> String {
        let name = format!("{}{name}", self.prefix);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| !self.names.contains(name))
            .unwrap_or_default();
        self.names.insert(free.clone());
        free
    }

    /// The operations and the numbers.
    pub(super) fn finish(self) -> (Vec<Node>, Vec<TensorProto>) {
        (self.nodes, self.tensors)
    }
}

/// A setting that is a number.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        f: Some(value),
        r#type: Some(proto::FLOAT),
        ..Attribute::default()
    }
}

/// A setting that is a whole number.
pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        i: Some(value),
        r#type: Some(proto::INT),
        ..Attribute::default()
    }
}

/// A setting that is a list of whole numbers.
pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        ints: values.to_vec(),
        r#type: Some(proto::INTS),
        ..Attribute::default()
    }
}

/// A setting that is a list of sizes.
pub(super) fn sizes(name: &str, values: &[usize]) -> Attribute {
    let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
    ints(name, &values)
}
