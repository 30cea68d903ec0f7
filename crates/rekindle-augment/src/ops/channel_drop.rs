//! One channel lost.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::check_probability;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// One of the three channels, drawn evenly, replaced by one value, with a probability.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/channel_drop.png)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelDrop {
    /// Value of the lost channel; where it is left out, the channel's value in [`Preprocessing::fill`], which is what the network
    /// sees as zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<u8>,
    /// Probability of a loss. Default 0.1.
    pub probability: f32,
}

impl Default for ChannelDrop {
    fn default() -> Self {
        Self {
            fill: None,
            probability: 0.1,
        }
    }
}

impl Operation for ChannelDrop {
    fn check(&self) -> Result<(), SettingError> {
        check_probability(self.probability)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        Box::new(Built {
            fill: self
                .fill
                .map_or_else(|| preprocessing.fill(), |fill| [fill; 3]),
            probability: self.probability,
        })
    }
}

#[derive(Debug)]
struct Built {
    fill: [u8; 3],
    probability: f32,
}

impl Transform for Built {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let channel = rng.below(3) as usize;
        for pixel in image.pixels_mut() {
            pixel.0[channel] = self.fill[channel];
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_channel_has_the_fill_and_the_others_stay(seed in any::<u64>(), fill in any::<u8>()) {
            let image = crate::testing::gradient(9, 9);
            let spec = ChannelDrop { fill: Some(fill), probability: 1.0 };
            let output = spec.build(&Preprocessing::default()).apply(image.clone(), &mut SampleRng::new(seed, 0, 0));
            let kept = (0..3).filter(|&channel| {
                output.pixels().zip(image.pixels()).all(|(new, old)| new.0[channel] == old.0[channel])
            });
            prop_assert_eq!(kept.count(), 2);
            let lost = (0..3).filter(|&channel| output.pixels().all(|pixel| pixel.0[channel] == fill));
            prop_assert_eq!(lost.count(), 1);
        }
    }

    #[test]
    fn a_lost_channel_takes_the_colour_of_the_preprocessing() {
        let spec = ChannelDrop {
            fill: None,
            probability: 1.0,
        };
        let image = RgbImage::from_pixel(1, 1, image::Rgb([1, 2, 3]));
        let drop = spec.build(&Preprocessing::default());
        let outputs: Vec<[u8; 3]> = (0..30)
            .map(|sample| {
                drop.apply(image.clone(), &mut SampleRng::new(0, 0, sample))
                    .get_pixel(0, 0)
                    .0
            })
            .collect();
        for expected in [[124, 2, 3], [1, 116, 3], [1, 2, 104]] {
            assert!(outputs.contains(&expected), "{outputs:?}");
        }
    }
}
