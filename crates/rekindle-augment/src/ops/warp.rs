//! Moving pixels by an affine map.
//!
//! Owns: the sampling that rotation and affine share. The map goes from the output to the source, in coordinates whose whole
//! numbers are the edges of pixels, as in Pillow; whatever falls outside the source becomes the fill colour.

use image::{Rgb, RgbImage};

use crate::error::AugmentError;
use crate::resize::Interpolation;

/// `x' = a x + b y + c`, `y' = d x + e y + f`, from output to source.
pub(super) type Map = [f64; 6];

/// Lanczos has no sampler here: Pillow and torchvision have none either.
pub(super) fn check_interpolation(
    key: &'static str,
    interpolation: Interpolation,
) -> Result<(), AugmentError> {
    if interpolation == Interpolation::Lanczos {
        return Err(AugmentError::InvalidSetting {
            key,
            value: "lanczos".to_string(),
            expected: "nearest, bilinear or bicubic",
        });
    }
    Ok(())
}

/// The image seen through a map, at its own size.
pub(super) fn warp(
    image: &RgbImage,
    map: Map,
    interpolation: Interpolation,
    fill: [u8; 3],
) -> RgbImage {
    let (width, height) = image.dimensions();
    let source = Source {
        bytes: image.as_raw(),
        width: width as usize,
        height: height as usize,
    };
    let [a, b, c, d, e, f] = map;
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        let source_x = a * x + b * y + c;
        let source_y = d * x + e * y + f;
        let inside = (0.0..f64::from(width)).contains(&source_x)
            && (0.0..f64::from(height)).contains(&source_y);
        Rgb(if inside {
            source.sample(source_x, source_y, interpolation)
        } else {
            fill
        })
    })
}

struct Source<'a> {
    bytes: &'a [u8],
    width: usize,
    height: usize,
}

impl Source<'_> {
    /// The pixel at a place, or the nearest one on the edge.
    fn pixel(&self, x: i64, y: i64) -> [f32; 3] {
        let x = x.clamp(0, self.width as i64 - 1) as usize;
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        let at = 3 * (y * self.width + x);
        [0, 1, 2].map(|channel| f32::from(self.bytes[at + channel]))
    }

    fn sample(&self, x: f64, y: f64, interpolation: Interpolation) -> [u8; 3] {
        match interpolation {
            Interpolation::Nearest => self.nearest(x, y),
            Interpolation::Bilinear => self.bilinear(x, y),
            Interpolation::Bicubic | Interpolation::Lanczos => self.bicubic(x, y),
        }
    }

    fn nearest(&self, x: f64, y: f64) -> [u8; 3] {
        self.pixel(x as i64, y as i64).map(|value| value as u8)
    }

    fn bilinear(&self, x: f64, y: f64) -> [u8; 3] {
        let (column, across) = split(x);
        let (row, down) = split(y);
        let [top_left, top_right] = [0, 1].map(|step| self.pixel(column + step, row));
        let [bottom_left, bottom_right] = [0, 1].map(|step| self.pixel(column + step, row + 1));
        std::array::from_fn(|channel| {
            let top = top_left[channel] + (top_right[channel] - top_left[channel]) * across;
            let bottom =
                bottom_left[channel] + (bottom_right[channel] - bottom_left[channel]) * across;
            (top + (bottom - top) * down).round() as u8
        })
    }

    fn bicubic(&self, x: f64, y: f64) -> [u8; 3] {
        let (column, across) = split(x);
        let (row, down) = split(y);
        let rows: [[[f32; 3]; 4]; 4] =
            [-1, 0, 1, 2].map(|dy| [-1, 0, 1, 2].map(|dx| self.pixel(column + dx, row + dy)));
        std::array::from_fn(|channel| {
            let lines = rows.map(|pixels| cubic(pixels.map(|pixel| pixel[channel]), across));
            // A float that does not fit a byte becomes the nearest byte.
            cubic(lines, down).round() as u8
        })
    }
}

/// The pixel whose centre lies before a place, and the distance from that centre, from 0 to 1.
fn split(place: f64) -> (i64, f32) {
    let from_centre = place - 0.5;
    let whole = from_centre.floor();
    (whole as i64, (from_centre - whole) as f32)
}

/// The cubic with a = -1 between the second and the third of four values: Pillow's in `Image.transform`, which is sharper
/// than the one it resizes with.
fn cubic(values: [f32; 4], at: f32) -> f32 {
    let [before, start, end, after] = values;
    let slope = end - before;
    let bend = 2.0 * (before - start) + end - after;
    let twist = -before + start - end + after;
    start + at * (slope + at * (bend + at * twist))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    const IDENTITY: Map = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

    #[test]
    fn the_identity_changes_nothing() {
        let image = gradient(9, 5);
        for interpolation in [
            Interpolation::Nearest,
            Interpolation::Bilinear,
            Interpolation::Bicubic,
        ] {
            assert_eq!(warp(&image, IDENTITY, interpolation, [0; 3]), image);
        }
    }

    #[test]
    fn a_shift_by_one_pixel_fills_the_edge() {
        let image = gradient(4, 3);
        let map = [1.0, 0.0, -1.0, 0.0, 1.0, 0.0];
        for interpolation in [
            Interpolation::Nearest,
            Interpolation::Bilinear,
            Interpolation::Bicubic,
        ] {
            let moved = warp(&image, map, interpolation, [1, 2, 3]);
            assert_eq!(moved.get_pixel(0, 1).0, [1, 2, 3]);
            assert_eq!(moved.get_pixel(1, 1), image.get_pixel(0, 1));
            assert_eq!(moved.get_pixel(3, 2), image.get_pixel(2, 2));
        }
    }

    #[test]
    fn a_constant_stays_constant_under_every_filter() {
        let image = RgbImage::from_pixel(6, 6, Rgb([10, 200, 255]));
        let map = [0.7, 0.3, 0.4, -0.2, 0.8, 1.1];
        for interpolation in [
            Interpolation::Nearest,
            Interpolation::Bilinear,
            Interpolation::Bicubic,
        ] {
            let moved = warp(&image, map, interpolation, [10, 200, 255]);
            assert_eq!(moved, image);
        }
    }
}
