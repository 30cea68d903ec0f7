//! The blocks and ringing of strong compression.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, RgbImage};
use serde::{Deserialize, Serialize};

use super::{Operation, check_pair, check_probability};
use crate::decode::{DecodeLimits, decode};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The image written as JPEG and read again, at a quality drawn evenly from a range.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/jpeg_artefacts.png)
///
/// Reference: torchvision's `JPEG`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JpegArtefacts {
    /// Lowest and highest quality on libjpeg's scale, from 1 to 100. Default 30 to 90.
    pub quality: [u8; 2],
    /// Probability of a change. Default 0.5.
    pub probability: f32,
}

impl Default for JpegArtefacts {
    fn default() -> Self {
        Self {
            quality: [30, 90],
            probability: 0.5,
        }
    }
}

impl Operation for JpegArtefacts {
    fn check(&self) -> Result<(), AugmentError> {
        check_pair(
            "jpeg_artefacts.quality",
            self.quality.map(f32::from),
            1.0,
            100.0,
            "the lowest and the highest quality, whole numbers from 1 to 100",
        )?;
        check_probability("jpeg_artefacts.probability", self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for JpegArtefacts {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let [low, high] = self.quality;
        let above = rng.below(u32::from(high.saturating_sub(low)) + 1);
        jpeg_artefacts(image, low.saturating_add(above as u8))
    }
}

/// The image after it was written as JPEG, with colour at full resolution, and read again.
///
/// An image that JPEG cannot hold, of a side over 65535 pixels, stays as it is. Close to Pillow's `save` with the same quality
/// and `subsampling="4:4:4"`; decoders differ by a few grey levels.
pub fn jpeg_artefacts(image: RgbImage, quality: u8) -> RgbImage {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100));
    let (width, height) = image.dimensions();
    let colour = image::ExtendedColorType::Rgb8;
    let limits = DecodeLimits {
        max_pixels: u64::MAX,
        max_alloc_bytes: u64::MAX,
    };
    let written = encoder.write_image(&image, width, height, colour);
    match written.map(|()| decode(&bytes, &limits)) {
        Ok(Ok(decoded)) => decoded.image,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn a_lower_quality_is_further_from_the_image() {
        let image = gradient(64, 48);
        let distance = |quality| {
            let output = jpeg_artefacts(image.clone(), quality);
            let pairs = output.iter().zip(image.iter());
            pairs
                .map(|(new, old)| u64::from(new.abs_diff(*old)))
                .sum::<u64>()
        };
        assert!(distance(10) > distance(50) && distance(50) > distance(95));
        assert!(distance(95) > 0);
    }

    #[test]
    fn the_quality_is_checked() {
        for quality in [[0, 50], [90, 30], [50, 101]] {
            let spec = JpegArtefacts {
                quality,
                ..JpegArtefacts::default()
            };
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains("`jpeg_artefacts.quality`"), "{message}");
        }
    }

    #[test]
    fn an_image_without_pixels_stays() {
        assert_eq!(jpeg_artefacts(RgbImage::new(0, 3), 50).dimensions(), (0, 3));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn the_size_stays_and_grey_stays_nearly_grey(
            width in 1u32..40, height in 1u32..40, quality in 1u8..=100, value in any::<u8>(),
        ) {
            let flat = RgbImage::from_pixel(width, height, image::Rgb([value; 3]));
            let output = jpeg_artefacts(flat, quality);
            prop_assert_eq!(output.dimensions(), (width, height));
            for pixel in output.pixels() {
                let [red, green, blue] = pixel.0;
                prop_assert!(red.abs_diff(green) <= 2 && green.abs_diff(blue) <= 2);
            }
        }
    }
}
