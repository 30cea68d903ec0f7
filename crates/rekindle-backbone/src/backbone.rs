//! A backbone as an ordered list of stages: running part of it, freezing part of it, folding it.

use burn::module::Module;
use burn::tensor::Tensor;
use rekindle_kernels::Precision;

use crate::inference::Plans;
use crate::layers::{FeatureMap, Part, Residual};
use crate::stage::Stage;
use crate::summary::{StageSummary, summary};
use crate::{BackboneError, Named, StateVisitor};

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
    /// The first words of keys of parts that are left out, which a weight file may hold.
    #[module(skip)]
    left_out: Vec<String>,
    #[module(skip)]
    smallest: usize,
    #[module(skip)]
    precision: Precision,
    /// Of a folded backbone: how it is run where the kernels take over.
    #[module(skip)]
    plans: Option<Plans>,
}

impl Backbone {
    /// A backbone from its stages, whose products are computed in `f32`; `classifier` is timm's name of the layer behind it, whose keys a weight file may hold.
    ///
    /// # Panics
    ///
    /// When there are no stages.
    pub fn new(name: impl Into<String>, stages: Vec<Stage>, classifier: impl Into<String>) -> Self {
        assert!(!stages.is_empty(), "a backbone has at least one stage");
        let new = Self {
            stages,
            name: name.into(),
            classifier: classifier.into(),
            left_out: Vec::new(),
            smallest: 1,
            precision: Precision::default(),
            plans: None,
        };
        new.with_precision(Precision::default())
    }

    /// The same where weight files may hold other parts, whose keys begin with these words, that are no part of the backbone: classifiers on
    /// the way, `AuxLogits`.
    pub fn passing_over(mut self, parts: &[&str]) -> Self {
        self.left_out = parts.iter().map(|part| (*part).to_owned()).collect();
        self
    }

    /// The same, for images of at least so many pixels a side.
    pub fn at_least(mut self, side: usize) -> Self {
        self.smallest = side;
        self
    }

    /// Pixels that a side of an image has at least: with fewer a map has none left for a kernel without padding. 1 for most networks.
    pub fn smallest_side(&self) -> usize {
        self.smallest
    }

    /// Checks the size of images.
    ///
    /// # Errors
    ///
    /// A side is below [`smallest_side`](Self::smallest_side).
    pub fn check_size(&self, [height, width]: [usize; 2]) -> Result<(), BackboneError> {
        match height.min(width) < self.smallest {
            true => Err(BackboneError::ImageTooSmall {
                architecture: self.name.clone(),
                height,
                width,
                smallest: self.smallest,
            }),
            false => Ok(()),
        }
    }

    /// Whether a key of a weight file belongs to the classifier or another part that is left out.
    pub(crate) fn passes_over(&self, key: &str) -> bool {
        let mut parts = self.left_out.iter().chain([&self.classifier]);
        parts.any(|part| {
            key.strip_prefix(part.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// The same with its convolutions' products in another precision, where rekindle's kernels take over and the processor has it
    /// ([`Precision::is_available`]); elsewhere they stay `f32`.
    ///
    /// What is made from it has the same precision: parts, the folded network, the gradients of its forward passes. Other backbones have
    /// theirs, also in the same process.
    pub fn with_precision(self, precision: Precision) -> Self {
        let each = |stage: Stage| stage.with_parts(|part| part.set_precision(precision));
        Self {
            stages: self.stages.into_iter().map(each).collect(),
            precision,
            // Others may share the plans, which are of the precision that they were made in.
            plans: self.plans.map(|_| Plans::default()),
            ..self
        }
    }

    /// The same with drop path (stochastic depth) in training: of each image, a block's body is left out with a probability that grows
    /// from block to block up to `rate`, as timm's `drop_path_rate` says. 0 turns it off. What is made from it, such as
    /// [parts](Self::part), keeps the rates of the whole.
    ///
    /// Nothing changes where no gradients are recorded, nor in networks that timm gives no drop path
    /// ([`has_drop_path`](Self::has_drop_path)). For a training that can be repeated, call [`seed_drop_path`](Self::seed_drop_path)
    /// before each step.
    ///
    /// # Panics
    ///
    /// If the rate is not at least 0 and below 1.
    pub fn with_drop_path(self, rate: f64) -> Self {
        assert!(
            (0.0..1.0).contains(&rate),
            "a drop path rate is at least 0 and below 1, not {rate}"
        );
        self.with_parts(&mut |part| {
            if let Part::DropPath(drop_path) = part {
                drop_path.set_rate(rate);
            }
        })
    }

    /// Whether [`with_drop_path`](Self::with_drop_path) means anything to it: ResNets, RegNets, ConvNeXts, and EfficientNets and the
    /// networks of their kind.
    pub fn has_drop_path(&self) -> bool {
        self.residuals().any(|block| block.drop_path().is_placed())
    }

    /// How often each residual block is left out, in order.
    pub fn drop_path_rates(&self) -> Vec<f64> {
        self.residuals()
            .map(|block| block.drop_path().rate())
            .collect()
    }

    /// Starts the draws of drop path again from this seed.
    pub fn seed_drop_path(&self, seed: u64) {
        self.residuals()
            .for_each(|block| block.drop_path().seed(seed));
    }

    fn residuals(&self) -> impl Iterator<Item = &Residual> {
        self.stages.iter().flat_map(Stage::residuals)
    }

    /// The precision of its convolutions' products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What each stage makes of an image of this size, and what that takes.
    ///
    /// # Panics
    ///
    /// When a kernel is larger than the padded map that it meets, as no kernel of this crate's architectures is for images of
    /// [`smallest_side`](Self::smallest_side) or more.
    pub fn summary(&self, height: usize, width: usize) -> Vec<StageSummary> {
        summary(&self.stages, height, width)
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
        self.stages[self.stages.len() - 1].channels()
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

    /// The same with each part of every stage changed.
    pub(crate) fn with_parts(self, each: &mut dyn FnMut(Part<'_>)) -> Self {
        let stages = self.stages.into_iter();
        Self {
            stages: stages.map(|stage| stage.with_parts(&mut *each)).collect(),
            // Others may share the plans, which are of the parts as they were.
            plans: self.plans.map(|_| Plans::default()),
            ..self
        }
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
            .filter(|index| self.stages[*index].is_tap())
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
                .with_parts(|part| part.track_statistics(track_statistics)),
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
        let part = Self::new(
            self.name.clone(),
            self.stages[from..to].to_vec(),
            self.classifier.clone(),
        );
        let part = Self {
            left_out: self.left_out.clone(),
            smallest: self.smallest,
            ..part
        };
        part.with_precision(self.precision)
    }

    /// The network for inference: without autodiff, every batch norm folded into its convolution.
    ///
    /// Equal to the original with running statistics up to rounding, and faster: on Burn's CPU backend it runs as one plan
    /// ([`rekindle_kernels::plan`]), but for stages with operations that a plan does not know, which run one by one. It has other keys, so it is never saved.
    pub fn fold_norms(&self) -> Self {
        let plain = self.valid();
        let each = |stage: Stage| stage.with_parts(|part| part.fold());
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
