//! A random part of the image, of the input size and at one scale.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::framing::{Framing, check_crop_ratio};
use super::pad::PaddingMode;
use super::settings::check_range;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// A random part of the image, of the input size; its scale and shape stay.
///
/// The image is resized first so that the crop covers `crop_ratio` of its shorter side, and then a border of `padding` is
/// put around it, into which the crop may reach. Without `resize`, the crop is of the image's own pixels, which keeps
/// fine textures.
///
/// | recipe | settings |
/// |---|---|
/// | `Resize(256)`, `RandomCrop(224)` | the defaults of a backbone with a crop ratio of 0.875 |
/// | `RandomCrop(32, padding=4)` of CIFAR | `crop_ratio = 1.0, padding = 0.125` |
/// | `RandomCrop(224, pad_if_needed=True)` | `resize = false` |
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/random_crop.png)
///
/// Reference: torchvision's `RandomCrop`, whose padding is in pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCrop {
    /// Whether the image is resized first. Default true.
    pub resize: bool,
    /// Share of the shorter side that the crop covers, from 0.01 to 1; the preprocessing's where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_ratio: Option<f32>,
    /// Width of the border on each side as a share of the crop's, from 0 to 1. Default 0.
    pub padding: f32,
    /// Whether an image that is smaller than the crop, which only happens without `resize`, gets a wider border until the
    /// crop fits; else it is enlarged. Default true.
    pub pad_if_needed: bool,
    /// What the border shows: constant (default), edge, reflect, symmetric or wrap.
    pub padding_mode: PaddingMode,
    /// Colour of a constant border; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self {
            resize: true,
            crop_ratio: None,
            padding: 0.0,
            pad_if_needed: true,
            padding_mode: PaddingMode::Constant,
            fill: None,
        }
    }
}

impl Operation for RandomCrop {
    fn check(&self) -> Result<(), SettingError> {
        check_crop_ratio(self.crop_ratio)?;
        check_range("padding", self.padding, 0.0, 1.0, "a share from 0 to 1")
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        let enlarge = !self.pad_if_needed;
        let framing = Framing::new(preprocessing, self.resize, self.crop_ratio, enlarge);
        let (width, height) = framing.crop_size();
        let border = |side: u32| (f64::from(side) * f64::from(self.padding)).round() as u32;
        Box::new(Crop {
            border: (border(width), border(height)),
            framing,
            padding_mode: self.padding_mode,
            fill: self.fill.unwrap_or_else(|| preprocessing.fill()),
        })
    }

