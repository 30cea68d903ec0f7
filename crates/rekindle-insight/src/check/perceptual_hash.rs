//! A hash of what a picture looks like.
//!
//! Owns: the transform and the bits. Which distance counts as the same picture is `duplicates.rs`'s business.

use std::f64::consts::PI;
use std::sync::LazyLock;

use rekindle_augment::RgbImage;
use rekindle_augment::ops::greyscale;

/// Side of the reduced picture that is hashed, in pixels.
pub(super) const SIDE: usize = 32;
/// Frequencies that are kept in each direction.
const KEPT: usize = 8;

/// `cos(pi k (2n + 1) / 64)` for the kept frequencies k.
static COSINES: LazyLock<[[f64; SIDE]; KEPT]> = LazyLock::new(|| {
    std::array::from_fn(|k| {
        std::array::from_fn(|n| (PI * k as f64 * (2 * n + 1) as f64 / (2 * SIDE) as f64).cos())
    })
});

/// The 64-bit pHash of a picture of 32 by 32 pixels: which of its 8 by 8 lowest frequencies are above their median.
///
/// The frequencies are those of the discrete cosine transform (type II) of the grey picture. The first bit of the first row is the
/// highest bit. Recompression and another size change few bits; the mean brightness changes none.
///
/// Source: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010; bit by bit as `phash` of the Python
/// package imagehash 4.3.2 (`tests/data/perceptual_hash.py`).
pub(super) fn perceptual_hash(reduced: &RgbImage) -> u64 {
    let grey = greyscale(reduced.clone());
    let value = |x: usize, y: usize| {
        grey.get_pixel_checked(x as u32, y as u32)
            .map_or(0.0, |pixel| f64::from(pixel.0[0]))
    };
    // Down each column, then along the kept rows.
    let mut columns = [[0.0; SIDE]; KEPT];
    for (row, cosines) in columns.iter_mut().zip(COSINES.iter()) {
        for (x, sum) in row.iter_mut().enumerate() {
            *sum = (0..SIDE).map(|y| value(x, y) * cosines[y]).sum();
        }
    }
    let mut frequencies = [0.0; KEPT * KEPT];
    for (down, row) in columns.iter().enumerate() {
        for (across, cosines) in COSINES.iter().enumerate() {
            let sum: f64 = row.iter().zip(cosines).map(|(a, b)| a * b).sum();
            // What is left of frequencies that a picture does not have is rounding, which must not decide a bit.
            frequencies[down * KEPT + across] = if sum.abs() < 1e-6 { 0.0 } else { sum };
        }
    }
    let mut sorted = frequencies;
    sorted.sort_by(f64::total_cmp);
    let median = (sorted[KEPT * KEPT / 2 - 1] + sorted[KEPT * KEPT / 2]) / 2.0;
    frequencies
        .iter()
        .fold(0, |hash, &value| hash << 1 | u64::from(value > median))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_augment::{Interpolation, resize};
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        pixels: Vec<u8>,
        hash: String,
    }

    #[test]
    fn hashes_are_those_of_imagehash() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/data/perceptual_hash.json")).unwrap();
        assert!(cases.len() >= 6);
        for case in cases {
            let grey: Vec<u8> = case.pixels.iter().flat_map(|&value| [value; 3]).collect();
            let image = RgbImage::from_raw(SIDE as u32, SIDE as u32, grey).unwrap();
            assert_eq!(format!("{:016x}", perceptual_hash(&image)), case.hash);
        }
    }

    #[test]
    fn brightness_changes_no_bit_and_another_size_few() {
        let picture = |size: u32, light: u8| {
            RgbImage::from_fn(size, size, |x, y| {
                let [x, y] = [x, y].map(|at| f64::from(at) / f64::from(size));
                let wave = (x * 9.0).sin() * (y * 7.0 + x).cos() + (y * 3.0).sin();
                image::Rgb([(70.0 + 30.0 * wave) as u8 + light; 3])
            })
        };
        let hash =
            |image: &RgbImage| perceptual_hash(&resize(image, 32, 32, Interpolation::Bilinear));
        let first = hash(&picture(200, 0));
        assert_eq!(first, hash(&picture(200, 60)));
        assert!((first ^ hash(&picture(333, 0))).count_ones() <= 4);
    }

    #[test]
    fn a_picture_of_one_colour_has_no_random_bits() {
        let hash = |value| perceptual_hash(&RgbImage::from_pixel(32, 32, image::Rgb([value; 3])));
        assert_eq!(hash(7), 1 << 63);
        assert_eq!(hash(201), hash(7));
    }
}
