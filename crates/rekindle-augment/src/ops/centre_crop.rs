//! The middle of the image, of the input size.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::Operation;
use super::framing::{Framing, centred, check_crop_ratio};
use super::pad::{PaddingMode, window};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The middle of the image, of the input size; nothing is random.
///
/// The image is resized first so that the crop covers `crop_ratio` of its shorter side: the view of evaluation, at a ratio
/// of one's own. Without `resize`, the crop is of the image's own pixels, and what it lacks is filled.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/centre_crop.png)
///
/// Reference: torchvision's `Resize` and `CenterCrop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CentreCrop {
    /// Whether the image is resized first. Default true.
    pub resize: bool,
    /// Share of the shorter side that the crop covers, from 0.01 to 1; the preprocessing's where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_ratio: Option<f32>,
    /// Colour around an image smaller than the crop; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for CentreCrop {
    fn default() -> Self {
        Self {
            resize: true,
            crop_ratio: None,
            fill: None,
        }
    }
}

impl Operation for CentreCrop {
    fn check(&self) -> Result<(), AugmentError> {
        check_crop_ratio("centre_crop.crop_ratio", self.crop_ratio)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        Box::new(Crop {
            framing: Framing::new(preprocessing, self.resize, self.crop_ratio, false),
            fill: self.fill.unwrap_or_else(|| preprocessing.fill()),
        })
    }

    fn yields_final_size(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Crop {
    framing: Framing,
    fill: [u8; 3],
}

impl Transform for Crop {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.apply_borrowed(&image, rng)
    }

    fn apply_borrowed(&self, image: &RgbImage, _: &mut SampleRng) -> RgbImage {
        let (width, height) = self.framing.crop_size();
        let frame = self.framing.frame(image);
        let corner = (centred(width, frame.0), centred(height, frame.1));
        self.framing
            .cut(image, corner, PaddingMode::Constant, self.fill)
    }
}

/// The `width` by `height` pixels in the middle of the image; where it is smaller, `fill` around it.
///
/// Equals torchvision's `center_crop`, which fills with black: a crop that cannot be centred exactly rounds half to even.
pub fn centre_crop(image: &RgbImage, width: u32, height: u32, fill: [u8; 3]) -> RgbImage {
    let corner = (
        centred(width, image.width()),
        centred(height, image.height()),
    );
    window(image, corner, (width, height), PaddingMode::Constant, fill)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn the_default_is_the_evaluation_view() {
        let preprocessing = Preprocessing {
            input_size: [24, 24],
            ..Preprocessing::default()
        };
        let transform = CentreCrop::default().build(&preprocessing);
        let image = gradient(61, 47);
        let view = transform.apply_borrowed(&image, &mut SampleRng::new(0, 0, 0));
        assert_eq!(view, preprocessing.evaluate(&image));
    }

    #[test]
    fn a_small_image_lies_in_the_middle_of_the_fill() {
        let image = gradient(4, 2);
        let crop = centre_crop(&image, 8, 8, [1, 2, 3]);
        assert_eq!(crop.get_pixel(2, 3), image.get_pixel(0, 0));
        assert_eq!(crop.get_pixel(1, 3).0, [1, 2, 3]);
        assert_eq!(crop.get_pixel(7, 7).0, [1, 2, 3]);
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let wrong = CentreCrop {
            crop_ratio: Some(1.2),
            ..CentreCrop::default()
        };
        let message = wrong.check().unwrap_err().to_string();
        assert!(message.contains("centre_crop.crop_ratio"), "{message}");
    }
}
