//! Spatial pooling inside a network.

use burn::module::Module;

use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use super::pool_config::PoolConfig;
use crate::walk::{Step, Value, Walker};

/// Max or average pooling; it has no parameters.
#[derive(Module, Debug)]
pub struct Pool {
    #[module(skip)]
    config: PoolConfig,
}

impl Pool {
    /// Builds the layer.
    pub fn new(config: PoolConfig) -> Self {
        Self { config }
    }
}

impl Layer for Pool {
    const KIND: &'static str = "Pool";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        walker.pool(x, &self.config)
    }

    fn parts(&mut self, _: &mut dyn FnMut(Part<'_>)) {}

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        self.config.apply(x)
    }
}
