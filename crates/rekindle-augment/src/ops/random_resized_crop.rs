//! A random part of the image, resized to the input size.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::check_pair;
use crate::preprocessing::Preprocessing;
use crate::resize::{Interpolation, PixelBox, resize_crop};
use crate::rng::SampleRng;
use crate::transform::{CropResize, DrawCrop, Transform};

/// A random part of the image, resized to the input size, which distorts it a little.
///
/// The area is drawn evenly from `scale` times the image's, the aspect ratio evenly in its logarithm from `ratio`; a box
/// that does not fit is drawn again, ten times at most, and then the largest centred box of an allowed ratio is taken.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/random_resized_crop.png)
///
/// Source: Szegedy et al., "Going deeper with convolutions" (2015). Reference: torchvision's `RandomResizedCrop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Smallest and largest share of the area. Default 0.08 to 1, as ImageNet models are trained; with few pictures of a
    /// thing that fills them, 0.35 and more keeps the thing in view.
    pub scale: [f32; 2],
    /// Smallest and largest width divided by height. Default 3/4 to 4/3.
    pub ratio: [f32; 2],
    /// The filter; the preprocessing's where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpolation: Option<Interpolation>,
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        Self {
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            interpolation: None,
        }
    }
}

impl Operation for RandomResizedCrop {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "scale",
            self.scale,
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
        )
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        let (width, height) = preprocessing.size();
        let interpolation = self.interpolation.unwrap_or(preprocessing.interpolation);
        Box::new(Crop {
            scale: self.scale,
            ratio: self.ratio,
            interpolation,
            width,
            height,
        })
    }

    fn yields_final_size(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Crop {
    scale: [f32; 2],
    ratio: [f32; 2],
    interpolation: Interpolation,
    width: u32,
    height: u32,
}

impl DrawCrop for Crop {
    fn draw_crop(&self, width: u32, height: u32, rng: &mut SampleRng) -> CropResize {
        CropResize {
            crop: draw_box(width, height, self.scale, self.ratio, rng),
            width: self.width,
            height: self.height,
            interpolation: self.interpolation,
        }
    }
}

impl Transform for Crop {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.apply_borrowed(&image, rng)
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        let (width, height) = image.dimensions();
        let CropResize {
            crop,
            width,
            height,
            interpolation,
        } = self.draw_crop(width, height, rng);
        resize_crop(image, crop, width, height, interpolation)
    }

    fn as_crop(&self) -> Option<&dyn DrawCrop> {
        Some(self)
    }
}

/// A random box inside an image of this size, by the rule of [`RandomResizedCrop`].
fn draw_box(
    width: u32,
    height: u32,
    scale: [f32; 2],
    ratio: [f32; 2],
    rng: &mut SampleRng,
) -> PixelBox {
    draw_fitting_box(width, height, scale, ratio, rng)
        .unwrap_or_else(|| largest_centred_box(width, height, ratio))
}

const ATTEMPTS: usize = 10;

/// A random box of a share `scale` of the area and of a ratio of width to height; nothing where ten did not fit.
pub(super) fn draw_fitting_box(
    width: u32,
    height: u32,
    scale: [f32; 2],
    ratio: [f32; 2],
    rng: &mut SampleRng,
) -> Option<PixelBox> {
    let area = f64::from(width) * f64::from(height);
    for _ in 0..ATTEMPTS {
        let target_area = area * f64::from(rng.uniform(scale[0], scale[1]));
        let aspect = f64::from(rng.uniform(ratio[0].ln(), ratio[1].ln())).exp();
        let box_width = (target_area * aspect).sqrt().round_ties_even() as u32;
        let box_height = (target_area / aspect).sqrt().round_ties_even() as u32;
        if (1..=width).contains(&box_width) && (1..=height).contains(&box_height) {
            let top = rng.below(height - box_height + 1);
            let left = rng.below(width - box_width + 1);
            return Some(PixelBox {
                left,
                top,
                width: box_width,
                height: box_height,
            });
        }
    }
    None
}

fn largest_centred_box(width: u32, height: u32, ratio: [f32; 2]) -> PixelBox {
    let aspect = f64::from(width) / f64::from(height);
    let [lowest, highest] = ratio.map(f64::from);
    let (box_width, box_height) = if aspect < lowest {
        (width, (f64::from(width) / lowest).round_ties_even() as u32)
    } else if aspect > highest {
        (
            (f64::from(height) * highest).round_ties_even() as u32,
            height,
        )
    } else {
        (width, height)
    };
    let (box_width, box_height) = (
        box_width.clamp(1, width.max(1)),
        box_height.clamp(1, height.max(1)),
    );
    PixelBox {
        left: width.saturating_sub(box_width) / 2,
        top: height.saturating_sub(box_height) / 2,
        width: box_width,
        height: box_height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_image_falls_back_to_its_centre() {
        // torchvision 0.29.2: RandomResizedCrop.get_params(Image.new("RGB", (400, 10)), [1, 1], [0.75, 4 / 3])
        let crop = draw_box(
            400,
            10,
            [1.0, 1.0],
            [0.75, 4.0 / 3.0],
            &mut SampleRng::new(0, 0, 0),
        );
        assert_eq!(
            crop,
            PixelBox {
                left: 193,
                top: 0,
                width: 13,
                height: 10
            }
        );
    }

    #[test]
    fn areas_and_ratios_cover_their_ranges() {
        let boxes: Vec<PixelBox> = (0..2000)
            .map(|sample| {
                draw_box(
                    1000,
                    1000,
                    [0.2, 0.6],
                    [0.5, 2.0],
                    &mut SampleRng::new(0, 0, sample),
                )
            })
            .collect();
        let area = |crop: &PixelBox| f64::from(crop.width) * f64::from(crop.height) / 1e6;
        let mean = boxes.iter().map(area).sum::<f64>() / 2000.0;
        assert!((mean - 0.4).abs() < 0.01, "{mean}");
        let tall = boxes.iter().filter(|crop| crop.height > crop.width).count();
        assert!((900..1100).contains(&tall), "{tall}");
    }

    proptest! {
        #[test]
        fn a_box_lies_inside_the_image(
            width in 1u32..300, height in 1u32..300, sample in any::<u64>(),
            low in 0.001f32..1.0, high in 0.001f32..1.0,
        ) {
            let scale = [low.min(high), low.max(high)];
            let crop = draw_box(width, height, scale, [0.1, 9.0], &mut SampleRng::new(0, 0, sample));
            prop_assert!(crop.width >= 1 && crop.height >= 1);
            prop_assert!(crop.left + crop.width <= width && crop.top + crop.height <= height);
        }
    }
}
