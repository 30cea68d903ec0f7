//! JPEG to RGB.
//!
//! Owns: the structural check that finds cut files, and the choice of colour conversion. The decoding itself is
//! zune-jpeg's, in its strict mode: its lenient one fills what it cannot read with grey and says nothing.

use std::borrow::Cow;

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{DecodeLimits, Format, SourceMode, Upright, pixels};
use crate::error::AugmentError;

/// Width and height as the header says.
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), AugmentError> {
    let mut decoder = new_decoder(bytes, false);
    decoder
        .decode_headers()
        .map_err(|error| explain(error, bytes.len()))?;
    size_of(&decoder)
}

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Upright, AugmentError> {
    let structure = Structure::read(bytes)?;
    let bytes: Cow<[u8]> = match structure.without_padding(bytes) {
        Some(cleaned) => Cow::Owned(cleaned),
        None => Cow::Borrowed(bytes),
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

/// Where the segments of a JPEG file lie.
struct Structure {
    /// Bytes that belong to no segment, before the first scan: pairs of start and end.
    padding: Vec<(usize, usize)>,
}

impl Structure {
    /// Walks from marker to marker up to the end-of-image marker, which a cut file lacks. Pillow refuses such files too.
    fn read(bytes: &[u8]) -> Result<Self, AugmentError> {
        let cut = |reason: &str| AugmentError::Truncated {
            format: Format::Jpeg,
            bytes: bytes.len(),
            reason: reason.to_string(),
        };
        let mut structure = Self {
            padding: Vec::new(),
        };
        let mut in_header = true;
        let mut position = 2;
        loop {
            let marker = next_marker(bytes, position)
                .ok_or_else(|| cut("there is no end-of-image marker"))?;
            if in_header && marker > position {
                structure.padding.push((position, marker));
            }
            let code = bytes[marker + 1];
            match code {
                END_OF_IMAGE => return Ok(structure),
                0x01 | 0xd0..=0xd8 => {
                    position = marker + 2;
                    continue;
                }
                _ => {}
            }
            let length = match bytes.get(marker + 2..marker + 4) {
                Some(length) => usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return Err(cut("it ends inside a segment")),
            };
            let end = marker + 2 + length.max(2);
            if end > bytes.len() {
                return Err(cut("it ends inside a segment"));
            }
            in_header &= code != START_OF_SCAN;
            position = end;
        }
    }

    /// The file without the padding, where there is any: strict decoding refuses it, other programs skip it.
    fn without_padding(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.padding.is_empty() {
            return None;
        }
        let mut cleaned = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for &(start, end) in &self.padding {
            cleaned.extend_from_slice(&bytes[from..start]);
            from = end;
        }
        cleaned.extend_from_slice(&bytes[from..]);
        Some(cleaned)
    }
}

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Position of the next marker at or after `from`: an 0xff that is neither stuffed (0x00 follows) nor a fill byte (0xff
/// follows). Restart markers inside a scan are markers too, without a segment.
pub(super) fn next_marker(bytes: &[u8], from: usize) -> Option<usize> {
    let mut position = from;
    loop {
        position += bytes
            .get(position..)?
            .iter()
            .position(|&byte| byte == 0xff)?;
        match bytes.get(position + 1)? {
            0x00 => position += 2,
            0xff => position += 1,
            _ => return Some(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_and_fill_bytes_are_no_markers() {
        assert_eq!(
            next_marker(&[1, 0xff, 0x00, 2, 0xff, 0xff, 0xd9], 0),
            Some(5)
        );
        assert_eq!(next_marker(&[1, 0xff, 0x00, 2], 0), None);
        assert_eq!(next_marker(&[1, 0xff], 0), None);
        assert_eq!(next_marker(&[], 4), None);
    }
}
