//! Neighbours mixed by a Gaussian.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::convolve::{Edge, ONE, widened};
use super::entry::Operation;
use super::settings::{check_pair, check_probability};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Every pixel the mean of its neighbours, weighted by a Gaussian whose standard deviation is drawn evenly from a range.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/gaussian_blur.png)
///
/// Reference: torchvision's `GaussianBlur`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianBlur {
    /// Smallest and largest standard deviation in pixels, from 0.01 to 30. Default 0.1 to 2, as SimCLR.
    pub sigma: [f32; 2],
    /// Pixels that the kernel spans, odd, up to 255; where it is left out, three standard deviations to both sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_size: Option<u32>,
    /// Probability of a change. Default 0.5, as SimCLR.
    pub probability: f32,
}

impl Default for GaussianBlur {
    fn default() -> Self {
        Self {
            sigma: [0.1, 2.0],
            kernel_size: None,
            probability: 0.5,
        }
    }
}

impl Operation for GaussianBlur {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "sigma",
            self.sigma,
            0.01,
            30.0,
            "the smallest and the largest standard deviation in pixels, from 0.01 to 30",
        )?;
        if let Some(size) = self.kernel_size
            && (size % 2 == 0 || size > 255)
        {
            return Err(SettingError::new(
                "kernel_size",
                size,
                "an odd number of pixels from 1 to 255",
            ));
        }
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for GaussianBlur {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let sigma = rng.uniform(self.sigma[0], self.sigma[1]);
        let three = 2 * (3.0 * sigma).ceil() as u32 + 1;
        gaussian_blur(&image, self.kernel_size.unwrap_or(three), sigma)
    }
}

/// The image blurred by a Gaussian of standard deviation `sigma` pixels, cut off to `kernel_size` pixels and scaled to sum 1.
///
/// An even size counts as the next odd one. Pixels outside the image are those inside, mirrored about the edge pixel. Within
/// one grey level of torchvision's `gaussian_blur`.
pub fn gaussian_blur(image: &RgbImage, kernel_size: u32, sigma: f32) -> RgbImage {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return image.clone();
    }
    let kernel = gaussian(kernel_size as usize / 2, f64::from(sigma));
    let margin = kernel.len() / 2;
    let length = 3 * width as usize;
    let mut sums = vec![0u32; length];

    // Between the passes a value has 8 bits after the point.
    let mut across = vec![0u16; image.as_raw().len()];
    let rows = image.as_raw().chunks_exact(length);
    for (output, row) in across.chunks_exact_mut(length).zip(rows) {
        let row = widened(row, margin, Edge::Reflect);
        sums.fill(ONE as u32 >> 9);
        for (weight, values) in kernel
            .iter()
            .zip((0..).step_by(3).map(|start| &row[start..start + length]))
        {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += u32::from(*weight) * u32::from(*value);
            }
        }
        for (output, sum) in output.iter_mut().zip(&sums) {
            *output = (sum / (ONE as u32 >> 8)) as u16;
        }
    }

    let mut output = RgbImage::new(width, height);
    for (y, output) in output.chunks_exact_mut(length).enumerate() {
        sums.fill(ONE as u32 * 128);
        for (place, weight) in kernel.iter().enumerate() {
            let row =
                Edge::Reflect.inside(y as i64 + place as i64 - margin as i64, height as usize);
            let values = &across[row * length..][..length];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += u32::from(*weight) * u32::from(*value);
            }
        }
        for (output, sum) in output.iter_mut().zip(&sums) {
            *output = (sum / (ONE as u32 * 256)) as u8;
        }
    }
    output
}

/// The weights of `2 margin + 1` pixels, which sum to [`ONE`].
fn gaussian(margin: usize, sigma: f64) -> Vec<u16> {
    let one = f64::from(ONE);
    let distance = |place: usize| place as f64 - margin as f64;
    let densities: Vec<f64> = (0..=2 * margin)
        .map(|place| (-0.5 * (distance(place) / sigma).powi(2)).exp())
        .collect();
    let sum: f64 = densities.iter().sum();
    let mut weights: Vec<u16> = densities
        .iter()
        .map(|density| (density / sum * one).round() as u16)
        .collect();
    // What rounding has added or taken goes to the centre.
    let total: i32 = weights.iter().map(|weight| i32::from(*weight)).sum();
    weights[margin] = (i32::from(weights[margin]) + ONE - total).max(0) as u16;
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn settings_are_checked_by_name() {
        let base = GaussianBlur::default();
        let wrong = [
            (
                "`sigma`",
                GaussianBlur {
                    sigma: [0.0, 1.0],
                    ..base.clone()
                },
            ),
            (
                "`kernel_size` is 4",
                GaussianBlur {
                    kernel_size: Some(4),
                    ..base.clone()
                },
            ),
            (
                "`kernel_size` is 257",
                GaussianBlur {
                    kernel_size: Some(257),
                    ..base
                },
            ),
        ];
        for (key, spec) in wrong {
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn a_kernel_of_one_pixel_changes_nothing() {
        let image = gradient(9, 6);
        assert_eq!(gaussian_blur(&image, 1, 2.0), image);
        assert_eq!(gaussian_blur(&image, 9, 0.01), image);
    }

    proptest! {
        #[test]
        fn weights_sum_to_one_and_flat_images_stay(
            width in 1u32..20, height in 1u32..20, margin in 0u32..60, sigma in 0.01f32..30.0,
        ) {
            let weights = gaussian(margin as usize, f64::from(sigma));
            prop_assert_eq!(weights.iter().map(|weight| i32::from(*weight)).sum::<i32>(), ONE);
            let flat = RgbImage::from_pixel(width, height, image::Rgb([0, 90, 255]));
            prop_assert_eq!(gaussian_blur(&flat, 2 * margin + 1, sigma), flat);
        }
    }
}
