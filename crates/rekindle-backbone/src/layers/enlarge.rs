//! Small maps brought to the size that the next convolution needs at least.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;

use super::layer::Layer;
use super::part::Part;
use crate::walk::{Custom, Step, Value, Walker};

/// A map with a side shorter than `side` pooled to at least `side` pixels both ways, each the mean of the pixels that it covers; a larger
/// map as it is. timm's VGG has it before the convolution that takes the place of a linear layer over 7x7 pixels.
#[derive(Module, Debug)]
pub struct Enlarge {
    side: usize,
}

impl Enlarge {
    /// Builds the layer.
    pub fn new(side: usize) -> Self {
        Self { side }
    }

    /// Pixels that a side has at least.
    pub fn side(&self) -> usize {
        self.side
    }
}

impl Custom for Enlarge {
    fn name(&self) -> &str {
        "adaptive average pooling"
    }

    fn forward(&self, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let x = inputs.swap_remove(0);
        let [_, _, height, width] = x.dims();
        match height < self.side || width < self.side {
            true => adaptive_avg_pool2d(x, [height.max(self.side), width.max(self.side)]),
            false => x,
        }
    }

    fn out(&self, inputs: &[[usize; 3]]) -> [usize; 3] {
        let [channels, height, width] = inputs[0];
        [channels, height.max(self.side), width.max(self.side)]
    }
}

impl Layer for Enlarge {
    const KIND: &'static str = "Enlarge";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        walker.enlarge(x, self)
    }

    fn parts(&mut self, _: &mut dyn FnMut(Part<'_>)) {}
}
