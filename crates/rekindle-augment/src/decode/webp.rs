//! WebP to RGB.
//!
//! Owns: which decoder a file goes to. Lossy pictures without alpha, nearly all there are, go to the own one below this file,
//! which is libwebp's bit by bit and can decode a part of the picture. Any other file (lossless, with alpha, animated), and any
//! whose headers this one finds damaged, goes to the `image` crate's decoder, whose verdict counts.

mod bool_decoder;
mod colour;
mod container;
mod header;
mod loop_filter;
mod mode_tables;
mod modes;
mod picture;
mod predict;
mod residual;
mod strip;
mod tables;
mod transform;

use image::RgbImage;
use image::metadata::Orientation;

use self::container::Lossy;
use self::header::Frame;
use self::picture::{EndsEarly, Part};
use super::{DecodeLimits, Format, SourceMode, Upright, raster};
use crate::error::AugmentError;
use crate::resize::PixelBox;

/// A WebP file whose length is right.
pub(super) struct WebPFile<'a> {
    bytes: &'a [u8],
    /// The header and the orientation, where the own decoder takes the file.
    frame: Option<(Frame<'a>, Orientation)>,
}

impl<'a> WebPFile<'a> {
    /// Finds the picture in a file, and checks its size where the own decoder takes it.
    pub(super) fn open(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, AugmentError> {
        container::check_length(bytes)?;
        let frame = Lossy::find(bytes).and_then(|found| {
            let frame = Frame::read(found.data)?;
            let orientation = found.exif.and_then(Orientation::from_exif_chunk);
            Some((frame, orientation.unwrap_or(Orientation::NoTransforms)))
        });
        if let Some((frame, _)) = &frame {
            let (width, height) = (frame.width as u32, frame.height as u32);
            limits.check(Format::WebP, width, height, 3)?;
        }
        Ok(Self { bytes, frame })
    }

    /// Width and height as stored, and the orientation, where a part can be decoded without the rest.
    pub(super) fn stored_size(&self) -> Option<(u32, u32, Orientation)> {
        let (frame, orientation) = self.frame.as_ref()?;
        Some((frame.width as u32, frame.height as u32, *orientation))
    }

    /// The pixels of a part of the stored picture, inside of it. None where the file is of a kind that is only decoded whole.
    pub(super) fn decode_part(&self, part: PixelBox) -> Result<Option<RgbImage>, AugmentError> {
        let Some((frame, _)) = &self.frame else {
            return Ok(None);
        };
        let range = |start: u32, length: u32| start as usize..(start + length) as usize;
        let wanted = Part {
            columns: range(part.left, part.width),
            rows: range(part.top, part.height),
        };
        match picture::decode(frame, &wanted) {
            Ok(pixels) => Ok(RgbImage::from_raw(part.width, part.height, pixels)),
            Err(EndsEarly) => Err(AugmentError::Truncated {
                format: Format::WebP,
                bytes: self.bytes.len(),
                reason: "the data ends before the picture does".to_string(),
            }),
        }
    }

    /// The whole picture.
    pub(super) fn decode(&self, limits: &DecodeLimits) -> Result<Upright, AugmentError> {
        if let Some((width, height, orientation)) = self.stored_size() {
            let whole = PixelBox {
                left: 0,
                top: 0,
                width,
                height,
            };
            if let Some(image) = self.decode_part(whole)? {
                return Ok(Upright {
                    image,
                    orientation,
                    mode: SourceMode::Rgb,
                });
            }
        }
        raster::decode(self.bytes, Format::WebP, limits)
    }
}

#[cfg(test)]
mod tests;
