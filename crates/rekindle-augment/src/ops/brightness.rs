//! Every value times a factor.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::lookup::{look_up, table};
use super::settings::{check_probability, check_range, factor_around_one};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Every value times a factor.
///
/// `value * factor`, with a factor drawn evenly from `1 - strength` (at least 0) to `1 + strength`.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/brightness.png)
///
/// Reference: torchvision's `ColorJitter(brightness=strength)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Brightness {
    /// Largest distance of the factor from 1. Default 0.4, timm's colour jitter.
    pub strength: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
}

impl Default for Brightness {
    fn default() -> Self {
        Self {
            strength: 0.4,
            probability: 1.0,
        }
    }
}

impl Operation for Brightness {
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

impl Transform for Brightness {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        adjust_brightness(image, factor_around_one(self.strength, rng))
    }
}

/// The image with every value times `factor`, at most 255.
///
/// Within one grey level of Pillow's `ImageEnhance.Brightness`, which cuts fractions off where this rounds.
pub fn adjust_brightness(image: RgbImage, factor: f32) -> RgbImage {
    look_up(
        image,
        &table(|value| (f32::from(value) * factor).round() as u8),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn factors_of_one_and_zero_are_the_image_and_black() {
        let image = gradient(8, 8);
        assert_eq!(adjust_brightness(image.clone(), 1.0), image);
        assert!(
            adjust_brightness(image.clone(), 0.0)
                .iter()
                .all(|value| *value == 0)
        );
        let bright = adjust_brightness(image.clone(), 3.0);
        assert!(
            bright
                .iter()
                .zip(image.iter())
                .all(|(new, old)| *new == old.saturating_mul(3))
        );
    }

    #[test]
    fn strength_is_checked() {
        let error = Brightness {
            strength: -1.0,
            probability: 1.0,
        }
        .check()
        .unwrap_err();
        assert!(error.to_string().contains("`strength` is -1"), "{error}");
    }
}
