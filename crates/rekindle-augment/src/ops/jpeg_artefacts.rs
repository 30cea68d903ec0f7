//! The blocks and ringing of strong compression.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::{check_pair, check_probability};
use crate::decode::round_trip;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The image written as JPEG and read again, at a quality drawn evenly from a range.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/jpeg_artefacts.png)
///
/// The pixels are those of Pillow's `save` and `open`, bit by bit. Reference: torchvision's `JPEG`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JpegArtefacts {
    /// Lowest and highest quality on libjpeg's scale, from 1 to 100. Default 30 to 90.
    pub quality: [u8; 2],
    /// How much of the colour is kept. Default `4:2:0`, as Pillow, torchvision and most cameras write.
    pub subsampling: ChromaSubsampling,
    /// Probability of a change. Default 0.5.
    pub probability: f32,
}

/// Pixels for each colour sample; brightness has one for every pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChromaSubsampling {
    /// One.
    #[serde(rename = "4:4:4")]
    Full,
    /// Two, side by side.
    #[serde(rename = "4:2:2")]
    HalfWidth,
    /// Two by two.
    #[default]
    #[serde(rename = "4:2:0")]
    HalfSize,
}

impl ChromaSubsampling {
    /// Pixels across and down.
    fn ratio(self) -> [usize; 2] {
        match self {
            Self::Full => [1, 1],
            Self::HalfWidth => [2, 1],
            Self::HalfSize => [2, 2],
        }
    }
}

impl Default for JpegArtefacts {
    fn default() -> Self {
        Self {
            quality: [30, 90],
            subsampling: ChromaSubsampling::default(),
            probability: 0.5,
        }
    }
}

impl Operation for JpegArtefacts {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "quality",
            self.quality.map(f32::from),
            1.0,
            100.0,
            "the lowest and the highest quality, whole numbers from 1 to 100",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for JpegArtefacts {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        match self.draw(rng) {
            Some(quality) => jpeg_artefacts(&image, quality, self.subsampling),
            None => image,
        }
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        match self.draw(rng) {
            Some(quality) => jpeg_artefacts(image, quality, self.subsampling),
            None => image.clone(),
        }
    }
}

impl JpegArtefacts {
    fn draw(&self, rng: &mut SampleRng) -> Option<u8> {
        if !rng.chance(self.probability) {
            return None;
        }
        let [low, high] = self.quality;
        let above = rng.below(u32::from(high.saturating_sub(low)) + 1);
        Some(low.saturating_add(above as u8))
    }
}

/// The image after it was written as JPEG at a quality from 1 to 100, and read again.
///
/// Bit by bit what Pillow 13.0.0 (libjpeg-turbo 3) gives for `save(.., quality=quality, subsampling=subsampling)` and `open`
/// (`tests/golden.rs`); nothing is written on the way.
pub fn jpeg_artefacts(image: &RgbImage, quality: u8, subsampling: ChromaSubsampling) -> RgbImage {
    round_trip(image, quality, subsampling.ratio())
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
            let output = jpeg_artefacts(&image, quality, ChromaSubsampling::Full);
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
            assert!(message.contains("`quality`"), "{message}");
        }
    }

    #[test]
    fn an_image_without_pixels_stays() {
        let empty = RgbImage::new(0, 3);
        let output = jpeg_artefacts(&empty, 50, ChromaSubsampling::HalfSize);
        assert_eq!(output.dimensions(), (0, 3));
    }

    #[test]
    fn coarser_colour_is_further_from_the_image_and_named_as_the_field_does() {
        let image = RgbImage::from_fn(32, 32, |x, y| {
            [[200, 30, 30], [30, 30, 200]][((x + y) % 2) as usize].into()
        });
        let distances = ["4:4:4", "4:2:2", "4:2:0"].map(|name| {
            let subsampling = serde_json::from_value(name.into()).unwrap();
            let output = jpeg_artefacts(&image, 95, subsampling);
            let pairs = output.iter().zip(image.iter());
            pairs
                .map(|(new, old)| u64::from(new.abs_diff(*old)))
                .sum::<u64>()
        });
        assert!(2 * distances[0] < distances[1], "{distances:?}");
        assert!(2 * distances[0] < distances[2], "{distances:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn the_size_stays_and_grey_stays_nearly_grey(
            width in 1u32..40, height in 1u32..40, quality in 1u8..=100, value in any::<u8>(),
            subsampling in prop::sample::select(vec![
                ChromaSubsampling::Full, ChromaSubsampling::HalfWidth, ChromaSubsampling::HalfSize,
            ]),
        ) {
            let flat = RgbImage::from_pixel(width, height, image::Rgb([value; 3]));
            let output = jpeg_artefacts(&flat, quality, subsampling);
            prop_assert_eq!(output.dimensions(), (width, height));
            for pixel in output.pixels() {
                let [red, green, blue] = pixel.0;
                prop_assert!(red.abs_diff(green) <= 2 && green.abs_diff(blue) <= 2);
            }
        }
    }
}
