//! A whole picture from its bytes, and its header alone.
//!
//! Owns: which decoder reads which format, and what is told of a file besides its picture. A part of a picture is `region.rs`'s.

use image::RgbImage;

use super::bands;
use super::container::Container;
use super::guard::guarded;
use super::jpeg::{self, JpegFile};
use super::limits::DecodeLimits;
use super::npy;
use super::pixels::grey_if_asked;
use super::raster;
use super::rows::{RowFile, may_be_rows};
use super::tiff::{self, Stack};
use super::upright::{SourceMode, Upright, turn};
use super::webp::WebPFile;
use crate::bands::{pictures, split, stack};
use crate::error::AugmentError;
use crate::format::Format;

/// A decoded picture and what its file was like.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The picture: upright, three channels of 8 bits, in the file's own (usually sRGB) values. Where other channels are asked for
    /// ([`DecodeLimits::channels`]), in the form that [`Bands`](crate::Bands) has.
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
    /// The stack of planes, by its description, of which the first alone was decoded ([`TiffPlanes`](crate::TiffPlanes) takes others);
    /// none for any other file.
    pub stack: Option<Stack>,
    /// Whether the file has an alpha channel: a sample of each pixel, and no transparent colours of a table. The picture was put over white
    /// by it, or what [`AlphaUse`](crate::AlphaUse) says. False where alpha is a band like others.
    pub has_alpha: bool,
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
    /// Whether a view of the picture, were it large, would be made row by row, without holding the whole: as far as the start of the file
    /// tells.
    pub is_rows: bool,
}

/// Decodes an image of any supported format into an upright 8-bit RGB picture, or one of the channels that the limits ask for.
///
/// The format is recognised by content. The EXIF (or TIFF) orientation is undone, alpha is composed over white (unless
/// [`Reading`](crate::Reading) says otherwise), 16-bit samples are scaled by 1/257, float samples from 0..1 by 255, CMYK is converted as
/// Pillow does, and of an animation the first frame is taken. Colour profiles are ignored, as Pillow, torchvision and timm do.
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
/// [`AugmentError::Truncated`] and [`AugmentError::Corrupt`] by the content; [`AugmentError::DecoderPanicked`] where a decoder fails by an
/// error of its own. Nothing that is missing is filled in.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, AugmentError> {
    let format = Format::of(bytes)?;
    guarded(format, || decode_format(bytes, format, limits))
}

fn decode_format(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<Decoded, AugmentError> {
    let Upright {
        image,
        orientation,
        mode,
        has_alpha,
    } = decode_stored(bytes, format, limits)?;
    let Container {
        has_icc_profile,
        has_more_frames,
        stack: unread,
    } = Container::read(bytes, format, &limits.reading);
    let image = match pictures(limits.channels) {
        1 => turn(image, orientation),
        count => stack(
            split(&image, count)
                .into_iter()
                .map(|part| turn(part, orientation))
                .collect(),
        ),
    };
    Ok(Decoded {
        image: grey_if_asked(image, limits),
        format,
        orientation: orientation.to_exif(),
        mode,
        has_icc_profile,
        has_more_frames,
        stack: unread,
        has_alpha,
    })
}

fn decode_stored(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<Upright, AugmentError> {
    if limits.has_bands() {
        return bands::decode(bytes, format, limits);
    }
    // The `image` crate's decoders hold all samples beside the colours.
    if matches!(format, Format::Png | Format::Bmp)
        && let Some(file) = RowFile::open(bytes, format, limits)?
    {
        return file.decode(limits);
    }
    match format {
        Format::Jpeg => JpegFile::open(bytes, limits)?.decode(limits),
        Format::WebP => WebPFile::open(bytes, limits)?.decode(limits),
        Format::Tiff => tiff::decode(bytes, limits),
        Format::Npy => npy::decode(bytes, limits),
        _ => raster::decode(bytes, format, limits),
    }
}

/// Decodes every pixel of an image and keeps none: whether it can be used. Of a large picture that can be gone through row by row no more
/// than a few rows are held. Gives the EXIF orientation, 1 to 8.
///
/// # Errors
///
/// As [`decode`].
pub fn verify_pixels(bytes: &[u8], limits: &DecodeLimits) -> Result<u8, AugmentError> {
    let format = Format::of(bytes)?;
    match RowFile::open(bytes, format, limits)? {
        Some(file) => {
            let orientation = file.orientation.to_exif();
            file.read(&mut |_| {})?;
            Ok(orientation)
        }
        None => Ok(decode(bytes, limits)?.orientation),
    }
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
    let (width, height) = guarded(format, || match format {
        Format::Jpeg => jpeg::dimensions(bytes),
        Format::Tiff => tiff::dimensions(bytes),
        Format::Npy => npy::dimensions(bytes, limits),
        _ => raster::dimensions(bytes, format, limits),
    })?;
    let is_rows = !limits.has_bands() && may_be_rows(bytes, format);
    match is_rows && limits.row_factor > 1 {
        true => limits.of_rows().check(format, width, height, 0)?,
        false => limits.check(format, width, height, 3)?,
    }
    Ok(ImageHeader {
        format,
        width,
        height,
        is_rows,
    })
}
