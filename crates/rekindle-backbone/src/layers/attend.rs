//! A map whose every number is weighted by another path over the same input.

use burn::module::Module;
use burn::tensor::{Int, Tensor};

use super::any::AnyLayer;
use super::layer::Layer;
use super::part::Part;
use crate::walk::{Custom, Step, Value, Walker};

/// `body(x) * nearest(weights(x))`: the weights may be of fewer pixels, of which each stands for those that it lies nearest to (Tang et al.
/// 2022, GhostNetV2's attention).
#[derive(Module, Debug)]
pub struct Attend {
    /// The path whose numbers are weighted.
    pub body: Vec<AnyLayer>,
    /// The path that makes the weights, of as many channels.
    pub weights: Vec<AnyLayer>,
}

impl Attend {
    /// Joins the two paths.
    pub fn new(body: Vec<AnyLayer>, weights: Vec<AnyLayer>) -> Self {
        Self { body, weights }
    }
}

impl Layer for Attend {
    const KIND: &'static str = "Attend";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        let run = |walker: &mut dyn Walker, layers: &[AnyLayer], x: Value| {
            layers.iter().try_fold(x, |x, layer| layer.walk(walker, x))
        };
        let [x, other] = walker.fork(x);
        let weights = run(walker, &self.weights, other)?;
        let x = run(walker, &self.body, x)?;
        walker.weight(x, weights)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        let layers = self.body.iter_mut().chain(&mut self.weights);
        layers.for_each(|layer| layer.parts(each));
    }
}

/// The product with a map that is enlarged to the same size, as [`Walker::weight`] describes it.
pub(crate) struct Weight;

/// Which pixel of `from` each of `to` pixels lies nearest to, PyTorch's `mode="nearest"`.
pub fn nearest_pixels(from: usize, to: usize) -> Vec<usize> {
    (0..to).map(|place| place * from / to).collect()
}

impl Custom for Weight {
    fn name(&self) -> &str {
        "product with an enlarged map"
    }

    fn forward(&self, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let (Some(weights), Some(x)) = (inputs.pop(), inputs.pop()) else {
            unreachable!("a product has two sides")
        };
        let (dims, from) = (x.dims(), weights.dims());
        let enlarged = [2, 3].into_iter().fold(weights, |weights, side| {
            if from[side] == dims[side] {
                return weights;
            }
            let pixels = nearest_pixels(from[side], dims[side]);
            let pixels: Vec<i32> = pixels.into_iter().map(|pixel| pixel as i32).collect();
            let pixels = Tensor::<1, Int>::from_ints(&pixels[..], &x.device());
            weights.select(side, pixels)
        });
        x * enlarged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_stands_for_those_that_it_lies_nearest_to() {
        assert_eq!(nearest_pixels(2, 4), [0, 0, 1, 1]);
        // torch.nn.functional.interpolate(torch.arange(3.)[None, None], size=7): 0 0 0 1 1 2 2.
        assert_eq!(nearest_pixels(3, 7), [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(nearest_pixels(1, 3), [0, 0, 0]);
    }
}
