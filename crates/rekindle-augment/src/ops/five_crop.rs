//! One of the four corners or the middle of the image, of the input size.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::framing::{CropSettings, Framing, centred, check_crop_ratio};
use super::pad::{PaddingMode, window};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// One of the four corners or the middle of the image, of the input size, each with the same probability.
///
/// The image is resized first so that the crop covers `crop_ratio` of its shorter side. Without `resize`, the crop is of
/// the image's own pixels, and what it lacks is filled.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/five_crop.png)
///
/// Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012). Reference:
/// torchvision's `FiveCrop`, which gives all five at once, as [`five_crop`] does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FiveCrop(pub CropSettings);

impl Operation for FiveCrop {
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

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        let corners = corners(self.framing.crop_size(), self.framing.frame(image));
        let corner = corners[rng.below(5) as usize];
        self.framing
            .cut(image, corner, PaddingMode::Constant, self.fill)
    }
}

/// Where the five crops start: left upper, right upper, left lower, right lower, centre.
fn corners((width, height): (u32, u32), frame: (u32, u32)) -> [(i64, i64); 5] {
    let axis = |wanted: u32, available: u32| {
        let centre = centred(wanted, available);
        if wanted > available {
            return [centre; 3];
        }
        [0, centre, i64::from(available - wanted)]
    };
    let [left, middle, right] = axis(width, frame.0);
    let [top, centre, bottom] = axis(height, frame.1);
    [
        (left, top),
        (right, top),
        (left, bottom),
        (right, bottom),
        (middle, centre),
    ]
}

/// The crops of `width` by `height` pixels at the left upper, right upper, left lower and right lower corner and in the
/// middle.
///
/// Equals torchvision's `five_crop`. On an axis along which the image is smaller than the crop, which torchvision refuses,
/// all five are centred and `fill` is around the image.
pub fn five_crop(image: &RgbImage, width: u32, height: u32, fill: [u8; 3]) -> [RgbImage; 5] {
    let size = (width, height);
    corners(size, image.dimensions())
        .map(|corner| window(image, corner, size, PaddingMode::Constant, fill))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn every_sample_is_one_of_the_five_and_each_comes_as_often() {
        let preprocessing = Preprocessing {
            input_size: [8, 8],
            ..Preprocessing::default()
        };
        let transform = FiveCrop(CropSettings {
            resize: false,
            ..CropSettings::default()
        })
        .build(&preprocessing);
        let image = gradient(21, 17);
        let crops = five_crop(&image, 8, 8, [0; 3]);
        let mut counts = [0u32; 5];
        for sample in 0..1000 {
            let view = transform.apply_borrowed(&image, &mut SampleRng::new(0, 0, sample));
            let which = crops.iter().position(|crop| *crop == view).unwrap();
            counts[which] += 1;
        }
        // Standard deviation of each count is 13.
        assert!(
            counts.iter().all(|count| (150..250).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn an_image_smaller_than_the_crop_is_whole_in_all_five() {
        let image = gradient(6, 20);
        for crop in five_crop(&image, 8, 8, [7; 3]) {
            assert_eq!(crop.dimensions(), (8, 8));
            assert_eq!(crop.get_pixel(0, 4).0, [7; 3]);
            assert_eq!(crop.get_pixel(7, 4).0, [7; 3]);
        }
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let wrong = FiveCrop(CropSettings {
            crop_ratio: Some(0.0),
            ..CropSettings::default()
        });
        let message = wrong.check().unwrap_err().to_string();
        assert!(message.contains("`crop_ratio`"), "{message}");
    }
}
