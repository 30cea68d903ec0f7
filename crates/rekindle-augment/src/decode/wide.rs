//! The numbers of wide samples as a file stores them, before anything says which of them are black and white.
//!
//! Owns: which decoder is asked. What is made of the numbers is the caller's.

use super::guard::guarded;
use super::limits::{DecodeLimits, SampleRange};
use super::rows::PngRows;
use super::{npy, raster, tiff};
use crate::error::AugmentError;
use crate::format::Format;

/// Gives the numbers of an image's colours to `sink` as they are stored, if they have more than 8 bits, a part of them at a time and in any
/// order. Of other images it gets none, since those always span all that they can, and their pixels are not decoded. Alpha is no colour.
///
/// # Errors
///
/// As [`decode`](super::decode); [`AugmentError::UnsupportedFeature`] for a number that is none (NaN).
pub fn wide_numbers(
    bytes: &[u8],
    limits: &DecodeLimits,
    sink: &mut dyn FnMut(&[f64]),
) -> Result<(), AugmentError> {
    let format = Format::of(bytes)?;
    let mut has_none = false;
    let mut checked = |numbers: &[f64]| {
        has_none |= numbers.iter().any(|number| number.is_nan());
        if !has_none {
            sink(numbers);
        }
    };
    guarded(format, || match format {
        Format::Png => {
            // Whatever the file says of its bits, its numbers are what they are.
            let limits = DecodeLimits {
                range: SampleRange::Bits(16),
                ..limits.of_rows()
            };
            match PngRows::open(bytes, &limits)? {
                Some(file) => file.numbers(&mut checked),
                None => raster::numbers(bytes, format, &limits, &mut checked),
            }
        }
        Format::Pnm => raster::numbers(bytes, format, limits, &mut checked),
        Format::Tiff => tiff::numbers(bytes, limits, &mut checked),
        Format::Npy => npy::numbers(bytes, limits, &mut checked),
        Format::Jpeg | Format::WebP | Format::Gif | Format::Bmp => Ok(()),
    })?;
    match has_none {
        true => Err(AugmentError::UnsupportedFeature {
            format,
            reason: "a sample is no number (NaN), which is neither black nor white".to_owned(),
        }),
        false => Ok(()),
    }
}
