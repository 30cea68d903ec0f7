//! The bytes of a row to its samples.
//!
//! Owns: predictors, byte order, packed bits, and what numbers of every kind stand for between black and white. Colours are `colour.rs`'s.
//!
//! Source: TIFF revision 6.0, section 14; Adobe's technical note 3 (floating-point predictor).

use super::page::{Number, Page, Predictor};
use crate::decode::limits::SampleRange;
use crate::error::AugmentError;
use crate::format::Format;

/// A row of samples: bytes, 16-bit numbers, or floats from 0 to 1.
#[derive(Debug, Clone)]
pub(super) enum Row {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
    Floats(Vec<f32>),
}

fn refuse(reason: String) -> AugmentError {
    AugmentError::UnsupportedFeature {
        format: Format::Tiff,
        reason,
    }
}

/// The samples of a row, `stride` to a pixel. Those of a pixel from `plain` on are no colours and are not checked or stretched.
pub(super) fn unpack(
    page: &Page,
    raw: &mut [u8],
    stride: usize,
    plain: usize,
    range: SampleRange,
) -> Result<Row, AugmentError> {
    let count = raw.len() * 8 / page.bits as usize;
    let width = page.bits as usize / 8;
    straighten(page, raw, stride);
    if page.is_palette() || (page.bits == 8 && page.number == Number::Unsigned) {
        return Ok(Row::Bytes(match page.bits {
            8 => raw.to_vec(),
            bits => packed(raw, bits, count).map(|value| value as u8).collect(),
        }));
    }
    if page.number == Number::Float {
        let floats = floats(raw, page.bits);
        return stretched(floats, stride, plain, range, f64::from).map(Row::Floats);
    }
    let most = u64::MAX >> (64 - page.bits + u32::from(page.number == Number::Signed));
    let values: Vec<u64> = match page.bits {
        bits if bits <= 16 && bits != 8 && bits != 16 => {
            packed(raw, bits, count).map(u64::from).collect()
        }
        _ => whole(raw, width),
    };
    let shift = 64 - page.bits;
    if !range.is_full() && page.bits > 8 {
        let floats = values.into_iter();
        return match page.number {
            Number::Signed => {
                let signed = floats.map(|value| ((value << shift) as i64 >> shift) as f64);
                stretched(signed.collect(), stride, plain, range, |value| {
                    value / most as f64
                })
            }
            _ => stretched(
                floats.map(|value| value as f64).collect(),
                stride,
                plain,
                range,
                |value| value / most as f64,
            ),
        }
        .map(Row::Floats);
    }
    if page.number == Number::Signed
        && let Some(value) = values.iter().find(|value| **value > most)
    {
        let value = (value << shift) as i64 >> shift;
        return Err(refuse(format!(
            "signed numbers of {} bits, of which some are negative, such as {value}; `input.range = {{ span = {{ low = LOW, high = HIGH }} }}` says what is black and white, `{{ percentiles = [0.5, 99.5] }}` finds it out",
            page.bits
        )));
    }
    if page.bits < 8 {
        let most = most as u32;
        let scale = |value: u64| ((value as u32 * 255 + most / 2) / most) as u8;
        return Ok(Row::Bytes(values.into_iter().map(scale).collect()));
    }
    if page.bits == 16 && page.number == Number::Unsigned {
        return Ok(Row::Words(
            values.into_iter().map(|value| value as u16).collect(),
        ));
    }
    let scale = |value: u64| {
        let value = u128::from(value) * 65_535 + u128::from(most / 2);
        (value / u128::from(most)) as u16
    };
    Ok(Row::Words(values.into_iter().map(scale).collect()))
}

