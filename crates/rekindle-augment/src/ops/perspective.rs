//! The image seen from an angle.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::{check_probability, check_range};
use super::warp::{Border, check_interpolation, warp};
use crate::preprocessing::Preprocessing;
use crate::resize::Interpolation;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The image seen from an angle: each corner moves inwards by up to `distortion_scale` of half a side; the size stays.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/perspective.png)
///
/// Reference: torchvision's `RandomPerspective`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Perspective {
    /// Largest way of a corner across and down, as a share of half the width and height, from 0 to 1. Default 0.5.
    pub distortion_scale: f32,
    /// Probability of a change. Default 0.5.
    pub probability: f32,
    /// The filter: nearest, bilinear (default) or bicubic.
    pub interpolation: Interpolation,
    /// Colour of what lies outside the image; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for Perspective {
    fn default() -> Self {
        Self {
            distortion_scale: 0.5,
            probability: 0.5,
            interpolation: Interpolation::Bilinear,
            fill: None,
        }
    }
}

impl Operation for Perspective {
    fn check(&self) -> Result<(), SettingError> {
        check_range(
            "distortion_scale",
            self.distortion_scale,
            0.0,
            1.0,
            "a share from 0 to 1",
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

impl Transform for Perspective {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let start = corners(image.width(), image.height());
        let reach = |side: u32| (self.distortion_scale * (side / 2) as f32) as u32 + 1;
        let (across, down) = (reach(image.width()), reach(image.height()));
        let end = start.map(|[x, y]| {
            let inwards = [rng.below(across) as f32, rng.below(down) as f32];
            [
                if x > 0.0 { x - inwards[0] } else { inwards[0] },
                if y > 0.0 { y - inwards[1] } else { inwards[1] },
            ]
        });
        perspective(
            &image,
            start,
            end,
            self.interpolation,
            self.fill.unwrap_or_default(),
        )
    }
}

/// The corner pixels of an image, clockwise from the left upper one.
fn corners(width: u32, height: u32) -> [[f32; 2]; 4] {
    let right = width.saturating_sub(1) as f32;
    let bottom = height.saturating_sub(1) as f32;
    [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]]
}

/// The image after the projective map that takes the four points `start` to the four points `end`, at its own size.
///
/// Points are `[x, y]` in pixels, in one order in both lists; torchvision's is clockwise from the left upper corner.
/// Within one grey level of torchvision's `perspective` for Pillow images. Where no such map exists, as when three points
/// lie on a line, the image stays as it is.
pub fn perspective(
    image: &RgbImage,
    start: [[f32; 2]; 4],
    end: [[f32; 2]; 4],
    interpolation: Interpolation,
    fill: [u8; 3],
) -> RgbImage {
    let Some(map) = projection(end, start) else {
        return image.clone();
    };
    // torchvision rounds to f32 too, which decides whether a pixel right on the edge of the source is inside.
    let [a, b, c, d, e, f, g, h] = map.map(|value| f64::from(value as f32));
    let place = |x: u32, y: u32| {
        let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        let depth = g * x + h * y + 1.0;
        ((a * x + b * y + c) / depth, (d * x + e * y + f) / depth)
    };
    warp(image, place, interpolation, Border::Cut(fill))
}

/// The map `x' = (a x + b y + c) / (g x + h y + 1)`, `y' = (d x + e y + f) / (g x + h y + 1)` between four points each.
fn projection(from: [[f32; 2]; 4], to: [[f32; 2]; 4]) -> Option<[f64; 8]> {
    let mut rows = [[0.0f64; 9]; 8];
    for (corner, (from, to)) in from.iter().zip(&to).enumerate() {
        let [x, y] = from.map(f64::from);
        let [u, v] = to.map(f64::from);
        rows[2 * corner] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
        rows[2 * corner + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
    }
    solve(rows)
}

/// Gauss's elimination with the largest pivot of a column first; the right-hand side is the last column.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    let largest = rows
        .iter()
        .flatten()
        .fold(0.0f64, |most, value| most.max(value.abs()));
    for step in 0..8 {
        let pivot =
            (step..8).max_by(|&a, &b| rows[a][step].abs().total_cmp(&rows[b][step].abs()))?;
        rows.swap(step, pivot);
        let head = rows[step];
        let size = head[step].abs();
        if size.is_nan() || size <= 1e-12 * largest {
            return None;
        }
        for (index, row) in rows.iter_mut().enumerate() {
            if index != step {
                let factor = row[step] / head[step];
                row.iter_mut()
                    .zip(head)
                    .for_each(|(value, above)| *value -= factor * above);
            }
        }
    }
    let mut solution = [0.0; 8];
    for (index, value) in solution.iter_mut().enumerate() {
        *value = rows[index][8] / rows[index][index];
    }
    solution
        .iter()
        .all(|value| value.is_finite())
        .then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn points_that_stay_change_nothing() {
        let image = gradient(9, 7);
        let points = corners(9, 7);
        let same = perspective(&image, points, points, Interpolation::Bilinear, [0; 3]);
        assert_eq!(same, image);
    }

    #[test]
    fn points_on_a_line_leave_the_image_as_it_is() {
        let image = gradient(9, 7);
        let line = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]];
        let not_numbers = [[f32::NAN; 2]; 4];
        for end in [line, not_numbers, [[0.0; 2]; 4]] {
            let same = perspective(&image, corners(9, 7), end, Interpolation::Nearest, [0; 3]);
            assert_eq!(same, image);
        }
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let wrong = [(
            "`distortion_scale`",
            Perspective {
                distortion_scale: 1.1,
                ..Perspective::default()
            },
        )];
        for (key, perspective) in wrong {
            let message = perspective.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    proptest! {
        #[test]
        fn the_map_takes_every_point_to_its_partner(
            moves in proptest::array::uniform8(0f32..20.0), width in 64u32..300, height in 64u32..300,
        ) {
            let start = corners(width, height);
            let mut end = start;
            for (index, point) in end.iter_mut().enumerate() {
                point[0] += moves[2 * index] - 10.0;
                point[1] += moves[2 * index + 1] - 10.0;
            }
            let [a, b, c, d, e, f, g, h] = projection(end, start).unwrap();
            for (from, to) in end.iter().zip(start) {
                let [x, y] = from.map(f64::from);
                let depth = g * x + h * y + 1.0;
                let found = [(a * x + b * y + c) / depth, (d * x + e * y + f) / depth];
                for (found, expected) in found.iter().zip(to) {
                    prop_assert!((found - f64::from(expected)).abs() < 1e-6, "{} {}", found, expected);
                }
            }
        }
    }
}
