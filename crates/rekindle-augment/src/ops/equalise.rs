//! An even histogram.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::lookup::{Table, histograms, look_up_channels, table};
use super::settings::check_probability;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The values of each channel moved so that their histogram becomes as even as it can, with a probability.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/equalise.png)
///
/// Reference: torchvision's `RandomEqualize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Equalise {
    /// Probability of a change. Default 0.5, torchvision's.
    pub probability: f32,
}

impl Default for Equalise {
    fn default() -> Self {
        Self { probability: 0.5 }
    }
}

impl Operation for Equalise {
    fn check(&self) -> Result<(), SettingError> {
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Equalise {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        equalise(image)
    }
}

/// The image with the histogram of each channel made even; equal to Pillow's `ImageOps.equalize`.
pub fn equalise(image: RgbImage) -> RgbImage {
    let tables = histograms(&image).map(|histogram| even(&histogram));
    look_up_channels(image, &tables)
}

fn even(histogram: &[u64; 256]) -> Table {
    let total: u64 = histogram.iter().sum();
    let brightest = histogram.iter().rev().find(|count| **count > 0);
    let step = (total - brightest.copied().unwrap_or(0)) / 255;
    // Fewer pixels than levels, or all of one value: Pillow leaves the channel alone.
    if step == 0 {
        return table(|value| value);
    }
    let mut below = step / 2;
    histogram.map(|count| {
        let value = (below / step).min(255) as u8;
        below += count;
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn one_colour_and_few_pixels_stay() {
        let flat = RgbImage::from_pixel(40, 40, image::Rgb([9, 90, 255]));
        assert_eq!(equalise(flat.clone()), flat);
        let small = gradient(5, 5);
        assert_eq!(equalise(small.clone()), small);
    }

    #[test]
    fn a_dark_image_gets_the_whole_range() {
        let dark = RgbImage::from_fn(64, 64, |x, y| image::Rgb([((x + y) / 8) as u8; 3]));
        let output = equalise(dark);
        assert_eq!(output.iter().min(), Some(&0));
        assert!(output.iter().max() > Some(&240));
    }

    proptest! {
        #[test]
        fn the_order_of_values_is_kept(width in 1u32..60, height in 1u32..60) {
            let image = gradient(width, height);
            let output = equalise(image.clone());
            let mut pairs: Vec<(u8, u8)> =
                image.pixels().zip(output.pixels()).map(|(old, new)| (old.0[0], new.0[0])).collect();
            pairs.sort_unstable();
            prop_assert!(pairs.windows(2).all(|two| two[0].1 <= two[1].1));
        }
    }
}
