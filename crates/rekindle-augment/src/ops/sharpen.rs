//! The distance of every pixel from its smoothed self times a factor.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::blend::{blend_value, fixed};
use super::entry::Operation;
use super::settings::{check_pair, check_probability};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The distance of every value from that of the smoothed image times a factor, drawn evenly from a range.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/sharpen.png)
///
/// 0 is the smoothed image, 1 the image itself, over 1 it is sharper.
///
/// Reference: torchvision's `RandomAdjustSharpness`, which has one fixed factor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sharpen {
    /// Smallest and largest factor, from 0 to 10. Default 0.1 to 1.9, the range of `RandAugment`.
    pub factor: [f32; 2],
    /// Probability of a change. Default 0.5, torchvision's.
    pub probability: f32,
}

impl Default for Sharpen {
    fn default() -> Self {
        Self {
            factor: [0.1, 1.9],
            probability: 0.5,
        }
    }
}

impl Operation for Sharpen {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "factor",
            self.factor,
            0.0,
            10.0,
            "the smallest and the largest factor, from 0 to 10",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Sharpen {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        adjust_sharpness(&image, rng.uniform(self.factor[0], self.factor[1]))
    }
}

/// The image with every value's distance from the smoothed image times `factor`, cut to 0..255.
///
/// Smoothing weighs a pixel five times its eight neighbours and leaves the outermost pixels alone. Within one grey level of
/// Pillow's `ImageEnhance.Sharpness`.
pub fn adjust_sharpness(image: &RgbImage, factor: f32) -> RgbImage {
    let mut output = image.clone();
    let (width, height) = image.dimensions();
    if width < 3 || height < 3 {
        return output;
    }
    let factor = fixed(factor);
    let length = 3 * width as usize;
    let rows: Vec<&[u8]> = image.as_raw().chunks_exact(length).collect();
    let mut columns = vec![0u16; length];
    let inner = output.chunks_exact_mut(length).skip(1);
    for (output, rows) in inner.zip(rows.windows(3)) {
        let [above, middle, below] = [rows[0], rows[1], rows[2]];
        for (((sum, above), middle), below) in columns.iter_mut().zip(above).zip(middle).zip(below)
        {
            *sum = u16::from(*above) + u16::from(*middle) + u16::from(*below);
        }
        let neighbours = columns.iter().zip(&columns[3..]).zip(&columns[6..]);
        let pixels = middle[3..].iter().zip(&mut output[3..length - 3]);
        for ((pixel, output), ((left, centre), right)) in pixels.zip(neighbours) {
            let sum = left + centre + right + 4 * u16::from(*pixel);
            let smooth = ((2 * sum + 13) / 26) as u8;
            *output = blend_value(smooth, *pixel, factor);
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn factors_of_one_and_zero_are_the_image_and_its_smoothing() {
        let image = gradient(8, 8);
        assert_eq!(adjust_sharpness(&image, 1.0), image);
        let smooth = adjust_sharpness(&image, 0.0);
        let sum: u32 = (0..9)
            .map(|at| u32::from(image.get_pixel(2 + at % 3, 3 + at / 3).0[1]))
            .sum();
        let centre = u32::from(image.get_pixel(3, 4).0[1]);
        let expected = (f64::from(sum + 4 * centre) / 13.0).round() as u8;
        assert_eq!(smooth.get_pixel(3, 4).0[1], expected);
    }

    #[test]
    fn the_factors_are_checked() {
        let spec = Sharpen {
            factor: [-1.0, 1.0],
            ..Sharpen::default()
        };
        let message = spec.check().unwrap_err().to_string();
        assert!(message.contains("`factor`"), "{message}");
    }

    proptest! {
        #[test]
        fn the_border_and_flat_images_stay(width in 1u32..20, height in 1u32..20, factor in 0f32..10.0) {
            let flat = RgbImage::from_pixel(width, height, image::Rgb([9, 90, 255]));
            prop_assert_eq!(adjust_sharpness(&flat, factor), flat);
            let image = gradient(width, height);
            let output = adjust_sharpness(&image, factor);
            for (x, y, pixel) in image.enumerate_pixels() {
                let border = x == 0 || y == 0 || x == width - 1 || y == height - 1;
                prop_assert!(!border || output.get_pixel(x, y) == pixel);
            }
        }
    }
}
