//! Neighbours mixed along a line.

use std::collections::BTreeMap;

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::convolve::{Edge, ONE, Tap, convolve};
use super::entry::Operation;
use super::settings::{check_pair, check_probability, check_range};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Every pixel the mean along a straight line through it, as of a camera that moved; length and direction are drawn evenly.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/motion_blur.png)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MotionBlur {
    /// Shortest and longest line in pixels, from 1 (no blur) to 101. Default 3 to 7.
    pub length_px: [f32; 2],
    /// Largest angle from the horizontal in degrees, to both sides, from 0 to 90. Default 90: every direction.
    pub degrees: f32,
    /// Probability of a change. Default 0.5.
    pub probability: f32,
}

impl Default for MotionBlur {
    fn default() -> Self {
        Self {
            length_px: [3.0, 7.0],
            degrees: 90.0,
            probability: 0.5,
        }
    }
}

impl Operation for MotionBlur {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "length_px",
            self.length_px,
            1.0,
            101.0,
            "the shortest and the longest line in pixels, from 1 to 101",
        )?;
        check_range("degrees", self.degrees, 0.0, 90.0, "an angle from 0 to 90")?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for MotionBlur {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let length_px = rng.uniform(self.length_px[0], self.length_px[1]);
        motion_blur(&image, length_px, rng.uniform(-self.degrees, self.degrees))
    }
}

/// The image with every pixel the mean of points on a line through it, `degrees` counter-clockwise from the horizontal.
///
/// The line has `length_px` points, rounded to a whole number of at least 1, a pixel apart and centred on the pixel; between
/// pixels they are bilinear, outside the image the edge pixels go on. Within one grey level of the mean of SciPy's
/// `map_coordinates` at these points.
pub fn motion_blur(image: &RgbImage, length_px: f32, degrees: f32) -> RgbImage {
    convolve(image, &line(length_px, degrees), Edge::Replicate)
}

fn line(length_px: f32, degrees: f32) -> Vec<Tap> {
    let points = length_px.round().clamp(1.0, 1001.0) as i32;
    let (sine, cosine) = f64::from(degrees).to_radians().sin_cos();
    let mut shares = BTreeMap::<(i32, i32), f64>::new();
    for point in 0..points {
        let along = f64::from(point) - f64::from(points - 1) / 2.0;
        let (right, below) = (along * cosine, -along * sine);
        let (column, row) = (right.floor(), below.floor());
        for (right, across) in [
            (column, 1.0 - (right - column)),
            (column + 1.0, right - column),
        ] {
            for (below, down) in [(row, 1.0 - (below - row)), (row + 1.0, below - row)] {
                *shares.entry((below as i32, right as i32)).or_default() += across * down;
            }
        }
    }
    let weight = |share: f64| (share / f64::from(points) * f64::from(ONE)).round() as i16;
    let taps = shares.into_iter().map(|((below, right), share)| Tap {
        right,
        below,
        weight: weight(share),
    });
    let mut taps: Vec<Tap> = taps.filter(|tap| tap.weight != 0).collect();
    // What rounding has added or taken goes to the largest weight.
    let total: i32 = taps.iter().map(|tap| i32::from(tap.weight)).sum();
    if let Some(largest) = taps.iter_mut().max_by_key(|tap| tap.weight) {
        largest.weight += (ONE - total) as i16;
    }
    taps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn a_level_line_mixes_neighbours_in_its_row_only() {
        let mut image = RgbImage::new(7, 3);
        image.put_pixel(3, 1, image::Rgb([30, 60, 90]));
        let output = motion_blur(&image, 3.0, 0.0);
        for (x, y, pixel) in output.enumerate_pixels() {
            let hit = y == 1 && (2..=4).contains(&x);
            assert_eq!(pixel.0, if hit { [10, 20, 30] } else { [0; 3] });
        }
    }

    #[test]
    fn a_positive_angle_goes_up_to_the_right() {
        let mut image = RgbImage::new(9, 9);
        image.put_pixel(4, 4, image::Rgb([255; 3]));
        let output = motion_blur(&image, 5.0, 45.0);
        assert!(output.get_pixel(5, 3).0[0] > 0 && output.get_pixel(3, 5).0[0] > 0);
        assert_eq!(output.get_pixel(3, 3).0[0], 0);
    }

    #[test]
    fn settings_are_checked_by_name() {
        let base = MotionBlur::default();
        let long = MotionBlur {
            length_px: [1.0, 500.0],
            ..base.clone()
        };
        let steep = MotionBlur {
            degrees: 91.0,
            ..base
        };
        for (key, spec) in [("`length_px`", long), ("`degrees`", steep)] {
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    proptest! {
        #[test]
        fn weights_sum_to_one_and_one_point_changes_nothing(
            length_px in 1f32..101.0, degrees in -90f32..90.0, width in 1u32..20, height in 1u32..20,
        ) {
            let total: i32 = line(length_px, degrees).iter().map(|tap| i32::from(tap.weight)).sum();
            prop_assert_eq!(total, ONE);
            let image = gradient(width, height);
            prop_assert_eq!(motion_blur(&image, 1.0, degrees), image);
        }
    }
}
