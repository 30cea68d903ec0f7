//! A shift, zoom, shear and turn about the centre.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::pad::PaddingMode;
use super::settings::{check_pair, check_probability, check_range};
use super::warp::{Border, check_interpolation, warp_affine};
use crate::preprocessing::Preprocessing;
use crate::resize::Interpolation;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// A shift, zoom, shear and turn about the centre, each drawn evenly from its range; the size stays.
///
/// One of them alone, under the name that other libraries give it:
///
/// | elsewhere | settings |
/// |---|---|
/// | width shift (Keras' `width_shift_range=0.2`) | `shift = [0.2, 0.0], scale = [1.0, 1.0]` |
/// | height shift (Keras' `height_shift_range=0.2`) | `shift = [0.0, 0.2], scale = [1.0, 1.0]` |
/// | zoom, scale (Keras' `zoom_range=0.2`) | `shift = [0.0, 0.0], scale = [0.8, 1.2]` |
/// | shear (torchvision's `shear=10`) | `shift = [0.0, 0.0], scale = [1.0, 1.0], shear_degrees = [10.0, 0.0]` |
/// | shift, scale, rotate (Albumentations) | `shift = [0.06, 0.06], scale = [0.9, 1.1], degrees = 45.0` |
/// | Keras' `fill_mode` `nearest`, `constant`, `reflect`, `wrap` | `padding_mode` edge, constant, symmetric, wrap |
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/affine.png)
///
/// Reference: torchvision's `RandomAffine`, whose turn is clockwise too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Affine {
    /// Largest shift across and down, as shares of the width and height, in both directions. Default 0.1 each.
    pub shift: [f32; 2],
    /// Smallest and largest zoom; over 1 the picture grows. Default 0.9 to 1.1.
    pub scale: [f32; 2],
    /// Largest shear across and down in degrees, in both directions, under 90. Default 0 each.
    pub shear_degrees: [f32; 2],
    /// Largest turn in degrees, in both directions, from 0 to 180. Default 0; `rotation` turns and does nothing else.
    pub degrees: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
    /// The filter: nearest, bilinear (default) or bicubic. Zooming out is not antialiased.
    pub interpolation: Interpolation,
    /// What lies outside the image: constant (default), edge, reflect, symmetric or wrap.
    pub padding_mode: PaddingMode,
    /// Colour of what lies outside the image; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for Affine {
    fn default() -> Self {
        Self {
            shift: [0.1; 2],
            scale: [0.9, 1.1],
            shear_degrees: [0.0; 2],
            degrees: 0.0,
            probability: 1.0,
            interpolation: Interpolation::Bilinear,
            padding_mode: PaddingMode::Constant,
            fill: None,
        }
    }
}

impl Operation for Affine {
    fn check(&self) -> Result<(), SettingError> {
        for shift in self.shift {
            check_range("shift", shift, 0.0, 1.0, "two shares from 0 to 1")?;
        }
        check_pair(
            "scale",
            self.scale,
            0.01,
            100.0,
            "the smallest and the largest zoom, from 0.01 to 100",
        )?;
        for degrees in self.shear_degrees {
            check_range(
                "shear_degrees",
                degrees,
                0.0,
                89.0,
                "two angles from 0 to 89",
            )?;
        }
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

impl Transform for Affine {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let mut around_zero = |largest: f32| rng.uniform(-largest, largest);
        let shift_px = [
            around_zero(self.shift[0]) * image.width() as f32,
            around_zero(self.shift[1]) * image.height() as f32,
        ];
        let shear_degrees = self.shear_degrees.map(&mut around_zero);
        let scale = rng.uniform(self.scale[0], self.scale[1]);
        // No number is drawn for no turn: a recipe without one goes on as it did before there were turns.
        let degrees = if self.degrees > 0.0 {
            rng.uniform(-self.degrees, self.degrees)
        } else {
            0.0
        };
        let parameters = AffineParameters {
            degrees,
            shift_px,
            scale,
            shear_degrees,
        };
        affine(
            &image,
            &parameters,
            self.interpolation,
            self.padding_mode,
            self.fill.unwrap_or_default(),
        )
    }
}

/// One affine change about the centre of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AffineParameters {
    /// Clockwise turn in degrees.
    pub degrees: f32,
    /// Shift to the right and down in pixels.
    pub shift_px: [f32; 2],
    /// Zoom; over 1 the picture grows.
    pub scale: f32,
    /// Shear across and down in degrees.
    pub shear_degrees: [f32; 2],
}

impl Default for AffineParameters {
    fn default() -> Self {
        Self {
            degrees: 0.0,
            shift_px: [0.0; 2],
            scale: 1.0,
            shear_degrees: [0.0; 2],
        }
    }
}

