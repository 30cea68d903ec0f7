//! A picture row by row, of which nothing but a few rows is held.
//!
//! Owns: which files can be gone through so, and what goes through them: a whole picture, a look at every pixel, means. Files that cannot
//! are interlaced or animated PNG, lossless WebP and WebP with alpha, JPEG, GIF, PNM, and BMP that is packed or has masks: they are decoded
//! whole. The pixels of either way are the same.

mod bmp;
mod png;
#[cfg(test)]
mod tests;

use image::metadata::Orientation;

use self::bmp::BmpRows;
pub(super) use self::png::PngRows;
use super::guard::guarded;
use super::limits::DecodeLimits;
use super::orientation;
use super::pixels;
use super::tiff::TiffRows;
use super::upright::{SourceMode, Upright};
use super::webp::WebPFile;
use crate::error::AugmentError;
use crate::format::Format;

/// Pixels above which a picture is large: 2 megapixels (2^21).
pub(super) const LARGE_PIXELS: u64 = 1 << 21;

/// What takes rows of a picture, from the top: one or more at a time, three bytes for each pixel.
pub(super) type Sink<'s> = dyn FnMut(&[u8]) + 's;

/// A file that can be gone through row by row.
pub(crate) struct RowFile<'a> {
    kind: Kind<'a>,
    format: Format,
    /// Width and height as stored.
    pub(super) size: (u32, u32),
    pub(super) orientation: Orientation,
    mode: SourceMode,
    has_alpha: bool,
    is_grey: bool,
}

enum Kind<'a> {
    Png(Box<PngRows<'a>>),
    Bmp(BmpRows<'a>),
    Tiff(Box<TiffRows<'a>>),
    WebP(WebPFile<'a>),
}

impl<'a> RowFile<'a> {
    /// Opens the file of a large picture; none where it is not large, or can only be decoded whole.
    pub(crate) fn open(
        bytes: &'a [u8],
        format: Format,
        limits: &DecodeLimits,
    ) -> Result<Option<Self>, AugmentError> {
        Self::open_from(bytes, format, limits, LARGE_PIXELS + 1)
    }

    /// As [`Self::open`], of a picture of at least so many pixels.
    pub(super) fn open_from(
        bytes: &'a [u8],
        format: Format,
        limits: &DecodeLimits,
        least: u64,
    ) -> Result<Option<Self>, AugmentError> {
        if limits.has_bands() {
            return Ok(None);
        }
        let side = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if format == Format::Png
            && let (Some(width), Some(height)) = (side(16), side(20))
            && u64::from(width) * u64::from(height) < least
        {
            return Ok(None);
        }
        let opened = guarded(format, || {
            let limits = limits.of_rows();
            Ok(match format {
                Format::Png => PngRows::open(bytes, &limits)?.map(|file| {
                    let (size, mode) = (file.size(), file.mode());
                    let has_alpha = file.has_alpha();
                    (Kind::Png(Box::new(file)), size, mode, has_alpha)
                }),
                Format::Bmp => BmpRows::open(bytes, &limits)?.map(|file| {
                    let (size, mode) = (file.size(), file.mode());
                    (Kind::Bmp(file), size, mode, false)
                }),
                Format::Tiff => {
                    let file = TiffRows::open(bytes, &limits)?;
                    let (size, mode) = (file.size(), file.mode());
                    let has_alpha = file.has_alpha();
                    Some((Kind::Tiff(Box::new(file)), size, mode, has_alpha))
                }
                Format::WebP => {
                    let file = WebPFile::open(bytes, &limits)?;
                    let size = file.row_size();
                    size.map(|size| (Kind::WebP(file), size, SourceMode::Rgb, false))
                }
                Format::Jpeg | Format::Gif | Format::Pnm | Format::Npy => None,
            })
        })?;
        let large = opened
            .filter(|(_, (width, height), ..)| u64::from(*width) * u64::from(*height) >= least);
        Ok(large.map(|(kind, size, mode, has_alpha)| Self {
            kind,
            format,
            size,
            orientation: orientation::of(bytes, format),
            mode,
            has_alpha,
            is_grey: limits.channels == 1,
        }))
    }

    /// Whether the picture is stored as it is seen.
    pub(crate) fn is_upright(&self) -> bool {
        self.orientation == Orientation::NoTransforms
    }

    /// Width and height as stored.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Gives every row of the stored picture to `sink`.
    pub(crate) fn read(self, sink: &mut Sink) -> Result<(), AugmentError> {
        let Self {
            kind,
            format,
            is_grey,
            ..
        } = self;
        let read = |sink: &mut Sink| match kind {
            Kind::Png(file) => file.read(sink),
            Kind::Bmp(file) => file.read(sink),
            Kind::Tiff(file) => file.read(sink),
            Kind::WebP(file) => file.read_rows(sink),
        };
        guarded(format, || match is_grey {
            false => read(sink),
            true => {
                let mut grey = Vec::new();
                read(&mut |rows| {
                    grey.clear();
                    grey.extend_from_slice(rows);
                    pixels::to_grey(&mut grey);
                    sink(&grey);
                })
            }
        })
    }

    /// The whole picture.
    pub(super) fn decode(self, limits: &DecodeLimits) -> Result<Upright, AugmentError> {
        let Self {
            format,
            size: (width, height),
            orientation,
            mode,
            has_alpha,
            ..
        } = self;
        limits.of_rows().check(format, width, height, 3)?;
        let mut rgb = Vec::with_capacity(3 * width as usize * height as usize);
        self.read(&mut |rows| rgb.extend_from_slice(rows))?;
        Ok(Upright {
            image: pixels::image_of(format, width, height, rgb)?,
            orientation,
            mode,
            has_alpha,
        })
    }
}

/// Whether a picture of this format may be gone through row by row, by the start of its file.
pub(super) fn may_be_rows(bytes: &[u8], format: Format) -> bool {
    match format {
        // Interlaced pictures are not.
        Format::Png => bytes.get(28) == Some(&0),
        Format::Tiff | Format::Bmp | Format::WebP => true,
        Format::Jpeg | Format::Gif | Format::Pnm | Format::Npy => false,
    }
}
