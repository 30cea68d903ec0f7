//! The channels in another order.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::check_probability;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Red, green and blue in an order drawn evenly from the six there are, with a probability.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/channel_shuffle.png)
///
/// Reference: torchvision's `RandomChannelPermutation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelShuffle {
    /// Probability of drawing an order. Default 0.1.
    pub probability: f32,
}

impl Default for ChannelShuffle {
    fn default() -> Self {
        Self { probability: 0.1 }
    }
}

impl Operation for ChannelShuffle {
    fn check(&self) -> Result<(), SettingError> {
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for ChannelShuffle {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let order = ORDERS[rng.below(ORDERS.len() as u32) as usize];
        for pixel in image.pixels_mut() {
            pixel.0 = order.map(|channel| pixel.0[channel]);
        }
        image
    }
}

const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_order_is_drawn_equally_often() {
        let shuffle = ChannelShuffle { probability: 1.0 };
        let image = RgbImage::from_pixel(1, 1, image::Rgb([1, 2, 3]));
        let mut counts = std::collections::BTreeMap::new();
        for sample in 0..6000 {
            let output = shuffle.apply(image.clone(), &mut SampleRng::new(0, 0, sample));
            *counts.entry(output.get_pixel(0, 0).0).or_insert(0u32) += 1;
        }
        // 1000 of each, with a standard deviation of 29.
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|count| count.abs_diff(1000) < 150),
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn every_pixel_keeps_its_three_values(seed in any::<u64>()) {
            let image = crate::testing::gradient(9, 9);
            let output = ChannelShuffle { probability: 1.0 }.apply(image.clone(), &mut SampleRng::new(seed, 0, 0));
            for (new, old) in output.pixels().zip(image.pixels()) {
                let sorted = |mut values: [u8; 3]| { values.sort_unstable(); values };
                prop_assert_eq!(sorted(new.0), sorted(old.0));
            }
        }
    }
}