/// Undoes predictors, and makes numbers of whole bytes big-endian.
fn straighten(page: &Page, raw: &mut [u8], stride: usize) {
    let width = page.bits as usize / 8;
    if page.predictor == Predictor::Float {
        undo_float(raw, stride, width);
    } else if page.is_little && page.bits > 8 && page.bits.is_multiple_of(8) {
        raw.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    if page.predictor == Predictor::Horizontal {
        match width {
            1 => undo::<1>(raw, stride),
            2 => undo::<2>(raw, stride),
            4 => undo::<4>(raw, stride),
            _ => undo::<8>(raw, stride),
        }
    }
}

/// Whether a range says what the samples of a page mean: those of more than 8 bits, and floats.
pub(super) fn is_wide(page: &Page) -> bool {
    page.bits > 8 && !page.is_palette()
}

/// The numbers of a row of wide samples as they are stored, `stride` to a pixel.
pub(super) fn numbers(page: &Page, raw: &mut [u8], stride: usize) -> Vec<f64> {
    straighten(page, raw, stride);
    let width = page.bits as usize / 8;
    if page.number == Number::Float {
        return match page.bits {
            64 => whole(raw, width).into_iter().map(f64::from_bits).collect(),
            bits => floats(raw, bits).into_iter().map(f64::from).collect(),
        };
    }
    let shift = 64 - page.bits;
    let number = |value: u64| match page.number {
        Number::Signed => ((value << shift) as i64 >> shift) as f64,
        _ => value as f64,
    };
    match page.bits.is_multiple_of(8) {
        true => whole(raw, width).into_iter().map(number).collect(),
        false => {
            let count = raw.len() * 8 / page.bits as usize;
            packed(raw, page.bits, count)
                .map(|value| number(u64::from(value)))
                .collect()
        }
    }
}

/// Numbers to 0..1: colours by the range, other samples by `plain_scale`.
fn stretched<T: Copy + Into<f64>>(
    values: Vec<T>,
    stride: usize,
    plain: usize,
    range: SampleRange,
    plain_scale: impl Fn(f64) -> f64,
) -> Result<Vec<f32>, AugmentError> {
    // Half a grey level of overshoot is rounding, not another scale.
    const SLACK: f64 = 0.5 / 255.0;
    let mut output = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let value: f64 = value.into();
        let place = index % stride;
        let scaled = match range.span() {
            Some((low, high)) if place < plain => ((value - low) / (high - low)).clamp(0.0, 1.0),
            _ => plain_scale(value),
        };
        if place <= plain && !(-SLACK..=1.0 + SLACK).contains(&scaled) {
            return Err(refuse(format!(
                "float samples must lie between 0 and 1, found {value}; `input.range = {{ span = {{ low = LOW, high = HIGH }} }}` says what is black and white, `{{ percentiles = [0.5, 99.5] }}` finds it out"
            )));
        }
        output.push(scaled.clamp(0.0, 1.0) as f32);
    }
    Ok(output)
}

/// Adds up differences of big-endian numbers of `N` bytes, each from the sample of the same kind before it.
fn undo<const N: usize>(raw: &mut [u8], stride: usize) {
    let number = |bytes: [u8; N]| {
        bytes
            .iter()
            .fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let (values, _) = raw.as_chunks_mut::<N>();
    for index in stride..values.len() {
        let sum = number(values[index]).wrapping_add(number(values[index - stride]));
        values[index].copy_from_slice(&sum.to_be_bytes()[8 - N..]);
    }
}

/// Adds up bytes, and puts those of each number together again: all first bytes come first, from the highest on.
fn undo_float(raw: &mut [u8], stride: usize, width: usize) {
    for index in stride..raw.len() {
        raw[index] = raw[index].wrapping_add(raw[index - stride]);
    }
    let apart = raw.to_vec();
    let count = raw.len() / width.max(1);
    for (index, number) in raw.chunks_exact_mut(width).enumerate() {
        for (byte, place) in number.iter_mut().enumerate() {
            *place = apart[byte * count + index];
        }
    }
}

/// Numbers of up to 16 bits without gaps, the highest bit first.
fn packed(raw: &[u8], bits: u32, count: usize) -> impl Iterator<Item = u32> {
    (0..count).map(move |index| {
        let at = index * bits as usize;
        let byte = |offset: usize| raw.get(at / 8 + offset).copied().unwrap_or(0);
        let word = u32::from_be_bytes([byte(0), byte(1), byte(2), 0]) << (at % 8);
        word >> (32 - bits)
    })
}

/// Big-endian numbers of `width` bytes.
fn whole(raw: &[u8], width: usize) -> Vec<u64> {
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    raw.chunks_exact(width)
        .map(|bytes| bytes.iter().fold(0, join))
        .collect()
}

fn floats(raw: &[u8], bits: u32) -> Vec<f32> {
    let numbers = whole(raw, bits as usize / 8).into_iter();
    match bits {
        16 => numbers.map(|number| half(number as u16)).collect(),
        32 => numbers
            .map(|number| f32::from_bits(number as u32))
            .collect(),
        _ => numbers
            .map(|number| f64::from_bits(number) as f32)
            .collect(),
    }
}

/// A float of 16 bits: a sign, 5 bits of exponent, 10 of fraction.
///
/// Source: IEEE 754-2019, 3.6.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 != 0 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_add_up_for_each_kind_of_sample() {
        let mut bytes = [250, 1, 10, 2, 0, 255];
        undo::<1>(&mut bytes, 2);
        assert_eq!(bytes, [250, 1, 4, 3, 4, 2]);
        let mut words = [0x00, 0xff, 0x00, 0x02];
        undo::<2>(&mut words, 1);
        assert_eq!(words, [0x00, 0xff, 0x01, 0x01]);
    }

    #[test]
    fn packed_numbers_cross_bytes() {
        let twelve: Vec<u32> = packed(&[0xab, 0xcd, 0xef], 12, 2).collect();
        assert_eq!(twelve, [0xabc, 0xdef]);
        let fifteen: Vec<u32> = packed(&[0xff, 0xfe, 0, 1], 15, 2).collect();
        assert_eq!(fifteen, [0x7fff, 0]);
    }

    #[test]
    fn floats_of_16_bits_are_those_of_the_standard() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0x3800, 0.5),
            (0x0001, 5.960_464_5e-8),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
