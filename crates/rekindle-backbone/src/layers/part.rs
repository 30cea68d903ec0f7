//! What a layer is made of: its convolutions and norms, and tensors of its own. One list serves loading, saving, folding, precision,
//! batch statistics and drop path.

use burn::module::{Param, RunningState};
use burn::tensor::Tensor;
use rekindle_kernels::Precision;

use super::{BatchNorm, Conv2d, DropPath};
use crate::{Named, StateVisitor};

/// Something that holds tensors of a layer, or changes what it does in training; [`Layer::parts`](super::Layer::parts) lists them.
#[non_exhaustive]
pub enum Part<'a> {
    /// A convolution and the batch norm that comes right behind it, which is folded into the convolution for inference.
    ConvNorm(&'a mut Conv2d, &'a mut Option<BatchNorm>),
    /// A convolution and the factors of its output channels under their whole key, which are folded into it for inference.
    ScaledConv(&'a mut Conv2d, &'a str, &'a mut Option<Param<Tensor<1>>>),
    /// A convolution that no norm follows.
    Conv(&'a mut Conv2d),
    /// A batch norm that is behind no convolution, and stays.
    Norm(&'a mut BatchNorm),
    /// A parameter of the layer's own with one dimension, under its whole key (`stages.0.blocks.1.gamma`).
    Vector(&'a str, &'a mut Param<Tensor<1>>),
    /// One with two dimensions.
    Matrix(&'a str, &'a mut Param<Tensor<2>>),
    /// One with three dimensions.
    Cube(&'a str, &'a mut Param<Tensor<3>>),
    /// One with four dimensions.
    Kernel(&'a str, &'a mut Param<Tensor<4>>),
    /// What lets images skip the layer in training; it holds no tensors.
    DropPath(&'a mut DropPath),
    /// A running statistic of the layer's own.
    Buffer(&'a str, &'a mut RunningState<Tensor<1>>),
}

impl Part<'_> {
    /// Folds the batch norm or the factors into their convolution, for inference.
    pub(crate) fn fold(self) {
        match self {
            Self::ConvNorm(conv, norm) => {
                if let Some(norm) = norm.take() {
                    let (scale, shift) = norm.scale_and_shift();
                    *conv = conv.scaled(scale, shift);
                }
            }
            Self::ScaledConv(conv, _, scale) => {
                if let Some(scale) = scale.take() {
                    let scale = scale.val().without_autodiff();
                    let shift = scale.zeros_like();
                    *conv = conv.scaled(scale, shift);
                }
            }
            _ => {}
        }
    }

    /// Sets the precision of a convolution's products.
    pub(crate) fn set_precision(self, precision: Precision) {
        if let Self::ConvNorm(conv, _) | Self::ScaledConv(conv, ..) | Self::Conv(conv) = self {
            conv.set_precision(precision);
        }
    }

    /// Stops (or restarts) the use of batch statistics.
    pub(crate) fn track_statistics(self, track: bool) {
        let norm = match self {
            Self::ConvNorm(_, Some(norm)) | Self::Norm(norm) => norm,
            _ => return,
        };
        *norm = norm.clone().track_statistics(track);
    }
}

impl Named for Part<'_> {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        match self {
            Self::ConvNorm(conv, norm) => {
                conv.visit_state(visitor);
                if let Some(norm) = norm {
                    norm.visit_state(visitor);
                }
            }
            Self::ScaledConv(conv, key, scale) => {
                if let Some(scale) = scale {
                    visitor.parameter(key, scale);
                }
                conv.visit_state(visitor);
            }
            Self::Conv(conv) => conv.visit_state(visitor),
            Self::Norm(norm) => norm.visit_state(visitor),
            Self::Vector(key, parameter) => visitor.parameter(key, parameter),
            Self::Matrix(key, parameter) => visitor.parameter(key, parameter),
            Self::Cube(key, parameter) => visitor.parameter(key, parameter),
            Self::Kernel(key, parameter) => visitor.parameter(key, parameter),
            Self::DropPath(_) => {}
            Self::Buffer(key, buffer) => visitor.buffer(key, buffer),
        }
    }
}
