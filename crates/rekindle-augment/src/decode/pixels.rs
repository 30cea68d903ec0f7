//! Decoded samples to 8-bit RGB.
//!
//! Owns: grey to RGB, alpha over white, 16-bit and float samples to 8 bits. Values are scaled, never clipped: 16-bit values
//! by 1/257 or from the range that is asked for, float values from 0..1 by 255, all rounded to the nearest.

use image::{ColorType, RgbImage};

use super::limits::{DecodeLimits, SampleRange};
use super::reading::AlphaUse;
use crate::error::AugmentError;
use crate::format::Format;
use crate::ops::greyscale::{grey, greyscale};

/// RGB bytes as grey ones in all three channels.
pub(super) fn to_grey(rgb: &mut [u8]) {
    for pixel in rgb.as_chunks_mut::<3>().0 {
        *pixel = [grey(*pixel); 3];
    }
}

/// The same of a picture, where one channel is asked for.
pub(super) fn grey_if_asked(image: RgbImage, limits: &DecodeLimits) -> RgbImage {
    match limits.channels {
        1 => greyscale(image),
        _ => image,
    }
}

/// An image from interleaved RGB bytes of exactly the right number.
pub(super) fn image_of(
    format: Format,
    width: u32,
    height: u32,
    rgb: Vec<u8>,
) -> Result<RgbImage, AugmentError> {
    let found = rgb.len();
    RgbImage::from_raw(width, height, rgb).ok_or_else(|| AugmentError::Corrupt {
        format,
        reason: format!("the decoder gave {found} bytes for {width} by {height} pixels"),
    })
}

/// RGB bytes from the samples that the `image` crate's decoders give, in native byte order.
pub(super) fn to_rgb(
    format: Format,
    color: ColorType,
    mut samples: Vec<u8>,
    range: SampleRange,
    alpha_use: AlphaUse,
) -> Result<Vec<u8>, AugmentError> {
    let over = |value, alpha| composed(value, alpha, alpha_use);
    let wide_over = |value, alpha| composed_16_bit(value, alpha, alpha_use);
    if let Some((low, high)) = range.span() {
        stretch(&mut samples, color, low, high);
    }
    Ok(match color {
        ColorType::Rgb8 => samples,
        ColorType::L8 => grey_to_rgb(&samples),
        ColorType::La8 => convert(&samples, |[value, alpha]| [over(*value, *alpha); 3]),
        ColorType::Rgba8 => convert(&samples, |[red, green, blue, alpha]| {
            [red, green, blue].map(|value| over(*value, *alpha))
        }),
        ColorType::L16 => convert(&samples, |value: &[u8; 2]| [from_16_bit(word(value)); 3]),
        ColorType::Rgb16 => words(&samples).map(from_16_bit).collect(),
        ColorType::La16 => convert(&samples, |pixel: &[u8; 4]| {
            [wide_over(word(&pixel[..2]), word(&pixel[2..])); 3]
        }),
        ColorType::Rgba16 => convert(&samples, |pixel: &[u8; 8]| {
            let alpha = word(&pixel[6..]);
            [0, 2, 4].map(|at| wide_over(word(&pixel[at..at + 2]), alpha))
        }),
        ColorType::Rgb32F => from_floats(format, &floats(&samples))?,
        ColorType::Rgba32F => from_floats(format, &floats_composed(&floats(&samples), alpha_use))?,
        other => {
            return Err(AugmentError::UnsupportedFeature {
                format,
                reason: format!("pixels of type {other:?}"),
            });
        }
    })
}

/// Gives the colours of 16-bit samples to `sink`, as numbers; nothing where samples have 8 bits. Of bands each is a colour.
pub(super) fn numbers(
    color: ColorType,
    samples: &[u8],
    limits: &DecodeLimits,
    sink: &mut dyn FnMut(&[f64]),
) {
    let Some((channels, mut colours)) = wide(color) else {
        return;
    };
    if limits.has_bands() {
        colours = channels;
    }
    let row = 4096 * channels;
    for part in samples.as_chunks::<2>().0.chunks(row) {
        let pixels = part.chunks_exact(channels);
        let colours = pixels.flat_map(|pixel| &pixel[..colours]);
        sink(
            &colours
                .map(|value| f64::from(u16::from_ne_bytes(*value)))
                .collect::<Vec<f64>>(),
        );
    }
}

/// Channels of pixels of 16 bits, and how many of them are colours; none for other pixels.
pub(super) fn wide(color: ColorType) -> Option<(usize, usize)> {
    match color {
        ColorType::L16 => Some((1, 1)),
        ColorType::La16 => Some((2, 1)),
        ColorType::Rgb16 => Some((3, 3)),
        ColorType::Rgba16 => Some((4, 3)),
        _ => None,
    }
}

/// Stretches the colours of 16-bit samples, so that these numbers become black and white.
fn stretch(samples: &mut [u8], color: ColorType, low: f64, high: f64) {
    let Some((channels, colours)) = wide(color) else {
        return;
    };
    for (index, bytes) in samples.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        if index % channels < colours {
            *bytes = stretched(u16::from_ne_bytes(*bytes), low, high).to_ne_bytes();
        }
    }
}

fn stretched(value: u16, low: f64, high: f64) -> u16 {
    let value = (f64::from(value) - low) * (65_535.0 / (high - low));
    value.round().clamp(0.0, 65_535.0) as u16
}

