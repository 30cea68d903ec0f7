//! A backbone as an ordered list of stages: running part of it, freezing part of it, folding it.

use burn::module::Module;
use burn::tensor::Tensor;
use rekindle_kernels::plan::{PlanBuilder, Value};

use crate::inference::{Plans, Sources};
use crate::layers::{FeatureMap, Layer};
use crate::{Named, StateVisitor};

/// A consecutive part of a backbone, the unit of freezing, feature caching and learning rates.
#[derive(Module, Debug)]
pub struct Stage {
    layers: Vec<Layer>,
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
        layers: Vec<Layer>,
        channels: usize,
        reduction: usize,
    ) -> Self {
        Self {
            layers,
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

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        self.layers.iter().fold(x, |x, layer| layer.apply(x))
    }

    /// Adds the stage, whose norms are folded, to a plan for inference.
    pub(crate) fn plan(&self, plan: &mut PlanBuilder, x: Value) -> Value {
        self.layers.iter().fold(x, |x, layer| layer.plan(plan, x))
    }

    /// Its parameters as they are now.
    pub(crate) fn sources(&self, sources: &mut Sources) {
        Module::visit(self, sources);
    }

    fn map_layers(self, each: impl FnMut(Layer) -> Layer) -> Self {
        Self {
            layers: self.layers.into_iter().map(each).collect(),
            ..self
        }
    }
}

impl Named for Stage {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        self.layers
            .iter_mut()
            .for_each(|layer| layer.visit_state(visitor));
    }
}

/// A convolutional trunk: images in, features out.
///
/// Cloning is cheap (tensors are shared), but the running statistics of a clone are the same ones; copy values with
/// [`Backbone::state`] to keep a snapshot.
#[derive(Module, Debug)]
pub struct Backbone {
    stages: Vec<Stage>,
    #[module(skip)]
    name: String,
    #[module(skip)]
    classifier: String,
    /// Of a folded backbone: how it is run where the kernels take over.
    #[module(skip)]
    plans: Option<Plans>,
}

impl Backbone {
    /// A backbone from its stages; `classifier` is timm's name of the layer behind it, whose keys a weight file may hold.
    ///
    /// # Panics
    ///
    /// When there are no stages.
    pub fn new(name: impl Into<String>, stages: Vec<Stage>, classifier: impl Into<String>) -> Self {
        assert!(!stages.is_empty(), "a backbone has at least one stage");
        Self {
            stages,
            name: name.into(),
            classifier: classifier.into(),
            plans: None,
        }
    }

    /// The architecture's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// timm's name of the classifier that follows, `fc` or `classifier`.
    pub fn classifier(&self) -> &str {
        &self.classifier
    }

    /// The stages in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The names of the stages in order.
    pub fn stage_names(&self) -> Vec<&str> {
        self.stages.iter().map(Stage::name).collect()
    }

    /// Channels of the features.
    pub fn channels(&self) -> usize {
        self.stages[self.stages.len() - 1].channels
    }

    /// Runs all stages.
    ///
    /// # Shapes
    ///
    /// `images` `[batch, 3, height, width]` to features `[batch, channels, height / reduction, width / reduction]`, or
    /// `[batch, channels, 1, 1]` where the last stage is a pooled one.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        self.forward_stages(images, 0, self.stages.len())
    }

    /// Runs the stages `from..to`; `x` is the output of stage `from - 1`, or the images where `from` is 0.
    ///
    /// # Panics
    ///
    /// When the range is out of bounds.
    pub fn forward_stages(&self, x: Tensor<4>, from: usize, to: usize) -> Tensor<4> {
        if let Some(outputs) = self.planned(from, to, &[], &x) {
            return outputs
                .into_iter()
                .next_back()
                .expect("a plan has an output");
        }
        self.stages[from..to]
            .iter()
            .fold(FeatureMap::new(x), |x, stage| stage.apply(x))
            .into_images()
    }

    /// Runs all stages and keeps the outputs of some: the features, and the outputs of the stages in `kept` (ascending indices).
    ///
    /// # Shapes
    ///
    /// As [`Backbone::forward`]; an output of stage `i` is `[batch, stages()[i].channels(), height', width']`.
    pub fn forward_keeping(
        &self,
        images: Tensor<4>,
        kept: &[usize],
    ) -> (Tensor<4>, Vec<Tensor<4>>) {
        let last = self.stages.len();
        if let Some(mut outputs) = self.planned(0, last, kept, &images) {
            let features = outputs.pop().expect("a plan has an output");
            return (features, outputs);
        }
        let mut outputs = Vec::with_capacity(kept.len());
        let features =
            self.stages
                .iter()
                .enumerate()
                .fold(FeatureMap::new(images), |x, (index, stage)| {
                    let x = stage.apply(x);
                    if !kept.contains(&index) {
                        return x;
                    }
                    let [x, output] = x.twice();
                    outputs.push(output.into_images());
                    x
                });
        (features.into_images(), outputs)
    }

    fn planned(
        &self,
        from: usize,
        to: usize,
        kept: &[usize],
        x: &Tensor<4>,
    ) -> Option<Vec<Tensor<4>>> {
        let plans = self.plans.as_ref().filter(|_| from < to)?;
        plans.run(&self.stages, from, to, kept, x)
    }

    /// The outputs at the feature taps, finest first, as timm's `features_only` gives them.
    pub fn forward_taps(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let taps: Vec<usize> = (0..self.stages.len())
            .filter(|index| self.stages[*index].tap)
            .collect();
        self.forward_keeping(images, &taps).1
    }

    /// Freezes the stages before `stage` and unfreezes the rest: no gradients, and batch norms that use and keep their running
    /// statistics. With `track_statistics` off, the batch norms of the unfrozen stages keep theirs too.
    pub fn freeze_before(mut self, stage: usize, track_statistics: bool) -> Self {
        let each = |(index, this): (usize, Stage)| match index < stage {
            true => this.freeze(),
            false => this
                .unfreeze()
                .map_layers(|layer| layer.track_statistics(track_statistics)),
        };
        self.stages = self.stages.into_iter().enumerate().map(each).collect();
        self
    }

    /// The stages `from..to` as a backbone of their own, sharing the tensors.
    ///
    /// # Panics
    ///
    /// When the range is empty or out of bounds.
    pub fn part(&self, from: usize, to: usize) -> Self {
        Self::new(
            self.name.clone(),
            self.stages[from..to].to_vec(),
            self.classifier.clone(),
        )
    }

    /// The network for inference: without autodiff, every batch norm folded into its convolution.
    ///
    /// Equal to the original with running statistics up to rounding, and faster: on Burn's CPU backend it runs as one plan
    /// ([`rekindle_kernels::plan`]). It has other keys, so it is never saved.
    pub fn fold_norms(&self) -> Self {
        let plain = self.valid();
        let each = |stage: Stage| {
            let layers = stage.layers.iter().map(Layer::fold_norms).collect();
            Stage { layers, ..stage }
        };
        Self {
            stages: plain.stages.into_iter().map(each).collect(),
            plans: Some(Plans::default()),
            ..plain
        }
    }
}

impl Named for Backbone {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        self.stages
            .iter_mut()
            .for_each(|stage| stage.visit_state(visitor));
    }
}
