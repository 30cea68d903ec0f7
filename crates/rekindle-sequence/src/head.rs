//! The head as a Burn module: features of frames to a logit for each class. Owns its settings and the order of its layers.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_head::dropout::SeededDropout;
use rekindle_head::random::HostRng;
use rekindle_head::{Head, HeadConfig};
use rekindle_settings::{SettingError, below_one};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::recurrent::{Direction, Layer, Mask};

/// What of a recurrent network the classes are told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readout {
    /// What each direction says after the last frame that it reads: all it remembers of the sequence.
    #[default]
    Last,
    /// The mean of what it says after each frame: for long sequences, whose beginning the last word has forgotten.
    Mean,
}

/// What a sequence head consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SequenceHeadConfig {
    /// `lstm` (default), `gru`, `rnn`, or `mean`, which knows nothing of the order of the frames.
    pub cell: Cell,
    /// Width of what a cell remembers. Default 128.
    pub hidden: usize,
    /// Recurrent layers, one on top of the other. Default 1.
    pub layers: usize,
    /// Read the frames from the last to the first too. Default off.
    pub bidirectional: bool,
    /// Probability of dropping a number in training, between layers and before the classes. Default 0.2.
    pub dropout: f64,
    /// `last` (default), what is said after the last frame, or `mean`, the mean of what is said after each.
    pub readout: Readout,
}

impl Default for SequenceHeadConfig {
    fn default() -> Self {
        Self {
            cell: Cell::Lstm,
            hidden: 128,
            layers: 1,
            bidirectional: false,
            dropout: 0.2,
            readout: Readout::Last,
        }
    }
}

/// The most that a layer's width and their number may be: far beyond what helps, and below what no memory holds.
const MOST_HIDDEN: usize = 65_536;
const MOST_LAYERS: usize = 64;

impl SequenceHeadConfig {
    /// Checks every setting; has no side effects. Keys are those of the head by itself, `hidden`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for widths and numbers of layers that are 0 or beyond all use, or a dropout outside `[0, 1)`.
    pub fn check(&self) -> Result<(), SettingError> {
        if !(1..=MOST_HIDDEN).contains(&self.hidden) {
            return Err(SettingError::new("hidden", self.hidden, "1 to 65536"));
        }
        if !(1..=MOST_LAYERS).contains(&self.layers) {
            return Err(SettingError::new("layers", self.layers, "1 to 64"));
        }
        below_one("dropout", self.dropout)
    }

    /// Builds the head for frames of `features` numbers and `outputs` classes. First weights are drawn on the host from `seed`, the same
    /// on every device.
    ///
    /// # Panics
    ///
    /// If [`check`](Self::check) would fail, or `features` or `outputs` is 0.
    pub fn init(
        &self,
        features: usize,
        outputs: usize,
        seed: u64,
        device: &Device,
    ) -> SequenceHead {
        if let Err(error) = self.check() {
            panic!("the head's settings must pass their check: {error}");
        }
        assert!(features > 0 && outputs > 0, "a head has inputs and outputs");
        let (mut layers, mut width) = (Vec::new(), features);
        let count = if self.cell == Cell::Mean {
            0
        } else {
            self.layers
        };
        for number in 0..count as u64 {
            let direction = |from_the_end: bool| {
                let mut rng = HostRng::new(seed, 2 * number + u64::from(from_the_end));
                Direction::new(
                    self.cell,
                    width,
                    self.hidden,
                    from_the_end,
                    &mut rng,
                    device,
                )
            };
            let layer = Layer {
                forward: direction(false),
                backward: self.bidirectional.then(|| direction(true)),
            };
            width = layer.width();
            layers.push(layer);
        }
        let between = (1..layers.len()).filter(|_| self.dropout > 0.0);
        let between = between.map(|layer| SeededDropout::new(self.dropout, layer as u64));
        let classifier = HeadConfig {
            dropout: Some(self.dropout),
            ..HeadConfig::default()
        };
        let frozen = |value: f32| {
            let data = TensorData::new(vec![value; features], [features]);
            Param::<Tensor<1>>::from_data(data, device).set_require_grad(false)
        };
        SequenceHead {
            mean: frozen(0.0),
            std: frozen(1.0),
            layers,
            between: between.collect(),
            classifier: classifier.init(width, outputs, seed ^ CLASSIFIER, device),
            readout: self.readout,
        }
    }
}

/// Streams of the classifier's first weights are others than those of the layers.
const CLASSIFIER: u64 = 0x5EC5_EC5E;

