//! TIFF to RGB: strips and tiles of any size, planes together and apart, samples of 1 to 64 bits, classic and big files.
//!
//! Owns: the way from the strips and tiles of the picture's page to its pixels, row by row; only
//! LZW, fax codes and JPEG unpack a strip or tile at once.
//! `directory` has the tags, `page` what they mean and what is refused, `codec`, `lzw` and `fax` the compressions, `samples` and `colour` the
//! numbers. Pages other than the picture's are not read, but where the planes of a stack are asked for as its channels: `stack` has what a
//! file says of them, `planes` which are taken.

mod codec;
mod colour;
mod directory;
mod fax;
mod lzw;
mod numbers;
mod page;
mod planes;
mod samples;
mod stack;

use std::borrow::Cow;
use std::io::{Cursor, Error as IoError, ErrorKind, Read};

use self::codec::{Compression, Fault};
use self::colour::Bands;
pub(super) use self::directory::File;
pub(super) use self::numbers::numbers;
use self::page::{Alpha, Meaning, Number, Page, YCbCr};
pub(super) use self::page::{has_more_pages, main_page};
pub(super) use self::planes::unread_stack;
use self::samples::Row;
pub use self::stack::Stack;
use super::bands;
use super::jpeg::{self, Colour};
use super::limits::{DecodeLimits, SampleRange};
use super::orientation;
use super::pixels;
use super::upright::{SourceMode, Upright};
use crate::bands::{of_samples, stack};
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
    let limits = &limits.of_rows();
    let file = TiffRows::open(bytes, limits)?;
    let (width, height) = file.size();
    limits.check(FORMAT, width, height, file.pixel_bytes())?;
    let (mode, has_alpha) = (file.mode(), file.has_alpha());
    let mut rgb = Vec::with_capacity(3 * width as usize * height as usize);
    file.read(&mut |row| rgb.extend_from_slice(row))?;
    Ok(Upright {
        image: pixels::image_of(FORMAT, width, height, rgb)?,
        orientation: orientation::of(bytes, FORMAT),
        mode,
        has_alpha,
    })
}

/// The picture with as many bands as are asked for.
pub(super) fn decode_bands(bytes: &[u8], limits: &DecodeLimits) -> Result<Upright, AugmentError> {
    let limits = &limits.of_rows();
    let file = TiffRows::open(bytes, limits)?;
    let count = file.channels();
    bands::check_count(FORMAT, count, limits)?;
    let (width, height) = file.size();
    limits.check(FORMAT, width, height, file.pixel_bytes())?;
    let mode = file.mode();
    let mut samples = Vec::with_capacity(count * width as usize * height as usize);
    file.read(&mut |row| samples.extend_from_slice(row))?;
    Ok(Upright {
        image: stack(of_samples(width, height, count, &samples)),
        orientation: orientation::of(bytes, FORMAT),
        mode,
        has_alpha: false,
    })
}

/// The rows of the picture of a file.
pub(super) struct TiffRows<'a> {
    /// The picture, or the first of its planes.
    page: Page<'a>,
    /// The other planes, each of which is a channel of the picture as the first one is.
    planes: Vec<Page<'a>>,
    limits: DecodeLimits,
}

impl<'a> TiffRows<'a> {
    pub(super) fn open(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, AugmentError> {
        let (file, directory) = open(bytes)?;
        if let Some(tag) = directory.cut_tag() {
            return Err(cut(
                bytes,
                &format!("the values of tag {tag} lie behind its end"),
            ));
        }
        let (width, height) = page::dimensions(&directory)?;
        limits.check(FORMAT, width, height, 0)?;
        let mut planes = planes::planes(&file, &directory, limits)?
            .unwrap_or_default()
            .into_iter();
        let page = match planes.next() {
            Some(page) => page,
            None => Page::read(&file, &directory, limits.has_bands(), limits.reading.alpha)?,
        };
        let planes: Vec<Page> = planes.collect();
        // What is unpacked at once.
        for page in std::iter::once(&page).chain(&planes) {
            let unpacked = match page.compression {
                Compression::Lzw | Compression::Fax(_) | Compression::Jpeg => pixel_bytes(page),
                _ => 0,
            };
            let [across, _] = page.chunks();
            let wide = (across as u64 * u64::from(page.chunk[0])).min(u64::from(u32::MAX)) as u32;
            let unpacked = unpacked * (1 + planes.len() as u64);
            limits.check_memory(FORMAT, wide, page.chunk[1].min(height), unpacked)?;
            // A row as it is stored: tiles may be said to be far wider than the picture.
            let stored = page.samples as u64 * u64::from(page.bits.div_ceil(8));
            limits.check_memory(FORMAT, wide, 1, stored * (1 + planes.len() as u64))?;
        }
        Ok(Self {
            page,
            planes,
            limits: limits.clone(),
        })
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.page.width, self.page.height)
    }