/// Every sample as a byte, whatever it stands for.
pub(super) fn all_bytes(color: ColorType, samples: Vec<u8>, range: SampleRange) -> Vec<u8> {
    if wide(color).is_none() {
        return samples;
    }
    let byte = |value: u16| match range.span() {
        Some((low, high)) => from_16_bit(stretched(value, low, high)),
        None => from_16_bit(value),
    };
    words(&samples).map(byte).collect()
}

pub(super) fn grey_to_rgb(samples: &[u8]) -> Vec<u8> {
    convert(samples, |[value]| [*value; 3])
}

/// The colours of pixels of so many bytes.
fn convert<const N: usize>(samples: &[u8], colour: impl Fn(&[u8; N]) -> [u8; 3]) -> Vec<u8> {
    let pixels = samples.as_chunks::<N>().0;
    let mut rgb = vec![0; 3 * pixels.len()];
    let colours = rgb.as_chunks_mut::<3>().0.iter_mut();
    colours
        .zip(pixels)
        .for_each(|(to, pixel)| *to = colour(pixel));
    rgb
}

/// Float samples from 0..1 to bytes.
///
/// Values outside that range have no known scale, so they are an error rather than a guess.
pub(super) fn from_floats(format: Format, samples: &[f32]) -> Result<Vec<u8>, AugmentError> {
    // Half a grey level of overshoot is rounding, not another scale.
    const SLACK: f32 = 0.5 / 255.0;
    let wrong = samples
        .iter()
        .find(|value| !(-SLACK..=1.0 + SLACK).contains(*value));
    if let Some(value) = wrong {
        return Err(AugmentError::UnsupportedFeature {
            format,
            reason: format!("float samples must lie between 0 and 1, found {value}"),
        });
    }
    Ok(samples
        .iter()
        .map(|value| (value * 255.0).round() as u8)
        .collect())
}

/// `value / 255`, rounded to the nearest, of products of two bytes and of their sums up to 255 squared.
fn divide_by_255(value: u32) -> u8 {
    let value = value + 128;
    ((value + (value >> 8)) >> 8) as u8
}

/// What an ink and black ink leave of white, as Pillow computes it without a colour profile.
#[inline]
pub(super) fn ink_to_light(ink: u8, black: u8) -> u8 {
    let white = 255 - black;
    white.saturating_sub(divide_by_255(u32::from(ink) * u32::from(white)))
}

/// A value with an alpha value over white.
#[inline]
pub(super) fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    divide_by_255(value * alpha + 255 * (255 - alpha))
}

/// A value with an alpha value, of which becomes what is asked for.
#[inline]
pub(super) fn composed(value: u8, alpha: u8, how: AlphaUse) -> u8 {
    match how {
        AlphaUse::White => over_white(value, alpha),
        AlphaUse::Ignore => value,
        AlphaUse::Alone => alpha,
    }
}

fn composed_16_bit(value: u16, alpha: u16, how: AlphaUse) -> u8 {
    match how {
        AlphaUse::White => over_white_16_bit(value, alpha),
        AlphaUse::Ignore => from_16_bit(value),
        AlphaUse::Alone => from_16_bit(alpha),
    }
}

pub(super) fn from_16_bit(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

pub(super) fn over_white_16_bit(value: u16, alpha: u16) -> u8 {
    let (value, alpha) = (u64::from(value), u64::from(alpha));
    let composed = value * alpha + 65_535 * (65_535 - alpha);
    let scale = 65_535 * 257;
    ((composed + scale / 2) / scale) as u8
}

fn floats_composed(samples: &[f32], how: AlphaUse) -> Vec<f32> {
    let compose = |pixel: &[f32]| {
        let alpha = pixel[3];
        [0, 1, 2].map(|channel| match how {
            AlphaUse::White => pixel[channel] * alpha + (1.0 - alpha),
            AlphaUse::Ignore => pixel[channel],
            AlphaUse::Alone => alpha,
        })
    };
    samples.chunks_exact(4).flat_map(compose).collect()
}

fn word(bytes: &[u8]) -> u16 {
    u16::from_ne_bytes([bytes[0], bytes[1]])
}

fn words(samples: &[u8]) -> impl Iterator<Item = u16> {
    samples.chunks_exact(2).map(word)
}

fn floats(samples: &[u8]) -> Vec<f32> {
    samples
        .chunks_exact(4)
        .map(|bytes| f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_scaled_to_the_nearest_grey_level() {
        for value in 0..=u16::MAX {
            let exact = f64::from(value) / 257.0;
            assert!(
                (f64::from(from_16_bit(value)) - exact).abs() <= 0.5,
                "{value}"
            );
        }
    }

    #[test]
    fn alpha_is_composed_over_white_exactly() {
        for value in 0..=255u8 {
            for alpha in 0..=255u8 {
                let exact = f64::from(value) * f64::from(alpha) / 255.0 + f64::from(255 - alpha);
                assert!((f64::from(over_white(value, alpha)) - exact).abs() <= 0.5);
                let wide = over_white_16_bit(u16::from(value) * 257, u16::from(alpha) * 257);
                assert_eq!(wide, over_white(value, alpha));
            }
        }
    }

    #[test]
    fn floats_outside_their_range_are_an_error_that_names_the_value() {
        assert_eq!(
            from_floats(Format::Tiff, &[0.0, 0.5, 1.0]),
            Ok(vec![0, 128, 255])
        );
        let error = from_floats(Format::Tiff, &[0.5, 3.25]).unwrap_err();
        assert!(error.to_string().contains("3.25"), "{error}");
        assert!(from_floats(Format::Tiff, &[f32::NAN]).is_err());
    }
}
