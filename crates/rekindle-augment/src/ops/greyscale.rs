//! Colour removed.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::check_probability;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// All three channels replaced by the grey of the pixel, with a probability.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/greyscale.png)
///
/// Reference: torchvision's `RandomGrayscale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Greyscale {
    /// Probability of losing the colour. Default 0.1.
    pub probability: f32,
}

impl Default for Greyscale {
    fn default() -> Self {
        Self { probability: 0.1 }
    }
}

impl Operation for Greyscale {
    fn check(&self) -> Result<(), SettingError> {
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Greyscale {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if rng.chance(self.probability) {
            greyscale(image)
        } else {
            image
        }
    }
}

/// The image without colour; equal to Pillow's `convert("L")`.
pub fn greyscale(mut image: RgbImage) -> RgbImage {
    for pixel in image.pixels_mut() {
        pixel.0 = [grey(pixel.0); 3];
    }
    image
}

/// `0.299 r + 0.587 g + 0.114 b` of ITU-R BT.601, in Pillow's 16-bit fixed point.
pub(crate) fn grey([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_stay_and_colours_weigh_as_in_pillow() {
        for value in 0..=255 {
            assert_eq!(grey([value; 3]), value);
        }
        // Pillow 13.0.0: Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))
        assert_eq!(
            [grey([255, 0, 0]), grey([0, 255, 0]), grey([0, 0, 255])],
            [76, 150, 29]
        );
    }
}
