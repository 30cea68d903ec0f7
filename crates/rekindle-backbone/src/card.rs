//! Cards: one set of weights, where it is, and what belongs to it.

use serde::{Deserialize, Serialize};

use crate::BackboneError;

/// What is known of one set of weights; written as TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Architecture, dot, weight tag: `resnet18.a1_in1k`.
    pub name: String,
    /// The architecture.
    pub architecture: String,
    /// Where the weights are.
    pub source: WeightsSource,
    /// Licence of the weights, an SPDX identifier.
    pub licence: String,
    /// Top-1 accuracy on ImageNet-1k in percent, as its makers report it.
    pub imagenet_top1: Option<f32>,
    /// Trainable parameters, classifier included, in millions.
    pub parameters_millions: f32,
    /// The preprocessing that the weights were trained with.
    pub preprocessing: CardPreprocessing,
}

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct WeightsSource {
    /// File name in the package `rekindle-models`, embedded by the feature `bundled`.
    pub bundled: Option<String>,
    /// Repository on the Hugging Face hub that holds `model.safetensors`.
    pub hub: Option<String>,
    /// Where the file can be had by hand, for weights that are on no hub.
    pub url: Option<String>,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: Option<String>,
}

/// The input a set of weights expects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardPreprocessing {
    /// Height and width in pixels.
    pub input_size: [usize; 2],
    /// Mean per channel, of pixels in [0, 1].
    pub mean: [f32; 3],
    /// Standard deviation per channel, of pixels in [0, 1].
    pub std: [f32; 3],
    /// Resize filter, `bilinear` or `bicubic`.
    pub interpolation: String,
    /// Share of the resized image's side that the centre crop keeps.
    pub crop_ratio: f32,
}

impl Card {
    /// Parses a card; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// The text is not TOML, or a field is missing, unknown or of another type.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, BackboneError> {
        toml::from_str(text).map_err(|error| BackboneError::BadCard {
            origin: origin.to_owned(),
            reason: error.message().to_owned(),
        })
    }
}
