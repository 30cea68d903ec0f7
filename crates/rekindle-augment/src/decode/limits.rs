//! What decoding may take.
//!
//! Owns: the limits and their check against a header. What a format's decoder needs for a pixel is the decoder's to say.

use crate::error::AugmentError;
use crate::format::Format;

/// What decoding one image may take at most; checked against the header, before anything is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Largest number of pixels. Default 178 956 970, where Pillow refuses an image as a decompression bomb.
    pub max_pixels: u64,
    /// Largest number of bytes for the decoder's output and the conversion to RGB. Default 2 GiB.
    pub max_alloc_bytes: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_pixels: 178_956_970,
            max_alloc_bytes: 2 << 30,
        }
    }
}

impl DecodeLimits {
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
