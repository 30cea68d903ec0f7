//! NumPy's arrays (`.npy`) to RGB.
//!
//! Owns: arrays of one grey picture or one of three colours or other bands, of whole numbers of 8, 16 and 32 bits, floats of 16, 32 and 64, and booleans,
//! in either order of bytes and of axes. What is black and white is [`SampleRange`]'s, as for every other wide sample. An archive of arrays
//! (`.npz`) is none.
//!
//! Source: the format's own description, `numpy.lib.format`, versions 1 to 3.

use super::bands;
use super::limits::{DecodeLimits, SampleRange};
use super::pixels;
use super::upright::{SourceMode, Upright};
use crate::bands::{of_samples, stack};
use crate::error::AugmentError;
use crate::format::Format;
use image::metadata::Orientation;

const FORMAT: Format = Format::Npy;
/// Numbers that are given at once.
const BLOCK: usize = 1 << 14;

/// What an array is.
#[derive(Debug, Clone, PartialEq)]
struct Array<'a> {
    kind: Kind,
    is_big: bool,
    /// Whether the first axis is the one that goes fastest.
    is_fortran: bool,
    shape: Vec<usize>,
    data: &'a [u8],
}

/// What an element is, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Unsigned(usize),
    Signed(usize),
    Float(usize),
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Unsigned(bytes) | Self::Signed(bytes) | Self::Float(bytes) => bytes,
        }
    }

    /// The numbers that are black and white where no setting says others.
    fn span(self) -> (f64, f64) {
        match self {
            Self::Bool | Self::Float(_) => (0.0, 1.0),
            Self::Unsigned(bytes) => (0.0, (8.0 * bytes as f64).exp2() - 1.0),
            Self::Signed(bytes) => (0.0, (8.0 * bytes as f64 - 1.0).exp2() - 1.0),
        }
    }
}

fn damaged(reason: impl Into<String>) -> AugmentError {
    AugmentError::Corrupt {
        format: FORMAT,
        reason: reason.into(),
    }
}

fn refused(reason: impl Into<String>) -> AugmentError {
    AugmentError::UnsupportedFeature {
        format: FORMAT,
        reason: reason.into(),
    }
}

/// The value behind a key of the header, which is a dictionary as Python writes it.
fn value_of<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let at = header
        .find(&format!("'{key}'"))
        .or_else(|| header.find(&format!("\"{key}\"")))?;
    Some(header[at + key.len() + 2..].split_once(':')?.1.trim_start())
}

fn open(bytes: &[u8]) -> Result<Array<'_>, AugmentError> {
    let cut = || AugmentError::Truncated {
        format: FORMAT,
        bytes: bytes.len(),
        reason: "it ends inside its header".to_owned(),
    };
    let word = |at: usize, count: usize| -> Result<usize, AugmentError> {
        let part = bytes.get(at..at + count).ok_or_else(cut)?;
        let number = part.iter().rev();
        Ok(number.fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte)))
    };
    let (start, length) = match bytes.get(6).ok_or_else(cut)? {
        1 => (10, word(8, 2)?),
        2 | 3 => (12, word(8, 4)?),
        version => return Err(refused(format!("version {version} of the format"))),
    };
    let end = start + length;
    let header = bytes.get(start..end).ok_or_else(cut)?;
    let header = String::from_utf8_lossy(header);
    let missing = |key: &str| damaged(format!("its header has no `{key}`"));
    let descr = value_of(&header, "descr").ok_or_else(|| missing("descr"))?;
    let descr = descr.trim_start_matches(['\'', '"']);
    let descr = descr.split(['\'', '"']).next().unwrap_or_default();
    let (order, kind) = match descr.strip_prefix(['<', '>', '|', '=']) {
        Some(kind) => (descr.as_bytes()[0], kind),
        None => (b'<', descr),
    };
    let kind = match kind {
        "b1" | "?" => Kind::Bool,
        "u1" => Kind::Unsigned(1),
        "u2" => Kind::Unsigned(2),
        "u4" => Kind::Unsigned(4),
        "i1" => Kind::Signed(1),
        "i2" => Kind::Signed(2),
        "i4" => Kind::Signed(4),
        "f2" => Kind::Float(2),
        "f4" => Kind::Float(4),
        "f8" => Kind::Float(8),
        _ => {
            return Err(refused(format!(
                "elements of the type `{descr}`; save it as uint8, uint16 or float32"
            )));
        }
    };
    let shape = value_of(&header, "shape").ok_or_else(|| missing("shape"))?;
    let shape = shape
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .ok_or_else(|| missing("shape"))?;
    let numbers = shape.0.split(',').map(str::trim);
    let shape = numbers
        .filter(|number| !number.is_empty())
        .map(|number| number.trim_end_matches('L').parse::<usize>())
        .collect::<Result<Vec<usize>, _>>()
        .map_err(|_| damaged("its shape is no list of numbers"))?;
    let is_fortran =
        value_of(&header, "fortran_order").is_some_and(|said| said.starts_with("True"));
    Ok(Array {
        kind,
        is_big: order == b'>',
        is_fortran,
        shape,
        data: &bytes[end..],
    })
}