/// From features of frames to a logit for each class. Built by [`SequenceHeadConfig::init`].
///
/// `logits = classifier(readout(layer_n(.. layer_1((features - mean) / std))))`
///
/// In training (tensors on an autodiff device and the training flags on) dropout is active; `valid()` turns it off. In a loop of one's own:
///
/// ```
/// use burn::module::Module;
/// use burn::optim::{AdamConfig, GradientsParams};
/// use burn::tensor::{Device, Tensor};
/// use rekindle_head::{LossConfig, one_hot};
/// use rekindle_sequence::{FeatureBatch, SequenceHeadConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = Device::flex();
/// // Two sequences of frames with two features each: three frames that rise, two that fall.
/// let sequences = [&[0.0, 1.0, 0.5, 0.5, 1.0, 0.0][..], &[1.0, 0.0, 0.0, 1.0]];
/// let batch = FeatureBatch::new(&sequences, 2, &device);
/// let targets = one_hot(&[0, 1], 2, &device)?;
///
/// let mut head = SequenceHeadConfig { hidden: 16, ..Default::default() }.init(2, 2, 1, &device).train();
/// let mut optimizer = AdamConfig::new().init();
/// let loss = LossConfig::default();
/// for _ in 0..40 {
///     let logits = head.forward(Tensor::from_inner(batch.features.clone()), &batch.lengths);
///     let value = loss.forward(logits, Tensor::from_inner(targets.clone()));
///     let gradients = GradientsParams::from_grads(value.backward(), &head);
///     head = optimizer.step(0.02, head, gradients);
/// }
/// let said = head.valid().forward(batch.features, &batch.lengths).argmax(1);
/// assert_eq!(said.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 1]);
/// # Ok(())
/// # }
/// ```
#[derive(Module, Debug)]
pub struct SequenceHead {
    /// What is taken from each feature: its mean over the training frames, or 0. Never trained.
    pub mean: Param<Tensor<1>>,
    /// What each feature is then divided by: its standard deviation, or 1. Never trained.
    pub std: Param<Tensor<1>>,
    /// The recurrent layers, the first one first; none where the frames' mean is classified.
    pub layers: Vec<Layer>,
    /// Dropout before each layer but the first.
    pub between: Vec<SeededDropout>,
    /// From what is read out to logits, with its dropout.
    pub classifier: Head,
    #[module(skip)]
    readout: Readout,
}

impl SequenceHead {
    /// The same with features that are standardised: with these means and deviations.
    ///
    /// # Panics
    ///
    /// When there are not as many of them as features.
    pub fn with_scale(mut self, mean: &[f32], std: &[f32]) -> Self {
        let features = self.features();
        assert!(
            mean.len() == features && std.len() == features,
            "a mean and a deviation for each feature"
        );
        let device = self.mean.device();
        let frozen = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [features]);
            Param::<Tensor<1>>::from_data(data, &device).set_require_grad(false)
        };
        (self.mean, self.std) = (frozen(mean), frozen(std));
        self
    }

    /// From features of frames to logits.
    ///
    /// # Shapes
    ///
    /// `[batch, frames, features]` to `[batch, classes]`. The first `lengths[i]` frames of sequence `i` count; the others may hold any
    /// finite numbers.
    ///
    /// # Panics
    ///
    /// When there are not as many lengths as sequences, or one is 0 or beyond the frames.
    pub fn forward(&self, features: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        self.classifier.classify(self.read(features, lengths))
    }

    /// What the classes are told by, `[batch, width]`.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn read(&self, features: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let [batch, count, width] = features.dims();
        assert_eq!(batch, lengths.len(), "a length for each sequence");
        let mask = Mask::new(lengths, count, &features.device());
        let mean = self.mean.val().reshape([1, 1, width]);
        let std = self.std.val().reshape([1, 1, width]);
        let mut frames = (features - mean) / std;
        let mut last = None;
        for (number, layer) in self.layers.iter().enumerate() {
            let dropout = number
                .checked_sub(1)
                .and_then(|place| self.between.get(place));
            if let Some(dropout) = dropout {
                let [_, _, width] = frames.dims();
                let rows = frames.reshape([batch * count, width]);
                frames = dropout.forward(rows).reshape([batch, count, width]);
            }
            let (said, end) = layer.run(frames, &mask);
            (frames, last) = (said, Some(end));
        }
        match (last, self.readout) {
            (Some(last), Readout::Last) => last,
            _ => mask.mean(frames),
        }
    }

    /// Starts the dropout masks of every layer again from this seed, so that a step's masks do not depend on those before it.
    pub fn seed_dropout(&self, seed: u64) {
        for (place, dropout) in self.between.iter().enumerate() {
            dropout.seed(HostRng::new(seed, place as u64).next_u64());
        }
        self.classifier.seed_dropout(seed);
    }

    /// Features of a frame.
    pub fn features(&self) -> usize {
        self.mean.shape()[0]
    }

    /// The number of classes.
    pub fn outputs(&self) -> usize {
        self.classifier.outputs()
    }
}
