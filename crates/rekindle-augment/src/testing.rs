//! Pictures for the unit tests of this crate.

use image::{Rgb, RgbImage};

/// A picture in which every pixel differs from its neighbours.
pub(crate) fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([
            (x * 37 + y * 11) as u8,
            (x * 5 + y * 53 + 90) as u8,
            ((x * y) ^ (x + 3 * y)) as u8,
        ])
    })
}

/// The largest difference of any two channel values at the same place.
pub(crate) fn largest_difference(one: &RgbImage, other: &RgbImage) -> u8 {
    assert_eq!(one.dimensions(), other.dimensions());
    one.iter()
        .zip(other.iter())
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap_or(0)
}
