//! Noise of a bell curve.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::{check_pair, check_probability, first_channel, next_bits};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// A normally distributed number added to every value, independently; its standard deviation is drawn evenly from a range.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/gaussian_noise.png)
///
/// The normal distribution is represented by 4096 equally likely numbers, so that none is further than 3.7 standard deviations
/// from zero. Reference: torchvision's `GaussianNoise`, whose `sigma` is in units of 255 grey levels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianNoise {
    /// Smallest and largest standard deviation in grey levels, from 0 to 255. Default 0 to 15.
    pub sigma: [f32; 2],
    /// Probability of a change. Default 0.5.
    pub probability: f32,
}

impl Default for GaussianNoise {
    fn default() -> Self {
        Self {
            sigma: [0.0, 15.0],
            probability: 0.5,
        }
    }
}

impl Operation for GaussianNoise {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "sigma",
            self.sigma,
            0.0,
            255.0,
            "the smallest and the largest standard deviation in grey levels, from 0 to 255",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        Box::new(Noise {
            settings: self.clone(),
            first: first_channel(preprocessing),
            quantiles: normal_quantiles(),
        })
    }
}

/// Settings with the table that they are drawn through.
#[derive(Debug)]
struct Noise {
    settings: GaussianNoise,
    quantiles: Vec<f32>,
    first: usize,
}

/// Bits that choose a quantile.
const BITS: u32 = 12;
const QUANTILES: usize = 1 << BITS;

impl Transform for Noise {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.settings.probability) {
            return image;
        }
        let [low, high] = self.settings.sigma;
        let sigma = rng.uniform(low, high);
        let mut levels = [0i16; QUANTILES];
        for (level, quantile) in levels.iter_mut().zip(&self.quantiles) {
            *level = (quantile * sigma).round() as i16;
        }
        let mut own = rng.of_channels(self.first);
        for values in image.chunks_mut(5) {
            let mut bits = next_bits(rng, &mut own);
            for value in values {
                let noise = levels[bits as usize % QUANTILES];
                bits >>= BITS;
                *value = (i16::from(*value) + noise).clamp(0, 255) as u8;
            }
        }
        image
    }
}

/// The quantiles `(k + 1/2) / 4096` of the standard normal distribution, scaled to a variance of exactly 1.
fn normal_quantiles() -> Vec<f32> {
    // The distribution function by the trapezium rule from far outside; the step is far below the distance of two quantiles.
    const STEP: f64 = 1.0 / 4096.0;
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let mut quantiles = Vec::with_capacity(QUANTILES);
    let (mut x, mut below) = (-9.0, 0.0);
    let mut before = density(x);
    // The upper half mirrors the lower one.
    while quantiles.len() < QUANTILES / 2 {
        let after = density(x + STEP);
        let area = STEP * (before + after) / 2.0;
        let wanted = |count: usize| (count as f64 + 0.5) / QUANTILES as f64;
        while quantiles.len() < QUANTILES / 2 && wanted(quantiles.len()) <= below + area {
            quantiles.push(x + STEP * (wanted(quantiles.len()) - below) / area);
        }
        (x, below, before) = (x + STEP, below + area, after);
    }
    quantiles.extend(
        quantiles
            .clone()
            .into_iter()
            .rev()
            .map(|quantile| -quantile),
    );
    let variance = quantiles.iter().map(|value| value * value).sum::<f64>() / QUANTILES as f64;
    quantiles
        .iter()
        .map(|quantile| (quantile / variance.sqrt()) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        // SciPy 1.17.1: norm.ppf((k + 0.5) / 4096), scaled by 1.00016 to a variance of 1.
        let quantiles = normal_quantiles();
        assert_eq!(quantiles.len(), QUANTILES);
        for (place, expected) in [
            (0, -3.668_917),
            (100, -1.968_279),
            (1024, -0.674_214),
            (4095, 3.668_917),
        ] {
            let found = quantiles[place];
            assert!((found - expected).abs() < 1e-4, "{place}: {found}");
        }
    }

    #[test]
    fn the_noise_of_a_grey_image_has_the_mean_and_deviation_of_its_settings() {
        let noise = GaussianNoise {
            sigma: [12.0, 12.0],
            probability: 1.0,
        }
        .build(&Preprocessing::default());
        let grey = RgbImage::from_pixel(200, 100, image::Rgb([128; 3]));
        let output = noise.apply(grey, &mut SampleRng::new(1, 0, 0));
        let count = output.len() as f64;
        let mean = output.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let square = |value: &u8| (f64::from(*value) - mean).powi(2);
        let deviation = (output.iter().map(square).sum::<f64>() / count).sqrt();
        // Of 60,000 values, the mean deviates by 0.05 and the deviation by 0.035.
        assert!((mean - 128.0).abs() < 0.25, "{mean}");
        assert!((deviation - 12.0).abs() < 0.2, "{deviation}");
    }

    #[test]
    fn sigma_is_checked() {
        let spec = GaussianNoise {
            sigma: [5.0, 1.0],
            ..GaussianNoise::default()
        };
        let message = spec.check().unwrap_err().to_string();
        assert!(message.contains("`sigma`"), "{message}");
    }

    proptest! {
        #[test]
        fn no_value_moves_further_than_four_deviations(sigma in 0f32..60.0, seed in any::<u64>()) {
            let spec = GaussianNoise { sigma: [sigma; 2], probability: 1.0 };
            let image = crate::testing::gradient(20, 10);
            let output = spec.build(&Preprocessing::default()).apply(image.clone(), &mut SampleRng::new(seed, 0, 0));
            let most = crate::testing::largest_difference(&image, &output);
            prop_assert!(f32::from(most) <= 4.0 * sigma + 0.5);
        }
    }
}
