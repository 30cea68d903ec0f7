//! AutoAugment.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::policy::PolicyOperation::{
    AutoContrast, Contrast, Equalise, Invert, Posterise, Rotate, Saturation, Sharpness, ShearX,
    Solarise,
};
use super::policy::{PolicyOperation, PolicyRunner, PolicySpace};
use super::settings::check_probability;
use super::warp::check_interpolation;
use crate::preprocessing::Preprocessing;
use crate::resize::Interpolation;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// One of the 25 pairs of operations that were found on ImageNet, drawn evenly; each of the two has its probability and magnitude.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/auto_augment.png)
///
/// Source: Cubuk et al., "AutoAugment: Learning augmentation strategies from data" (2018), table 9. Reference: torchvision's
/// `AutoAugment`, whose filter is nearest and whose fill is black by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoAugment {
    /// Probability of drawing a pair. Default 1.
    pub probability: f32,
    /// The filter of shears and turns: nearest, bilinear (default) or bicubic.
    pub interpolation: Interpolation,
    /// Colour of what lies outside the image; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for AutoAugment {
    fn default() -> Self {
        Self {
            probability: 1.0,
            interpolation: Interpolation::Bilinear,
            fill: None,
        }
    }
}

impl Operation for AutoAugment {
    fn check(&self) -> Result<(), SettingError> {
        check_probability(self.probability)?;
        check_interpolation(self.interpolation)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        Box::new(Built {
            runner: PolicyRunner {
                space: PolicySpace::AutoAugment,
                bins: 10,
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
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let pair = IMAGENET_POLICY[rng.below(IMAGENET_POLICY.len() as u32) as usize];
        for (operation, probability, bin) in pair {
            if rng.chance(probability) {
                image = self.runner.run(operation, bin, image, rng);
            }
        }
        image
    }
}

/// An operation, its probability, and its magnitude from 0 to 9 (0 where it has none).
pub type PolicyStep = (PolicyOperation, f32, u32);

/// The pairs of operations of ImageNet's policy, one of which is drawn for each image.
pub const IMAGENET_POLICY: [[PolicyStep; 2]; 25] = [
    [(Posterise, 0.4, 8), (Rotate, 0.6, 9)],
    [(Solarise, 0.6, 5), (AutoContrast, 0.6, 0)],
    [(Equalise, 0.8, 0), (Equalise, 0.6, 0)],
    [(Posterise, 0.6, 7), (Posterise, 0.6, 6)],
    [(Equalise, 0.4, 0), (Solarise, 0.2, 4)],
    [(Equalise, 0.4, 0), (Rotate, 0.8, 8)],
    [(Solarise, 0.6, 3), (Equalise, 0.6, 0)],
    [(Posterise, 0.8, 5), (Equalise, 1.0, 0)],
    [(Rotate, 0.2, 3), (Solarise, 0.6, 8)],
    [(Equalise, 0.6, 0), (Posterise, 0.4, 6)],
    [(Rotate, 0.8, 8), (Saturation, 0.4, 0)],
    [(Rotate, 0.4, 9), (Equalise, 0.6, 0)],
    [(Equalise, 0.0, 0), (Equalise, 0.8, 0)],
    [(Invert, 0.6, 0), (Equalise, 1.0, 0)],
    [(Saturation, 0.6, 4), (Contrast, 1.0, 8)],
    [(Rotate, 0.8, 8), (Saturation, 1.0, 2)],
    [(Saturation, 0.8, 8), (Solarise, 0.8, 7)],
    [(Sharpness, 0.4, 7), (Invert, 0.6, 0)],
    [(ShearX, 0.6, 5), (Equalise, 1.0, 0)],
    [(Saturation, 0.4, 0), (Equalise, 0.6, 0)],
    [(Equalise, 0.4, 0), (Solarise, 0.2, 4)],
    [(Solarise, 0.6, 5), (AutoContrast, 0.6, 0)],
    [(Invert, 0.6, 0), (Equalise, 1.0, 0)],
    [(Saturation, 0.6, 4), (Contrast, 1.0, 8)],
    [(Equalise, 0.8, 0), (Equalise, 0.6, 0)],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{equalise, invert};
    use crate::testing::gradient;

    #[test]
    fn a_pair_that_surely_ends_in_an_equalised_negative_is_seen() {
        let transform = AutoAugment::default().build(&Preprocessing::default());
        let image = gradient(40, 40);
        let expected = equalise(invert(image.clone()));
        let hits = (0..500).filter(|&sample| {
            transform.apply(image.clone(), &mut SampleRng::new(0, 0, sample)) == expected
        });
        // Two of 25 pairs, with a probability of 0.6: 24 of 500.
        let hits = hits.count();
        assert!((8..45).contains(&hits), "{hits}");
    }
}