    /// Samples of a pixel of the picture.
    fn channels(&self) -> usize {
        match (self.planes.len(), &self.page.meaning) {
            (0, Meaning::Bands(count)) => *count,
            (0, _) => 3,
            (others, _) if self.limits.has_bands() => others + 1,
            _ => 3,
        }
    }

    pub(super) fn mode(&self) -> SourceMode {
        match (mode(&self.page), self.planes.len()) {
            (SourceMode::Grey, 1..) => SourceMode::Rgb,
            (mode, _) => mode,
        }
    }

    pub(super) fn has_alpha(&self) -> bool {
        self.page.has_alpha
    }

    /// Most bytes that a pixel takes: the output, and where strips are large, what a row of samples goes through.
    fn pixel_bytes(&self) -> u64 {
        let pages = std::iter::once(&self.page).chain(&self.planes);
        let own: u64 = pages.map(pixel_bytes).sum();
        match (self.planes.len(), self.limits.has_bands()) {
            (0, _) | (_, false) => own,
            (others, true) => own + 6 * (others as u64 + 1).div_ceil(3),
        }
    }

    /// Gives every row to `sink`, through the strips or tiles that lie beside each other.
    pub(super) fn read(self, sink: &mut dyn FnMut(&[u8])) -> Result<(), AugmentError> {
        let channels = self.channels();
        let mut line = vec![0; channels * self.page.width as usize];
        let mut rows = PageRows::new(&self.page, &self.limits);
        if self.planes.is_empty() {
            for _ in 0..self.page.height {
                rows.next(&mut line)?;
                sink(&line);
            }
            return Ok(());
        }
        let others = self.planes.iter();
        let others = others.map(|page| PageRows::new(page, &self.limits));
        let mut planes: Vec<PageRows> = std::iter::once(rows).chain(others).collect();
        let mut grey = vec![0; 3 * self.page.width as usize];
        for _ in 0..self.page.height {
            for (channel, plane) in planes.iter_mut().enumerate() {
                plane.next(&mut grey)?;
                let pixels = line.chunks_exact_mut(channels);
                for (pixel, [value, ..]) in pixels.zip(grey.as_chunks::<3>().0) {
                    pixel[channel] = *value;
                }
            }
            sink(&line);
        }
        Ok(())
    }
}

/// The rows of a page, one after the other.
struct PageRows<'p, 'a> {
    page: &'p Page<'a>,
    limits: &'p DecodeLimits,
    /// The strips or tiles of the next row, those beside each other.
    chunks: Vec<Chunk<'p>>,
    row: usize,
}

impl<'p, 'a> PageRows<'p, 'a> {
    fn new(page: &'p Page<'a>, limits: &'p DecodeLimits) -> Self {
        Self {
            page,
            limits,
            chunks: Vec::new(),
            row: 0,
        }
    }

    /// The next row; there are as many as the page is high.
    fn next(&mut self, line: &mut [u8]) -> Result<(), AugmentError> {
        let page = self.page;
        let [across, _] = page.chunks();
        let [chunk_width, chunk_height] = page.chunk.map(|side| side as usize);
        let channels = match page.meaning {
            Meaning::Bands(count) => count,
            _ => 3,
        };
        if self.row.is_multiple_of(chunk_height) {
            let rows = chunk_height.min(page.height as usize - self.row);
            let first = self.row / chunk_height * across;
            // What is done with is not held beside what comes next.
            self.chunks.clear();
            for column in 0..across {
                let chunk = Chunk::open(page, first + column, rows, self.limits)?;
                self.chunks.push(chunk);
            }
        }
        let parts = line.chunks_mut(channels * chunk_width);
        for (chunk, part) in self.chunks.iter_mut().zip(parts) {
            chunk.read(page, self.limits.range, part)?;
        }
        self.row += 1;
        Ok(())
    }
}

/// Most bytes that a pixel of a page takes.
fn pixel_bytes(page: &Page) -> u64 {
    let sample = u64::from(page.bits.div_ceil(8));
    let sample_count = match page.meaning {
        // The output, too.
        Meaning::Bands(count) => return count as u64 * sample + 6 * count.div_ceil(3) as u64,
        _ => page.samples.min(4),
    };
    let samples = sample_count as u64;
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
        (Meaning::Grey { .. }, ..) if page.has_alpha => SourceMode::GreyAlpha,
        (Meaning::Grey { .. }, ..) => SourceMode::Grey,
        (Meaning::Rgb { .. }, ..) if page.has_alpha => SourceMode::Rgba,
        _ => SourceMode::Rgb,
    }
}

