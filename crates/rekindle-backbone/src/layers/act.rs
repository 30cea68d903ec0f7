//! An activation that no convolution comes right before.

use burn::module::Module;
use rekindle_kernels::Activation;

use super::layer::Layer;
use super::part::Part;
use crate::walk::{Step, Value, Walker};

/// An elementwise function; it has no parameters.
#[derive(Module, Debug)]
pub struct Act {
    #[module(skip)]
    activation: Activation,
}

impl Act {
    /// Builds the layer.
    pub fn new(activation: Activation) -> Self {
        Self { activation }
    }
}

impl Layer for Act {
    const KIND: &'static str = "Act";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        walker.activation(x, self.activation)
    }

    fn parts(&mut self, _: &mut dyn FnMut(Part<'_>)) {}
}
