//! Noise of dead pixels.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::{check_pair, check_probability};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// A share of the pixels, drawn evenly from a range, replaced by white or black, equally often.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/salt_and_pepper.png)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SaltAndPepper {
    /// Smallest and largest share of the pixels, from 0 to 1. Default 0 to 0.02.
    pub share: [f32; 2],
    /// Probability of a change. Default 0.5.
    pub probability: f32,
}

impl Default for SaltAndPepper {
    fn default() -> Self {
        Self {
            share: [0.0, 0.02],
            probability: 0.5,
        }
    }
}

impl Operation for SaltAndPepper {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "share",
            self.share,
            0.0,
            1.0,
            "the smallest and the largest share of the pixels, from 0 to 1",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for SaltAndPepper {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let share = f64::from(rng.uniform(self.share[0], self.share[1]));
        let replaced = (share * 2f64.powi(32)) as u64;
        // Two pixels of each draw.
        for pixels in image.chunks_mut(6) {
            let mut bits = rng.next_u64();
            for pixel in pixels.chunks_exact_mut(3) {
                let place = bits & 0xffff_ffff;
                bits >>= 32;
                if place < replaced {
                    pixel.fill(if place < replaced / 2 { 255 } else { 0 });
                }
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn salt_and_pepper_are_equally_frequent_and_as_many_as_asked_for() {
        let noise = SaltAndPepper {
            share: [0.3; 2],
            probability: 1.0,
        };
        let grey = RgbImage::from_pixel(200, 100, image::Rgb([7; 3]));
        let output = noise.apply(grey, &mut SampleRng::new(5, 0, 0));
        let count = |value| {
            output
                .pixels()
                .filter(|pixel| pixel.0 == [value; 3])
                .count()
        };
        // 3000 of each, with a standard deviation of 50.
        assert!(count(0).abs_diff(3000) < 250, "{}", count(0));
        assert!(count(255).abs_diff(3000) < 250, "{}", count(255));
        assert_eq!(count(0) + count(7) + count(255), 20_000);
    }

    #[test]
    fn the_share_is_checked() {
        let spec = SaltAndPepper {
            share: [0.0, 1.1],
            ..SaltAndPepper::default()
        };
        let message = spec.check().unwrap_err().to_string();
        assert!(message.contains("`share`"), "{message}");
    }

    proptest! {
        #[test]
        fn a_pixel_is_white_or_black_or_as_it_was(share in 0f32..=1.0, seed in any::<u64>(), width in 1u32..30) {
            let spec = SaltAndPepper { share: [share; 2], probability: 1.0 };
            let image = gradient(width, 7);
            let output = spec.apply(image.clone(), &mut SampleRng::new(seed, 0, 0));
            for (new, old) in output.pixels().zip(image.pixels()) {
                prop_assert!(new == old || new.0 == [0; 3] || new.0 == [255; 3]);
                prop_assert!(share < 1.0 || new.0 == [0; 3] || new.0 == [255; 3]);
            }
        }
    }
}
