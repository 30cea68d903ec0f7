//! Outlines.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::blend::blend;
use super::convolve::{Edge, widened};
use super::entry::Operation;
use super::greyscale::greyscale;
use super::settings::{check_pair, check_probability};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// Which derivative finds the edges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeFilter {
    /// The length of the gradient. The default.
    #[default]
    Sobel,
    /// The second derivative, without its sign.
    Laplacian,
}

/// The image blended with its outlines, for classes that differ by shape and not by colour.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/edges.png)
///
/// `value + (outline - value) * strength`, with a strength drawn evenly from a range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edges {
    /// `sobel` (default) or `laplacian`.
    pub filter: EdgeFilter,
    /// Smallest and largest share of the outlines, from 0 to 1. Default 0.2 to 1.
    pub strength: [f32; 2],
    /// Probability of a change. Default 0.2.
    pub probability: f32,
}

impl Default for Edges {
    fn default() -> Self {
        Self {
            filter: EdgeFilter::default(),
            strength: [0.2, 1.0],
            probability: 0.2,
        }
    }
}

impl Operation for Edges {
    fn check(&self) -> Result<(), SettingError> {
        check_pair(
            "strength",
            self.strength,
            0.0,
            1.0,
            "the smallest and the largest share of the outlines, from 0 to 1",
        )?;
        check_probability(self.probability)
    }

    fn build(&self, _: &Preprocessing) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Edges {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let mut outlines = match self.filter {
            EdgeFilter::Sobel => sobel(&image),
            EdgeFilter::Laplacian => laplacian(&image),
        };
        let strength = rng.uniform(self.strength[0], self.strength[1]);
        blend(&image, &mut outlines, strength);
        outlines
    }
}

/// The length of the gradient of the grey image by Sobel's two kernels, rounded, cut to 255, in all three channels.
///
/// The edge pixels go on outside. Within one grey level of the same sums by SciPy's `ndimage.sobel`.
pub fn sobel(image: &RgbImage) -> RgbImage {
    outlines(image, |[above, middle, below]| {
        let across = (above[2] - above[0]) + 2 * (middle[2] - middle[0]) + (below[2] - below[0]);
        let down = (below[0] - above[0]) + 2 * (below[1] - above[1]) + (below[2] - above[2]);
        // At most 1443; a half added before cutting off rounds to the nearest.
        (((across * across + down * down) as f32).sqrt() + 0.5) as u8
    })
}

/// Four times the grey pixel less its four neighbours, without the sign, cut to 255, in all three channels.
///
/// The edge pixels go on outside. Equal to SciPy's `ndimage.laplace`.
pub fn laplacian(image: &RgbImage) -> RgbImage {
    outlines(image, |[above, middle, below]| {
        let sum = 4 * middle[1] - above[1] - below[1] - middle[0] - middle[2];
        sum.unsigned_abs().min(255) as u8
    })
}

/// A value for every pixel from the 3 by 3 greys around it.
fn outlines(image: &RgbImage, value: impl Fn([[i32; 3]; 3]) -> u8) -> RgbImage {
    let (width, height) = image.dimensions();
    let mut output = greyscale(image.clone());
    if width == 0 || height == 0 {
        return output;
    }
    let length = 3 * width as usize;
    let rows: Vec<Vec<i32>> = output
        .chunks_exact(length)
        .map(|row| {
            let row = widened(row, 1, Edge::Replicate);
            row.iter().step_by(3).map(|grey| i32::from(*grey)).collect()
        })
        .collect();
    let last = rows.len() - 1;
    for (y, output) in output.chunks_exact_mut(length).enumerate() {
        let around = [
            &rows[y.saturating_sub(1)],
            &rows[y],
            &rows[(y + 1).min(last)],
        ];
        let [above, middle, below] = around.map(|row| row.windows(3));
        for (((pixel, above), middle), below) in
            output.chunks_exact_mut(3).zip(above).zip(middle).zip(below)
        {
            let around = [above, middle, below].map(|greys| [greys[0], greys[1], greys[2]]);
            pixel.fill(value(around));
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    #[test]
    fn a_step_has_one_outline_and_a_ramp_no_second_derivative() {
        let step = RgbImage::from_fn(6, 4, |x, _| image::Rgb([if x < 3 { 0 } else { 20 }; 3]));
        let output = sobel(&step);
        for (x, _, pixel) in output.enumerate_pixels() {
            let at_step = x == 2 || x == 3;
            assert_eq!(pixel.0, if at_step { [80; 3] } else { [0; 3] });
        }
        let ramp = RgbImage::from_fn(6, 4, |x, _| image::Rgb([30 * x as u8; 3]));
        let output = laplacian(&ramp);
        assert_eq!(output.get_pixel(2, 2).0, [0; 3]);
        assert_eq!(output.get_pixel(0, 2).0, [30; 3]);
    }

    #[test]
    fn the_strength_is_checked() {
        let spec = Edges {
            strength: [0.5, 1.5],
            ..Edges::default()
        };
        let message = spec.check().unwrap_err().to_string();
        assert!(message.contains("`strength`"), "{message}");
    }

    proptest! {
        #[test]
        fn flat_images_have_no_outlines_and_a_negative_has_the_same(
            width in 1u32..20, height in 1u32..20, value in any::<u8>(),
        ) {
            let flat = RgbImage::from_pixel(width, height, image::Rgb([value; 3]));
            let grey = greyscale(gradient(width, height));
            let negative = crate::ops::invert(grey.clone());
            for filter in [sobel, laplacian] {
                prop_assert!(filter(&flat).iter().all(|value| *value == 0));
                prop_assert_eq!(filter(&grey), filter(&negative));
            }
        }
    }
}
