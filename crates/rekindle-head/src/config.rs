//! What a head consists of. Owns the settings, their defaults and their check; building is in [`crate::head`].

use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::error::HeadError;
use crate::head::Head;

/// What a head consists of; the default is average pooling and one linear layer.
///
/// The order is: pooling, `input_norm`, then for every width in `hidden` a linear layer, batch norm, activation and
/// dropout, then the last linear layer. A head without hidden layers has its dropout, if any, before that layer.
///
/// ```
/// use rekindle_head::{HeadConfig, Pooling};
///
/// let config = HeadConfig { pool: Pooling::Gem, hidden: vec![256], ..HeadConfig::default() };
/// assert!(config.check().is_ok());
/// assert_eq!(config.dropout_probability(), 0.3);
/// assert_eq!(HeadConfig::default().dropout_probability(), 0.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadConfig {
    /// How a feature map becomes a feature vector. Default: average, as nearly every CNN was pretrained with.
    pub pool: Pooling,
    /// First value of the learned exponent of [`Pooling::Gem`]. Default 3, as in the paper.
    pub gem_exponent: f64,
    /// Batch norm on the pooled features. Default off: the backbone's last batch norm has scaled them already.
    pub input_norm: bool,
    /// Widths of the hidden layers, first to last. Default none.
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers. Default ReLU.
    pub activation: Activation,
    /// Batch norm in every hidden layer, before its activation. Default on; without hidden layers it does nothing.
    pub batch_norm: bool,
    /// Probability of dropping a feature in training, after every hidden layer, or before the only layer.
    /// Default: 0 for a head without hidden layers, 0.3 for one with them.
    pub dropout: Option<f64>,
    /// First weights of the linear layers; biases start at zero. Default Xavier uniform.
    pub init: Initialisation,
    /// Start the last layer at zero, so that training starts from equal class probabilities. Default off.
    pub zero_last: bool,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self {
            pool: Pooling::Average,
            gem_exponent: 3.0,
            input_norm: false,
            hidden: Vec::new(),
            activation: Activation::Relu,
            batch_norm: true,
            dropout: None,
            init: Initialisation::XavierUniform,
            zero_last: false,
        }
    }
}

impl HeadConfig {
    /// Checks every setting; has no side effects.
    ///
    /// # Errors
    ///
    /// [`HeadError::Setting`] for a hidden width of 0, a dropout outside `[0, 1)`, or an exponent that is not finite
    /// and positive.
    pub fn check(&self) -> Result<(), HeadError> {
        if self.hidden.contains(&0) {
            return Err(HeadError::Setting {
                key: "head.hidden",
                found: format!("{:?}", self.hidden),
                expected: "widths of at least 1",
            });
        }
        let dropout = self.dropout_probability();
        if !(0.0..1.0).contains(&dropout) {
            return Err(HeadError::Setting {
                key: "head.dropout",
                found: dropout.to_string(),
                expected: "a probability of at least 0 and below 1",
            });
        }
        if !(self.gem_exponent.is_finite() && self.gem_exponent > 0.0) {
            return Err(HeadError::Setting {
                key: "head.gem_exponent",
                found: self.gem_exponent.to_string(),
                expected: "a finite number above 0 (the paper starts at 3)",
            });
        }
        Ok(())
    }

    /// The dropout that applies: [`dropout`](Self::dropout), or its default, which depends on the hidden layers.
    pub fn dropout_probability(&self) -> f64 {
        self.dropout
            .unwrap_or(if self.hidden.is_empty() { 0.0 } else { 0.3 })
    }

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

/// How `[batch, channels, height, width]` becomes `[batch, features]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean over height and width.
    #[default]
    Average,
    /// The maximum over height and width.
    Max,
    /// Both, the averages first: twice as many features as channels (timm's `catavgmax`).
    AverageMax,
    /// Generalised mean `(mean(x^p))^(1/p)` with one learned exponent `p`: average at 1, towards maximum above.
    /// [Radenović et al. 2017](https://arxiv.org/abs/1711.02512).
    Gem,
}

impl Pooling {
    /// The number of features from `channels` channels.
    pub fn features(self, channels: usize) -> usize {
        match self {
            Self::AverageMax => 2 * channels,
            Self::Average | Self::Max | Self::Gem => channels,
        }
    }
}

/// The non-linearity of a hidden layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// `x * sigmoid(x)`, also called swish.
    Silu,
    /// `x * Φ(x)` with the exact normal distribution function.
    Gelu,
    /// `x * clamp(x + 3, 0, 6) / 6`.
    HardSwish,
    /// `tanh(x)`.
    Tanh,
}

impl Activation {
    /// Applies the activation to every element.
    pub fn forward<const D: usize>(self, features: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => activation::relu(features),
            Self::Silu => activation::silu(features),
            Self::Gelu => activation::gelu(features),
            Self::HardSwish => activation::hard_swish(features),
            Self::Tanh => activation::tanh(features),
        }
    }
}

/// The distribution of a linear layer's first weights; `fan_in` and `fan_out` are its widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialisation {
    /// Uniform within `±sqrt(6 / (fan_in + fan_out))`. Glorot and Bengio 2010.
    #[default]
    XavierUniform,
    /// Normal of standard deviation `sqrt(2 / (fan_in + fan_out))`. Glorot and Bengio 2010.
    XavierNormal,
    /// Uniform within `±sqrt(6 / fan_in)`, for ReLU. [He et al. 2015](https://arxiv.org/abs/1502.01852).
    KaimingUniform,
    /// Normal of standard deviation `sqrt(2 / fan_in)`, for ReLU. [He et al. 2015](https://arxiv.org/abs/1502.01852).
    KaimingNormal,
    /// Normal of standard deviation 0.02, redrawn beyond two of them.
    TruncNormal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_linear_head_that_passes_its_check() {
        let config = HeadConfig::default();
        assert_eq!(config.check(), Ok(()));
        assert!(config.hidden.is_empty());
        assert_eq!(config.pool, Pooling::Average);
    }

    #[test]
    fn dropout_of_one_and_nan_are_refused_with_the_key() {
        for dropout in [1.0, -0.1, f64::NAN] {
            let error = HeadConfig {
                dropout: Some(dropout),
                ..HeadConfig::default()
            }
            .check()
            .unwrap_err();
            assert!(error.to_string().contains("head.dropout"), "{error}");
        }
    }

    #[test]
    fn a_hidden_width_of_zero_is_refused() {
        let config = HeadConfig {
            hidden: vec![8, 0],
            ..HeadConfig::default()
        };
        assert!(matches!(
            config.check(),
            Err(HeadError::Setting {
                key: "head.hidden",
                ..
            })
        ));
    }

    #[test]
    fn an_exponent_of_zero_or_infinity_is_refused() {
        for gem_exponent in [0.0, -3.0, f64::INFINITY, f64::NAN] {
            let config = HeadConfig {
                gem_exponent,
                ..HeadConfig::default()
            };
            assert!(matches!(
                config.check(),
                Err(HeadError::Setting {
                    key: "head.gem_exponent",
                    ..
                })
            ));
        }
    }
}