impl Array<'_> {
    /// Height, width and channels, which have to be those that are asked for.
    fn sides(&self, limits: &DecodeLimits) -> Result<[usize; 3], AugmentError> {
        let wanted = limits.channels;
        let is_one_of = |channels: usize| match limits.has_bands() {
            true => channels == wanted,
            false => matches!(channels, 1 | 3),
        };
        let side = |length: usize| match u32::try_from(length) {
            Ok(_) => Ok(length),
            Err(_) => Err(damaged("a side of its shape is no length of a picture")),
        };
        match *self.shape.as_slice() {
            [height, width] => {
                if limits.has_bands() {
                    bands::check_count(FORMAT, 1, limits)?;
                }
                Ok([side(height)?, side(width)?, 1])
            }
            [height, width, channels] if is_one_of(channels) => {
                Ok([side(height)?, side(width)?, channels])
            }
            [channels, height, width] if is_one_of(channels) => Err(refused(format!(
                "an array of {channels} by {height} by {width}, channels first; save it with the channels last: `numpy.moveaxis(array, 0, -1)`"
            ))),
            [_, _, found] if limits.has_bands() => {
                bands::check_count(FORMAT, found, limits)?;
                Err(damaged("its shape is none of a picture"))
            }
            [_, _, found] => Err(refused(format!(
                "an array of the shape {:?}; `input.channels = {found}` takes {found} channels, else expected (height, width) or (height, width, 3), a picture a file",
                self.shape
            ))),
            _ => Err(refused(format!(
                "an array of the shape {:?}; expected (height, width) or (height, width, 3), a picture a file",
                self.shape
            ))),
        }
    }

    /// The number at a place, in elements.
    fn number(&self, place: usize) -> f64 {
        let size = self.kind.bytes();
        let mut bytes = [0; 8];
        let source = &self.data[place * size..][..size];
        bytes[..size].copy_from_slice(source);
        if self.is_big {
            bytes[..size].reverse();
        }
        let [a, b, c, d, ..] = bytes;
        match self.kind {
            Kind::Bool => f64::from(u8::from(a != 0)),
            Kind::Unsigned(1) => f64::from(a),
            Kind::Unsigned(2) => f64::from(u16::from_le_bytes([a, b])),
            Kind::Unsigned(_) => f64::from(u32::from_le_bytes([a, b, c, d])),
            Kind::Signed(1) => f64::from(a as i8),
            Kind::Signed(2) => f64::from(i16::from_le_bytes([a, b])),
            Kind::Signed(_) => f64::from(i32::from_le_bytes([a, b, c, d])),
            Kind::Float(2) => half(u16::from_le_bytes([a, b])),
            Kind::Float(4) => f64::from(f32::from_le_bytes([a, b, c, d])),
            Kind::Float(_) => f64::from_le_bytes(bytes),
        }
    }
}

/// A float of 16 bits.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * (-24f64).exp2(),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * f64::from(exponent - 15).exp2(),
    }
}

