//! The negative.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::check_probability;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Every value `v` becomes `255 - v`, with a probability.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/invert.png)
///
/// Reference: torchvision's `RandomInvert`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Invert {
    /// Probability of a change. Default 0.5, torchvision's.
    pub probability: f32,
}

impl Default for Invert {
    fn default() -> Self {
        Self { probability: 0.5 }
    }
}

impl Operation for Invert {
    fn check(&self) -> Result<(), SettingError> {
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Invert {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        invert(image)
    }
}

/// The negative of the image; equal to Pillow's `ImageOps.invert`.
pub fn invert(mut image: RgbImage) -> RgbImage {
    for value in image.iter_mut() {
        *value = 255 - *value;
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn the_negative_of_the_negative_is_the_image() {
        let image = gradient(8, 8);
        let negative = invert(image.clone());
        assert!(image.iter().zip(negative.iter()).all(|(a, b)| a + b == 255));
        assert_eq!(invert(negative), image);
    }
}
