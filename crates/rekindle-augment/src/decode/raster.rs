//! PNG, BMP, GIF, PNM, and some kinds of WebP to RGB.
//!
//! Owns: the use of the `image` crate's decoders.

use std::io::{Cursor, ErrorKind};

use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, pnm::PnmDecoder, webp::WebPDecoder,
};
use image::error::{ImageError, LimitErrorKind};
use image::{ColorType, ExtendedColorType, ImageDecoder, Limits};

use super::bands;
use super::ending::ends_early;
use super::limits::DecodeLimits;
use super::orientation;
use super::pixels;
use super::significant;
use super::upright::{SourceMode, Upright};
use crate::bands::{of_samples, stack};
use crate::error::AugmentError;
use crate::format::Format;

/// Width and height as the header says.
pub(super) fn dimensions(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<(u32, u32), AugmentError> {
    match open(bytes, format, limits) {
        Ok(decoder) => Ok(decoder.dimensions()),
        Err(error) => Err(explain(error, format, bytes.len())),
    }
}

/// Samples in native byte order, and what they are.
struct Samples {
    size: (u32, u32),
    color: ColorType,
    mode: SourceMode,
    samples: Vec<u8>,
}

fn read(bytes: &[u8], format: Format, limits: &DecodeLimits) -> Result<Samples, AugmentError> {
    let fail = |error| explain(error, format, bytes.len());
    let mut decoder = open(bytes, format, limits).map_err(fail)?;
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    let copy_bytes = if color == ColorType::Rgb8 { 0 } else { 3 };
    limits.check(
        format,
        width,
        height,
        u64::from(color.bytes_per_pixel()) + copy_bytes,
    )?;
    let mode = mode_of(bytes, format, decoder.original_color_type());
    decoder.set_limits(limits.of_image_crate()).map_err(fail)?;
    let mut samples = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut samples).map_err(fail)?;
    Ok(Samples {
        size: (width, height),
        color,
        mode,
        samples,
    })
}

/// Gives the colours' numbers to `sink` as they are stored; none where they have 8 bits.
pub(super) fn numbers(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
    sink: &mut dyn FnMut(&[f64]),
) -> Result<(), AugmentError> {
    let fail = |error| explain(error, format, bytes.len());
    let color = open(bytes, format, limits).map_err(fail)?.color_type();
    if pixels::wide(color).is_some() {
        pixels::numbers(color, &read(bytes, format, limits)?.samples, limits, sink);
    }
    Ok(())
}

pub(super) fn decode(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<Upright, AugmentError> {
    let Samples {
        size: (width, height),
        color,
        mode,
        mut samples,
    } = read(bytes, format, limits)?;
    if format == Format::Bmp && color == ColorType::Rgba8 {
        forget_empty_alpha(&mut samples);
    }
    let range = match format {
        Format::Png => significant::range_of(bytes, color, &samples, limits.range),
        _ => limits.range,
    };
    let rgb = pixels::to_rgb(format, color, samples, range, limits.reading.alpha)?;
    Ok(Upright {
        image: pixels::image_of(format, width, height, rgb)?,
        orientation: orientation::of(bytes, format),
        mode,
        has_alpha: color.has_alpha() && mode != SourceMode::Palette,
    })
}

/// A PNG with as many channels as are asked for, which then are all alike.
pub(super) fn decode_bands(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<Upright, AugmentError> {
    let Samples {
        size: (width, height),
        color,
        mode,
        samples,
    } = read(bytes, format, limits)?;
    // The table of a palette has colours.
    let found = match mode {
        SourceMode::Palette => 3,
        _ => usize::from(color.channel_count()),
    };
    bands::check_count(format, found, limits)?;
    let samples = pixels::all_bytes(color, samples, limits.range);
    Ok(Upright {
        image: stack(of_samples(width, height, found, &samples)),
        orientation: orientation::of(bytes, format),
        mode,
        has_alpha: false,
    })
}

fn open<'a>(
    bytes: &'a [u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<Box<dyn ImageDecoder + 'a>, ImageError> {
    let content = Cursor::new(bytes);
    Ok(match format {
        Format::Png => Box::new(PngDecoder::with_limits(content, limits.of_image_crate())?),
        Format::WebP => Box::new(WebPDecoder::new(content)?),
        Format::Gif => Box::new(GifDecoder::new(content)?),
        Format::Pnm => Box::new(PnmDecoder::new(content)?),
        // The others have decoders of their own, and do not come here.
        Format::Bmp | Format::Tiff | Format::Jpeg | Format::Npy => {
            Box::new(BmpDecoder::new(content)?)
        }
    })
}

impl DecodeLimits {
    fn of_image_crate(&self) -> Limits {
        let mut limits = Limits::default();
        limits.max_alloc = Some(self.max_alloc_bytes);
        limits
    }
}

/// An alpha channel of zeros everywhere is none: programs that know no alpha leave the fourth byte 0.
fn forget_empty_alpha(pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<4>();
    if pixels.iter().all(|pixel| pixel[3] == 0) {
        pixels.iter_mut().for_each(|pixel| pixel[3] = 255);
    }
}

/// How the file stored its pixels; the header is read directly where the decoder hides it.
fn mode_of(bytes: &[u8], format: Format, color: ExtendedColorType) -> SourceMode {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    match format {
        Format::Gif => return SourceMode::Palette,
        Format::Png if byte(25) == 3 => return SourceMode::Palette,
        // The bits per pixel lie behind a short (OS/2) or a long header.
        Format::Bmp if byte(if byte(14) == 12 { 24 } else { 28 }) <= 8 => {
            return SourceMode::Palette;
        }
        _ => {}
    }
    match color {
        ExtendedColorType::L1 | ExtendedColorType::L8 => SourceMode::Grey,
        ExtendedColorType::La8 => SourceMode::GreyAlpha,
        ExtendedColorType::Rgba8 => SourceMode::Rgba,
        ExtendedColorType::L16
        | ExtendedColorType::La16
        | ExtendedColorType::Rgb16
        | ExtendedColorType::Rgba16 => SourceMode::SixteenBit,
        ExtendedColorType::Rgb32F | ExtendedColorType::Rgba32F => SourceMode::Float,
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => SourceMode::Cmyk,
        _ => SourceMode::Rgb,
    }
}

fn explain(error: ImageError, format: Format, bytes: usize) -> AugmentError {
    let reason = error.to_string();
    match &error {
        ImageError::Unsupported(_) => AugmentError::UnsupportedFeature { format, reason },
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::InsufficientMemory => {
            AugmentError::UnsupportedFeature { format, reason }
        }
        ImageError::IoError(cause) if cause.kind() == ErrorKind::UnexpectedEof => {
            AugmentError::Truncated {
                format,
                bytes,
                reason,
            }
        }
        error if ends_early(error) => AugmentError::Truncated {
            format,
            bytes,
            reason,
        },
        _ => AugmentError::Corrupt { format, reason },
    }
}
