//! The description of a network as operations, for those that read it: an inference plan, a summary, an export.
//!
//! A layer describes itself once, in [`Layer::walk`](crate::layers::Layer::walk), as calls on a [`Walker`]: what it computes from what.
//! Each walker makes something else of the same calls. A walker that does not know an operation says so ([`Unknown`]), and whoever
//! sent it falls back to something else or reports it; no layer has to know which walkers there are.

use burn::module::Param;
use burn::tensor::Tensor;
use rekindle_kernels::Activation;

use crate::layers::{
    AdaptivePool, BatchNorm, Channels, Conv2d, Enlarge, Grn, LayerNorm, PoolConfig, Scale, Weight,
};

/// A feature map on a walk: the input of a layer or the result of an operation, as the walker counts them.
///
/// It is used up by the operation that reads it; [`Walker::fork`] gives a second one for a second reader.
#[derive(Debug)]
pub struct Value(usize);

impl Value {
    /// The value that a walker keeps under this number; for walkers.
    pub fn new(index: usize) -> Self {
        Self(index)
    }

    /// The walker's number; for walkers.
    pub fn index(&self) -> usize {
        self.0
    }
}

/// An operation that a walker does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {operation} is known here")]
pub struct Unknown {
    /// What was asked for, `concatenation` or the name of a [`Custom`] operation.
    pub operation: String,
}

impl Unknown {
    /// The operation of this name.
    pub fn new(operation: impl Into<String>) -> Self {
        Self {
            operation: operation.into(),
        }
    }
}

/// The result of an operation.
pub type Step = Result<Value, Unknown>;

/// `activation(norm(convolution(x)) + residual)`, of which all but the convolution may be missing.
pub struct ConvStep<'a> {
    /// The convolution: its weights, geometry and key.
    pub conv: &'a Conv2d,
    /// The batch norm behind it; none where there is none or it is folded into the convolution.
    pub norm: Option<&'a BatchNorm>,
    /// Added to the result, of the same shape.
    pub residual: Option<Value>,
    /// Applied last.
    pub activation: Activation,
}

/// An operation that is none of a [`Walker`]'s own: what a walker may want to know of it.
pub trait Custom {
    /// What it is, in a word or two; messages name it.
    fn name(&self) -> &str;

    /// Computes it.
    ///
    /// # Shapes
    ///
    /// Each input `[batch, channels, height, width]`; the result `[batch, channels', height', width']` as [`out`](Self::out) says.
    fn forward(&self, inputs: Vec<Tensor<4>>) -> Tensor<4>;

    /// Channels, height and width of its result from those of its inputs; by default those of the first.
    fn out(&self, inputs: &[[usize; 3]]) -> [usize; 3] {
        inputs[0]
    }

    /// Multiplications of its matrix products for one image; by default 0, as for elementwise operations.
    fn multiply_adds(&self, inputs: &[[usize; 3]]) -> u64 {
        let _ = inputs;
        0
    }
}

/// What makes something of a network's operations, called in the order in which they are computed.
///
/// Every operation but the first is unknown unless the walker says otherwise.
pub trait Walker {
    /// The same value twice, for two readers.
    fn fork(&mut self, x: Value) -> [Value; 2];

    /// A convolution and what follows it.
    fn conv(&mut self, x: Value, step: ConvStep<'_>) -> Step {
        let _ = (x, step);
        Err(Unknown::new("convolution"))
    }

    /// A batch norm that belongs to no convolution.
    fn batch_norm(&mut self, x: Value, norm: &BatchNorm) -> Step {
        let _ = (x, norm);
        Err(Unknown::new("batch norm"))
    }

    /// A batch norm that belongs to no convolution, and the activation behind it.
    fn norm_act(&mut self, x: Value, norm: &BatchNorm, activation: Activation) -> Step {
        let x = self.batch_norm(x, norm)?;
        match activation {
            Activation::Identity => Ok(x),
            activation => self.activation(x, activation),
        }
    }

    /// A layer norm over the channels of each pixel.
    fn layer_norm(&mut self, x: Value, norm: &LayerNorm) -> Step {
        self.custom(vec![x], norm)
    }

    /// A global response norm.
    fn response_norm(&mut self, x: Value, norm: &Grn) -> Step {
        self.custom(vec![x], norm)
    }

    /// The product with one factor for each channel, `[channels]`.
    fn scale(&mut self, x: Value, factors: &Param<Tensor<1>>) -> Step {
        self.custom(vec![x], &Scale(factors))
    }

    /// A small map pooled to at least so many pixels.
    fn enlarge(&mut self, x: Value, enlarge: &Enlarge) -> Step {
        self.custom(vec![x], enlarge)
    }

    /// A map pooled to one size.
    fn adaptive_pool(&mut self, x: Value, pool: &AdaptivePool) -> Step {
        self.custom(vec![x], pool)
    }

    /// Some channels of a map, or all in another order.
    fn channels(&mut self, x: Value, channels: &Channels) -> Step {
        self.custom(vec![x], channels)
    }

    /// `x * weights`, of as many channels; weights of fewer pixels are enlarged to the size of `x`, each to those that it lies nearest to
    /// ([`nearest_pixels`](crate::layers::nearest_pixels)).
    fn weight(&mut self, x: Value, weights: Value) -> Step {
        self.custom(vec![x, weights], &Weight)
    }

    /// An elementwise function.
    fn activation(&mut self, x: Value, activation: Activation) -> Step {
        let _ = (x, activation);
        Err(Unknown::new("activation"))
    }

    /// Pooling.
    fn pool(&mut self, x: Value, pool: &PoolConfig) -> Step {
        let _ = (x, pool);
        Err(Unknown::new("pooling"))
    }

    /// `activation(x + other)`, both of the same shape.
    fn add(&mut self, x: Value, other: Value, activation: Activation) -> Step {
        let _ = (x, other, activation);
        Err(Unknown::new("sum"))
    }

    /// `x * gate`, with one number of the gate for each channel: it has one pixel.
    fn gate(&mut self, x: Value, gate: Value) -> Step {
        let _ = (x, gate);
        Err(Unknown::new("gate"))
    }

    /// The channels of several maps of one size, one map's behind the other's.
    fn concat(&mut self, inputs: Vec<Value>) -> Step {
        let _ = inputs;
        Err(Unknown::new("concatenation"))
    }

    /// Any other operation.
    fn custom(&mut self, inputs: Vec<Value>, operation: &dyn Custom) -> Step {
        let _ = inputs;
        Err(Unknown::new(operation.name()))
    }
}
