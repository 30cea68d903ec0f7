//! A stage: consecutive layers with a name, and where they stand in a network.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::layers::{AnyLayer, FeatureMap, Part, Residual};
use crate::walk::{Step, Value, Walker};
use crate::{Named, StateVisitor};

/// A consecutive part of a backbone, the unit of freezing, feature caching and learning rates.
#[derive(Module, Debug)]
pub struct Stage {
    layers: Vec<AnyLayer>,
    #[module(skip)]
    name: String,
    channels: usize,
    reduction: usize,
    tap: bool,
    pooled: bool,
}

impl Stage {
    /// A stage of the given name; `reduction` is the ratio of the input image's side to the output's.
    pub fn new(
        name: impl Into<String>,
        layers: Vec<AnyLayer>,
        channels: usize,
        reduction: usize,
    ) -> Self {
        let named = |layer: AnyLayer| match layer.downcast_ref::<Residual>() {
            Some(_) => layer,
            None => layer.into_unit(),
        };
        Self {
            layers: layers.into_iter().map(named).collect(),
            name: name.into(),
            channels,
            reduction,
            tap: false,
            pooled: false,
        }
    }

    /// Marks the stage as the last one at its resolution, one of timm's feature taps.
    pub fn tapped(mut self) -> Self {
        self.tap = true;
        self
    }

    /// Marks the stage as one behind global pooling: its output has one pixel, whatever the size of the image.
    pub fn pooled(mut self) -> Self {
        self.pooled = true;
        self
    }

    /// The stage's name, `layer1` or `blocks.3`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Channels of its output.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Ratio of the input image's side to the side of its output; of a pooled stage, to that of the map that it pools.
    pub fn reduction(&self) -> usize {
        self.reduction
    }

    /// Whether this is the last stage at its resolution, where a feature pyramid taps the network.
    pub fn is_tap(&self) -> bool {
        self.tap
    }

    /// Whether the stage comes behind global pooling, so that its output has one pixel.
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// The side of its output for an image of this side.
    pub fn side(&self, image: usize) -> usize {
        match self.pooled {
            true => 1,
            false => image.div_ceil(self.reduction),
        }
    }

    /// Runs the stage.
    ///
    /// # Shapes
    ///
    /// `[batch, channels_in, height, width]` to `[batch, channels, height', width']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x)).into_images()
    }

    pub(crate) fn apply(&self, x: FeatureMap) -> FeatureMap {
        self.layers.iter().fold(x, |x, layer| layer.apply(x))
    }

    /// Describes the stage to a walker, layer by layer.
    ///
    /// # Errors
    ///
    /// The walker does not know an operation.
    pub fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        let mut layers = self.layers.iter();
        layers.try_fold(x, |x, layer| layer.walk(walker, x))
    }

    /// Its residual blocks.
    pub(crate) fn residuals(&self) -> impl Iterator<Item = &Residual> {
        self.layers.iter().filter_map(AnyLayer::downcast_ref)
    }

    /// The stage with each of its parts changed.
    pub(crate) fn with_parts(mut self, mut each: impl FnMut(Part<'_>)) -> Self {
        self.parts(&mut each);
        self
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        self.layers.iter_mut().for_each(|layer| layer.parts(each));
    }
}

impl Named for Stage {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        self.parts(&mut |mut part| part.visit_state(visitor));
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::Device;

    use super::*;
    use crate::Architecture;

    #[derive(Default)]
    struct Paths {
        here: Vec<String>,
        all: Vec<String>,
    }

    impl ModuleVisitor for Paths {
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.all.push(self.here.join("."));
        }

        fn enter_module(&mut self, name: &str, _: &str) {
            self.here.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.here.pop();
        }
    }

    #[test]
    fn parameters_keep_the_paths_that_checkpoints_know_them_by() {
        let backbone = Architecture::from_name("mobilenetv3_small_100").unwrap();
        let backbone = backbone.init(&Device::flex());
        let mut paths = Paths::default();
        backbone.visit(&mut paths);
        for path in [
            "stages.0.layers.0.Unit.Conv.conv.weight",
            "stages.0.layers.0.Unit.Conv.norm.running_mean",
            "stages.1.layers.0.Unit.Conv.norm.gamma",
            "stages.1.layers.1.Unit.SqueezeExcite.reduce.bias",
            "stages.2.layers.3.Residual.body.0.Conv.conv.weight",
            "stages.3.layers.4.Residual.body.2.SqueezeExcite.expand.weight",
            "stages.7.layers.1.Unit.Conv.conv.bias",
        ] {
            assert!(
                paths.all.iter().any(|one| one == path),
                "{path} of {:?}",
                paths.all
            );
        }
        assert!(paths.here.is_empty());
    }
}
