//! The walk over every named tensor of a network: loading, saving and grouping all use this one.

use burn::module::{Param, RunningState};
use burn::tensor::Tensor;

/// Visits every parameter and buffer of a network under its timm name, in the network's order.
pub trait StateVisitor {
    /// A trainable parameter.
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>);
    /// The weight of a convolution, `[channels_out, channels_in, height, width]`, that checkpoints keep as that of a linear layer over all
    /// numbers of a map, `[channels_out, channels_in * height * width]`.
    ///
    /// By default as [`parameter`](Self::parameter); who cares for the shape in a file has an own one.
    fn matrix(&mut self, key: &str, parameter: &mut Param<Tensor<4>>) {
        self.parameter(key, parameter);
    }
    /// A running statistic, shape `[channels]`.
    fn buffer(&mut self, key: &str, buffer: &mut RunningState<Tensor<1>>);
}

/// Something whose tensors have timm names.
pub trait Named {
    /// Shows each tensor to the visitor.
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V);
}
