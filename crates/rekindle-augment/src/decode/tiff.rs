//! The kinds of TIFF that the `image` crate refuses: palettes, YCbCr, separate planes of ink, grey of 2 and 4 bits, grey with alpha, and
//! grey floats.
//!
//! Owns: which of them a file is, and the way from the `tiff` crate's samples to RGB. All other kinds are `raster.rs`'s.
//!
//! Source: TIFF revision 6.0, sections 5, 8, 16 and 21.

use std::borrow::Cow;
use std::io::Cursor;

use image::metadata::Orientation;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::ending::ends_early;
use super::limits::DecodeLimits;
use super::pixels;
use super::upright::{SourceMode, Upright};
use crate::error::AugmentError;
use crate::format::Format;

/// Values of the tag that says what samples mean.
const BLACK_IS_ZERO: u16 = 1;
const RGB_PALETTE: u16 = 3;
const SEPARATED: u16 = 5;
const YCBCR: u16 = 6;

/// A kind that is decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Indices of 1, 2, 4 or 8 bits into a table of colours.
    Palette { bits: u32 },
    /// Three channels of 8 bits.
    YCbCr,
    /// A plane of 8 bits for each of four inks.
    PlanarCmyk,
    /// One channel of 2 or 4 bits.
    PackedGrey { bits: u32 },
    /// Grey and alpha, interleaved, of 8 or 16 bits each.
    GreyAlpha { bits: u32 },
    /// One channel of 32 or 64 bits.
    GreyFloat,
}

impl Kind {
    fn mode(self) -> SourceMode {
        match self {
            Self::Palette { .. } => SourceMode::Palette,
            Self::YCbCr => SourceMode::Rgb,
            Self::PlanarCmyk => SourceMode::Cmyk,
            Self::PackedGrey { .. } => SourceMode::Grey,
            Self::GreyAlpha { bits: 8 } => SourceMode::GreyAlpha,
            Self::GreyAlpha { .. } => SourceMode::SixteenBit,
            Self::GreyFloat => SourceMode::Float,
        }
    }

    /// Most bytes that a pixel takes on its way.
    fn pixel_bytes(self) -> u64 {
        match self {
            Self::Palette { .. } | Self::PackedGrey { .. } => 1 + 3,
            Self::YCbCr => 3 + 3,
            Self::PlanarCmyk => 4 + 3,
            Self::GreyAlpha { .. } => 4 + 3,
            Self::GreyFloat => 8 + 4 + 3,
        }
    }
}

/// A TIFF of one of these kinds.
pub(super) struct UnusualTiff<'a> {
    /// The file, or a copy that says of its indices that they are grey levels, since the `tiff` crate reads no indices.
    bytes: Cow<'a, [u8]>,
    kind: Kind,
    width: u32,
    height: u32,
}

