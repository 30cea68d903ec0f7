//! JPEG to RGB.
//!
//! Owns: which decoder a file goes to. Sequential Huffman-coded files of 8 bits and one scan, nearly all there are, go to the quick one,
//! which can decode a part of the picture at reduced size; any other file, and any that this one finds damaged, to `any.rs`, whose
//! verdict counts. Both give libjpeg-turbo's pixels bit by bit. Nothing that cannot be read is filled in. What compression does to a
//! picture, for augmentation, shares their steps.

mod any;
mod bits;
mod coefficients;
mod colour;
mod forward_dct;
mod frame;
mod huffman;
mod inverse_dct;
mod round_trip;
mod scan;
mod standard;
mod structure;
mod symbols;

use image::RgbImage;
use image::metadata::Orientation;

use self::any::{AnyFile, Header, Refusal};
pub(super) use self::frame::Colour;
use self::frame::Frame;
use self::huffman::Damage;
pub(crate) use self::round_trip::round_trip;
use self::scan::Part;
use self::structure::Structure;
pub(super) use self::structure::next_marker;
use super::limits::DecodeLimits;
use super::orientation;
use super::pixels;
use super::upright::{SourceMode, Upright};
use crate::error::AugmentError;
use crate::format::Format;
use crate::resize::PixelBox;

/// Width and height as the header says.
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), AugmentError> {
    let header = Header::find(bytes).map_err(|refusal| explain(refusal, bytes.len()))?;
    Ok((header.width as u32, header.height as u32))
}

/// The components of a whole JPEG stream inside another file, which says what they are: width, height, and three bytes for each pixel,
/// or with [`Colour::Raw`] one for each component.
pub(super) fn decode_stream(
    bytes: &[u8],
    colour: Colour,
    limits: &DecodeLimits,
) -> Result<(usize, usize, Vec<u8>), AugmentError> {
    let fail = |refusal| explain(refusal, bytes.len());
    let structure = Structure::read(bytes)?;
    let header = Header::find(bytes).map_err(fail)?;
    let pixel_bytes = 3 * header.component_count() as u64;
    let (width, height) = (header.width, header.height);
    limits.check(Format::Jpeg, width as u32, height as u32, pixel_bytes)?;
    let expected = match colour {
        Colour::Grey => 1,
        Colour::Rgb | Colour::YCbCr => 3,
        Colour::Cmyk | Colour::Ycck => 4,
        Colour::Raw => header.component_count(),
    };
    if header.component_count() != expected {
        return Err(AugmentError::Corrupt {
            format: Format::Jpeg,
            reason: format!("{} components and not {expected}", header.component_count()),
        });
    }
    let (_, pixels) = AnyFile::decode(bytes, &structure, Some(colour)).map_err(fail)?;
    Ok((width, height, pixels))
}

/// A JPEG file whose segments are known.
pub(super) struct JpegFile<'a> {
    bytes: &'a [u8],
    structure: Structure,
    /// The headers, where the quick decoder takes the file.
    frame: Option<Frame>,
}

impl<'a> JpegFile<'a> {
    /// Finds the segments of a file, and checks its size where the quick decoder takes it.
    pub(super) fn open(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, AugmentError> {
        let structure = Structure::read(bytes)?;
        let frame = Frame::read(bytes, &structure);
        if let Some(frame) = &frame {
            // The output, a plane of each component, and room to spare for the coefficients where the other decoder has to step in.
            let pixel_bytes = 3 * frame.components.len() as u64;
            let (width, height) = (frame.width as u32, frame.height as u32);
            limits.check(Format::Jpeg, width, height, pixel_bytes)?;
        }
        Ok(Self {
            bytes,
            structure,
            frame,
        })
    }

    /// Width and height as stored, and the orientation, where a part can be decoded without the rest.
    pub(super) fn stored_size(&self) -> Option<(u32, u32, Orientation)> {
        let frame = self.frame.as_ref()?;
        let orientation = orientation::of(self.bytes, Format::Jpeg);
        Some((frame.width as u32, frame.height as u32, orientation))
    }

    /// The pixels of a part of the stored picture, reduced by `reduction`: 1, 2, 4 or 8. The box counts in reduced pixels and
    /// lies inside the reduced picture. None where the file is of a kind that is only decoded whole, or is damaged in what is
    /// read of it; data that ends early is an error.
    pub(super) fn decode_part(
        &self,
        part: PixelBox,
        reduction: u32,
    ) -> Result<Option<RgbImage>, AugmentError> {
        let Some(frame) = &self.frame else {
            return Ok(None);
        };
        let range = |start: u32, length: u32| start as usize..(start + length) as usize;
        let part = Part {
            columns: range(part.left, part.width),
            rows: range(part.top, part.height),
            block_size: 8 / reduction as usize,
        };
        let planes = match scan::decode_planes(self.bytes, frame, &part) {
            Ok(planes) => planes,
            Err(Damage::Code) => return Ok(None),
            Err(Damage::End) => {
                return Err(AugmentError::Truncated {
                    format: Format::Jpeg,
                    bytes: self.bytes.len(),
                    reason: "the data ends before the picture does".to_string(),
                });
            }
        };
        let pixels = colour::pixels(&planes, frame.colour, &part);
        let (width, height) = (part.columns.len() as u32, part.rows.len() as u32);
        Ok(RgbImage::from_raw(width, height, pixels))
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
            if let Some(image) = self.decode_part(whole, 1)? {
                let mode = match self.frame.as_ref().map(|frame| frame.colour) {
                    Some(Colour::Grey) => SourceMode::Grey,
                    _ => SourceMode::Rgb,
                };
                return Ok(Upright {
                    image,
                    orientation,
                    mode,
                    has_alpha: false,
                });
            }
        }
        self.decode_slowly(limits)
    }

    /// The whole picture by the decoder of every kind.
    fn decode_slowly(&self, limits: &DecodeLimits) -> Result<Upright, AugmentError> {
        let bytes = self.bytes;
        let fail = |refusal| explain(refusal, bytes.len());
        let header = Header::find(bytes).map_err(fail)?;
        let (width, height) = (header.width as u32, header.height as u32);
        // The output, two bytes for each coefficient of each component, and its samples.
        let pixel_bytes = 3 * header.component_count().max(1) as u64;
        limits.check(Format::Jpeg, width, height, pixel_bytes)?;
        let (colour, pixels) = AnyFile::decode(bytes, &self.structure, None).map_err(fail)?;
        Ok(Upright {
            image: pixels::image_of(Format::Jpeg, width, height, pixels)?,
            orientation: orientation::of(bytes, Format::Jpeg),
            mode: match colour {
                Colour::Grey => SourceMode::Grey,
                Colour::Cmyk | Colour::Ycck => SourceMode::Cmyk,
                _ => SourceMode::Rgb,
            },
            has_alpha: false,
        })
    }
}

fn explain(refusal: Refusal, bytes: usize) -> AugmentError {
    let format = Format::Jpeg;
    match refusal {
        Refusal::Kind(reason) => AugmentError::UnsupportedFeature { format, reason },
        Refusal::Damage(reason) => AugmentError::Corrupt { format, reason },
        Refusal::End(reason) => AugmentError::Truncated {
            format,
            bytes,
            reason,
        },
    }
}

#[cfg(test)]
mod tests;
