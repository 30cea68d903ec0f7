//! What a head consists of. Owns the settings, their defaults and their check; building is in [`crate::head`].

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use crate::activation::HiddenActivation;
use crate::initialise::Initialisation;
use crate::pool::Pooling;

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
    pub activation: HiddenActivation,
    /// Batch norm in every hidden layer, before its activation. Default on; without hidden layers it does nothing.
    pub batch_norm: bool,
    /// Probability of dropping a feature in training, after every hidden layer, or before the only layer.
    /// Default: 0 for a head without hidden layers, 0.3 for one with them.
    pub dropout: Option<f64>,
    /// First weights of the linear layers; biases start at zero. Default Xavier uniform.
    pub init: Initialisation,
    /// Start the last layer at zero, so that training starts from equal class probabilities. Default off.
    pub zero_last: bool,
    /// Whether classes are levels, from the lowest on: the last layer then has an output for each step from a level to the next, of which
    /// the probabilities of all levels are made. A plan turns it on where the data says so (`data.ordinal`), and else refuses
    /// it. Default off.
    #[serde(skip_serializing_if = "is_off")]
    pub ordinal: bool,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self {
            pool: Pooling::Average,
            gem_exponent: 3.0,
            input_norm: false,
            hidden: Vec::new(),
            activation: HiddenActivation::Relu,
            batch_norm: true,
            dropout: None,
            init: Initialisation::XavierUniform,
            zero_last: false,
            ordinal: false,
        }
    }
}

impl HeadConfig {
    /// Checks every setting; has no side effects. Keys are those of the head by itself, `dropout`: a recipe adds where it stands, with
    /// [`Within::within`](rekindle_settings::Within::within).
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] for a hidden width of 0, a dropout outside `[0, 1)`, or an exponent that is not finite
    /// and positive.
    pub fn check(&self) -> Result<(), SettingError> {
        if self.hidden.contains(&0) {
            let found = format!("{:?}", self.hidden);
            return Err(SettingError::new("hidden", found, "widths of at least 1"));
        }
        let dropout = self.dropout_probability();
        if !(0.0..1.0).contains(&dropout) {
            let expected = "a probability of at least 0 and below 1";
            return Err(SettingError::new("dropout", dropout, expected));
        }
        if !(self.gem_exponent.is_finite() && self.gem_exponent > 0.0) {
            let expected = "a finite number above 0 (the paper starts at 3)";
            return Err(SettingError::new(
                "gem_exponent",
                self.gem_exponent,
                expected,
            ));
        }
        Ok(())
    }

    /// The dropout that applies: [`dropout`](Self::dropout), or its default, which depends on the hidden layers.
    pub fn dropout_probability(&self) -> f64 {
        self.dropout
            .unwrap_or(if self.hidden.is_empty() { 0.0 } else { 0.3 })
    }
}

fn is_off(setting: &bool) -> bool {
    !setting
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_settings::Within;

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
            assert_eq!(error.key(), "dropout");
            let error = error.within("head").to_string();
            assert!(error.contains("`head.dropout`"), "{error}");
        }
    }

    #[test]
    fn a_hidden_width_of_zero_is_refused() {
        let config = HeadConfig {
            hidden: vec![8, 0],
            ..HeadConfig::default()
        };
        assert_eq!(
            config.check().within("head").unwrap_err().to_string(),
            "`head.hidden` is [8, 0], expected widths of at least 1"
        );
    }

    #[test]
    fn an_exponent_of_zero_or_infinity_is_refused() {
        for gem_exponent in [0.0, -3.0, f64::INFINITY, f64::NAN] {
            let config = HeadConfig {
                gem_exponent,
                ..HeadConfig::default()
            };
            assert_eq!(config.check().unwrap_err().key(), "gem_exponent");
        }
    }
}
