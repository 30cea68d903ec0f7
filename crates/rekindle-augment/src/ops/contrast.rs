//! The distance of every value from the mean grey times a factor.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::greyscale::grey;
use super::lookup::{Table, histograms, look_up, look_up_channels, table};
use super::settings::{check_probability, check_range, factor_around_one};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The distance of every value from the mean grey times a factor.
///
/// `mean + (value - mean) * factor`, with a factor drawn evenly from `1 - strength` (at least 0) to `1 + strength`. Where an image has other
/// channels than red, green and blue, each is about its own mean.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/contrast.png)
///
/// Reference: torchvision's `ColorJitter(contrast=strength)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contrast {
    /// Largest distance of the factor from 1. Default 0.4, timm's colour jitter.
    pub strength: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
}

impl Default for Contrast {
    fn default() -> Self {
        Self {
            strength: 0.4,
            probability: 1.0,
        }
    }
}

impl Operation for Contrast {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "strength",
            self.strength,
            0.0,
            10.0,
            "a number from 0 to 10",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        match preprocessing.bands {
            None => Box::new(self.clone()),
            Some(_) => Box::new(OfBands(self.clone())),
        }
    }
}

/// The same of channels that have no grey in common: each about its own mean.
#[derive(Debug)]
struct OfBands(Contrast);

impl Transform for OfBands {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.0.probability) {
            return image;
        }
        let factor = factor_around_one(self.0.strength, rng);
        let tables = histograms(&image).map(|counts| {
            let count: u64 = counts.iter().sum();
            let values = counts.iter().enumerate();
            let sum: u64 = values.map(|(value, count)| value as u64 * count).sum();
            about(
                (2 * sum + count).checked_div(2 * count).unwrap_or(0) as f32,
                factor,
            )
        });
        look_up_channels(image, &tables)
    }
}

/// The table of distances from a mean times a factor.
fn about(mean: f32, factor: f32) -> Table {
    table(|value| (mean + (f32::from(value) - mean) * factor).round() as u8)
}

impl Transform for Contrast {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        adjust_contrast(image, factor_around_one(self.strength, rng))
    }
}

/// The image with every value's distance from the mean grey times `factor`, cut to 0..255.
///
/// Within one grey level of Pillow's `ImageEnhance.Contrast`, whose rounded mean of the grey image is used.
pub fn adjust_contrast(image: RgbImage, factor: f32) -> RgbImage {
    let count = u64::from(image.width()) * u64::from(image.height());
    if count == 0 {
        return image;
    }
    let sum: u64 = image.pixels().map(|pixel| u64::from(grey(pixel.0))).sum();
    let mean = ((2 * sum + count) / (2 * count)) as f32;
    look_up(image, &about(mean, factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn each_band_is_stretched_about_its_own_mean() {
        let preprocessing = Preprocessing {
            bands: Some(crate::Bands::adapted(2, [0.5; 3], [0.5; 3])),
            ..Preprocessing::default()
        };
        let image = RgbImage::from_fn(10, 10, |x, _| image::Rgb([80 + x as u8 * 10, 100, 200]));
        let contrast = Contrast::default().build(&preprocessing);
        let sum = |image: &RgbImage| image.pixels().map(|p| i32::from(p.0[0])).sum::<i32>();
        let mut changes = 0;
        for sample in 0..8 {
            let changed = contrast.apply(image.clone(), &mut SampleRng::new(3, 0, sample));
            // The mean stays, but for rounding.
            assert!((sum(&changed) - sum(&image)).abs() <= 50);
            assert!(changed.pixels().all(|pixel| pixel.0[1..] == [100, 200]));
            changes += u32::from(changed != image);
        }
        assert!(changes > 4, "{changes}");
        // Of a grey picture, what the contrast of a grey RGB picture is.
        let grey = RgbImage::from_fn(9, 7, |x, y| image::Rgb([(x * 20 + y) as u8; 3]));
        let plain = Contrast::default().build(&Preprocessing::default());
        let rng = || SampleRng::new(9, 0, 0);
        assert_eq!(
            contrast.apply(grey.clone(), &mut rng()),
            plain.apply(grey, &mut rng())
        );
    }

    #[test]
    fn factors_of_one_and_zero_are_the_image_and_its_mean_grey() {
        let image = gradient(8, 8);
        assert_eq!(adjust_contrast(image.clone(), 1.0), image);
        let flat = adjust_contrast(image, 0.0);
        assert!(flat.iter().all(|value| *value == flat.as_raw()[0]));
        assert_eq!(
            adjust_contrast(RgbImage::new(0, 0), 0.5).dimensions(),
            (0, 0)
        );
    }
}
