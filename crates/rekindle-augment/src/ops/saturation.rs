//! The distance of every pixel from its own grey times a factor.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::blend::{blend_value, fixed};
use super::entry::Operation;
use super::greyscale::grey;
use super::settings::{check_probability, check_range, factor_around_one};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The distance of every pixel from its own grey times a factor.
///
/// `grey + (value - grey) * factor`, with a factor drawn evenly from `1 - strength` (at least 0) to `1 + strength`.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/saturation.png)
///
/// Reference: torchvision's `ColorJitter(saturation=strength)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Saturation {
    /// Largest distance of the factor from 1. Default 0.4, timm's colour jitter.
    pub strength: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
}

impl Default for Saturation {
    fn default() -> Self {
        Self {
            strength: 0.4,
            probability: 1.0,
        }
    }
}

impl Operation for Saturation {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "strength",
            self.strength,
            0.0,
            10.0,
            "a number from 0 to 10",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Saturation {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        adjust_saturation(image, factor_around_one(self.strength, rng))
    }
}

/// The image with every pixel's distance from its own grey times `factor`, cut to 0..255.
///
/// Within one grey level of Pillow's `ImageEnhance.Color`.
pub fn adjust_saturation(mut image: RgbImage, factor: f32) -> RgbImage {
    let factor = fixed(factor);
    for pixel in image.pixels_mut() {
        let grey = grey(pixel.0);
        pixel.0 = pixel.0.map(|value| blend_value(grey, value, factor));
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::greyscale;
    use crate::testing::gradient;

    #[test]
    fn factors_of_one_and_zero_are_the_image_and_its_greyscale() {
        let image = gradient(8, 8);
        assert_eq!(adjust_saturation(image.clone(), 1.0), image);
        assert_eq!(adjust_saturation(image.clone(), 0.0), greyscale(image));
    }
}
