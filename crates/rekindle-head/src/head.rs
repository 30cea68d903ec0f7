//! The head as a Burn module. Owns the order of its layers; each layer's rule is in a file of its own.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};

use crate::activation::HiddenActivation;
use crate::config::HeadConfig;
use crate::dropout::SeededDropout;
use crate::initialise::Initialisation;
use crate::norm::batch_norm;
use crate::ordinal::{even_logits, log_probabilities};
use crate::pool::Pool;
use crate::random::HostRng;

/// From a backbone's feature map to one logit per class. Built by [`HeadConfig::init`].
///
/// `logits = output(hidden_n(.. hidden_1(norm(pool(features)))))`
///
/// In training (tensors on an autodiff device and the training flags on) dropout and batch statistics are active;
/// `valid()` turns both off. Dropout masks follow from the seed of [`HeadConfig::init`] and the number of steps; to make
/// a step repeatable by itself, as a resumed run needs, call [`Head::seed_dropout`] before it.
///
/// # Cloning
///
/// Burn's running statistics are shared between clones of a module. To keep a copy of a head while training goes on,
/// keep its [`state`](Head::state), not a clone.
#[derive(Module, Debug)]
pub struct Head {
    /// Pooling over height and width.
    pub pool: Pool,
    /// Batch norm on the pooled features, if asked for.
    pub input_norm: Option<BatchNorm>,
    /// Hidden layers, first to last.
    pub hidden: Vec<HiddenLayer>,
    /// Dropout before the last layer, if the head has no hidden layers.
    pub dropout: Option<SeededDropout>,
    /// The last layer: one output per class, or one fewer of levels.
    pub output: Linear,
    /// Whether classes are levels.
    pub ordinal: bool,
}

/// One hidden layer: linear, batch norm, activation, dropout.
#[derive(Module, Debug)]
pub struct HiddenLayer {
    /// The linear layer, with bias.
    pub linear: Linear,
    /// Batch norm before the activation, if asked for.
    pub norm: Option<BatchNorm>,
    /// Dropout after the activation, if its probability is above 0.
    pub dropout: Option<SeededDropout>,
    #[module(skip)]
    activation: HiddenActivation,
}

impl HiddenLayer {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// `[batch, fan_in]` to `[batch, fan_out]`.
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        let mut features = self.linear.forward(features);
        if let Some(norm) = &self.norm {
            features = batch_norm(norm, features);
        }
        features = self.activation.forward(features);
        match &self.dropout {
            Some(dropout) => dropout.forward(features),
            None => features,
        }
    }
}

impl HeadConfig {
    /// Builds the head for feature maps of `in_channels` channels and `outputs` classes.
    ///
    /// The first weights are drawn on the host from `seed`, so that they are the same on every device.
    ///
    /// # Panics
    ///
    /// If [`check`](Self::check) would fail, or if `in_channels` or `outputs` is 0.
    pub fn init(&self, in_channels: usize, outputs: usize, seed: u64, device: &Device) -> Head {
        self.init_joined(in_channels, 0, outputs, seed, device)
    }

    /// As [`init`](Self::init), for a head whose pooled features are joined by `joined` more values before it classifies them,
    /// such as the pooled outputs of earlier stages: [`Head::classify`] then takes `[batch, pooled + joined]`.
    ///
    /// # Panics
    ///
    /// As [`init`](Self::init).
    pub fn init_joined(
        &self,
        in_channels: usize,
        joined: usize,
        outputs: usize,
        seed: u64,
        device: &Device,
    ) -> Head {
        Head::new(self, [in_channels, joined], outputs, seed, device)
    }
}

