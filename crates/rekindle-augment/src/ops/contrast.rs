//! The distance of every value from the mean grey times a factor.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::greyscale::grey;
use super::lookup::{look_up, table};
use super::settings::{check_probability, check_range, factor_around_one};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The distance of every value from the mean grey times a factor.
///
/// `mean + (value - mean) * factor`, with a factor drawn evenly from `1 - strength` (at least 0) to `1 + strength`.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/contrast.png)
///
/// Reference: torchvision's `ColorJitter(contrast=strength)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contrast {
    /// Largest distance of the factor from 1. Default 0.4, timm's colour jitter.
    pub strength: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
}

impl Default for Contrast {
    fn default() -> Self {
        Self {
            strength: 0.4,
            probability: 1.0,
        }
    }
}

impl Operation for Contrast {
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

impl Transform for Contrast {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        adjust_contrast(image, factor_around_one(self.strength, rng))
    }
}

/// The image with every value's distance from the mean grey times `factor`, cut to 0..255.
///
/// Within one grey level of Pillow's `ImageEnhance.Contrast`, whose rounded mean of the grey image is used.
pub fn adjust_contrast(image: RgbImage, factor: f32) -> RgbImage {
    let count = u64::from(image.width()) * u64::from(image.height());
    if count == 0 {
        return image;
    }
    let sum: u64 = image.pixels().map(|pixel| u64::from(grey(pixel.0))).sum();
    let mean = ((2 * sum + count) / (2 * count)) as f32;
    let scaled = |value| (mean + (f32::from(value) - mean) * factor).round() as u8;
    look_up(image, &table(scaled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn factors_of_one_and_zero_are_the_image_and_its_mean_grey() {
        let image = gradient(8, 8);
        assert_eq!(adjust_contrast(image.clone(), 1.0), image);
        let flat = adjust_contrast(image, 0.0);
        assert!(flat.iter().all(|value| *value == flat.as_raw()[0]));
        assert_eq!(
            adjust_contrast(RgbImage::new(0, 0), 0.5).dimensions(),
            (0, 0)
        );
    }
}
