//! Brightness, contrast, saturation and hue together.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::brightness::adjust_brightness;
use super::contrast::adjust_contrast;
use super::entry::Operation;
use super::hue::adjust_hue;
use super::saturation::adjust_saturation;
use super::settings::{check_probability, check_range, factor_around_one};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Brightness, contrast, saturation and hue changed one after the other, in an order drawn for each image.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/colour_jitter.png)
///
/// The factors of the first three are drawn evenly from `1 - strength` (at least 0) to `1 + strength`, the turn of the hue from
/// minus to plus its strength; a strength of 0 leaves its change out.
///
/// Reference: torchvision's `ColorJitter`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColourJitter {
    /// Largest distance of the brightness factor from 1, from 0 to 10. Default 0.4, timm's.
    pub brightness: f32,
    /// Largest distance of the contrast factor from 1, from 0 to 10. Default 0.4, timm's.
    pub contrast: f32,
    /// Largest distance of the saturation factor from 1, from 0 to 10. Default 0.4, timm's.
    pub saturation: f32,
    /// Largest turn of the hue as a share of a whole turn, from 0 to 0.5. Default 0, timm's.
    pub hue: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
}

impl Default for ColourJitter {
    fn default() -> Self {
        Self {
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.0,
            probability: 1.0,
        }
    }
}

impl Operation for ColourJitter {
    fn check(&self) -> Result<(), SettingError> {
        for (key, strength) in [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
        ] {
            check_range(key, strength, 0.0, 10.0, "a number from 0 to 10")?;
        }
        check_range("hue", self.hue, 0.0, 0.5, "a share of a turn from 0 to 0.5")?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

/// A change of colour by a parameter.
type Adjustment = fn(RgbImage, f32) -> RgbImage;

impl Transform for ColourJitter {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let mut changes: [(Adjustment, f32, f32); 4] = [
            (
                adjust_brightness,
                self.brightness,
                factor_around_one(self.brightness, rng),
            ),
            (
                adjust_contrast,
                self.contrast,
                factor_around_one(self.contrast, rng),
            ),
            (
                adjust_saturation,
                self.saturation,
                factor_around_one(self.saturation, rng),
            ),
            (adjust_hue, self.hue, rng.uniform(-self.hue, self.hue)),
        ];
        rng.shuffle(&mut changes);
        for (change, strength, parameter) in changes {
            if strength > 0.0 {
                image = change(image, parameter);
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn every_key_is_checked_by_name() {
        let base = ColourJitter::default();
        let wrong = [
            (
                "`brightness`",
                ColourJitter {
                    brightness: -1.0,
                    ..base.clone()
                },
            ),
            (
                "`contrast`",
                ColourJitter {
                    contrast: f32::NAN,
                    ..base.clone()
                },
            ),
            (
                "`saturation`",
                ColourJitter {
                    saturation: 11.0,
                    ..base.clone()
                },
            ),
            ("`hue`", ColourJitter { hue: 0.6, ..base }),
        ];
        for (key, spec) in wrong {
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn the_order_differs_between_samples() {
        // Twice as bright and then a tenth of it, or the other way: bright values tell the order.
        let jitter = ColourJitter {
            brightness: 0.9,
            contrast: 0.9,
            saturation: 0.0,
            hue: 0.0,
            probability: 1.0,
        };
        let image = gradient(8, 8);
        let orders = (0..40).map(|sample| {
            let rng = SampleRng::new(0, 0, sample);
            let output = jitter.apply(image.clone(), &mut rng.clone());
            let mut rng = rng;
            rng.chance(1.0);
            let brightness = factor_around_one(0.9, &mut rng);
            let contrast = factor_around_one(0.9, &mut rng);
            let first = adjust_contrast(adjust_brightness(image.clone(), brightness), contrast);
            let second = adjust_brightness(adjust_contrast(image.clone(), contrast), brightness);
            assert!(output == first || output == second, "sample {sample}");
            output == first
        });
        let first = orders.filter(|first| *first).count();
        assert!((5..36).contains(&first), "{first}");
    }

    proptest! {
        #[test]
        fn strengths_of_zero_change_nothing(seed in any::<u64>()) {
            let still = ColourJitter { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0, probability: 1.0 };
            let image = gradient(9, 9);
            prop_assert_eq!(still.apply(image.clone(), &mut SampleRng::new(seed, 0, 0)), image);
        }
    }
}