impl Head {
    fn new(
        config: &HeadConfig,
        [in_channels, joined]: [usize; 2],
        outputs: usize,
        seed: u64,
        device: &Device,
    ) -> Self {
        if let Err(error) = config.check() {
            panic!("the head's configuration must pass its check: {error}");
        }
        assert!(in_channels > 0, "a head needs at least one input channel");
        assert!(outputs > 0, "a head needs at least one output");
        assert!(
            !config.ordinal || outputs > 1,
            "a head of levels needs two of them"
        );
        let steps = outputs - usize::from(config.ordinal);
        let probability = config.dropout_probability();
        let dropout = |layer| {
            (probability > 0.0).then(|| SeededDropout::new(probability, mask_seed(seed, layer)))
        };
        let mut width = config.pool.features(in_channels) + joined;
        let input_norm = config
            .input_norm
            .then(|| BatchNormConfig::new(width).init(device));
        let mut hidden = Vec::with_capacity(config.hidden.len());
        for (layer, &fan_out) in config.hidden.iter().enumerate() {
            let mut rng = HostRng::new(seed, layer as u64);
            hidden.push(HiddenLayer {
                linear: linear(config.init, width, fan_out, &mut rng, device),
                norm: config
                    .batch_norm
                    .then(|| BatchNormConfig::new(fan_out).init(device)),
                dropout: dropout(layer),
                activation: config.activation,
            });
            width = fan_out;
        }
        let output = match config.zero_last {
            true => {
                let mut layer = linear_from(vec![0.0; width * steps], width, steps, device);
                if config.ordinal {
                    let even = TensorData::new(even_logits(outputs), [steps]);
                    layer.bias = Some(Param::from_data(even, device));
                }
                layer
            }
            false => {
                let mut rng = HostRng::new(seed, config.hidden.len() as u64);
                linear(config.init, width, steps, &mut rng, device)
            }
        };
        Self {
            pool: Pool::new(config.pool, config.gem_exponent, device),
            input_norm,
            dropout: match hidden.is_empty() {
                true => dropout(0),
                false => None,
            },
            hidden,
            output,
            ordinal: config.ordinal,
        }
    }

    /// From feature map to logits: [`classify`](Self::classify) of [`pool`](Self::pool).
    ///
    /// # Shapes
    ///
    /// `[batch, channels, height, width]` to `[batch, classes]`.
    pub fn forward(&self, features: Tensor<4>) -> Tensor<2> {
        self.classify(self.pool(features))
    }

    /// From feature map to feature vector; the only step before caching frozen features when nothing in it is
    /// learned.
    ///
    /// # Shapes
    ///
    /// `[batch, channels, height, width]` to `[batch, features]`.
    pub fn pool(&self, features: Tensor<4>) -> Tensor<2> {
        self.pool.forward(features)
    }

    /// From feature vector to logits; of levels, to the logarithms of their probabilities.
    ///
    /// # Shapes
    ///
    /// `[batch, features]` to `[batch, classes]`.
    pub fn classify(&self, pooled: Tensor<2>) -> Tensor<2> {
        let mut features = pooled;
        if let Some(norm) = &self.input_norm {
            features = batch_norm(norm, features);
        }
        for layer in &self.hidden {
            features = layer.forward(features);
        }
        if let Some(dropout) = &self.dropout {
            features = dropout.forward(features);
        }
        let outputs = self.output.forward(features);
        match self.ordinal {
            true => log_probabilities(outputs),
            false => outputs,
        }
    }

    /// Starts the dropout masks of every layer again from this seed.
    ///
    /// With a seed made from run seed, epoch and step, a step's masks do not depend on the steps before it.
    pub fn seed_dropout(&self, seed: u64) {
        let layers = self
            .hidden
            .iter()
            .map(|layer| &layer.dropout)
            .chain([&self.dropout]);
        for (layer, dropout) in layers.enumerate() {
            if let Some(dropout) = dropout {
                dropout.seed(mask_seed(seed, layer));
            }
        }
    }

    /// Whether pooling has nothing to learn, so that pooled features can be cached.
    pub fn pools_without_parameters(&self) -> bool {
        self.pool.exponent.is_none()
    }

    /// The width of the pooled features.
    pub fn features(&self) -> usize {
        let first = self
            .hidden
            .first()
            .map_or(&self.output, |layer| &layer.linear);
        first.weight.shape()[0]
    }

    /// The number of classes.
    pub fn outputs(&self) -> usize {
        self.output.weight.shape()[1] + usize::from(self.ordinal)
    }
}

/// The seed of a layer's dropout masks.
fn mask_seed(seed: u64, layer: usize) -> u64 {
    HostRng::new(seed, u64::MAX - layer as u64).next_u64()
}

fn linear(
    init: Initialisation,
    fan_in: usize,
    fan_out: usize,
    rng: &mut HostRng,
    device: &Device,
) -> Linear {
    linear_from(init.draw(fan_in, fan_out, rng), fan_in, fan_out, device)
}

/// A linear layer with these weights, inputs first as Burn stores them, and a bias of zeros.
fn linear_from(weights: Vec<f32>, fan_in: usize, fan_out: usize, device: &Device) -> Linear {
    Linear {
        weight: Param::from_data(TensorData::new(weights, [fan_in, fan_out]), device),
        bias: Some(Param::from_data(
            TensorData::new(vec![0.0f32; fan_out], [fan_out]),
            device,
        )),
    }
}
