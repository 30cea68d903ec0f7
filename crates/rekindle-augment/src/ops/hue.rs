//! The colour circle turned.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::{check_probability, check_range};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The colour circle turned by a share of a whole turn, drawn evenly from minus to plus `strength`.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/hue.png)
///
/// Reference: torchvision's `ColorJitter(hue=strength)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hue {
    /// Largest share of a whole turn, from 0 to 0.5. Default 0.1.
    pub strength: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
}

impl Default for Hue {
    fn default() -> Self {
        Self {
            strength: 0.1,
            probability: 1.0,
        }
    }
}

impl Operation for Hue {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "strength",
            self.strength,
            0.0,
            0.5,
            "a share of a turn from 0 to 0.5",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Hue {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        adjust_hue(image, rng.uniform(-self.strength, self.strength))
    }
}

/// The image with every hue turned by this share of a turn.
///
/// Equal to torchvision's `adjust_hue` of a Pillow image: hue, saturation and value have 8 bits each, so that the hue moves in
/// steps of 1/255 of a turn, and even a turn of 0 may change a colour a little.
pub fn adjust_hue(mut image: RgbImage, turn: f32) -> RgbImage {
    let steps = (f64::from(turn) * 255.0) as i64 as u8;
    for pixel in image.pixels_mut() {
        let [hue, saturation, value] = to_hsv(pixel.0);
        pixel.0 = from_hsv([hue.wrapping_add(steps), saturation, value]);
    }
    image
}

/// Pillow's `convert("HSV")`, with its mixture of single and double precision.
fn to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let largest = red.max(green).max(blue);
    let smallest = red.min(green).min(blue);
    if largest == smallest {
        return [0, 0, largest];
    }
    let range = f32::from(largest - smallest);
    let saturation = range / f32::from(largest);
    let from_largest = |value: u8| f32::from(largest - value) / range;
    let (red_part, green_part, blue_part) =
        (from_largest(red), from_largest(green), from_largest(blue));
    let sixths = if red == largest {
        blue_part - green_part
    } else if green == largest {
        (2.0 + f64::from(red_part) - f64::from(blue_part)) as f32
    } else {
        (4.0 + f64::from(green_part) - f64::from(red_part)) as f32
    };
    // From 5/6 to 2 before whole turns are taken off.
    let turns = f64::from(sixths) / 6.0 + 1.0;
    let turns = if turns >= 1.0 { turns - 1.0 } else { turns };
    let byte = |share: f32| (f64::from(share) * 255.0) as u8;
    [byte(turns as f32), byte(saturation), largest]
}

/// Pillow's `convert("RGB")` of an HSV image.
fn from_hsv([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixths = f64::from(hue) * 6.0 / 255.0;
    let sector = sixths as u8;
    let along = (sixths - f64::from(sector)) as f32;
    let saturation = f32::from(saturation) / 255.0;
    // Values are not negative: adding a half and cutting off rounds as C's `round` does.
    let byte = |share: f64| (f64::from(value) * share + 0.5) as u8;
    let low = byte(1.0 - f64::from(saturation));
    let falling = byte(1.0 - f64::from(saturation * along));
    let rising = byte(1.0 - f64::from(saturation) * (1.0 - f64::from(along)));
    match sector {
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        5 => [value, low, falling],
        // 6 is a whole turn.
        _ => [value, rising, low],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_third_of_a_turn_goes_from_red_to_green_to_blue() {
        let turned = |colour| {
            let image = RgbImage::from_pixel(1, 1, image::Rgb(colour));
            adjust_hue(image, 1.0 / 3.0).get_pixel(0, 0).0
        };
        assert_eq!(turned([200, 0, 0]), [0, 200, 0]);
        assert_eq!(turned([0, 200, 0]), [0, 0, 200]);
        assert_eq!(turned([0, 0, 200]), [200, 0, 0]);
    }

    #[test]
    fn the_strength_is_checked() {
        let spec = Hue {
            strength: 0.6,
            probability: 1.0,
        };
        let message = spec.check().unwrap_err().to_string();
        assert!(message.contains("`strength` is 0.6"), "{message}");
    }

    proptest! {
        #[test]
        fn greys_and_the_brightest_value_stay(colour in any::<[u8; 3]>(), turn in -0.5f32..0.5) {
            let turned = |colour| {
                let image = RgbImage::from_pixel(1, 1, image::Rgb(colour));
                adjust_hue(image, turn).get_pixel(0, 0).0
            };
            prop_assert_eq!(turned([colour[0]; 3]), [colour[0]; 3]);
            prop_assert_eq!(turned(colour).into_iter().max(), colour.into_iter().max());
        }
    }
}
