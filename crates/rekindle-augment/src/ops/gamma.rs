//! Every value to a power.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::lookup::{look_up, table};
use super::settings::{check_pair, check_probability};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// `255 * (value / 255) ^ gamma`, with a gamma drawn evenly in its logarithm.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/gamma.png)
///
/// Under 1 the image becomes brighter, over 1 darker; black and white stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gamma {
    /// Smallest and largest exponent, from 0.05 to 20. Default 0.8 to 1.25.
    pub gamma: [f32; 2],
    /// Probability of a change. Default 1.
    pub probability: f32,
}

impl Default for Gamma {
    fn default() -> Self {
        Self {
            gamma: [0.8, 1.25],
            probability: 1.0,
        }
    }
}

impl Operation for Gamma {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "gamma",
            self.gamma,
            0.05,
            20.0,
            "the smallest and the largest exponent, from 0.05 to 20",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Gamma {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let [low, high] = self.gamma.map(f32::ln);
        adjust_gamma(image, rng.uniform(low, high).exp())
    }
}

/// The image with every value to the power `gamma`, at least 0, on a scale from 0 to 1.
///
/// Equal to torchvision's `adjust_gamma` of a Pillow image, which cuts fractions off.
pub fn adjust_gamma(image: RgbImage, gamma: f32) -> RgbImage {
    let exponent = f64::from(gamma);
    let power = |value| (255.999 * (f64::from(value) / 255.0).powf(exponent)) as u8;
    look_up(image, &table(power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn the_exponents_are_checked() {
        for gamma in [[0.0, 1.0], [2.0, 1.0], [1.0, 30.0]] {
            let spec = Gamma {
                gamma,
                probability: 1.0,
            };
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains("`gamma`"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn black_and_white_stay_and_the_rest_moves_one_way(gamma in 0.05f32..20.0) {
            let image = gradient(20, 20);
            let output = adjust_gamma(image.clone(), gamma);
            for (new, old) in output.iter().zip(image.iter()) {
                prop_assert!((gamma < 1.0 || new <= old) && (gamma > 1.0 || new >= old));
                prop_assert!((*old != 0 && *old != 255) || new == old);
            }
            prop_assert_eq!(adjust_gamma(image.clone(), 1.0), image);
        }
    }
}
