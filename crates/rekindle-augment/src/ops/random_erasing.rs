//! Random boxes of the image erased.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::random_resized_crop::draw_fitting_box;
use super::settings::{check_pair, check_probability, first_channel, next_bits};
use crate::preprocessing::Preprocessing;
use crate::resize::PixelBox;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// What an erased box shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasedContent {
    /// One colour.
    #[default]
    #[serde(alias = "color")]
    Colour,
    /// The mean colour of the image.
    Mean,
    /// Bytes drawn evenly for each pixel and channel.
    Noise,
}

/// Random boxes of the image erased, so that no single part of a thing decides.
///
/// The area of each box is drawn evenly from `area` times the image's, the aspect ratio evenly in its logarithm from
/// `ratio`; a box that does not fit is drawn again, ten times at most, and then left out. Boxes lie inside the image and
/// may overlap. Put it last: what comes after it would move or colour the boxes too.
///
/// Cutout is `area = [0.25, 0.25], ratio = [1.0, 1.0], probability = 1.0`.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/random_erasing.png)
///
/// Source: Zhong et al., "Random erasing data augmentation" (2017); DeVries and Taylor, "Improved regularization of
/// convolutional neural networks with cutout" (2017). Reference: torchvision's `RandomErasing`, and timm's for the count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomErasing {
    /// Smallest and largest share of the area of one box, over 0 and up to 1. Default 0.02 to 0.33.
    pub area: [f32; 2],
    /// Smallest and largest width divided by height, from 0.01 to 100. Default 0.3 to 3.3.
    pub ratio: [f32; 2],
    /// Smallest and largest number of boxes, from 1 to 100. Default 1.
    pub count: [u32; 2],
    /// What a box shows: colour (default), mean or noise.
    pub content: ErasedContent,
    /// Probability of a change. Default 0.5.
    pub probability: f32,
    /// The colour; where it is left out, [`Preprocessing::fill`], which rescaling turns into zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self {
            area: [0.02, 0.33],
            ratio: [0.3, 3.3],
            count: [1, 1],
            content: ErasedContent::Colour,
            probability: 0.5,
            fill: None,
        }
    }
}

impl Operation for RandomErasing {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "area",
            self.area,
            1e-4,
            1.0,
            "the smallest and the largest share of the area, over 0 and up to 1",
        )?;
        check_pair(
            "ratio",
            self.ratio,
            0.01,
            100.0,
            "the smallest and the largest width divided by height, from 0.01 to 100",
        )?;
        let [fewest, most] = self.count;
        let is_range = 1 <= fewest && fewest <= most && most <= 100;
        if !is_range {
            return Err(SettingError::new(
                "count",
                format!("{:?}", self.count),
                "the smallest and the largest number of boxes, from 1 to 100",
            ));
        }
        check_probability(self.probability)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        let fill = Some(self.fill.unwrap_or_else(|| preprocessing.fill()));
        let settings = Self {
            fill,
            ..self.clone()
        };
        Box::new(Erasing {
            settings,
            first: first_channel(preprocessing),
        })
    }
}

/// Settings with the number of the first channel.
#[derive(Debug)]
struct Erasing {
    settings: RandomErasing,
    first: usize,
}

impl Transform for Erasing {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        let settings = &self.settings;
        if !rng.chance(settings.probability) {
            return image;
        }
        let (width, height) = image.dimensions();
        let colour = match settings.content {
            ErasedContent::Mean => mean_colour(&image),
            ErasedContent::Colour | ErasedContent::Noise => settings.fill.unwrap_or_default(),
        };
        let [fewest, most] = settings.count;
        let count = fewest + rng.below(most.saturating_sub(fewest) + 1);
        for _ in 0..count {
            let Some(erased) = draw_fitting_box(width, height, settings.area, settings.ratio, rng)
            else {
                continue;
            };
            match settings.content {
                ErasedContent::Noise => {
                    let mut own = rng.of_channels(self.first);
                    fill_box(&mut image, erased, |pixel| {
                        let [red, green, blue, ..] = next_bits(rng, &mut own).to_le_bytes();
                        *pixel = [red, green, blue];
                    });
                }
                ErasedContent::Colour | ErasedContent::Mean => {
                    image = erase(image, erased, colour);
                }
            }
        }
        image
    }
}

/// The image with a box of one colour; what of the box lies outside the image is left out.
///
/// Equals torchvision's `erase`.
pub fn erase(mut image: RgbImage, erased: PixelBox, colour: [u8; 3]) -> RgbImage {
    fill_box(&mut image, erased, |pixel| *pixel = colour);
    image
}

fn fill_box(image: &mut RgbImage, erased: PixelBox, mut paint: impl FnMut(&mut [u8; 3])) {
    let (width, height) = image.dimensions();
    let columns = erased.left.min(width)..erased.left.saturating_add(erased.width).min(width);
    let rows = erased.top.min(height)..erased.top.saturating_add(erased.height).min(height);
    for y in rows {
        for x in columns.clone() {
            paint(&mut image.get_pixel_mut(x, y).0);
        }
    }
}

