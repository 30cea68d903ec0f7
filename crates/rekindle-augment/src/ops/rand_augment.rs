//! RandAugment.

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

/// `count` operations drawn evenly, with replacement, from 14, each at the same magnitude.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/rand_augment.png)
///
/// The operations: identity, shears (tangent up to 0.3), shifts (up to 150/331 of the side), turns (up to 30 degrees),
/// brightness, saturation, contrast and sharpness (factors 0.1 to 1.9), posterisation (8 to 4 bits), solarisation (thresholds 255
/// to 0), auto-contrast, equalisation. Half of the magnitudes with two sides are negative.
///
/// Source: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space" (2019). Reference:
/// torchvision's `RandAugment`, whose filter is nearest and whose fill is black by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// Operations for each image, the paper's N, from 1 to 14. Default 2.
    pub count: u32,
    /// Strength of the operations, the paper's M, from 0 to one less than `bins`. Default 9.
    pub magnitude: u32,
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

impl Default for RandAugment {
    fn default() -> Self {
        Self {
            count: 2,
            magnitude: 9,
            bins: 31,
            probability: 1.0,
            interpolation: Interpolation::Bilinear,
            fill: None,
        }
    }
}

impl Operation for RandAugment {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "count",
            self.count as f32,
            1.0,
            14.0,
            "a whole number from 1 to 14",
        )?;
        check_range(
            "bins",
            self.bins as f32,
            2.0,
            1000.0,
            "a whole number from 2 to 1000",
        )?;
        check_range(
            "magnitude",
            self.magnitude as f32,
            0.0,
            (self.bins - 1) as f32,
            "a whole number from 0 to one less than `bins`",
        )?;
        check_probability(self.probability)?;
        check_interpolation(self.interpolation)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        Box::new(Built {
            runner: PolicyRunner {
                space: PolicySpace::AutoAugment,
                bins: self.bins,
                interpolation: self.interpolation,
                fill: self.fill.unwrap_or_else(|| preprocessing.fill()),
            },
            settings: self.clone(),
        })
    }
}

#[derive(Debug)]
struct Built {
    runner: PolicyRunner,
    settings: RandAugment,
}

impl Transform for Built {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.settings.probability) {
            return image;
        }
        for _ in 0..self.settings.count {
            let operation = draw_operation(self.runner.space.operations(), rng);
            image = self
                .runner
                .run(operation, self.settings.magnitude, image, rng);
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_by_name() {
        let base = RandAugment::default();
        let wrong = [
            (
                "`count`",
                RandAugment {
                    count: 0,
                    ..base.clone()
                },
            ),
            (
                "`magnitude` is 31",
                RandAugment {
                    magnitude: 31,
                    ..base.clone()
                },
            ),
            (
                "`bins`",
                RandAugment {
                    bins: 0,
                    ..base.clone()
                },
            ),
        ];
        for (key, spec) in wrong {
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn one_operation_at_magnitude_0_leaves_most_images_as_they_are() {
        let spec = RandAugment {
            count: 1,
            magnitude: 0,
            ..RandAugment::default()
        };
        let transform = spec.build(&Preprocessing::default());
        // Flat: auto-contrast and equalisation leave it alone; solarisation from 255 on does too.
        let flat = RgbImage::from_pixel(8, 8, image::Rgb([9, 90, 200]));
        for sample in 0..200 {
            let output = transform.apply(flat.clone(), &mut SampleRng::new(0, 0, sample));
            assert_eq!(output, flat, "sample {sample}");
        }
    }
}
