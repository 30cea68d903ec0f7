//! The middle of the image, of the input size.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::framing::{CropSettings, Framing, centred, check_crop_ratio};
use super::pad::{PaddingMode, window};
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CentreCrop(pub CropSettings);

impl Operation for CentreCrop {
    fn check(&self) -> Result<(), SettingError> {
        check_crop_ratio(self.0.crop_ratio)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        Box::new(Crop {
            framing: self.0.framing(preprocessing),
            fill: self.0.fill(preprocessing),
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
        let wrong = CentreCrop(CropSettings {
            crop_ratio: Some(1.2),
            ..CropSettings::default()
        });
        let message = wrong.check().unwrap_err().to_string();
        assert!(message.contains("`crop_ratio`"), "{message}");
    }
}
