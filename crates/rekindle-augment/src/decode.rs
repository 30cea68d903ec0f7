//! Bytes to an upright 8-bit RGB picture.
//!
//! Owns: recognition of the format by content, limits, orientation, and the conversion of every kind of pixel to RGB. It
//! does not read files and does not resize.

mod container;
mod format;
mod jpeg;
mod pixels;
mod planes;
mod raster;
mod region;
#[cfg(test)]
mod testing;
mod tiff;
mod webp;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

use self::container::Container;
pub use self::format::Format;
use self::jpeg::JpegFile;
pub(crate) use self::jpeg::round_trip;
pub use self::region::{
    DecodedRegion, JpegScaling, ReducedPicture, RegionRequest, UprightSize, decode_region,
    reducible_size,
};
use self::webp::WebPFile;
use crate::error::AugmentError;

/// A decoded picture and what its file was like.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The picture: upright, three channels of 8 bits, in the file's own (usually sRGB) values.
    pub image: RgbImage,
    /// The format, by content.
    pub format: Format,
    /// The EXIF orientation that was undone, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// How the file stored its pixels.
    pub mode: SourceMode,
    /// Whether the file holds an ICC colour profile, which is ignored.
    pub has_icc_profile: bool,
    /// Whether the file holds further frames or pages, which are not decoded.
    pub has_more_frames: bool,
}

/// How a file stored its pixels before they became 8-bit RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceMode {
    /// Three channels of 8 bits, or packed into fewer.
    Rgb,
    /// One channel of up to 8 bits.
    Grey,
    /// Grey and alpha, 8 bits each; composed over white.
    GreyAlpha,
    /// Colour and alpha, 8 bits each; composed over white.
    Rgba,
    /// Indices into a table of colours; transparent entries become white.
    Palette,
    /// One to four channels of 16 bits; divided by 257 and rounded.
    SixteenBit,
    /// Four inks, as printing uses; converted without a colour profile, as Pillow does.
    Cmyk,
    /// Floating-point samples from 0 to 1.
    Float,
}

impl std::fmt::Display for SourceMode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Rgb => "RGB",
            Self::Grey => "grey",
            Self::GreyAlpha => "grey with alpha",
            Self::Rgba => "RGB with alpha",
            Self::Palette => "palette",
            Self::SixteenBit => "16-bit",
            Self::Cmyk => "CMYK",
            Self::Float => "float",
        })
    }
}

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
    fn check(
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

/// Format and size of an image, from its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHeader {
    /// The format, by content.
    pub format: Format,
    /// Width in pixels as stored; orientations 5 to 8 exchange it with the height.
    pub width: u32,
    /// Height in pixels as stored.
    pub height: u32,
}

/// What the decoders of the formats give: RGB that still has to be turned.
struct Upright {
    image: RgbImage,
    orientation: Orientation,
    mode: SourceMode,
}

/// Decodes an image of any supported format into an upright 8-bit RGB picture.
///
/// The format is recognised by content. The EXIF (or TIFF) orientation is undone, alpha is composed over white, 16-bit
/// samples are scaled by 1/257, float samples from 0..1 by 255, CMYK is converted as Pillow does, and of an animation the
/// first frame is taken. Colour profiles are ignored, as Pillow, torchvision and timm do.
///
/// ```
/// use rekindle_augment::{AugmentError, DecodeLimits, decode};
///
/// let error = decode(b"not an image", &DecodeLimits::default()).unwrap_err();
/// assert!(matches!(error, AugmentError::UnknownFormat { .. }));
/// ```
///
/// # Errors
///
/// [`AugmentError::Empty`], [`AugmentError::UnknownFormat`] and [`AugmentError::UnsupportedFormat`] by the first bytes;
/// [`AugmentError::TooManyPixels`] and [`AugmentError::TooMuchMemory`] by the header; [`AugmentError::UnsupportedFeature`],
/// [`AugmentError::Truncated`] and [`AugmentError::Corrupt`] by the content. Nothing that is missing is filled in.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, AugmentError> {
    let format = Format::of(bytes)?;
    let Upright {
        image,
        orientation,
        mode,
    } = match format {
        Format::Jpeg => JpegFile::open(bytes, limits)?.decode(limits)?,
        Format::WebP => WebPFile::open(bytes, limits)?.decode(limits)?,
        _ => raster::decode(bytes, format, limits)?,
    };
    let Container {
        has_icc_profile,
        has_more_frames,
    } = Container::read(bytes, format);
    Ok(Decoded {
        image: turn(image, orientation),
        format,
        orientation: orientation.to_exif(),
        mode,
        has_icc_profile,
        has_more_frames,
    })
}

/// Reads format and size without decoding any pixel, and checks them against the limits.
///
/// It costs microseconds and finds empty, foreign and oversized files; damage behind the header is found by [`decode`].
///
/// # Errors
///
/// As [`decode`], as far as the header tells.
pub fn read_header(bytes: &[u8], limits: &DecodeLimits) -> Result<ImageHeader, AugmentError> {
    let format = Format::of(bytes)?;
    let (width, height) = match format {
        Format::Jpeg => jpeg::dimensions(bytes)?,
        _ => raster::dimensions(bytes, format, limits)?,
    };
    limits.check(format, width, height, 3)?;
    Ok(ImageHeader {
        format,
        width,
        height,
    })
}

fn turn(image: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}