    fn yields_final_size(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Crop {
    framing: Framing,
    border: (u32, u32),
    padding_mode: PaddingMode,
    fill: [u8; 3],
}

impl Transform for Crop {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.apply_borrowed(&image, rng)
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        let (width, height) = self.framing.crop_size();
        let frame = self.framing.frame(image);
        let top = draw_start(height, frame.1, self.border.1, rng);
        let left = draw_start(width, frame.0, self.border.0, rng);
        self.framing
            .cut(image, (left, top), self.padding_mode, self.fill)
    }
}

/// Where a crop of `wanted` pixels starts on an axis of `available` pixels with a border on both sides.
///
/// A border that leaves too little is widened by what is missing, on both sides, as torchvision's `pad_if_needed` does.
fn draw_start(wanted: u32, available: u32, border: u32, rng: &mut SampleRng) -> i64 {
    let padded = u64::from(available) + 2 * u64::from(border);
    let missing = u64::from(wanted).saturating_sub(padded);
    let spare = padded + 2 * missing - u64::from(wanted);
    let start = rng.below(u32::try_from(spare + 1).unwrap_or(u32::MAX));
    i64::from(start) - i64::from(border) - missing as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::centre_crop;
    use crate::testing::gradient;
    use proptest::prelude::*;

    fn preprocessing() -> Preprocessing {
        Preprocessing {
            input_size: [10, 12],
            ..Preprocessing::default()
        }
    }

    #[test]
    fn starts_cover_the_range_of_torchvision() {
        // RandomCrop: 0..=w - tw of the padded image, whose first pixel is at -padding.
        let range = |wanted, available, border| {
            let starts = (0..500).map(|sample| {
                draw_start(wanted, available, border, &mut SampleRng::new(0, 0, sample))
            });
            let starts: Vec<i64> = starts.collect();
            (
                starts.iter().copied().min().unwrap(),
                starts.iter().copied().max().unwrap(),
            )
        };
        assert_eq!(range(10, 25, 0), (0, 15));
        assert_eq!(range(10, 10, 2), (-2, 2));
        assert_eq!(range(10, 7, 0), (-3, 0));
        assert_eq!(range(10, 7, 1), (-2, -1));
        assert_eq!(range(10, 10, 0), (0, 0));
    }

    #[test]
    fn a_crop_of_the_images_own_pixels_is_a_part_of_it() {
        let transform = RandomCrop {
            resize: false,
            ..RandomCrop::default()
        }
        .build(&preprocessing());
        let image = gradient(40, 30);
        let crop = transform.apply_borrowed(&image, &mut SampleRng::new(3, 0, 0));
        let parts = (0..=28).flat_map(|left| (0..=20).map(move |top| (left, top)));
        let is_part =
            |(left, top)| *image::imageops::crop_imm(&image, left, top, 12, 10).to_image() == *crop;
        assert_eq!(parts.filter(|&at| is_part(at)).count(), 1);
    }

    #[test]
    fn a_small_image_is_padded_or_enlarged() {
        let image = RgbImage::from_pixel(6, 5, image::Rgb([255; 3]));
        let settings = RandomCrop {
            resize: false,
            ..RandomCrop::default()
        };
        let padded = settings
            .build(&preprocessing())
            .apply_borrowed(&image, &mut SampleRng::new(0, 0, 0));
        let white = padded.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
        assert_eq!(white, 30);
        let enlarged = RandomCrop {
            pad_if_needed: false,
            ..settings
        }
        .build(&preprocessing())
        .apply_borrowed(&image, &mut SampleRng::new(0, 0, 0));
        assert!(enlarged.pixels().all(|pixel| pixel.0 == [255; 3]));
    }

    #[test]
    fn a_crop_of_the_whole_shorter_side_moves_along_the_longer_one() {
        let square = Preprocessing {
            input_size: [10, 10],
            ..Preprocessing::default()
        };
        let transform = RandomCrop {
            crop_ratio: Some(1.0),
            ..RandomCrop::default()
        }
        .build(&square);
        let image = gradient(10, 10);
        let view = transform.apply_borrowed(&image, &mut SampleRng::new(0, 0, 0));
        assert_eq!(view, centre_crop(&image, 10, 10, [0; 3]));
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let wrong = [
            (
                "`crop_ratio`",
                RandomCrop {
                    crop_ratio: Some(f32::NAN),
                    ..RandomCrop::default()
                },
            ),
            (
                "`padding`",
                RandomCrop {
                    padding: 1.5,
                    ..RandomCrop::default()
                },
            ),
        ];
        for (key, crop) in wrong {
            let message = crop.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    proptest! {
        #[test]
        fn every_setting_gives_the_input_size(
            width in 0u32..40, height in 0u32..40, resize in any::<bool>(), pad_if_needed in any::<bool>(),
            padding in 0f32..1.0, crop_ratio in 0.05f32..1.0, sample in any::<u64>(),
        ) {
            let transform = RandomCrop {
                resize,
                crop_ratio: Some(crop_ratio),
                padding,
                pad_if_needed,
                padding_mode: PaddingMode::Reflect,
                fill: None,
            }
            .build(&preprocessing());
            let crop = transform.apply(gradient(width, height), &mut SampleRng::new(0, 0, sample));
            prop_assert_eq!(crop.dimensions(), (12, 10));
        }
    }
}
