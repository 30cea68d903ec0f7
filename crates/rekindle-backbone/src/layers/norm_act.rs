//! A batch norm that stands before a convolution, not behind one, and its activation.

use burn::module::Module;
use burn::tensor::Device;
use rekindle_kernels::Activation;

use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use super::{BatchNorm, BatchNormConfig};
use crate::walk::{Step, Value, Walker};

/// `activation(norm(x))` (He et al. 2016, "Identity Mappings"; Huang et al. 2017, DenseNet).
#[derive(Module, Debug)]
pub struct NormAct {
    /// The batch norm.
    pub norm: BatchNorm,
    #[module(skip)]
    activation: Activation,
}

impl NormAct {
    /// Builds the layer.
    pub fn new(norm: &BatchNormConfig, activation: Activation, device: &Device) -> Self {
        Self {
            norm: norm.init(device),
            activation,
        }
    }

    /// `x` with the channels of `add(activation(norm(x)))` behind its own, for maps of the kernels.
    pub(super) fn grow(
        &self,
        x: FeatureMap,
        add: impl FnOnce(FeatureMap) -> FeatureMap,
    ) -> FeatureMap {
        self.norm.grow(x, self.activation, add)
    }
}

impl Layer for NormAct {
    const KIND: &'static str = "NormAct";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        walker.norm_act(x, &self.norm, self.activation)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        each(Part::Norm(&mut self.norm));
    }
}
