//! WebP to RGB.
//!
//! Owns: which decoder a file goes to. Lossy pictures, nearly all there are, go to the own one below this file, which is libwebp's
//! bit by bit and can decode a part of the picture. Any other file (lossless, animated), and any whose headers or alpha channel
//! this one finds damaged, goes to the `image` crate's decoder, whose verdict counts.

mod alpha;
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

use self::alpha::Alpha;
use self::container::Lossy;
use self::header::Frame;
use self::picture::Part;
use super::limits::DecodeLimits;
use super::orientation;
use super::raster;
use super::reading::AlphaUse;
use super::upright::{SourceMode, Upright};
use crate::error::AugmentError;
use crate::format::Format;
use crate::resize::PixelBox;

/// A WebP file whose length is right.
pub(super) struct WebPFile<'a> {
    bytes: &'a [u8],
    alpha_use: AlphaUse,
    /// Where the own decoder takes the file.
    picture: Option<Box<Picture<'a>>>,
}

/// A lossy picture.
struct Picture<'a> {
    frame: Frame<'a>,
    alpha: Option<Alpha<'a>>,
    orientation: Orientation,
}

impl<'a> WebPFile<'a> {
    /// Finds the picture in a file, and checks its size where the own decoder takes it.
    pub(super) fn open(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, AugmentError> {
        container::check_length(bytes)?;
        let picture = Lossy::find(bytes)
            .and_then(|found| Picture::read(found, orientation::of(bytes, Format::WebP)))
            .map(Box::new);
        if let Some(Picture { frame, alpha, .. }) = picture.as_deref() {
            // The output, and four bytes where alpha is decoded.
            let pixel_bytes = if alpha.is_some() { 7 } else { 3 };
            let (width, height) = (frame.width as u32, frame.height as u32);
            limits.check(Format::WebP, width, height, pixel_bytes)?;
        }
        Ok(Self {
            bytes,
            alpha_use: limits.reading.alpha,
            picture,
        })
    }

    /// Width and height as stored, and the orientation, where a part can be decoded without the rest.
    pub(super) fn stored_size(&self) -> Option<(u32, u32, Orientation)> {
        let Picture {
            frame, orientation, ..
        } = self.picture.as_deref()?;
        Some((frame.width as u32, frame.height as u32, *orientation))
    }

    /// The pixels of a part of the stored picture, inside of it. None where the file is of a kind that is only decoded whole, or
    /// its alpha channel is damaged.
    pub(super) fn decode_part(&self, part: PixelBox) -> Result<Option<RgbImage>, AugmentError> {
        let Some(Picture { frame, alpha, .. }) = self.picture.as_deref() else {
            return Ok(None);
        };
        let range = |start: u32, length: u32| start as usize..(start + length) as usize;
        let wanted = Part {
            columns: range(part.left, part.width),
            rows: range(part.top, part.height),
        };
        let values = match alpha {
            None => None,
            Some(alpha) => match alpha.rows(frame.width, frame.height, wanted.rows.end) {
                None => return Ok(None),
                values => values,
            },
        };
        let Ok(mut pixels) = picture::decode(frame, &wanted) else {
            return Err(self.ends_early());
        };
        if let Some(values) = values {
            alpha::compose(&mut pixels, &values, frame.width, &wanted, self.alpha_use);
        }
        Ok(RgbImage::from_raw(part.width, part.height, pixels))
    }

    /// Width and height as stored, where the picture can be gone through row by row: a lossy one without alpha.
    pub(super) fn row_size(&self) -> Option<(u32, u32)> {
        let picture = self.picture.as_deref()?;
        let size = (picture.frame.width as u32, picture.frame.height as u32);
        picture.alpha.is_none().then_some(size)
    }

    /// Gives every row to `sink`, of a file that has a [`Self::row_size`].
    pub(super) fn read_rows(&self, sink: &mut dyn FnMut(&[u8])) -> Result<(), AugmentError> {
        let Some(Picture { frame, .. }) = self.picture.as_deref() else {
            return Ok(());
        };
        let whole = Part {
            columns: 0..frame.width,
            rows: 0..frame.height,
        };
        picture::read(frame, &whole, sink).map_err(|_| self.ends_early())
    }

    fn ends_early(&self) -> AugmentError {
        AugmentError::Truncated {
            format: Format::WebP,
            bytes: self.bytes.len(),
            reason: "the data ends before the picture does".to_string(),
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
                let has_alpha = self.picture.as_ref().is_some_and(|it| it.alpha.is_some());
                return Ok(Upright {
                    image,
                    orientation,
                    mode: match has_alpha {
                        true => SourceMode::Rgba,
                        false => SourceMode::Rgb,
                    },
                    has_alpha,
                });
            }
        }
        raster::decode(self.bytes, Format::WebP, limits)
    }
}

impl<'a> Picture<'a> {
    /// Reads the headers; none where one is damaged.
    fn read(found: Lossy<'a>, orientation: Orientation) -> Option<Self> {
        let alpha = match found.alpha {
            None => None,
            Some(chunk) => Some(Alpha::read(chunk)?),
        };
        Some(Self {
            frame: Frame::read(found.data)?,
            alpha,
            orientation,
        })
    }
}

#[cfg(test)]
mod tests;
