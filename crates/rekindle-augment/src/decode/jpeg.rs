//! JPEG to RGB.
//!
//! Owns: which decoder a file goes to. Sequential Huffman-coded files of 8 bits, nearly all there are, go to the own one below
//! this file, which is libjpeg-turbo's bit by bit and can decode a part of the picture at reduced size. Any other file, and
//! any that this one finds damaged, goes to zune-jpeg in its strict mode, whose verdict counts: its lenient one fills what it
//! cannot read with grey and says nothing. What compression does to a picture, for augmentation, shares its steps.

mod bits;
mod colour;
mod forward_dct;
mod frame;
mod huffman;
mod inverse_dct;
mod round_trip;
mod scan;
mod structure;

use std::borrow::Cow;

use image::RgbImage;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use self::frame::{Colour, Frame};
use self::huffman::Damage;
pub(crate) use self::round_trip::round_trip;
use self::scan::Part;
use self::structure::Structure;
pub(super) use self::structure::next_marker;
use super::limits::DecodeLimits;
use super::pixels;
use super::upright::{SourceMode, Upright};
use crate::error::AugmentError;
use crate::format::Format;
use crate::resize::PixelBox;

/// Width and height as the header says.
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), AugmentError> {
    let mut decoder = new_decoder(bytes, false);
    decoder
        .decode_headers()
        .map_err(|error| explain(error, bytes.len()))?;
    size_of(&decoder)
}

/// A JPEG file whose segments are known.
pub(super) struct JpegFile<'a> {
    bytes: &'a [u8],
    structure: Structure,
    /// The headers, where the own decoder takes the file.
    frame: Option<Frame>,
}

impl<'a> JpegFile<'a> {
    /// Finds the segments of a file, and checks its size where the own decoder takes it.
    pub(super) fn open(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, AugmentError> {
        let structure = Structure::read(bytes)?;
        let frame = Frame::read(bytes, &structure);
        if let Some(frame) = &frame {
            // The output, a plane of each component, and room to spare for what zune-jpeg takes where it has to step in.
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
        let exif = frame.exif.clone();
        let orientation = exif.and_then(|range| Orientation::from_exif_chunk(&self.bytes[range]));
        let orientation = orientation.unwrap_or(Orientation::NoTransforms);
        Some((frame.width as u32, frame.height as u32, orientation))
    }

    /// The pixels of a part of the stored picture, reduced by `reduction`: 1, 2, 4 or 8. The box counts in reduced pixels and
    /// lies inside the reduced picture. None where the file is of a kind that is only decoded whole, or is damaged in what is
    /// read of it; data that ends early is an error, since zune-jpeg may fill the end with grey.
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
                });
            }
        }
        self.decode_elsewhere(limits)
    }

    /// The whole picture by zune-jpeg.
    fn decode_elsewhere(&self, limits: &DecodeLimits) -> Result<Upright, AugmentError> {
        let bytes: Cow<[u8]> = match self.structure.without_padding(self.bytes) {
            Some(cleaned) => Cow::Owned(cleaned),
            None => Cow::Borrowed(self.bytes),
        };
        let fail = |error| explain(error, bytes.len());

        let mut decoder = new_decoder(&bytes, true);
        decoder.decode_headers().map_err(fail)?;
        let (width, height) = size_of(&decoder)?;
        let source = decoder.input_colorspace().unwrap_or(ColorSpace::YCbCr);
        // The output, and for a progressive file two bytes for each coefficient of each component.
        let pixel_bytes = 3 * source.num_components() as u64;
        limits.check(Format::Jpeg, width, height, pixel_bytes)?;

        let (target, mode) = match source {
            ColorSpace::Luma => (ColorSpace::Luma, SourceMode::Grey),
            // zune-jpeg takes ink as inverted, as Adobe writes it and as Pillow assumes of every file.
            ColorSpace::CMYK | ColorSpace::YCCK => (ColorSpace::RGB, SourceMode::Cmyk),
            _ => (ColorSpace::RGB, SourceMode::Rgb),
        };
        decoder.set_options(decoder_options(true).jpeg_set_out_colorspace(target));
        let pixels = decoder.decode().map_err(fail)?;
        let pixels = match target {
            ColorSpace::Luma => pixels::grey_to_rgb(&pixels),
            _ => pixels,
        };
        let orientation = decoder
            .exif()
            .and_then(|exif| Orientation::from_exif_chunk(exif));
        Ok(Upright {
            image: pixels::image_of(Format::Jpeg, width, height, pixels)?,
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
            mode,
        })
    }
}

fn decoder_options(strict: bool) -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(65_535)
        .set_max_height(65_535)
}

fn new_decoder(bytes: &[u8], strict: bool) -> JpegDecoder<ZCursor<&[u8]>> {
    JpegDecoder::new_with_options(ZCursor::new(bytes), decoder_options(strict))
}

fn size_of(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> Result<(u32, u32), AugmentError> {
    let (width, height) = decoder.dimensions().unwrap_or((0, 0));
    // A JPEG header holds 16-bit sizes.
    Ok((width as u32, height as u32))
}

fn explain(error: DecodeErrors, bytes: usize) -> AugmentError {
    let format = Format::Jpeg;
    let reason = error.to_string();
    match error {
        DecodeErrors::Unsupported(_) => AugmentError::UnsupportedFeature { format, reason },
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => AugmentError::Truncated {
            format,
            bytes,
            reason,
        },
        _ => AugmentError::Corrupt { format, reason },
    }
}

#[cfg(test)]
mod tests;
