//! Left and right exchanged.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::check_probability;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Left and right exchanged, with a probability. Not for classes that differ by side, such as letters or arrows.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/horizontal_flip.png)
///
/// Reference: torchvision's `RandomHorizontalFlip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HorizontalFlip {
    /// Probability of the flip. Default 0.5.
    pub probability: f32,
}

impl Default for HorizontalFlip {
    fn default() -> Self {
        Self { probability: 0.5 }
    }
}

impl Operation for HorizontalFlip {
    fn check(&self) -> Result<(), SettingError> {
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for HorizontalFlip {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if rng.chance(self.probability) {
            image::imageops::flip_horizontal_in_place(&mut image);
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn a_flip_moves_every_pixel_and_a_second_one_moves_it_back() {
        let flip = HorizontalFlip { probability: 1.0 };
        let image = gradient(7, 4);
        let mut rng = SampleRng::new(0, 0, 0);
        let once = flip.apply(image.clone(), &mut rng);
        for (x, y, pixel) in image.enumerate_pixels() {
            assert_eq!(once.get_pixel(6 - x, y), pixel);
        }
        assert_eq!(flip.apply(once, &mut rng), image);
    }

    #[test]
    fn half_of_the_samples_are_flipped_by_default() {
        let image = gradient(3, 3);
        let flipped = |sample| {
            HorizontalFlip::default().apply(image.clone(), &mut SampleRng::new(0, 0, sample))
                != image
        };
        let count = (0..1000).filter(|&sample| flipped(sample)).count();
        assert!((440..560).contains(&count), "{count}");
    }
}
