//! What a kind of layer is: the trait that each implements in a file of its own.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use super::feature_map::FeatureMap;
use super::part::Part;
use super::run::run;
use crate::walk::{Step, Value, Walker};

/// A kind of layer.
///
/// [`walk`](Self::walk) describes what it computes and [`parts`](Self::parts) what it is made of. All else follows from these two: the
/// forward and backward pass, the inference plan, the summary, an export, timm's names, strict loading, folding, precision. An
/// [`AnyLayer`](super::AnyLayer) of it can be put into a stage, also by another crate.
///
/// ```
/// use burn::module::{Module, Param};
/// use burn::tensor::{Device, Tensor};
/// use rekindle_backbone::layers::{AnyLayer, Layer, Part};
/// use rekindle_backbone::walk::{Custom, Step, Value, Walker};
///
/// /// A learned factor for all numbers.
/// #[derive(Module, Debug)]
/// struct Scale {
///     factor: Param<Tensor<1>>,
/// }
///
/// impl Layer for Scale {
///     const KIND: &'static str = "Scale";
///
///     fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
///         walker.custom(vec![x], self)
///     }
///
///     fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
///         each(Part::Vector("stem.scale", &mut self.factor));
///     }
/// }
///
/// impl Custom for Scale {
///     fn name(&self) -> &str {
///         "scale"
///     }
///
///     fn forward(&self, inputs: Vec<Tensor<4>>) -> Tensor<4> {
///         inputs[0].clone() * self.factor.val().reshape([1, 1, 1, 1])
///     }
/// }
///
/// let device = Device::flex();
/// let factor = Param::from_tensor(Tensor::from_floats([2.0], &device));
/// let layer = AnyLayer::new(Scale { factor });
/// let y = layer.forward(Tensor::ones([1, 3, 4, 4], &device));
/// assert_eq!(y.sum().into_scalar::<f32>(), 96.0);
/// ```
pub trait Layer: Module + ModuleDisplay + Sync + 'static {
    /// Its name, which is part of the path to its parameters (and so of their identity in checkpoints).
    const KIND: &'static str;

    /// Describes what it computes from `x`, operation by operation, to the walker; gives the walker's value of the result.
    ///
    /// # Errors
    ///
    /// Those of the walker, passed on: an operation that it does not know. It has no others.
    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step;

    /// Shows each part of it that holds tensors, in timm's order.
    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>));

    /// Computes it.
    ///
    /// By default as [`walk`](Self::walk) says, operation by operation, by rekindle's kernels where they take over and Burn's operations
    /// elsewhere. Only a layer that knows a faster way has its own.
    fn apply(&self, x: FeatureMap) -> FeatureMap {
        run(x, |walker, x| self.walk(walker, x))
    }

    /// [`apply`](Self::apply) on a tensor.
    ///
    /// # Shapes
    ///
    /// `[batch, channels_in, height, width]` to `[batch, channels, height', width']`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x)).into_images()
    }
}