/// The image after an affine change, at its own size.
///
/// Turn, zoom and shear combine as in torchvision's `affine`, within one grey level of it for Pillow images. With a padding
/// mode other than constant, the image goes on beyond its edge, as if numpy's `pad` had been called before.
pub fn affine(
    image: &RgbImage,
    parameters: &AffineParameters,
    interpolation: Interpolation,
    padding_mode: PaddingMode,
    fill: [u8; 3],
) -> RgbImage {
    let turn = f64::from(parameters.degrees).to_radians();
    let [shear_x, shear_y] = parameters
        .shear_degrees
        .map(|degrees| f64::from(degrees).to_radians());
    let [shift_x, shift_y] = parameters.shift_px.map(f64::from);
    let scale = f64::from(parameters.scale);
    let (x, y) = (
        f64::from(image.width()) / 2.0,
        f64::from(image.height()) / 2.0,
    );

    // Turn times shear; its determinant is 1, so that its inverse is its adjugate.
    let along = (turn - shear_y).cos() / shear_y.cos();
    let across = (turn - shear_y).sin() / shear_y.cos();
    let (a, b) = (along, -along * shear_x.tan() - turn.sin());
    let (c, d) = (across, -across * shear_x.tan() + turn.cos());
    let [a, b, c, d] = [d, -b, -c, a].map(|value| value / scale);
    let map = [
        a,
        b,
        x - a * (x + shift_x) - b * (y + shift_y),
        c,
        d,
        y - c * (x + shift_x) - d * (y + shift_y),
    ];
    let border = Border::cut_or_extend(padding_mode, fill);
    warp_affine(image, map, interpolation, border)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn a_shift_goes_right_and_down() {
        let image = gradient(8, 6);
        let parameters = AffineParameters {
            shift_px: [2.0, 1.0],
            ..AffineParameters::default()
        };
        let moved = affine(
            &image,
            &parameters,
            Interpolation::Nearest,
            PaddingMode::Constant,
            [9; 3],
        );
        assert_eq!(moved.get_pixel(2, 1), image.get_pixel(0, 0));
        assert_eq!(moved.get_pixel(1, 3).0, [9; 3]);
    }

    #[test]
    fn a_zoom_over_one_makes_the_centre_larger() {
        let mut image = RgbImage::new(8, 8);
        for (x, y) in [(3, 3), (4, 3), (3, 4), (4, 4)] {
            image.put_pixel(x, y, image::Rgb([255; 3]));
        }
        let parameters = AffineParameters {
            scale: 2.0,
            ..AffineParameters::default()
        };
        let grown = affine(
            &image,
            &parameters,
            Interpolation::Nearest,
            PaddingMode::Constant,
            [0; 3],
        );
        assert_eq!(
            grown.pixels().filter(|pixel| pixel.0 == [255; 3]).count(),
            16
        );
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let wrong = [
            (
                "`shift`",
                Affine {
                    shift: [0.0, 1.5],
                    ..Affine::default()
                },
            ),
            (
                "`scale`",
                Affine {
                    scale: [1.2, 0.8],
                    ..Affine::default()
                },
            ),
            (
                "`scale`",
                Affine {
                    scale: [0.0, 0.8],
                    ..Affine::default()
                },
            ),
            (
                "`shear_degrees`",
                Affine {
                    shear_degrees: [90.0, 0.0],
                    ..Affine::default()
                },
            ),
            (
                "`degrees`",
                Affine {
                    degrees: 181.0,
                    ..Affine::default()
                },
            ),
        ];
        for (key, affine) in wrong {
            let message = affine.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn a_width_shift_alone_moves_columns_and_shows_the_edge_again() {
        let transform = Affine {
            shift: [0.5, 0.0],
            scale: [1.0, 1.0],
            interpolation: Interpolation::Nearest,
            padding_mode: PaddingMode::Edge,
            ..Affine::default()
        }
        .build(&Preprocessing::default());
        let image = gradient(12, 7);
        let mut shifts = std::collections::BTreeSet::new();
        for sample in 0..200 {
            let moved = transform.apply(image.clone(), &mut SampleRng::new(0, 0, sample));
            let shift = (-6i64..=6).find(|shift| {
                moved.enumerate_pixels().all(|(x, y, pixel)| {
                    let from = (i64::from(x) - shift).clamp(0, 11) as u32;
                    image.get_pixel(from, y) == pixel
                })
            });
            shifts.insert(shift.unwrap());
        }
        assert_eq!(shifts.len(), 13, "{shifts:?}");
    }

    #[test]
    fn degrees_turn_by_no_more_than_they_say() {
        let only_turn = |degrees| {
            let settings = Affine {
                shift: [0.0; 2],
                scale: [1.0; 2],
                degrees,
                ..Affine::default()
            };
            settings.build(&Preprocessing::default())
        };
        let image = gradient(24, 24);
        let key = SampleRng::new(4, 0, 0);
        let still = only_turn(0.0).apply(image.clone(), &mut key.clone());
        assert_eq!(still, image);
        let turned = only_turn(30.0).apply(image.clone(), &mut key.clone());
        assert_ne!(turned, image);
        // The middle of the image is inside a circle, which no turn leaves.
        assert_ne!(turned.get_pixel(12, 12).0, [124, 116, 104]);
    }
}
