//! Maps of any size brought to one size.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;

use super::layer::Layer;
use super::part::Part;
use crate::walk::{Custom, Step, Value, Walker};

/// A map pooled to `side` by `side` pixels, each the mean of the pixels that it covers (PyTorch's `AdaptiveAvgPool2d`). torchvision's AlexNet
/// has it before the layer that takes the place of a linear one over 6x6 pixels.
#[derive(Module, Debug)]
pub struct AdaptivePool {
    side: usize,
}

impl AdaptivePool {
    /// Builds the layer.
    pub fn new(side: usize) -> Self {
        Self { side }
    }

    /// Pixels of a side.
    pub fn side(&self) -> usize {
        self.side
    }
}

impl Custom for AdaptivePool {
    fn name(&self) -> &str {
        "adaptive average pooling"
    }

    fn forward(&self, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let x = inputs.swap_remove(0);
        let [_, _, height, width] = x.dims();
        match [height, width] == [self.side; 2] {
            true => x,
            false => adaptive_avg_pool2d(x, [self.side; 2]),
        }
    }

    fn out(&self, inputs: &[[usize; 3]]) -> [usize; 3] {
        [inputs[0][0], self.side, self.side]
    }
}

impl Layer for AdaptivePool {
    const KIND: &'static str = "AdaptivePool";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        walker.adaptive_pool(x, self)
    }

    fn parts(&mut self, _: &mut dyn FnMut(Part<'_>)) {}
}
