//! Neighbours mixed evenly.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::convolve::{Edge, widened};
use super::entry::Operation;
use super::settings::{check_pair, check_probability};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Every pixel the mean of a square around it, whose radius is drawn evenly from a range.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/box_blur.png)
///
/// Reference: Pillow's `ImageFilter.BoxBlur`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoxBlur {
    /// Smallest and largest distance from the centre of the square to its last pixel, from 0 to 100; the pixels beyond count
    /// by the fraction. Default 0 to 2.
    pub radius: [f32; 2],
    /// Probability of a change. Default 0.5.
    pub probability: f32,
}

impl Default for BoxBlur {
    fn default() -> Self {
        Self {
            radius: [0.0, 2.0],
            probability: 0.5,
        }
    }
}

impl Operation for BoxBlur {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "radius",
            self.radius,
            0.0,
            LARGEST_RADIUS,
            "the smallest and the largest radius in pixels, from 0 to 100",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for BoxBlur {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        box_blur(&image, rng.uniform(self.radius[0], self.radius[1]))
    }
}

const LARGEST_RADIUS: f32 = 100.0;

/// The weights of a box in units of 2^-24: of each pixel within the whole radius, and of the two beyond.
struct Weights {
    radius: usize,
    within: u32,
    beyond: u32,
}

impl Weights {
    fn new(radius: f32) -> Self {
        let one = 1u32 << 24;
        let within = (one as f32 / (radius * 2.0 + 1.0)) as u32;
        let radius = radius as usize;
        let beyond = one.saturating_sub((2 * radius as u32 + 1) * within) / 2;
        Self {
            radius,
            within,
            beyond,
        }
    }

    /// The mean from the sum within the radius and the sum of the two values beyond.
    fn mean(&self, within: u32, beyond: u32) -> u8 {
        ((within * self.within + beyond * self.beyond + (1 << 23)) >> 24) as u8
    }
}

/// The image with every pixel the mean of a square of `2 radius + 1` pixels, from 0 to 100; the edge pixels go on outside.
///
/// Equal to Pillow's `ImageFilter.BoxBlur`. The time does not depend on the radius.
pub fn box_blur(image: &RgbImage, radius: f32) -> RgbImage {
    let (width, height) = image.dimensions();
    let weights = Weights::new(radius.clamp(0.0, LARGEST_RADIUS));
    if width == 0 || height == 0 || weights.within == 1 << 24 {
        return image.clone();
    }
    let length = 3 * width as usize;
    let mut across = vec![0u8; image.as_raw().len()];
    let rows = image.as_raw().chunks_exact(length);
    for (output, row) in across.chunks_exact_mut(length).zip(rows) {
        blur_row(row, output, &weights);
    }
    let mut output = RgbImage::new(width, height);
    blur_columns(&across, &mut output, length, &weights);
    output
}

fn blur_row(row: &[u8], output: &mut [u8], weights: &Weights) {
    let wide = widened(row, weights.radius + 1, Edge::Replicate);
    let span = 3 * (2 * weights.radius + 1);
    let mut sums = [0u32; 3];
    for pixel in wide[3..][..span].chunks_exact(3) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += u32::from(*value);
        }
    }
    // The pixel before the box, its first one, and the one behind it.
    let before = wide.chunks_exact(3);
    let first = wide[3..].chunks_exact(3);
    let behind = wide[3 + span..].chunks_exact(3);
    for (((output, before), first), behind) in output
        .chunks_exact_mut(3)
        .zip(before)
        .zip(first)
        .zip(behind)
    {
        for (channel, sum) in sums.iter_mut().enumerate() {
            let [before, first, behind] =
                [before, first, behind].map(|pixel| u32::from(pixel[channel]));
            output[channel] = weights.mean(*sum, before + behind);
            *sum = *sum + behind - first;
        }
    }
}

fn blur_columns(pixels: &[u8], output: &mut [u8], length: usize, weights: &Weights) {
    let height = pixels.len() / length;
    let row = |place: i64| &pixels[Edge::Replicate.inside(place, height) * length..][..length];
    let radius = weights.radius as i64;
    let mut sums = vec![0u32; length];
    for place in -radius..=radius {
        for (sum, value) in sums.iter_mut().zip(row(place)) {
            *sum += u32::from(*value);
        }
    }
    for (y, output) in output.chunks_exact_mut(length).enumerate() {
        let y = y as i64;
        let ends = row(y - radius - 1)
            .iter()
            .zip(row(y - radius))
            .zip(row(y + radius + 1));
        for ((output, sum), ((before, first), behind)) in output.iter_mut().zip(&mut sums).zip(ends)
        {
            let [before, first, behind] = [*before, *first, *behind].map(u32::from);
            *output = weights.mean(*sum, before + behind);
            *sum = *sum + behind - first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn a_radius_of_one_is_the_mean_of_nine() {
        let mut image = RgbImage::new(5, 5);
        image.put_pixel(2, 2, image::Rgb([90, 180, 9]));
        let output = box_blur(&image, 1.0);
        assert_eq!(output.get_pixel(1, 3).0, [10, 20, 1]);
        assert_eq!(output.get_pixel(0, 2).0, [0; 3]);
    }

    #[test]
    fn the_radius_is_checked() {
        let spec = BoxBlur {
            radius: [3.0, 200.0],
            ..BoxBlur::default()
        };
        let message = spec.check().unwrap_err().to_string();
        assert!(message.contains("`radius`"), "{message}");
    }

    proptest! {
        #[test]
        fn a_mean_lies_between_the_extremes_and_a_radius_of_zero_changes_nothing(
            width in 1u32..20, height in 1u32..20, radius in 0f32..100.0,
        ) {
            let image = gradient(width, height);
            let output = box_blur(&image, radius);
            for channel in 0..3 {
                let values = || image.pixels().map(|pixel| pixel.0[channel]);
                let (low, high) = (values().min().unwrap(), values().max().unwrap());
                prop_assert!(output.pixels().all(|pixel| (low..=high).contains(&pixel.0[channel])));
            }
            prop_assert_eq!(box_blur(&image, 0.0), image);
        }
    }
}
