//! Columns and rows of the image made wider and narrower.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::pad::PaddingMode;
use super::settings::{check_probability, check_range};
use super::warp::{Border, check_interpolation, warp};
use crate::preprocessing::Preprocessing;
use crate::resize::Interpolation;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Columns and rows of the image made wider and narrower; the edges and the size stay.
///
/// A grid of `steps` by `steps` equal cells in the result shows cells of the image whose widths are in proportion to
/// factors drawn evenly from `1 - limit` to `1 + limit`, and heights likewise. Inside a cell the picture is stretched
/// evenly, so the map is continuous and nothing has to be filled.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/grid_distortion.png)
///
/// Reference: Albumentations' `GridDistortion` with `normalized=True`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GridDistortion {
    /// Number of cells on each side, from 1 to 64. Default 5.
    pub steps: u32,
    /// Largest distance of a factor from 1, from 0 to 0.95. Default 0.3.
    pub limit: f32,
    /// Probability of a change. Default 1.
    pub probability: f32,
    /// The filter: nearest, bilinear (default) or bicubic.
    pub interpolation: Interpolation,
}

impl Default for GridDistortion {
    fn default() -> Self {
        Self {
            steps: 5,
            limit: 0.3,
            probability: 1.0,
            interpolation: Interpolation::Bilinear,
        }
    }
}

impl Operation for GridDistortion {
    fn check(&self) -> Result<(), SettingError> {
        if !(1..=64).contains(&self.steps) {
            return Err(SettingError::new(
                "steps",
                self.steps,
                "a number of cells from 1 to 64",
            ));
        }
        check_range("limit", self.limit, 0.0, 0.95, "a number from 0 to 0.95")?;
        check_probability(self.probability)?;
        check_interpolation(self.interpolation)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for GridDistortion {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let mut factors = || -> Vec<f32> {
            (0..self.steps)
                .map(|_| rng.uniform(1.0 - self.limit, 1.0 + self.limit))
                .collect()
        };
        let (columns, rows) = (factors(), factors());
        distort(&image, &columns, &rows, self.interpolation)
    }
}

/// The image whose equal cells show cells of these relative widths and heights, at its own size.
///
/// The lists may have different lengths. Within one grey level of `grid_sample` of PyTorch at the places that numpy's
/// `interp` gives (`tests/make_golden.py`).
///
/// # Errors
///
/// [`SettingError::Value`] where a list is empty, or a width or height is not over 0 and finite.
pub fn grid_distortion(
    image: &RgbImage,
    columns: &[f32],
    rows: &[f32],
    interpolation: Interpolation,
) -> Result<RgbImage, SettingError> {
    let keys = ["columns", "rows"];
    for (key, cells) in keys.into_iter().zip([columns, rows]) {
        let good = |cell: &f32| cell.is_finite() && *cell > 0.0;
        if cells.is_empty() || !cells.iter().all(good) {
            return Err(SettingError::new(
                key,
                format!("{cells:?}"),
                "one or more numbers over 0",
            ));
        }
    }
    Ok(distort(image, columns, rows, interpolation))
}

fn distort(
    image: &RgbImage,
    columns: &[f32],
    rows: &[f32],
    interpolation: Interpolation,
) -> RgbImage {
    let across = places(columns, image.width());
    let down = places(rows, image.height());
    let border = Border::Extend(PaddingMode::Edge, [0; 3]);
    warp(
        image,
        |x, y| (across[x as usize], down[y as usize]),
        interpolation,
        border,
    )
}

/// Where each of `count` pixels of an axis comes from.
fn places(cells: &[f32], count: u32) -> Vec<f64> {
    let total: f64 = cells.iter().copied().map(f64::from).sum();
    let side = f64::from(count);
    let per_cell = side / cells.len() as f64;
    let mut edge = 0.0;
    let source: Vec<(f64, f64)> = cells
        .iter()
        .map(|&cell| {
            let length = f64::from(cell) / total * side;
            let start = edge;
            edge += length;
            (start, length)
        })
        .collect();
    (0..count)
        .map(|pixel| {
            let place = (f64::from(pixel) + 0.5) / per_cell;
            let (start, length) = source[(place as usize).min(cells.len() - 1)];
            start + length * place.fract()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn equal_cells_change_nothing() {
        let image = gradient(23, 17);
        for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
            let same = grid_distortion(&image, &[0.5; 5], &[3.0; 4], interpolation).unwrap();
            assert_eq!(same, image);
        }
    }

    #[test]
    fn a_cell_of_twice_the_width_is_squeezed() {
        let mut image = RgbImage::new(12, 2);
        for x in 0..8 {
            image.put_pixel(x, 0, image::Rgb([255; 3]));
        }
        let squeezed =
            grid_distortion(&image, &[2.0, 1.0], &[1.0], Interpolation::Nearest).unwrap();
        let white = (0..12).filter(|&x| squeezed.get_pixel(x, 0).0 == [255; 3]);
        assert_eq!(white.count(), 6);
    }

    #[test]
    fn cells_without_a_width_are_refused() {
        let image = gradient(4, 4);
        for cells in [&[][..], &[1.0, 0.0], &[f32::NAN], &[f32::INFINITY]] {
            let error = grid_distortion(&image, &[1.0], cells, Interpolation::Bilinear);
            let message = error.unwrap_err().to_string();
            assert!(message.contains("`rows`"), "{message}");
        }
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let wrong = [
            (
                "`steps`",
                GridDistortion {
                    steps: 0,
                    ..GridDistortion::default()
                },
            ),
            (
                "`limit`",
                GridDistortion {
                    limit: 1.0,
                    ..GridDistortion::default()
                },
            ),
        ];
        for (key, distortion) in wrong {
            let message = distortion.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    proptest! {
        #[test]
        fn places_rise_and_stay_inside(
            cells in proptest::collection::vec(0.05f32..2.0, 1..20), count in 1u32..300,
        ) {
            let places = places(&cells, count);
            prop_assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(places[0] > 0.0 && places[places.len() - 1] < f64::from(count));
        }
    }
}
