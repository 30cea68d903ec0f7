//! What decoding may take.
//!
//! Owns: the limits and their check against a header. What a format's decoder needs for a pixel is the decoder's to say.

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::reading::Reading;
use crate::error::AugmentError;
use crate::format::Format;

/// Which numbers of samples of more than 8 bits are black and white.
///
/// Samples of 8 bits or fewer always span all that they can; those that are not colours, such as alpha, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleRange {
    /// What the samples can hold: 0 to 65535 for 16 bits, 0 to 4095 for packed 12, 0 to 1 for floats. Negative numbers are refused.
    /// The default.
    #[default]
    Full,
    /// 0 to 2^bits - 1, with 1 to 32 bits: what cameras of 10, 12 or 14 bits write into 16. Larger numbers are white.
    Bits(u8),
    /// From `low`, which is black, to the larger number `high`, which is white. What lies outside is one of both.
    Span {
        /// The number of black.
        low: f64,
        /// The number of white.
        high: f64,
    },
}

// Ranges come from settings, which have no NaN.
impl Eq for SampleRange {}

impl SampleRange {
    /// Whether samples span all that they can hold.
    pub fn is_full(&self) -> bool {
        *self == Self::Full
    }

    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] with the key `bits` or `span` for numbers out of range.
    pub fn check(&self) -> Result<(), SettingError> {
        match *self {
            Self::Bits(bits) if !(1..=32).contains(&bits) => {
                Err(SettingError::new("bits", bits, "1 to 32"))
            }
            Self::Span { low, high } if !(low.is_finite() && high.is_finite() && low < high) => {
                let found = format!("low = {low}, high = {high}");
                Err(SettingError::new(
                    "span",
                    found,
                    "two numbers, the lower one first",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The numbers of black and white; none for all that samples can hold.
    pub(super) fn span(self) -> Option<(f64, f64)> {
        match self {
            Self::Full => None,
            Self::Bits(bits) => Some((0.0, f64::from(bits).exp2() - 1.0)),
            Self::Span { low, high } => Some((low, high)),
        }
    }
}

/// What decoding one image may take at most, checked against the header before anything is allocated, and what of a file becomes its
/// picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Largest number of pixels. Default 178 956 970, where Pillow refuses an image as a decompression bomb.
    pub max_pixels: u64,
    /// Largest number of bytes for the decoder's output and the conversion to RGB. Default 2 GiB.
    pub max_alloc_bytes: u64,
    /// How many times [`max_pixels`](Self::max_pixels) a picture may have that is gone through row by row: PNG that is not interlaced,
    /// TIFF, plain BMP, lossy WebP. Time is all that it costs, where no whole picture is asked for. Default 1; data sets take
    /// [`OWN_FILES`](Self::OWN_FILES).
    pub row_factor: u32,
    /// Which numbers of samples of more than 8 bits are black and white. Default [`SampleRange::Full`].
    pub range: SampleRange,
    /// Channels of the picture: 3, red, green and blue, which is the default; 1, grey by Pillow's formula; any other number, as many bands
    /// as the file has, which only TIFF, PNG and `.npy` do. See [`Bands`](crate::Bands) for the form in which they come.
    pub channels: usize,
    /// What of a file becomes the picture, where it holds more than one answer. Default what most programs take.
    pub reading: Reading,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_pixels: 178_956_970,
            max_alloc_bytes: 2 << 30,
            row_factor: 1,
            range: SampleRange::Full,
            channels: 3,
            reading: Reading::default(),
        }
    }
}

impl DecodeLimits {
    /// The [`row_factor`](Self::row_factor) for files that a user chose himself: up to 715 827 880 pixels, three bytes of each of which are
    /// less than 2 GiB.
    pub const OWN_FILES: u32 = 4;

    /// The default limits, for files that a user chose himself.
    pub fn of_own_files() -> Self {
        Self {
            row_factor: Self::OWN_FILES,
            ..Self::default()
        }
    }

    /// Whether a picture has bands that are neither red, green and blue nor one grey.
    pub(super) fn has_bands(&self) -> bool {
        !matches!(self.channels, 1 | 3)
    }

    /// How many RGB pictures carry the channels of one image.
    pub fn pictures(&self) -> u64 {
        crate::bands::pictures(self.channels) as u64
    }

    /// The limits of a picture that is gone through row by row.
    pub(super) fn of_rows(&self) -> Self {
        Self {
            max_pixels: self.max_pixels.saturating_mul(u64::from(self.row_factor)),
            row_factor: 1,
            ..self.clone()
        }
    }

    /// Refuses an image that has no pixels, too many of them, or needs more than the allowed memory at so many bytes each.
    pub(super) fn check(
        &self,
        format: Format,
        width: u32,
        height: u32,
        pixel_bytes: u64,
    ) -> Result<(), AugmentError> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(AugmentError::NoPixels {
                format,
                width,
                height,
            });
        }
        if pixels > self.max_pixels {
            return Err(AugmentError::TooManyPixels {
                format,
                width,
                height,
                max_pixels: self.max_pixels,
            });
        }
        self.check_memory(format, width, height, pixel_bytes)
    }

    /// Refuses so many pixels that need more than the allowed memory at so many bytes each.
    pub(super) fn check_memory(
        &self,
        format: Format,
        width: u32,
        height: u32,
        pixel_bytes: u64,
    ) -> Result<(), AugmentError> {
        let pixels = u64::from(width) * u64::from(height);
        let needed_bytes = pixels.saturating_mul(pixel_bytes);
        if needed_bytes > self.max_alloc_bytes {
            let max_alloc_bytes = self.max_alloc_bytes;
            return Err(AugmentError::TooMuchMemory {
                format,
                width,
                height,
                needed_bytes,
                max_alloc_bytes,
            });
        }
        Ok(())
    }
}