impl<'a> UnusualTiff<'a> {
    /// The file, if it is of such a kind; none where it is another's to read or to refuse.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
        let (width, height) = decoder.dimensions().ok()?;
        let mut number = |tag, default: u16| {
            let value = decoder.find_tag_unsigned_vec::<u16>(tag);
            let value = value.ok().flatten();
            value
                .and_then(|values| values.first().copied())
                .unwrap_or(default)
        };
        let bits = u32::from(number(Tag::BitsPerSample, 1));
        let samples = number(Tag::SamplesPerPixel, 1);
        let planar = number(Tag::PlanarConfiguration, 1) == 2;
        let is_float = number(Tag::SampleFormat, 1) == 3;
        let photometric = number(Tag::PhotometricInterpretation, u16::MAX);
        let kind = match (photometric, samples, bits) {
            (0 | BLACK_IS_ZERO, 1, 32 | 64) if is_float => Kind::GreyFloat,
            _ if is_float => return None,
            (RGB_PALETTE, 1, 1 | 2 | 4 | 8) => Kind::Palette { bits },
            (YCBCR, 3, 8) if !planar => Kind::YCbCr,
            (SEPARATED, 4, 8) if planar => Kind::PlanarCmyk,
            (BLACK_IS_ZERO, 1, 2 | 4) => Kind::PackedGrey { bits },
            (BLACK_IS_ZERO, 2, 8 | 16) if !planar => Kind::GreyAlpha { bits },
            _ => return None,
        };
        let bytes = match kind {
            Kind::Palette { .. } => Cow::Owned(with_photometric(bytes, BLACK_IS_ZERO)?),
            _ => Cow::Borrowed(bytes),
        };
        Some(Self {
            bytes,
            kind,
            width,
            height,
        })
    }

    pub(super) fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(super) fn decode(&self, limits: &DecodeLimits) -> Result<Upright, AugmentError> {
        let (width, height) = self.dimensions();
        limits.check(Format::Tiff, width, height, self.kind.pixel_bytes())?;
        let fail = |error| explain(error, self.bytes.len());
        let mut tiff_limits = Limits::default();
        tiff_limits.decoding_buffer_size =
            usize::try_from(limits.max_alloc_bytes).unwrap_or(usize::MAX);
        tiff_limits.intermediate_buffer_size = tiff_limits.decoding_buffer_size;
        let mut decoder = Decoder::new(Cursor::new(&*self.bytes))
            .map_err(fail)?
            .with_limits(tiff_limits);
        self.check_chunks(&mut decoder)?;
        let orientation = decoder
            .find_tag_unsigned::<u8>(Tag::Orientation)
            .ok()
            .flatten()
            .and_then(Orientation::from_exif);
        let colours = match self.kind {
            Kind::Palette { .. } => decoder.get_tag_u16_vec(Tag::ColorMap).map_err(fail)?,
            _ => Vec::new(),
        };
        let mut samples = DecodingResult::U8(Vec::new());
        decoder.read_image_to_buffer(&mut samples).map_err(fail)?;
        let rgb = self.to_rgb(samples, &colours)?;
        Ok(Upright {
            image: pixels::image_of(Format::Tiff, width, height, rgb)?,
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
            mode: self.kind.mode(),
        })
    }

    /// Refuses a file that ends before its pixels do: what is missing of JPEG data would be filled with grey.
    fn check_chunks(&self, decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<(), AugmentError> {
        for (offsets, lengths) in [
            (Tag::StripOffsets, Tag::StripByteCounts),
            (Tag::TileOffsets, Tag::TileByteCounts),
        ] {
            let mut numbers = |tag| decoder.get_tag_u64_vec(tag).unwrap_or_default();
            let ends = numbers(offsets)
                .into_iter()
                .zip(numbers(lengths))
                .map(|(offset, length)| offset.saturating_add(length));
            let end = ends.max().unwrap_or(0);
            if end > self.bytes.len() as u64 {
                return Err(AugmentError::Truncated {
                    format: Format::Tiff,
                    bytes: self.bytes.len(),
                    reason: format!("its pixels would end at byte {end}"),
                });
            }
        }
        Ok(())
    }

    fn to_rgb(&self, samples: DecodingResult, colours: &[u16]) -> Result<Vec<u8>, AugmentError> {
        let pixel_count = self.width as usize * self.height as usize;
        Ok(match (self.kind, samples) {
            (Kind::Palette { bits }, DecodingResult::U8(packed)) => {
                let entries = 1 << bits;
                if colours.len() < 3 * entries {
                    return Err(corrupt("its table of colours is too short"));
                }
                // As Pillow does: the upper byte of each value.
                let byte = |index: u8, channel: usize| {
                    (colours[channel * entries + usize::from(index)] >> 8) as u8
                };
                self.unpacked(&packed, bits)
                    .flat_map(|index| [0, 1, 2].map(|channel| byte(index, channel)))
                    .collect()
            }
            (Kind::PackedGrey { bits }, DecodingResult::U8(packed)) => {
                let most = (1u32 << bits) - 1;
                self.unpacked(&packed, bits)
                    .flat_map(|value| [(u32::from(value) * 255 / most) as u8; 3])
                    .collect()
            }
            (Kind::YCbCr, DecodingResult::U8(samples)) => samples
                .as_chunks::<3>()
                .0
                .iter()
                .flat_map(|pixel| pixels::from_ycbcr(*pixel))
                .collect(),
            (Kind::PlanarCmyk, DecodingResult::U8(planes)) => {
                let Some(planes) = planes.get(..4 * pixel_count) else {
                    return Err(corrupt("planes are missing"));
                };
                let ink = |plane: usize, at: usize| u16::from(planes[plane * pixel_count + at]);
                // Without a colour profile, as Pillow does: what an ink and black leave of white.
                let light = |ink: u16, black: u16| {
                    let product = (255 - ink) * (255 - black) + 128;
                    ((product + (product >> 8)) >> 8) as u8
                };
                (0..pixel_count)
                    .flat_map(|at| [0, 1, 2].map(|plane| light(ink(plane, at), ink(3, at))))
                    .collect()
            }
            (Kind::GreyAlpha { .. }, DecodingResult::U8(samples)) => {
                pixels::to_rgb(Format::Tiff, image::ColorType::La8, samples)?
            }
            (Kind::GreyAlpha { .. }, DecodingResult::U16(samples)) => {
                let bytes = samples.into_iter().flat_map(u16::to_ne_bytes).collect();
                pixels::to_rgb(Format::Tiff, image::ColorType::La16, bytes)?
            }
            (Kind::GreyFloat, DecodingResult::F32(samples)) => {
                pixels::grey_to_rgb(&pixels::from_floats(Format::Tiff, &samples)?)
            }
            (Kind::GreyFloat, DecodingResult::F64(samples)) => {
                let samples: Vec<f32> = samples.into_iter().map(|value| value as f32).collect();
                pixels::grey_to_rgb(&pixels::from_floats(Format::Tiff, &samples)?)
            }
            (kind, _) => {
                return Err(AugmentError::UnsupportedFeature {
                    format: Format::Tiff,
                    reason: format!("samples of another type than {kind:?} has"),
                });
            }
        })
    }

    /// Values of so many bits each; a row begins with a byte of its own, and the upper bits come first.
    fn unpacked(&self, packed: &[u8], bits: u32) -> impl Iterator<Item = u8> {
        let width = self.width as usize;
        let in_a_byte = (8 / bits) as usize;
        let mask = ((1u32 << bits) - 1) as u8;
        let rows = packed.chunks(width.div_ceil(in_a_byte).max(1));
        rows.take(self.height as usize).flat_map(move |row| {
            (0..width.min(row.len() * in_a_byte)).map(move |x| {
                let shift = 8 - bits * (x % in_a_byte + 1) as u32;
                (row[x / in_a_byte] >> shift) & mask
            })
        })
    }
}

