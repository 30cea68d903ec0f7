//! TrivialAugment.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::policy::{PolicyRunner, PolicySpace, draw_operation};
use super::settings::{check_probability, check_range};
use super::warp::check_interpolation;
use crate::preprocessing::Preprocessing;
use crate::resize::Interpolation;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// One operation drawn evenly from 14, at a magnitude drawn evenly from its wide range: nothing to tune.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/trivial_augment.png)
///
/// The operations: identity, shears (tangent up to 0.99), shifts (up to 32 pixels), turns (up to 135 degrees), brightness,
/// saturation, contrast and sharpness (factors 0.01 to 1.99), posterisation (8 to 2 bits), solarisation (thresholds 255 to 0),
/// auto-contrast, equalisation. Half of the magnitudes with two sides are negative.
///
/// Source: Müller and Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data augmentation" (2021). Reference:
/// torchvision's `TrivialAugmentWide`, whose filter is nearest and whose fill is black by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrivialAugment {
    /// Number of magnitudes that the ranges are divided into, from 2 to 1000. Default 31.
    pub bins: u32,
    /// Probability of a change. Default 1.
    pub probability: f32,
    /// The filter of shears, shifts and turns: nearest, bilinear (default) or bicubic.
    pub interpolation: Interpolation,
    /// Colour of what lies outside the image; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for TrivialAugment {
    fn default() -> Self {
        Self {
            bins: 31,
            probability: 1.0,
            interpolation: Interpolation::Bilinear,
            fill: None,
        }
    }
}

impl Operation for TrivialAugment {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "bins",
            self.bins as f32,
            2.0,
            1000.0,
            "a whole number from 2 to 1000",
        )?;
        check_probability(self.probability)?;
        check_interpolation(self.interpolation)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        Box::new(Built {
            runner: PolicyRunner {
                space: PolicySpace::TrivialAugment,
                bins: self.bins,
                interpolation: self.interpolation,
                fill: self.fill.unwrap_or_else(|| preprocessing.fill()),
            },
            probability: self.probability,
        })
    }
}

#[derive(Debug)]
struct Built {
    runner: PolicyRunner,
    probability: f32,
}

impl Transform for Built {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let operation = draw_operation(self.runner.space.operations(), rng);
        let bin = rng.below(self.runner.bins);
        self.runner.run(operation, bin, image, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn settings_are_checked_by_name() {
        let few = TrivialAugment {
            bins: 1,
            ..TrivialAugment::default()
        };
        let message = few.check().unwrap_err().to_string();
        assert!(message.contains("`bins`"), "{message}");
    }

    #[test]
    fn samples_differ_widely() {
        let transform = TrivialAugment::default().build(&Preprocessing::default());
        let image = gradient(20, 20);
        let mut outputs: Vec<Vec<u8>> = (0..200)
            .map(|sample| {
                let output = transform.apply(image.clone(), &mut SampleRng::new(0, 0, sample));
                output.into_raw()
            })
            .collect();
        outputs.sort();
        outputs.dedup();
        assert!(outputs.len() > 80, "{}", outputs.len());
    }
}
