//! A turn about the centre.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::{check_probability, check_range};
use super::warp::{Border, check_interpolation, warp_affine};
use crate::preprocessing::Preprocessing;
use crate::resize::Interpolation;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// A turn about the centre by an angle drawn evenly from minus to plus `degrees`; the size stays, corners are lost.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/rotation.png)
///
/// Reference: torchvision's `RandomRotation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// Largest angle, from 0 to 180. Default 15.
    pub degrees: f32,
    /// Probability of a turn. Default 1.
    pub probability: f32,
    /// The filter: nearest, bilinear (default) or bicubic.
    pub interpolation: Interpolation,
    /// Colour of what lies outside the image; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            degrees: 15.0,
            probability: 1.0,
            interpolation: Interpolation::Bilinear,
            fill: None,
        }
    }
}

impl Operation for Rotation {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "degrees",
            self.degrees,
            0.0,
            180.0,
            "an angle from 0 to 180",
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

impl Transform for Rotation {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let degrees = rng.uniform(-self.degrees, self.degrees);
        rotate(
            &image,
            degrees,
            self.interpolation,
            self.fill.unwrap_or_default(),
        )
    }
}

/// The image turned counter-clockwise about its centre, at its own size.
///
/// Within one grey level of Pillow's `Image.rotate`, and so of torchvision's `rotate` of a Pillow image.
pub fn rotate(
    image: &RgbImage,
    degrees: f32,
    interpolation: Interpolation,
    fill: [u8; 3],
) -> RgbImage {
    let (sine, cosine) = (-f64::from(degrees)).to_radians().sin_cos();
    let (x, y) = (
        f64::from(image.width()) / 2.0,
        f64::from(image.height()) / 2.0,
    );
    let map = [
        cosine,
        sine,
        x - cosine * x - sine * y,
        -sine,
        cosine,
        y + sine * x - cosine * y,
    ];
    warp_affine(image, map, interpolation, Border::Cut(fill))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn a_quarter_turn_of_a_square_is_counter_clockwise() {
        let image = gradient(6, 6);
        let turned = rotate(&image, 90.0, Interpolation::Bilinear, [0; 3]);
        assert_eq!(turned, image::imageops::rotate270(&image));
    }

    #[test]
    fn an_angle_of_more_than_half_a_turn_is_refused() {
        let rotation = Rotation {
            degrees: 200.0,
            ..Rotation::default()
        };
        assert!(
            rotation
                .check()
                .unwrap_err()
                .to_string()
                .contains("`degrees`")
        );
    }

    #[test]
    fn corners_take_the_fill_of_the_preprocessing() {
        let image = RgbImage::from_pixel(20, 20, image::Rgb([255; 3]));
        let rotation = Rotation {
            degrees: 45.0,
            ..Rotation::default()
        }
        .build(&Preprocessing::default());
        let turned =
            (0..9).map(|sample| rotation.apply(image.clone(), &mut SampleRng::new(0, 0, sample)));
        assert!(
            turned
                .into_iter()
                .any(|turned| turned.get_pixel(0, 0).0 == [124, 116, 104])
        );
    }
}
