//! TIFF to RGB: strips and tiles of any size, planes together and apart, samples of 1 to 64 bits, classic and big files.
//!
//! Owns: the way from the strips and tiles of the picture's page to its pixels, row by row; only
//! LZW, fax codes and JPEG unpack a strip or tile at once.
//! `directory` has the tags, `page` what they mean and what is refused, `codec`, `lzw` and `fax` the compressions, `samples` and `colour` the
//! numbers. Pages other than the picture's are not read.

mod codec;
mod colour;
mod directory;
mod fax;
mod lzw;
mod page;
mod samples;

use std::borrow::Cow;
use std::io::{Cursor, Error as IoError, ErrorKind, Read};

use image::RgbImage;

use self::codec::{Compression, Fault};
use self::colour::Bands;
pub(super) use self::directory::File;
use self::page::{Alpha, Meaning, Number, Page, YCbCr};
pub(super) use self::page::{has_more_pages, main_page};
use self::samples::Row;
use super::jpeg::{self, Colour};
use super::limits::DecodeLimits;
use super::orientation;
use super::upright::{SourceMode, Upright};
use crate::error::AugmentError;
use crate::format::Format;

const FORMAT: Format = Format::Tiff;

fn damaged(reason: impl Into<String>) -> AugmentError {
    AugmentError::Corrupt {
        format: FORMAT,
        reason: reason.into(),
    }
}

fn cut(bytes: &[u8], reason: &str) -> AugmentError {
    AugmentError::Truncated {
        format: FORMAT,
        bytes: bytes.len(),
        reason: reason.to_owned(),
    }
}

/// The directory of the picture.
fn open(bytes: &[u8]) -> Result<(File<'_>, directory::Directory<'_>), AugmentError> {
    let file = File::open(bytes).ok_or_else(|| cut(bytes, "it ends inside its header"))?;
    let page =
        main_page(&file).ok_or_else(|| cut(bytes, "the list of its tags lies behind its end"))?;
    Ok((file, page))
}

/// Width and height as the tags say.
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), AugmentError> {
    page::dimensions(&open(bytes)?.1)
}

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Upright, AugmentError> {
    let (file, directory) = open(bytes)?;
    if let Some(tag) = directory.cut_tag() {
        return Err(cut(
            bytes,
            &format!("the values of tag {tag} lie behind its end"),
        ));
    }
    let (width, height) = page::dimensions(&directory)?;
    limits.check(FORMAT, width, height, 3)?;
    let page = Page::read(&file, &directory)?;
    limits.check(FORMAT, width, height, pixel_bytes(&page))?;
    let mut image = RgbImage::new(width, height);
    let [across, down] = page.chunks();
    for row in 0..down {
        for column in 0..across {
            write_chunk(&page, [column, row], limits, &mut image)?;
        }
    }
    Ok(Upright {
        image,
        orientation: orientation::of(bytes, FORMAT),
        mode: mode(&page),
    })
}

/// Most bytes that a pixel takes: the output, and where strips are large, what a row of samples goes through.
fn pixel_bytes(page: &Page) -> u64 {
    let sample = u64::from(page.bits.div_ceil(8));
    let samples = page.samples.min(4) as u64;
    match (page.bits, samples) {
        (8, 3) => 3,
        _ => samples * sample + 3,
    }
}

fn mode(page: &Page) -> SourceMode {
    match (&page.meaning, page.number, page.bits) {
        (Meaning::Palette(_), ..) => SourceMode::Palette,
        (Meaning::Cmyk, ..) => SourceMode::Cmyk,
        (_, Number::Float, _) => SourceMode::Float,
        (_, _, 9..) | (_, Number::Signed, _) => SourceMode::SixteenBit,
        (Meaning::Grey { alpha, .. }, ..) if *alpha != Alpha::None => SourceMode::GreyAlpha,
        (Meaning::Grey { .. }, ..) => SourceMode::Grey,
        (Meaning::Rgb { alpha }, ..) if *alpha != Alpha::None => SourceMode::Rgba,
        _ => SourceMode::Rgb,
    }
}

