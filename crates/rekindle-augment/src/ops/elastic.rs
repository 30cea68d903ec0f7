//! Pixels moved by a smooth random field.

mod field;

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use self::field::random_field;
use super::entry::Operation;
use super::pad::PaddingMode;
use super::settings::{check_probability, check_range};
use super::warp::{Border, check_interpolation, warp};
use crate::preprocessing::Preprocessing;
use crate::resize::Interpolation;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Pixels moved by a smooth random field, as if the image were printed on rubber; the size stays.
///
/// Noise drawn evenly from -1 to 1 for each pixel and axis is blurred by a Gaussian of `sigma` pixels and multiplied by
/// `alpha / 2`: the shift in pixels, which is torchvision's on a square image. At the defaults it is 0.8 pixels in the
/// root mean square and seldom over 2.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/elastic.png)
///
/// Source: Simard et al., "Best practices for convolutional neural networks" (2003). Reference: torchvision's
/// `ElasticTransform`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Elastic {
    /// Strength of the shifts, from 0 to 10000. Default 50.
    pub alpha: f32,
    /// Standard deviation of the Gaussian in pixels, from 0, which leaves noise, to 50. Default 5.
    pub sigma: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
    /// The filter: nearest, bilinear (default) or bicubic.
    pub interpolation: Interpolation,
    /// What lies outside the image: constant (default), edge, reflect, symmetric or wrap.
    pub padding_mode: PaddingMode,
    /// Colour of what lies outside the image; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for Elastic {
    fn default() -> Self {
        Self {
            alpha: 50.0,
            sigma: 5.0,
            probability: 1.0,
            interpolation: Interpolation::Bilinear,
            padding_mode: PaddingMode::Constant,
            fill: None,
        }
    }
}

impl Operation for Elastic {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "alpha",
            self.alpha,
            0.0,
            10_000.0,
            "a number from 0 to 10000",
        )?;
        check_range(
            "sigma",
            self.sigma,
            0.0,
            50.0,
            "a number of pixels from 0 to 50",
        )?;
        check_probability(self.probability)?;
        check_interpolation(self.interpolation)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        let fill = Some(self.fill.unwrap_or_else(|| preprocessing.fill()));
        Box::new(Self {
            fill,
            ..self.clone()
        })
    }
}

impl Transform for Elastic {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let (width, height) = (image.width() as usize, image.height() as usize);
        let mut field = || random_field(width, height, self.alpha / 2.0, self.sigma, rng);
        let (across, down) = (field(), field());
        let border = Border::Extend(self.padding_mode, self.fill.unwrap_or_default());
        displace(
            &image,
            |at| [across[at], down[at]],
            self.interpolation,
            border,
        )
    }
}

/// The image whose every pixel comes from a place `[x, y]` pixels further to the right and down, at its own size.
///
/// `shifts` has a pair for each pixel, row by row. Within one grey level of torchvision's `elastic` without a fill, which
/// is black here; its displacement is the shift times 2 divided by the width or height. A pixel between the edge and the
/// colour is a mixture of both.
///
/// # Errors
///
/// [`SettingError::Value`] where there is another number of shifts than of pixels.
pub fn elastic(
    image: &RgbImage,
    shifts: &[[f32; 2]],
    interpolation: Interpolation,
    padding_mode: PaddingMode,
    fill: [u8; 3],
) -> Result<RgbImage, SettingError> {
    if shifts.len() != image.width() as usize * image.height() as usize {
        let (width, height) = image.dimensions();
        return Err(SettingError::new(
            "shifts",
            format!("a list of {} for {width} by {height} pixels", shifts.len()),
            "one shift for each pixel",
        ));
    }
    let border = Border::Extend(padding_mode, fill);
    Ok(displace(image, |at| shifts[at], interpolation, border))
}

fn displace(
    image: &RgbImage,
    shift: impl Fn(usize) -> [f32; 2],
    interpolation: Interpolation,
    border: Border,
) -> RgbImage {
    let width = image.width() as usize;
    let place = |x: u32, y: u32| {
        let [across, down] = shift(y as usize * width + x as usize);
        (
            f64::from(x) + 0.5 + f64::from(across),
            f64::from(y) + 0.5 + f64::from(down),
        )
    };
    warp(image, place, interpolation, border)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn no_shift_changes_nothing_and_a_whole_one_moves_pixels() {
        let image = gradient(9, 6);
        let moved = |shift: [f32; 2]| {
            let shifts = vec![shift; 54];
            let mode = PaddingMode::Constant;
            elastic(&image, &shifts, Interpolation::Bilinear, mode, [5; 3]).unwrap()
        };
        assert_eq!(moved([0.0; 2]), image);
        assert_eq!(moved([2.0, -1.0]).get_pixel(3, 4), image.get_pixel(5, 3));
        assert_eq!(moved([2.0, -1.0]).get_pixel(8, 4).0, [5; 3]);
    }

    #[test]
    fn another_number_of_shifts_is_refused_with_both_numbers() {
        let mode = PaddingMode::Edge;
        let error = elastic(
            &gradient(4, 3),
            &[[0.0; 2]; 11],
            Interpolation::Nearest,
            mode,
            [0; 3],
        );
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("11") && message.contains("4 by 3"),
            "{message}"
        );
    }

    #[test]
    fn a_stronger_alpha_moves_further() {
        let image = gradient(40, 40);
        let distance = |alpha| {
            let transform = Elastic {
                alpha,
                ..Elastic::default()
            }
            .build(&Preprocessing::default());
            let moved = transform.apply(image.clone(), &mut SampleRng::new(0, 0, 0));
            let pairs = moved.iter().zip(image.iter());
            pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
        };
        assert_eq!(distance(0.0), 0);
        assert!(distance(2.0) < distance(20.0));
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let wrong = [
            (
                "`alpha`",
                Elastic {
                    alpha: -1.0,
                    ..Elastic::default()
                },
            ),
            (
                "`sigma`",
                Elastic {
                    sigma: 51.0,
                    ..Elastic::default()
                },
            ),
        ];
        for (key, elastic) in wrong {
            let message = elastic.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
