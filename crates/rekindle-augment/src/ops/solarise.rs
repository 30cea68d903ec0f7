//! Bright values inverted.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::lookup::{look_up, table};
use super::settings::{check_probability, check_range};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Every value `v` from the threshold on becomes `255 - v`, with a probability.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/solarise.png)
///
/// Reference: torchvision's `RandomSolarize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Solarise {
    /// The smallest value that is inverted, from 0 (all) to 256 (none). Default 128.
    pub threshold: f32,
    /// Probability of a change. Default 0.5, torchvision's.
    pub probability: f32,
}

impl Default for Solarise {
    fn default() -> Self {
        Self {
            threshold: 128.0,
            probability: 0.5,
        }
    }
}

impl Operation for Solarise {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "threshold",
            self.threshold,
            0.0,
            256.0,
            "a grey level from 0 to 256",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Solarise {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        solarise(image, self.threshold)
    }
}

/// The image with every value of at least `threshold` inverted; equal to Pillow's `ImageOps.solarize`.
pub fn solarise(image: RgbImage, threshold: f32) -> RgbImage {
    let inverted = |value| match f32::from(value) < threshold {
        true => value,
        false => 255 - value,
    };
    look_up(image, &table(inverted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::invert;
    use crate::testing::gradient;

    #[test]
    fn thresholds_at_the_ends_are_the_negative_and_the_image() {
        let image = gradient(20, 20);
        assert_eq!(solarise(image.clone(), 0.0), invert(image.clone()));
        assert_eq!(solarise(image.clone(), 256.0), image);
        let output = solarise(image.clone(), 100.0);
        for (new, old) in output.iter().zip(image.iter()) {
            assert_eq!(*new, if *old < 100 { *old } else { 255 - *old });
        }
    }

    #[test]
    fn the_threshold_is_checked() {
        for threshold in [-1.0, 257.0, f32::NAN] {
            let spec = Solarise {
                threshold,
                ..Solarise::default()
            };
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains("`threshold`"), "{message}");
        }
    }
}
