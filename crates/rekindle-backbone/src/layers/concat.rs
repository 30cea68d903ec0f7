//! Paths of layers side by side, whose channels are put one behind the other's.

use burn::module::Module;

use super::any::AnyLayer;
use super::layer::Layer;
use super::part::Part;
use crate::walk::{Step, Value, Walker};

/// The channels of every branch of `x`, in order (Szegedy et al. 2015, Inception; Huang et al. 2017, DenseNet); a branch without layers
/// is `x` itself.
#[derive(Module, Debug)]
pub struct Concat {
    /// The paths.
    pub branches: Vec<Vec<AnyLayer>>,
}

impl Concat {
    /// Joins the paths.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn new(branches: Vec<Vec<AnyLayer>>) -> Self {
        assert!(!branches.is_empty(), "a concatenation has branches");
        Self { branches }
    }
}

impl Layer for Concat {
    const KIND: &'static str = "Concat";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        let mut readers = Vec::with_capacity(self.branches.len());
        let mut last = x;
        for _ in 1..self.branches.len() {
            let [one, rest] = walker.fork(last);
            readers.push(one);
            last = rest;
        }
        readers.push(last);
        let mut outputs = Vec::with_capacity(readers.len());
        for (branch, x) in self.branches.iter().zip(readers) {
            let mut layers = branch.iter();
            outputs.push(layers.try_fold(x, |x, layer| layer.walk(walker, x))?);
        }
        walker.concat(outputs)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        let layers = self.branches.iter_mut().flatten();
        layers.for_each(|layer| layer.parts(each));
    }
}