/// The mean of each channel, rounded; black for an image without pixels.
fn mean_colour(image: &RgbImage) -> [u8; 3] {
    let mut sums = [0u64; 3];
    for pixel in image.pixels() {
        for (sum, value) in sums.iter_mut().zip(pixel.0) {
            *sum += u64::from(value);
        }
    }
    let count = u64::from(image.width()) * u64::from(image.height());
    sums.map(|sum| (sum + count / 2).checked_div(count).unwrap_or(0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    fn certain(settings: RandomErasing) -> Box<dyn Transform> {
        RandomErasing {
            probability: 1.0,
            ..settings
        }
        .build(&Preprocessing::default())
    }

    #[test]
    fn cutout_erases_a_square_of_a_quarter() {
        let cutout = certain(RandomErasing {
            area: [0.25; 2],
            ratio: [1.0; 2],
            fill: Some([1, 2, 3]),
            ..RandomErasing::default()
        });
        let white = RgbImage::from_pixel(20, 20, image::Rgb([255; 3]));
        for sample in 0..50 {
            let erased = cutout.apply(white.clone(), &mut SampleRng::new(0, 0, sample));
            let count = erased.pixels().filter(|pixel| pixel.0 == [1, 2, 3]).count();
            assert_eq!(count, 100);
        }
    }

    #[test]
    fn areas_cover_their_range_and_boxes_add_up() {
        let share = |count: [u32; 2]| {
            let erasing = certain(RandomErasing {
                area: [0.02, 0.1],
                count,
                fill: Some([0; 3]),
                ..RandomErasing::default()
            });
            let white = RgbImage::from_pixel(100, 100, image::Rgb([255; 3]));
            let erased = (0..200).map(|sample| {
                let image = erasing.apply(white.clone(), &mut SampleRng::new(0, 0, sample));
                image.pixels().filter(|pixel| pixel.0 == [0; 3]).count() as f64 / 10_000.0
            });
            erased.collect::<Vec<f64>>()
        };
        let one = share([1, 1]);
        assert!(one.iter().all(|share| (0.017..0.105).contains(share)));
        let mean = one.iter().sum::<f64>() / 200.0;
        assert!((mean - 0.06).abs() < 0.006, "{mean}");
        let several = share([2, 4]).iter().sum::<f64>() / 200.0;
        assert!((2.3 * mean..3.0 * mean).contains(&several), "{several}");
    }

    #[test]
    fn the_mean_colour_keeps_the_mean_and_noise_is_no_colour() {
        let image = gradient(32, 32);
        let mean = mean_colour(&image);
        let erased = certain(RandomErasing {
            area: [0.3; 2],
            content: ErasedContent::Mean,
            ..RandomErasing::default()
        })
        .apply(image.clone(), &mut SampleRng::new(0, 0, 0));
        assert!(erased.pixels().filter(|pixel| pixel.0 == mean).count() > 200);
        let noisy = certain(RandomErasing {
            area: [0.3; 2],
            content: ErasedContent::Noise,
            ..RandomErasing::default()
        })
        .apply(
            RgbImage::from_pixel(32, 32, image::Rgb([7; 3])),
            &mut SampleRng::new(0, 0, 0),
        );
        let changed: Vec<[u8; 3]> = noisy
            .pixels()
            .map(|pixel| pixel.0)
            .filter(|pixel| *pixel != [7; 3])
            .collect();
        assert!(changed.len() > 200);
        let sum: u64 = changed
            .iter()
            .flatten()
            .map(|value| u64::from(*value))
            .sum();
        let level = sum as f64 / (3 * changed.len()) as f64;
        assert!((115.0..140.0).contains(&level), "{level}");
    }

    #[test]
    fn a_box_beyond_the_edge_is_cut() {
        let image = gradient(5, 4);
        let beyond = PixelBox {
            left: 3,
            top: 2,
            width: u32::MAX,
            height: 9,
        };
        let erased = erase(image.clone(), beyond, [1; 3]);
        assert_eq!(erased.pixels().filter(|pixel| pixel.0 == [1; 3]).count(), 4);
        let away = PixelBox { left: 9, ..beyond };
        assert_eq!(erase(image.clone(), away, [1; 3]), image);
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let wrong = [
            (
                "`area`",
                RandomErasing {
                    area: [0.0, 0.1],
                    ..RandomErasing::default()
                },
            ),
            (
                "`ratio`",
                RandomErasing {
                    ratio: [2.0, 1.0],
                    ..RandomErasing::default()
                },
            ),
            (
                "`count`",
                RandomErasing {
                    count: [3, 2],
                    ..RandomErasing::default()
                },
            ),
            (
                "`count`",
                RandomErasing {
                    count: [1, 101],
                    ..RandomErasing::default()
                },
            ),
        ];
        for (key, erasing) in wrong {
            let message = erasing.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
