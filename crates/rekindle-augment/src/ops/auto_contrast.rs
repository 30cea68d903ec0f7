//! The whole range of each channel.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::lookup::{Table, histograms, look_up_channels, table};
use super::settings::{check_probability, check_range};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The values of each channel stretched so that the smallest becomes 0 and the largest 255, with a probability.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/auto_contrast.png)
///
/// Reference: torchvision's `RandomAutocontrast`, Pillow's `ImageOps.autocontrast`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoContrast {
    /// Percent of the pixels that are left out of account at each end of the histogram, from 0 to 49. Default 0.
    pub cutoff_percent: f32,
    /// Probability of a change. Default 0.5, torchvision's.
    pub probability: f32,
}

impl Default for AutoContrast {
    fn default() -> Self {
        Self {
            cutoff_percent: 0.0,
            probability: 0.5,
        }
    }
}

impl Operation for AutoContrast {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "cutoff_percent",
            self.cutoff_percent,
            0.0,
            49.0,
            "a percentage from 0 to 49",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for AutoContrast {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        auto_contrast(image, self.cutoff_percent)
    }
}

/// The image with each channel stretched to 0..255, leaving `cutoff_percent` of the pixels at each end out of account.
///
/// Equal to Pillow's `ImageOps.autocontrast`.
pub fn auto_contrast(image: RgbImage, cutoff_percent: f32) -> RgbImage {
    let count = u64::from(image.width()) * u64::from(image.height());
    let cut = (count as f64 * f64::from(cutoff_percent) / 100.0) as u64;
    let tables = histograms(&image).map(|histogram| stretched(&histogram, cut));
    look_up_channels(image, &tables)
}

/// The table that stretches what is left of a histogram after `cut` pixels were taken from each end.
fn stretched(histogram: &[u64; 256], cut: u64) -> Table {
    let low = first_kept(histogram.iter().enumerate(), cut);
    let high = first_kept(histogram.iter().enumerate().rev(), cut);
    let (Some(low), Some(high)) = (low, high) else {
        return table(|value| value);
    };
    if high <= low {
        return table(|value| value);
    }
    let scale = 255.0 / (high - low) as f64;
    let offset = -(low as f64) * scale;
    // Fractions are cut off, as Pillow does; what does not fit a byte becomes the nearest byte.
    table(|value| (f64::from(value) * scale + offset) as u8)
}

/// The first value behind `cut` pixels.
fn first_kept<'a>(mut counts: impl Iterator<Item = (usize, &'a u64)>, cut: u64) -> Option<usize> {
    let mut passed = 0;
    let kept = counts.find(|(_, count)| {
        passed += **count;
        passed > cut
    });
    kept.map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn one_colour_stays_and_two_become_black_and_white() {
        let flat = RgbImage::from_pixel(4, 4, image::Rgb([9, 90, 255]));
        assert_eq!(auto_contrast(flat.clone(), 0.0), flat);
        let two = RgbImage::from_fn(4, 4, |x, _| image::Rgb([100 + (x % 2) as u8; 3]));
        let output = auto_contrast(two, 0.0);
        assert_eq!(output.get_pixel(0, 0).0, [0; 3]);
        assert_eq!(output.get_pixel(1, 0).0, [255; 3]);
    }

    #[test]
    fn the_cutoff_is_checked() {
        let spec = AutoContrast {
            cutoff_percent: 50.0,
            ..AutoContrast::default()
        };
        let message = spec.check().unwrap_err().to_string();
        assert!(message.contains("`cutoff_percent` is 50"), "{message}");
    }

    proptest! {
        #[test]
        fn the_whole_range_is_used_unless_a_channel_is_flat(
            width in 1u32..30, height in 1u32..30, cutoff_percent in 0f32..49.0,
        ) {
            let image = gradient(width, height);
            let output = auto_contrast(image.clone(), cutoff_percent);
            for channel in 0..3 {
                let of = |image: &RgbImage| image.pixels().map(|pixel| pixel.0[channel]).collect::<Vec<_>>();
                let (old, new) = (of(&image), of(&output));
                // Cutting fractions off can make 254 of 255.
                let whole = new.contains(&0) && new.iter().max() >= Some(&254);
                prop_assert!(whole || new == old);
            }
        }
    }
}