/// Width and height as the header says.
pub(super) fn dimensions(bytes: &[u8], limits: &DecodeLimits) -> Result<(u32, u32), AugmentError> {
    let [height, width, _] = open(bytes)?.sides(limits)?;
    Ok((width as u32, height as u32))
}

/// An array whose size and length were checked, and its height, width and channels.
fn open_whole<'a>(
    bytes: &'a [u8],
    limits: &DecodeLimits,
) -> Result<(Array<'a>, [usize; 3]), AugmentError> {
    let array = open(bytes)?;
    let [height, width, channels] = array.sides(limits)?;
    limits.check(FORMAT, width as u32, height as u32, channels.max(3) as u64)?;
    let count = height * width * channels;
    if array.data.len() < count * array.kind.bytes() {
        return Err(AugmentError::Truncated {
            format: FORMAT,
            bytes: bytes.len(),
            reason: "the data ends before the array does".to_owned(),
        });
    }
    Ok((array, [height, width, channels]))
}

/// Gives the numbers of an array to `sink` as they are stored, in any order; none where they have 8 bits or fewer.
pub(super) fn numbers(
    bytes: &[u8],
    limits: &DecodeLimits,
    sink: &mut dyn FnMut(&[f64]),
) -> Result<(), AugmentError> {
    let (array, [height, width, channels]) = open_whole(bytes, limits)?;
    if matches!(array.kind, Kind::Unsigned(1) | Kind::Bool) {
        return Ok(());
    }
    let count = height * width * channels;
    for start in (0..count).step_by(BLOCK) {
        let part = start..count.min(start + BLOCK);
        sink(&part.map(|place| array.number(place)).collect::<Vec<f64>>());
    }
    Ok(())
}

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Upright, AugmentError> {
    let (array, [height, width, channels]) = open_whole(bytes, limits)?;
    let (low, high) = match limits.range.span() {
        // Numbers of 8 bits span all that they can, as in every other format.
        Some(span) if !matches!(array.kind, Kind::Unsigned(1) | Kind::Bool) => span,
        _ => array.kind.span(),
    };
    let is_asked = limits.range != SampleRange::Full;
    // Half a grey level of overshoot is rounding, not another scale.
    let slack = (high - low) / 510.0;
    let mut samples = Vec::with_capacity(channels.max(3) * height * width);
    for y in 0..height {
        for x in 0..width {
            let level = |channel: usize| {
                let place = match array.is_fortran {
                    true => y + height * (x + width * channel),
                    false => (y * width + x) * channels + channel,
                };
                let number = array.number(place);
                let is_known = (low - slack..=high + slack).contains(&number);
                if number.is_nan() || !(is_asked || is_known) {
                    return Err(refused(format!(
                        "its numbers must lie between {low} and {high}, found {number}; `input.range` says which ones are black and white, and `{{ percentiles = [0.5, 99.5] }}` finds it out"
                    )));
                }
                Ok(((number - low) / (high - low) * 255.0)
                    .round()
                    .clamp(0.0, 255.0) as u8)
            };
            match channels {
                1 => samples.extend([level(0)?; 3]),
                channels => {
                    for channel in 0..channels {
                        samples.push(level(channel)?);
                    }
                }
            }
        }
    }
    Ok(Upright {
        image: match limits.has_bands() {
            false => pixels::image_of(FORMAT, width as u32, height as u32, samples)?,
            true => stack(of_samples(width as u32, height as u32, channels, &samples)),
        },
        orientation: Orientation::NoTransforms,
        mode: match (array.kind, channels) {
            (Kind::Float(_), _) => SourceMode::Float,
            (Kind::Bool | Kind::Unsigned(1), 1) => SourceMode::Grey,
            (Kind::Unsigned(1), _) => SourceMode::Rgb,
            _ => SourceMode::SixteenBit,
        },
        has_alpha: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{decode as decode_any, read_header};

    /// A file as `numpy.save` writes it.
    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        let padded = format!("{text:<117}\n");
        let mut bytes = b"\x93NUMPY\x01\0".to_vec();
        bytes.extend((padded.len() as u16).to_le_bytes());
        bytes.extend(padded.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn levels(bytes: &[u8], range: SampleRange) -> Result<Vec<u8>, AugmentError> {
        let limits = DecodeLimits {
            range,
            ..DecodeLimits::default()
        };
        Ok(decode_any(bytes, &limits)?.image.into_raw())
    }

    #[test]
    fn arrays_are_pictures_in_either_order_of_bytes_and_axes() {
        let row_by_row = file("|u1", "False", "(2, 3)", &[0, 1, 2, 3, 4, 5]);
        let expected: Vec<u8> = (0..6).flat_map(|level| [level; 3]).collect();
        assert_eq!(levels(&row_by_row, SampleRange::Full).unwrap(), expected);
        let header = read_header(&row_by_row, &DecodeLimits::default()).unwrap();
        assert_eq!(
            (header.format, header.width, header.height),
            (Format::Npy, 3, 2)
        );
        let turned = file("|u1", "True", "(2, 3)", &[0, 3, 1, 4, 2, 5]);
        assert_eq!(levels(&turned, SampleRange::Full).unwrap(), expected);
        let colours = file("|u1", "False", "(1, 2, 3)", &[1, 2, 3, 4, 5, 6]);
        assert_eq!(
            levels(&colours, SampleRange::Full).unwrap(),
            [1, 2, 3, 4, 5, 6]
        );
        let big: Vec<u8> = [0u16, 257, 65_535]
            .iter()
            .flat_map(|v| v.to_be_bytes())
            .collect();
        let big = file(">u2", "False", "(1, 3)", &big);
        assert_eq!(
            levels(&big, SampleRange::Full).unwrap(),
            [0, 0, 0, 1, 1, 1, 255, 255, 255]
        );
    }

    #[test]
    fn the_range_says_what_is_black_and_white_of_wide_numbers() {
        let wide: Vec<u8> = [0u16, 2048, 4095, 9000]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let wide = file("<u2", "False", "(1, 4)", &wide);
        let grey = |range| -> Vec<u8> {
            let levels = levels(&wide, range).unwrap();
            levels.into_iter().step_by(3).collect()
        };
        assert_eq!(grey(SampleRange::Bits(12)), [0, 128, 255, 255]);
        assert_eq!(grey(SampleRange::Full), [0, 8, 16, 35]);
        let hounsfield: Vec<u8> = [-1000i16, 0, 3000]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let hounsfield = file("<i2", "False", "(1, 3)", &hounsfield);
        let span = SampleRange::Span {
            low: -1000.0,
            high: 3000.0,
        };
        let found = levels(&hounsfield, span).unwrap();
        assert_eq!([found[0], found[3], found[6]], [0, 64, 255]);
        let error = levels(&hounsfield, SampleRange::Full)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("-1000") && error.contains("input.range"),
            "{error}"
        );
        let halves = file("<f2", "False", "(1, 2)", &[0, 0x38, 0, 0x3c]);
        assert_eq!(
            levels(&halves, SampleRange::Full).unwrap(),
            [128, 128, 128, 255, 255, 255]
        );
    }

    #[test]
    fn other_shapes_and_types_are_refused_with_a_way_on() {
        for (descr, shape, words) in [
            ("|u1", "(3, 4, 5)", "moveaxis"),
            ("|u1", "(2, 4, 5, 3)", "a picture a file"),
            ("|u1", "(9,)", "a picture a file"),
            ("<c8", "(2, 2)", "uint8, uint16 or float32"),
            ("|O", "(2, 2)", "uint8, uint16 or float32"),
        ] {
            let error = levels(&file(descr, "False", shape, &[0; 512]), SampleRange::Full);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let whole = file("|u1", "False", "(2, 2)", &[0; 4]);
        for length in 8..whole.len() {
            let error = levels(&whole[..length], SampleRange::Full).unwrap_err();
            let is_cut = matches!(error, AugmentError::Truncated { .. });
            assert!(is_cut, "{length}: {error}");
        }
        let huge = file("|u1", "False", "(99999, 99999)", &[]);
        assert!(matches!(
            levels(&huge, SampleRange::Full),
            Err(AugmentError::TooManyPixels { .. })
        ));
    }
}