/// Fills the part of the picture under one strip or tile.
fn write_chunk(
    page: &Page,
    [column, row]: [usize; 2],
    limits: &DecodeLimits,
    image: &mut RgbImage,
) -> Result<(), AugmentError> {
    let [chunk_width, chunk_height] = page.chunk.map(|side| side as usize);
    let (left, top) = (column * chunk_width, row * chunk_height);
    let width = chunk_width.min(page.width as usize - left);
    let rows = chunk_height.min(page.height as usize - top);
    let index = row * page.chunks()[0] + column;
    let stride = 3 * page.width as usize;
    let lines = image.as_flat_samples_mut().samples;
    let lines = lines[top * stride..].chunks_exact_mut(stride).take(rows);
    let lines = lines.map(|line| &mut line[3 * left..3 * (left + width)]);

    if let Meaning::YCbCr(rule) = &page.meaning
        && rule.subsampling != [1, 1]
    {
        return write_units(page, rule, index, lines);
    }
    let (colours, alpha) = page.colours();
    let planes = match page.is_planar {
        true => colours + usize::from(alpha != Alpha::None),
        false => 1,
    };
    let samples = if page.is_planar { 1 } else { page.samples };
    let row_bytes = (chunk_width * samples * page.bits as usize).div_ceil(8);
    let mut sources = Vec::with_capacity(planes);
    for plane in 0..planes {
        let source = source(page, plane, index, [rows, row_bytes], limits)?;
        if let Source::Pixels { width, data } = &source {
            for (line, pixels) in lines.zip(data.chunks_exact(3 * width)) {
                let length = line.len();
                line.copy_from_slice(&pixels[..length]);
            }
            return Ok(());
        }
        sources.push(source);
    }
    let mut raw = Vec::new();
    let mut unpacked: Vec<Row> = Vec::with_capacity(planes);
    for line in lines {
        unpacked.clear();
        for (plane, source) in sources.iter_mut().enumerate() {
            raw.clear();
            raw.resize(row_bytes, 0);
            source.read(&mut raw, page.bytes)?;
            // The place of a band that is no colour.
            let plain = match page.is_planar {
                true => usize::from(plane < colours),
                false => colours,
            };
            let range = limits.range;
            unpacked.push(samples::unpack(page, &mut raw, samples, plain, range)?);
        }
        let bands = Bands {
            rows: &unpacked,
            stride: samples,
        };
        colour::write(&bands, &page.meaning, line);
    }
    Ok(())
}

/// What a strip or tile gives.
enum Source<'a> {
    /// Rows of samples.
    Bytes(Box<dyn Read + 'a>),
    /// Finished pixels.
    Pixels { width: usize, data: Vec<u8> },
}

impl Source<'_> {
    fn read(&mut self, row: &mut [u8], bytes: &[u8]) -> Result<(), AugmentError> {
        match self {
            Self::Bytes(reader) => reader
                .read_exact(row)
                .map_err(|error| explain(&error, bytes)),
            Self::Pixels { .. } => Err(damaged("its planes are of different kinds")),
        }
    }
}

fn explain(error: &IoError, bytes: &[u8]) -> AugmentError {
    match error.kind() {
        ErrorKind::UnexpectedEof => cut(bytes, "the data ends before the picture does"),
        _ => damaged(error.to_string()),
    }
}