/// The file with another value of the tag that says what samples mean, in its first directory; none where it cannot be found.
fn with_photometric(bytes: &[u8], value: u16) -> Option<Vec<u8>> {
    let little = bytes.starts_with(b"II");
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match little {
            true => bytes.iter().rev().fold(0, join),
            false => bytes.iter().fold(0, join),
        })
    };
    // A BigTIFF has longer numbers everywhere.
    let (start, count_bytes, entry_bytes, value_at) = match number(2, 2)? {
        42 => (number(4, 4)?, 2, 12, 8),
        43 => (number(8, 8)?, 8, 20, 12),
        _ => return None,
    };
    let start = usize::try_from(start).ok()?;
    let entries = number(start, count_bytes)?;
    let tag = u64::from(Tag::PhotometricInterpretation.to_u16());
    let at = (0..usize::try_from(entries).ok()?)
        .map_while(|entry| {
            start
                .checked_add(count_bytes)?
                .checked_add(entry.checked_mul(entry_bytes)?)
        })
        .take_while(|at| number(*at, 2).is_some())
        .find(|at| number(*at, 2) == Some(tag))?;
    let mut changed = bytes.to_vec();
    let place = changed.get_mut(at + value_at..at + value_at + 2)?;
    place.copy_from_slice(&match little {
        true => value.to_le_bytes(),
        false => value.to_be_bytes(),
    });
    Some(changed)
}

fn corrupt(reason: &str) -> AugmentError {
    AugmentError::Corrupt {
        format: Format::Tiff,
        reason: reason.to_owned(),
    }
}

fn explain(error: tiff::TiffError, bytes: usize) -> AugmentError {
    let format = Format::Tiff;
    let reason = error.to_string();
    match error {
        tiff::TiffError::UnsupportedError(_) => AugmentError::UnsupportedFeature { format, reason },
        error if ends_early(&error) => AugmentError::Truncated {
            format,
            bytes,
            reason,
        },
        _ => AugmentError::Corrupt { format, reason },
    }
}
