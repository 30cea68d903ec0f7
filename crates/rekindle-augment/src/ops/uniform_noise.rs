//! Noise that is even within its bounds.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::{check_pair, check_probability, first_channel, next_bits};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// A number drawn evenly from `-amplitude..=amplitude` added to every value, independently; the amplitude is drawn evenly from a
/// range.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/uniform_noise.png)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UniformNoise {
    /// Smallest and largest amplitude in grey levels, from 0 to 255. Default 0 to 25.
    pub amplitude: [f32; 2],
    /// Probability of a change. Default 0.5.
    pub probability: f32,
}

impl Default for UniformNoise {
    fn default() -> Self {
        Self {
            amplitude: [0.0, 25.0],
            probability: 0.5,
        }
    }
}

impl Operation for UniformNoise {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "amplitude",
            self.amplitude,
            0.0,
            255.0,
            "the smallest and the largest amplitude in grey levels, from 0 to 255",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        Box::new(Noise {
            settings: self.clone(),
            first: first_channel(preprocessing),
        })
    }
}

/// Settings with the number of the first channel.
#[derive(Debug)]
struct Noise {
    settings: UniformNoise,
    first: usize,
}

impl Transform for Noise {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        let Self { settings, first } = self;
        if !rng.chance(settings.probability) {
            return image;
        }
        let amplitude = rng.uniform(settings.amplitude[0], settings.amplitude[1]);
        let mut own = rng.of_channels(*first);
        // In units of 1/128, so that its product with 16 bits fits 31.
        let amplitude = (amplitude * 128.0).round() as i32;
        for values in image.chunks_mut(4) {
            let mut bits = next_bits(rng, &mut own);
            for value in values {
                // An odd number from -65535 to 65535.
                let share = 2 * i32::from(bits as u16) - 65_535;
                bits >>= 16;
                let noise = (share * amplitude + (1 << 22)) >> 23;
                *value = (i32::from(*value) + noise).clamp(0, 255) as u8;
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradient, largest_difference};
    use proptest::prelude::*;

    #[test]
    fn every_level_within_the_amplitude_is_as_likely() {
        let noise = UniformNoise {
            amplitude: [10.5; 2],
            probability: 1.0,
        };
        let grey = RgbImage::from_pixel(350, 100, image::Rgb([128; 3]));
        let output = noise
            .build(&Preprocessing::default())
            .apply(grey, &mut SampleRng::new(3, 0, 0));
        let mut counts = [0u32; 21];
        for value in output.iter() {
            counts[usize::from(*value) - 118] += 1;
        }
        // 5000 of each, with a standard deviation of 69.
        assert!(
            counts.iter().all(|count| count.abs_diff(5000) < 350),
            "{counts:?}"
        );
    }

    #[test]
    fn the_amplitude_is_checked() {
        let spec = UniformNoise {
            amplitude: [0.0, 256.0],
            ..UniformNoise::default()
        };
        let message = spec.check().unwrap_err().to_string();
        assert!(message.contains("`amplitude`"), "{message}");
    }

    proptest! {
        #[test]
        fn no_value_moves_further_than_the_amplitude(amplitude in 0f32..=255.0, seed in any::<u64>()) {
            let spec = UniformNoise { amplitude: [amplitude; 2], probability: 1.0 };
            let image = gradient(20, 10);
            let output = spec.build(&Preprocessing::default()).apply(image.clone(), &mut SampleRng::new(seed, 0, 0));
            prop_assert!(f32::from(largest_difference(&image, &output)) <= amplitude + 0.51);
        }
    }
}