fn source<'a>(
    page: &Page<'a>,
    plane: usize,
    index: usize,
    [rows, row_bytes]: [usize; 2],
    limits: &DecodeLimits,
) -> Result<Source<'a>, AugmentError> {
    let data = page
        .data(plane, index)
        .ok_or_else(|| damaged("the place of a strip or tile is missing"))?;
    if page.compression == Compression::Jpeg {
        return jpeg_source(page, data, rows, limits);
    }
    let data = match page.is_turned {
        true => Cow::Owned(data.iter().map(|byte| byte.reverse_bits()).collect()),
        false => Cow::Borrowed(data),
    };
    let width = page.chunk[0] as usize;
    let needed = rows.saturating_mul(row_bytes);
    let reader = codec::open(page.compression, data, width, rows, needed);
    reader.map(Source::Bytes).map_err(|fault| match fault {
        Fault::End => cut(page.bytes, "the data ends before the picture does"),
        Fault::Damage(reason) => damaged(reason),
    })
}

/// A strip or tile of JPEG data, whose tables may stand apart.
fn jpeg_source<'a>(
    page: &Page,
    data: &[u8],
    rows: usize,
    limits: &DecodeLimits,
) -> Result<Source<'a>, AugmentError> {
    if page.bits != 8 || page.number != Number::Unsigned {
        return Err(AugmentError::UnsupportedFeature {
            format: FORMAT,
            reason: format!("JPEG data of {} bits", page.bits),
        });
    }
    let (colour, components) = match &page.meaning {
        Meaning::YCbCr(_) if !page.is_planar => (Colour::YCbCr, 3),
        _ if page.is_planar => (Colour::Raw, 1),
        _ => (Colour::Raw, page.samples),
    };
    // The tables without their end, and the data without its start.
    let tables = page
        .jpeg_tables
        .and_then(|tables| tables.strip_suffix(&[0xff, 0xd9]));
    let data = match tables {
        Some(tables) if tables.starts_with(&[0xff, 0xd8]) => {
            let rest = data.strip_prefix(&[0xff, 0xd8]).unwrap_or(data);
            Cow::Owned([tables, rest].concat())
        }
        _ => Cow::Borrowed(data),
    };
    let (width, height, data) =
        jpeg::decode_stream(&data, colour, limits).map_err(|error| match error {
            AugmentError::Truncated { reason, .. } => cut(page.bytes, &reason),
            AugmentError::Corrupt { reason, .. } => damaged(reason),
            AugmentError::UnsupportedFeature { reason, .. } => AugmentError::UnsupportedFeature {
                format: FORMAT,
                reason: format!("JPEG data of this kind: {reason}"),
            },
            other => other,
        })?;
    if width != page.chunk[0] as usize || height < rows {
        return Err(damaged(format!(
            "a strip or tile is {width} by {height} pixels"
        )));
    }
    if data.len() != width * height * components {
        return Err(damaged(
            "its JPEG data has other components than its tags say",
        ));
    }
    Ok(match colour {
        Colour::YCbCr => Source::Pixels { width, data },
        _ => Source::Bytes(Box::new(Cursor::new(data))),
    })
}

/// Fills lines from units of luma samples with one pair of chroma samples each.
///
/// Source: TIFF revision 6.0, section 21, "Ordering of Component Samples".
fn write_units<'l>(
    page: &Page,
    rule: &YCbCr,
    index: usize,
    mut lines: impl Iterator<Item = &'l mut [u8]>,
) -> Result<(), AugmentError> {
    let [across, down] = rule.subsampling;
    let unit = across * down + 2;
    let units = (page.chunk[0] as usize).div_ceil(across);
    let rows = (page.chunk[1] as usize).div_ceil(down);
    let limits = DecodeLimits::default();
    let mut source = source(page, 0, index, [rows, units * unit], &limits)?;
    let mut raw = vec![0; units * unit];
    'rows: loop {
        let mut is_read = false;
        for row in 0..down {
            let Some(line) = lines.next() else {
                break 'rows;
            };
            if !is_read {
                source.read(&mut raw, page.bytes)?;
                is_read = true;
            }
            for (x, pixel) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let unit = &raw[x / across * unit..][..unit];
                let luma = unit[row * across + x % across];
                *pixel = rule.colour([luma, unit[unit.len() - 2], unit[unit.len() - 1]]);
            }
        }
    }
    Ok(())
}
