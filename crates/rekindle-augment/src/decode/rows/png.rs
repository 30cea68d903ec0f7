//! The rows of a PNG file.
//!
//! Owns: the use of the `png` crate, which the `image` crate uses too, row by row. Interlaced and animated files are decoded whole.

use std::io::{Cursor, ErrorKind};

use image::ColorType;
use png::{BitDepth, Decoder, DecodingError, Limits, Reader, Transformations};

use super::Sink;
use crate::decode::ending::ends_early;
use crate::decode::limits::DecodeLimits;
use crate::decode::pixels;
use crate::decode::significant;
use crate::decode::upright::SourceMode;
use crate::error::AugmentError;
use crate::format::Format;

const FORMAT: Format = Format::Png;
/// Bytes of samples that are read at once.
const BLOCK: usize = 1 << 18;

pub(in crate::decode) struct PngRows<'a> {
    reader: Reader<Cursor<&'a [u8]>>,
    color: ColorType,
    is_palette: bool,
    bytes: usize,
    limits: DecodeLimits,
}

impl<'a> PngRows<'a> {
    /// None for a file that is only decoded whole.
    pub(in crate::decode) fn open(
        bytes: &'a [u8],
        limits: &DecodeLimits,
    ) -> Result<Option<Self>, AugmentError> {
        let fail = |error| explain(&error, bytes.len());
        let most = usize::try_from(limits.max_alloc_bytes).unwrap_or(usize::MAX);
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: most });
        // Palettes and fewer bits than 8 become bytes, transparent colours an alpha channel.
        decoder.set_transformations(Transformations::EXPAND);
        let header = decoder.read_header_info().map_err(fail)?;
        if header.interlaced {
            return Ok(None);
        }
        limits.check(FORMAT, header.width, header.height, 0)?;
        let is_palette = header.color_type == png::ColorType::Indexed;
        let header_is_wide = header.bit_depth == BitDepth::Sixteen;
        let reader = decoder.read_info().map_err(fail)?;
        // Which numbers are white may depend on all of them.
        let is_narrow = header_is_wide && significant::bits(bytes).is_some_and(|bits| bits < 16);
        if reader.info().animation_control.is_some() || (is_narrow && limits.range.is_full()) {
            return Ok(None);
        }
        let color = match reader.output_color_type() {
            (png::ColorType::Grayscale, BitDepth::Eight) => ColorType::L8,
            (png::ColorType::Grayscale, BitDepth::Sixteen) => ColorType::L16,
            (png::ColorType::GrayscaleAlpha, BitDepth::Eight) => ColorType::La8,
            (png::ColorType::GrayscaleAlpha, BitDepth::Sixteen) => ColorType::La16,
            (png::ColorType::Rgb, BitDepth::Eight) => ColorType::Rgb8,
            (png::ColorType::Rgb, BitDepth::Sixteen) => ColorType::Rgb16,
            (png::ColorType::Rgba, BitDepth::Eight) => ColorType::Rgba8,
            (png::ColorType::Rgba, BitDepth::Sixteen) => ColorType::Rgba16,
            // Not after an expansion; the other way says so.
            _ => return Ok(None),
        };
        Ok(Some(Self {
            reader,
            color,
            is_palette,
            bytes: bytes.len(),
            limits: limits.clone(),
        }))
    }

    pub(super) fn size(&self) -> (u32, u32) {
        self.reader.info().size()
    }

    pub(super) fn mode(&self) -> SourceMode {
        match self.color {
            _ if self.is_palette => SourceMode::Palette,
            ColorType::L8 => SourceMode::Grey,
            ColorType::La8 => SourceMode::GreyAlpha,
            ColorType::Rgba8 => SourceMode::Rgba,
            ColorType::Rgb8 => SourceMode::Rgb,
            _ => SourceMode::SixteenBit,
        }
    }

    pub(super) fn has_alpha(&self) -> bool {
        self.color.has_alpha() && !self.is_palette
    }

    pub(super) fn read(self, sink: &mut Sink) -> Result<(), AugmentError> {
        let (color, range, alpha) = (self.color, self.limits.range, self.limits.reading.alpha);
        self.read_samples(&mut |samples| {
            sink(&pixels::to_rgb(FORMAT, color, samples, range, alpha)?);
            Ok(())
        })
    }

    /// Gives the colours' numbers of every row to `sink`, as they are stored; none where they have 8 bits.
    pub(in crate::decode) fn numbers(
        self,
        sink: &mut dyn FnMut(&[f64]),
    ) -> Result<(), AugmentError> {
        let (color, limits) = (self.color, self.limits.clone());
        if pixels::wide(color).is_none() {
            return Ok(());
        }
        self.read_samples(&mut |samples| {
            pixels::numbers(color, &samples, &limits, sink);
            Ok(())
        })
    }

    /// Gives the samples of some rows at a time to `sink`, in native byte order.
    fn read_samples(
        mut self,
        sink: &mut dyn FnMut(Vec<u8>) -> Result<(), AugmentError>,
    ) -> Result<(), AugmentError> {
        let (width, height) = self.size();
        let line = width as usize * usize::from(self.color.bytes_per_pixel());
        let is_wide = self.color.bytes_per_pixel() == 2 * self.color.channel_count();
        let rows = (BLOCK / line.max(1)).max(1);
        let mut left = height as usize;
        while left > 0 {
            let count = rows.min(left);
            let mut samples = vec![0; count * line];
            for row in samples.chunks_exact_mut(line) {
                let read = self.reader.read_row(row);
                if read.map_err(|error| explain(&error, self.bytes))?.is_none() {
                    return Err(AugmentError::Corrupt {
                        format: FORMAT,
                        reason: "it has fewer rows than its header says".to_owned(),
                    });
                }
            }
            if is_wide {
                for sample in samples.as_chunks_mut::<2>().0 {
                    *sample = u16::from_be_bytes(*sample).to_ne_bytes();
                }
            }
            sink(samples)?;
            left -= count;
        }
        // What is behind the last row of its data, and its checksum.
        let end = self.reader.next_row().map(drop);
        end.map_err(|error| explain(&error, self.bytes))
    }
}

/// In the words in which the `image` crate passes these errors on.
fn explain(error: &DecodingError, bytes: usize) -> AugmentError {
    let reason = format!("Format error decoding Png: {error}");
    match error {
        DecodingError::IoError(cause) if cause.kind() == ErrorKind::UnexpectedEof => {
            AugmentError::Truncated {
                format: FORMAT,
                bytes,
                reason: cause.to_string(),
            }
        }
        DecodingError::LimitsExceeded => AugmentError::UnsupportedFeature {
            format: FORMAT,
            reason: "Memory limit exceeded".to_owned(),
        },
        error if ends_early(error) => AugmentError::Truncated {
            format: FORMAT,
            bytes,
            reason,
        },
        _ => AugmentError::Corrupt {
            format: FORMAT,
            reason,
        },
    }
}
