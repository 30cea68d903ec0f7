//! The walk over every named tensor of a network: loading, saving and grouping all use this one.

use burn::module::{Param, RunningState};
use burn::tensor::Tensor;

/// Visits every parameter and buffer of a network under its timm name, in the network's order.
pub trait StateVisitor {
    /// A trainable parameter.
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>);
    /// A running statistic, shape `[channels]`.
    fn buffer(&mut self, key: &str, buffer: &mut RunningState<Tensor<1>>);
}

/// Something whose tensors have timm names.
pub trait Named {
    /// Shows each tensor to the visitor.
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V);
}
