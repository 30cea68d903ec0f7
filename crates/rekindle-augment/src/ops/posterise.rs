//! Fewer levels of each channel.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::lookup::{look_up, table};
use super::settings::{check_probability, check_range};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Only the highest bits of every value kept, with a probability.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/posterise.png)
///
/// Reference: torchvision's `RandomPosterize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Posterise {
    /// Bits that are kept, from 1 to 8; 8 changes nothing. Default 4: 16 levels.
    pub bits: u8,
    /// Probability of a change. Default 0.5, torchvision's.
    pub probability: f32,
}

impl Default for Posterise {
    fn default() -> Self {
        Self {
            bits: 4,
            probability: 0.5,
        }
    }
}

impl Operation for Posterise {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "bits",
            f32::from(self.bits),
            1.0,
            8.0,
            "a whole number from 1 to 8",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Posterise {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        posterise(image, self.bits)
    }
}

/// The image with the highest `bits` bits of every value kept and the others zero; no bits give black, 8 and more the image.
///
/// Equal to Pillow's `ImageOps.posterize`.
pub fn posterise(image: RgbImage, bits: u8) -> RgbImage {
    let mask = !(0xff_u32 >> bits.min(8)) as u8;
    look_up(image, &table(|value| value & mask))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn bits_are_checked() {
        for bits in [0, 9] {
            let spec = Posterise {
                bits,
                ..Posterise::default()
            };
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains("`bits`"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn at_most_two_to_the_bits_levels_are_left_and_none_is_brighter(bits in 0u8..=9) {
            let image = gradient(40, 30);
            let output = posterise(image.clone(), bits);
            let mut levels: Vec<u8> = output.iter().copied().collect();
            levels.sort_unstable();
            levels.dedup();
            prop_assert!(levels.len() <= 1 << bits.min(8));
            prop_assert!(output.iter().zip(image.iter()).all(|(new, old)| new <= old));
            prop_assert_eq!(posterise(output.clone(), bits), output);
        }
    }
}