/// A strip or tile that is read row by row.
struct Chunk<'p> {
    content: Content<'p>,
    /// A row of each plane, as it is stored.
    raw: Vec<u8>,
}

enum Content<'p> {
    Pixels {
        width: usize,
        data: Vec<u8>,
        row: usize,
    },
    /// Units of luma samples with one pair of chroma samples each.
    Units {
        rule: YCbCr,
        source: Source<'p>,
        row: usize,
    },
    Samples(Vec<Source<'p>>),
}

impl<'p> Chunk<'p> {
    /// The one of this number, of which so many rows are needed.
    fn open(
        page: &'p Page,
        index: usize,
        rows: usize,
        limits: &DecodeLimits,
    ) -> Result<Self, AugmentError> {
        let [width, height] = page.chunk.map(|side| side as usize);
        if let Meaning::YCbCr(rule) = &page.meaning
            && rule.subsampling != [1, 1]
        {
            let [across, down] = rule.subsampling;
            let row_bytes = width.div_ceil(across) * (across * down + 2);
            let units = height.div_ceil(down);
            let content = match source(page, 0, index, [units, row_bytes], limits)? {
                Source::Pixels { width, data } => Content::Pixels {
                    width,
                    data,
                    row: 0,
                },
                source => Content::Units {
                    rule: *rule,
                    source,
                    row: 0,
                },
            };
            return Ok(Self {
                content,
                raw: vec![0; row_bytes],
            });
        }
        let (colours, alpha) = page.colours();
        let planes = match page.is_planar {
            true => colours + usize::from(alpha != Alpha::None),
            false => 1,
        };
        let samples = if page.is_planar { 1 } else { page.samples };
        let row_bytes = (width * samples * page.bits as usize).div_ceil(8);
        let mut sources = Vec::with_capacity(planes);
        for plane in 0..planes {
            match source(page, plane, index, [rows, row_bytes], limits)? {
                Source::Pixels { width, data } => {
                    let content = Content::Pixels {
                        width,
                        data,
                        row: 0,
                    };
                    return Ok(Self {
                        content,
                        raw: Vec::new(),
                    });
                }
                source => sources.push(source),
            }
        }
        Ok(Self {
            content: Content::Samples(sources),
            raw: vec![0; row_bytes],
        })
    }

    /// The colours of its next row.
    fn read(
        &mut self,
        page: &Page,
        range: SampleRange,
        line: &mut [u8],
    ) -> Result<(), AugmentError> {
        let Self { content, raw } = self;
        match content {
            Content::Pixels { width, data, row } => {
                let length = line.len();
                line.copy_from_slice(&data[3 * *width * *row..][..length]);
                *row += 1;
            }
            Content::Units { rule, source, row } => {
                let [across, down] = rule.subsampling;
                if row.is_multiple_of(down) {
                    source.read(raw, page.bytes)?;
                }
                write_units(rule, raw, *row % down, across, line);
                *row += 1;
            }
            Content::Samples(sources) => {
                let (colours, _) = page.colours();
                let stride = if page.is_planar { 1 } else { page.samples };
                let mut unpacked: Vec<Row> = Vec::with_capacity(sources.len());
                for (plane, source) in sources.iter_mut().enumerate() {
                    source.read(raw, page.bytes)?;
                    // The place of a band that is no colour.
                    let plain = match page.is_planar {
                        true => usize::from(plane < colours),
                        false => colours,
                    };
                    unpacked.push(samples::unpack(page, raw, stride, plain, range)?);
                }
                let bands = Bands {
                    rows: &unpacked,
                    stride,
                };
                colour::write(&bands, &page.meaning, line);
            }
        }
        Ok(())
    }
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

/// The colours of one row of units of luma samples with one pair of chroma samples each.
///
/// Source: TIFF revision 6.0, section 21, "Ordering of Component Samples".
fn write_units(rule: &YCbCr, units: &[u8], row: usize, across: usize, line: &mut [u8]) {
    let unit = across * rule.subsampling[1] + 2;
    for (x, pixel) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let unit = &units[x / across * unit..][..unit];
        let luma = unit[row * across + x % across];
        *pixel = rule.colour([luma, unit[unit.len() - 2], unit[unit.len() - 1]]);
    }
}
