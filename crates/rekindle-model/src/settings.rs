//! What the user writes of a network's weights and of its input: the tables `backbone` and `input` of a recipe.

use std::path::PathBuf;

use rekindle_augment::{Interpolation, RangeSpec, RescaleSpec, ResizePolicy};
use serde::{Deserialize, Deserializer, Serialize};

/// The pretrained network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneRecipe {
    /// Weights by name, `resnet18.a1_in1k`, or an architecture, `resnet18`, which stands for the weights that timm means by it.
    pub name: String,
    /// A file in place of these weights: `.safetensors`, or PyTorch's `.pth`, `.pt` or `.bin`; `hf://OWNER/REPO[@REVISION][/FILE]` on the
    /// hub; `random` starts from scratch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

/// Overrides of the weights' own preprocessing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRecipe {
    /// Height and width in pixels; one number for both.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "one_or_two",
        default
    )]
    pub size: Option<[usize; 2]>,
    /// Share of the resized image's side that the centre crop keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_ratio: Option<f32>,
    /// Resize filter: `nearest`, `bilinear`, `bicubic`, `lanczos`, or `area`, the mean of the area that a pixel covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpolation: Option<Interpolation>,
    /// `crop`, `squash` or `pad`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<ResizePolicy>,
    /// Red, green and blue, from 0 to 255, of the border that `pad` makes and of what rotations and other transforms leave empty.
    /// Default the colour nearest to what rescaling turns into zero, such as the mean. It is in plan.toml and in the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
    /// `unit` ([0, 1]), `symmetric` ([-1, 1]), `{ standardise = { mean = [..], std = [..] } }` or `none`; for each image by itself
    /// `per_image` or `{ per_image = { per_channel = true } }`; fitted on the training images `dataset` (their mean and standard
    /// deviation), `centre` (their mean alone), `{ zca = { epsilon = 1e-5 } }` and `{ pca = { epsilon = 1e-5 } }` (colour whitening).
    /// Fitted numbers are in plan.toml and in the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescale: Option<RescaleSpec>,
    /// Channels of the input. Default 3, red, green and blue; 1 is grey, by Pillow's formula; of any other number, up to 1024, each file has
    /// to have as many bands: TIFF, PNG with alpha (2 or 4) or `.npy`, alpha being a band like others. The first convolution is
    /// adapted as timm does (`in_chans`): one channel sums the weights of the three, more repeat them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// What is black and white of samples of more than 8 bits: `full`, all that they can hold (default); `{ bits = 12 }`, 0 to 4095, for
    /// cameras that write fewer bits into 16; or `{ span = { low = -1000, high = 3000 } }`. Fitted on the training images: `max`, from 0
    /// to their largest number, and `{ percentiles = [0.5, 99.5] }`, between which all but half a percent of their numbers at either end
    /// lie. The numbers found are a span in plan.toml and in the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeSpec>,
}

impl Default for BackboneRecipe {
    /// The card whose weights are bundled.
    fn default() -> Self {
        Self {
            name: rekindle_models::DEFAULT_CARD.into(),
            weights: None,
        }
    }
}

/// A side, or height and width.
fn one_or_two<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[usize; 2]>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected a whole number of pixels, or a list of two: height and width"
    )]
    enum OneOrTwo {
        One(usize),
        Two([usize; 2]),
    }
    Ok(Some(match OneOrTwo::deserialize(deserializer)? {
        OneOrTwo::One(side) => [side, side],
        OneOrTwo::Two(size) => size,
    }))
}
