//! What the tags of a page say of its pixels.
//!
//! Owns: which page is the picture, how its samples are stored, what they mean, and in which words a kind that is not read is refused,
//! before any of its data is touched.
//!
//! Source: TIFF revision 6.0; libtiff and Pillow where it leaves something open.

use super::codec::Compression;
use super::directory::{Directory, File};
use crate::decode::reading::AlphaUse;
use crate::error::AugmentError;
use crate::format::Format;

/// Numbers of tags.
pub(super) mod tag {
    pub const NEW_SUBFILE_TYPE: u16 = 254;
    pub const SUBFILE_TYPE: u16 = 255;
    pub const WIDTH: u16 = 256;
    pub const LENGTH: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const DESCRIPTION: u16 = 270;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const T4_OPTIONS: u16 = 292;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_LENGTH: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const INK_SET: u16 = 332;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const YCBCR_COEFFICIENTS: u16 = 529;
    pub const YCBCR_SUBSAMPLING: u16 = 530;
    pub const REFERENCE: u16 = 532;
    /// What GeoTIFF and GDAL write: pixel scale, transform, keys; metadata, value of no data.
    pub const GEOGRAPHIC: [u16; 5] = [33550, 34264, 34735, 42112, 42113];
}

/// Pages that are looked at for the picture.
const MOST_PAGES: usize = 1000;

/// What a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Unsigned,
    Signed,
    Float,
}

/// What was done to rows before they were packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    Float,
}

/// What an alpha channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpha {
    None,
    /// Colours are multiplied by it.
    Associated,
    Straight,
    /// It is the picture itself.
    Alone,
}

/// What samples mean.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    Grey {
        is_inverted: bool,
        alpha: Alpha,
    },
    Rgb {
        alpha: Alpha,
    },
    /// The colours of indices.
    Palette(Vec<[u8; 3]>),
    Cmyk,
    YCbCr(YCbCr),
    /// Each sample is a band of its own.
    Bands(usize),
}

impl Meaning {
    /// Says what becomes of its alpha channel; whether there is one.
    fn use_alpha(&mut self, how: AlphaUse) -> bool {
        let (Self::Grey { alpha, .. } | Self::Rgb { alpha }) = self else {
            return false;
        };
        let has_alpha = *alpha != Alpha::None;
        match how {
            AlphaUse::White => {}
            AlphaUse::Ignore => *alpha = Alpha::None,
            AlphaUse::Alone if has_alpha => *alpha = Alpha::Alone,
            AlphaUse::Alone => {}
        }
        has_alpha
    }
}

/// How luma and chroma stand for a colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct YCbCr {
    /// Pixels across and down for each chroma sample.
    pub(super) subsampling: [usize; 2],
    /// What red, green and blue weigh in luma.
    pub(super) weights: [f32; 3],
    /// The codes of black and white, and of no and full colour, for each of the three.
    pub(super) reference: [f32; 6],
}

/// A page that is decoded.
#[derive(Debug, Clone)]
pub(super) struct Page<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_little: bool,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bits: u32,
    pub(super) number: Number,
    /// Samples of a pixel.
    pub(super) samples: usize,
    pub(super) is_planar: bool,
    /// Width and height of a strip or tile.
    pub(super) chunk: [u32; 2],
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    pub(super) compression: Compression,
    pub(super) jpeg_tables: Option<&'a [u8]>,
    pub(super) predictor: Predictor,
    /// Whether each byte's lowest bit comes first.
    pub(super) is_turned: bool,
    pub(super) meaning: Meaning,
    /// Whether there is an alpha channel, whatever becomes of it.
    pub(super) has_alpha: bool,
}

fn refused(reason: impl Into<String>) -> AugmentError {
    AugmentError::UnsupportedFeature {
        format: Format::Tiff,
        reason: reason.into(),
    }
}

fn damaged(reason: &str) -> AugmentError {
    AugmentError::Corrupt {
        format: Format::Tiff,
        reason: reason.to_owned(),
    }
}

/// Whether a page is another one at a smaller size, or a mask.
pub(super) fn is_aside(page: &Directory) -> bool {
    page.number(tag::NEW_SUBFILE_TYPE)
        .is_some_and(|kind| kind & 5 != 0)
        || page.number(tag::SUBFILE_TYPE) == Some(2)
}

/// The pages of a file, one after the other.
pub(super) fn pages<'a>(file: &File<'a>) -> impl Iterator<Item = Directory<'a>> {
    let file = *file;
    let next = move |page: &Directory<'a>| match page.next {
        0 => None,
        at => file.directory(at),
    };
    std::iter::successors(file.first(), next).take(MOST_PAGES)
}

/// The first page that is no thumbnail; the first of all where there is none.
pub(in crate::decode) fn main_page<'a>(file: &File<'a>) -> Option<Directory<'a>> {
    let first = file.first()?;
    if !is_aside(&first) {
        return Some(first);
    }
    pages(file).find(|page| !is_aside(page)).or(Some(first))
}

/// Whether there are more pages than one, without thumbnails and masks.
pub(in crate::decode) fn has_more_pages(file: &File) -> bool {
    pages(file).filter(|page| !is_aside(page)).nth(1).is_some()
}

/// Width and height of the page that is decoded.
pub(super) fn dimensions(page: &Directory) -> Result<(u32, u32), AugmentError> {
    let side = |tag| {
        let side = page
            .number(tag)
            .ok_or_else(|| damaged("its size is missing"))?;
        u32::try_from(side).map_err(|_| damaged("its size is no size"))
    };
    Ok((side(tag::WIDTH)?, side(tag::LENGTH)?))
}

impl<'a> Page<'a> {
    /// Reads the tags of a page whose size was checked.
    pub(super) fn read(
        file: &File<'a>,
        page: &Directory<'a>,
        has_bands: bool,
        alpha: AlphaUse,
    ) -> Result<Self, AugmentError> {
        let (width, height) = dimensions(page)?;
        let number = |tag, default| page.number(tag).unwrap_or(default);
        let samples = number(tag::SAMPLES, 1);
        let bits = page.numbers(tag::BITS).unwrap_or_else(|| vec![1]);
        let bits_of_first = bits.first().copied().unwrap_or(1);
        if !(1..=u64::from(u16::MAX)).contains(&samples) {
            return Err(damaged("a pixel has no samples"));
        }
        let samples = samples as usize;
        let photometric = page.number(tag::PHOTOMETRIC);
        let (number_kind, bits) = sample_kind(page, &bits, bits_of_first)?;
        let is_planar = samples > 1 && number(tag::PLANAR, 1) == 2;
        let compression = Compression::of(number(tag::COMPRESSION, 1), number(tag::T4_OPTIONS, 0))
            .map_err(refused)?;
        if matches!(compression, Compression::Fax(_)) && (bits != 1 || samples != 1) {
            return Err(refused(format!(
                "fax codes of {samples} samples of {bits} bits"
            )));
        }
        let mut meaning = match has_bands {
            true => bands(photometric, samples, compression)?,
            false => meaning(page, photometric, samples, bits, compression)?,
        };
        let has_alpha = meaning.use_alpha(alpha);
        let has_units = compression != Compression::Jpeg
            && matches!(&meaning, Meaning::YCbCr(colours) if colours.subsampling != [1, 1]);
        let predictor = match (compression, number(tag::PREDICTOR, 1)) {
            (_, 1) => Predictor::None,
            // Others know no predictor, and the tag says nothing there.
            (Compression::Lzw | Compression::Deflate | Compression::Zstd, kind) => match kind {
                2 if matches!(bits, 8 | 16 | 32 | 64) && !has_units => Predictor::Horizontal,
                3 if number_kind == Number::Float => Predictor::Float,
                kind => {
                    return Err(refused(format!(
                        "predictor {kind} of samples of {bits} bits"
                    )));
                }
            },
            _ => Predictor::None,
        };
        if has_units && (is_planar || bits != 8 || samples != 3) {
            return Err(refused(
                "coarser chroma in planes or in other than three samples of 8 bits",
            ));
        }
        let is_tiled = page.has(tag::TILE_WIDTH) || page.has(tag::TILE_OFFSETS);
        let side = |tag: u16, default: u64| u32::try_from(number(tag, default)).unwrap_or(u32::MAX);
        let chunk = match is_tiled {
            true => [side(tag::TILE_WIDTH, 0), side(tag::TILE_LENGTH, 0)],
            false => [
                width,
                side(tag::ROWS_PER_STRIP, u64::from(u32::MAX)).min(height),
            ],
        };
        if chunk.contains(&0) {
            return Err(damaged("its strips or tiles have no size"));
        }
        let (offsets, lengths) = match is_tiled {
            true => (tag::TILE_OFFSETS, tag::TILE_BYTES),
            false => (tag::STRIP_OFFSETS, tag::STRIP_BYTES),
        };
        let offsets = page
            .numbers(offsets)
            .ok_or_else(|| damaged("the places of its pixels are missing"))?;
        let found = Self {
            bytes: file.bytes,
            is_little: file.is_little,
            width,
            height,
            bits,
            number: number_kind,
            samples,
            is_planar,
            chunk,
            lengths: page.numbers(lengths).unwrap_or_default(),
            offsets,
            compression,
            jpeg_tables: page.bytes(tag::JPEG_TABLES),
            predictor,
            is_turned: number(tag::FILL_ORDER, 1) == 2 && compression != Compression::Jpeg,
            meaning,
            has_alpha,
        };
        found.check_places()?;
        Ok(found)
    }

    /// Strips or tiles across and down.
    pub(super) fn chunks(&self) -> [usize; 2] {
        [
            self.width.div_ceil(self.chunk[0]) as usize,
            self.height.div_ceil(self.chunk[1]) as usize,
        ]
    }

    /// Where the packed bytes of a strip or tile of a plane lie.
    pub(super) fn data(&self, plane: usize, chunk: usize) -> Option<&'a [u8]> {
        let [across, down] = self.chunks();
        let index = plane * across * down + chunk;
        let start = usize::try_from(*self.offsets.get(index)?).ok()?;
        // Some programs leave the lengths out.
        let end = match self.lengths.get(index) {
            None | Some(0) => self.bytes.len(),
            Some(length) => start.checked_add(usize::try_from(*length).ok()?)?,
        };
        self.bytes.get(start..end)
    }

    /// The plane so many planes behind this one, of a file in which the pixels of all lie one behind the other and only the first has tags.
    pub(super) fn behind(&self, number: usize) -> Result<Self, AugmentError> {
        let row = (self.width as usize * self.samples * self.bits as usize).div_ceil(8) as u64;
        let plane = row.saturating_mul(u64::from(self.height));
        let first = self.offsets.first().copied().unwrap_or(0);
        let strip = row.saturating_mul(u64::from(self.chunk[1]));
        let mut places = (0u64..).map(|index| first.saturating_add(strip.saturating_mul(index)));
        let is_dense = self.compression == Compression::None
            && self.chunk[0] == self.width
            && self.chunk[1] <= self.height
            && !self.is_planar
            && self
                .offsets
                .iter()
                .all(|offset| Some(*offset) == places.next());
        if !is_dense {
            return Err(refused(
                "planes without tags of their own that do not lie densely behind the first one",
            ));
        }
        let shift = plane.saturating_mul(number as u64);
        let found = Self {
            offsets: self
                .offsets
                .iter()
                .map(|offset| offset.saturating_add(shift))
                .collect(),
            lengths: (0..self.offsets.len() as u32)
                .map(|index| {
                    let rows = (self.height - index.saturating_mul(self.chunk[1]).min(self.height))
                        .min(self.chunk[1]);
                    row.saturating_mul(u64::from(rows))
                })
                .collect(),
            ..self.clone()
        };
        found.check_places()?;
        Ok(found)
    }

    /// Refuses a file that ends before its pixels do.
    fn check_places(&self) -> Result<(), AugmentError> {
        let lengths = self.lengths.iter().copied().chain(std::iter::repeat(1));
        let ends = self.offsets.iter().zip(lengths);
        let end = ends
            .map(|(offset, length)| offset.saturating_add(length))
            .max()
            .unwrap_or(0);
        if end > self.bytes.len() as u64 {
            return Err(AugmentError::Truncated {
                format: Format::Tiff,
                bytes: self.bytes.len(),
                reason: format!("its pixels would end at byte {end}"),
            });
        }
        Ok(())
    }

    pub(super) fn is_palette(&self) -> bool {
        matches!(self.meaning, Meaning::Palette(_))
    }

    /// Samples of a pixel that are colours, and whether one behind them is alpha.
    pub(super) fn colours(&self) -> (usize, Alpha) {
        match self.meaning {
            Meaning::Grey { alpha, .. } => (1, alpha),
            Meaning::Palette(_) => (1, Alpha::None),
            Meaning::Rgb { alpha } => (3, alpha),
            Meaning::YCbCr(_) => (3, Alpha::None),
            Meaning::Cmyk => (4, Alpha::None),
            Meaning::Bands(count) => (count, Alpha::None),
        }
    }
}

/// What the samples of a page are, which all have to be the same.
fn sample_kind(page: &Directory, bits: &[u64], first: u64) -> Result<(Number, u32), AugmentError> {
    if bits.iter().any(|bits| *bits != first) {
        return Err(refused(format!(
            "samples of different widths: {bits:?} bits"
        )));
    }
    let formats = page.numbers(tag::SAMPLE_FORMAT).unwrap_or_else(|| vec![1]);
    let format = formats.first().copied().unwrap_or(1);
    if formats.iter().any(|other| *other != format) {
        return Err(refused("samples of different kinds"));
    }
    match (format, first) {
        (1 | 4, 1..=16 | 32 | 64) => Ok((Number::Unsigned, first as u32)),
        (2, 8 | 16 | 32 | 64) => Ok((Number::Signed, first as u32)),
        (3, 16 | 32 | 64) => Ok((Number::Float, first as u32)),
        (5 | 6, _) => Err(refused("complex numbers")),
        (2, bits) => Err(refused(format!("signed numbers of {bits} bits"))),
        (3, bits) => Err(refused(format!("float samples of {bits} bits"))),
        (_, bits) => Err(refused(format!("samples of {bits} bits"))),
    }
}

/// Samples that are bands, or why they are refused.
fn bands(
    photometric: Option<u64>,
    samples: usize,
    compression: Compression,
) -> Result<Meaning, AugmentError> {
    match photometric {
        None | Some(1 | 2) if compression != Compression::Jpeg => Ok(Meaning::Bands(samples)),
        None | Some(1 | 2) => Err(refused("bands packed as JPEG data")),
        Some(0) => Err(refused("bands of which 0 is white")),
        Some(3) => Err(refused("a table of colours, which is no bands")),
        Some(kind) => Err(refused(format!(
            "colours of kind {kind}, which are no bands"
        ))),
    }
}

/// What the samples mean, or why they are refused.
fn meaning(
    page: &Directory,
    photometric: Option<u64>,
    samples: usize,
    bits: u32,
    compression: Compression,
) -> Result<Meaning, AugmentError> {
    let extra = page.numbers(tag::EXTRA_SAMPLES).unwrap_or_default();
    let is_geographic = tag::GEOGRAPHIC.iter().any(|tag| page.has(*tag));
    let few = |name: &str, needed: usize| match samples < needed {
        true => Err(damaged(&format!(
            "{name} needs {needed} samples, a pixel has {samples}"
        ))),
        false => Ok(()),
    };
    let alpha_behind = |colours: usize| match extra.first() {
        // GDAL calls the fourth band of a map alpha where nobody says what it is.
        _ if is_geographic || samples <= colours => Alpha::None,
        Some(1) => Alpha::Associated,
        Some(2) => Alpha::Straight,
        // As Pillow does: four samples with no word of the fourth one, and Corel's own number.
        Some(999) if colours == 3 => Alpha::Straight,
        None if colours == 3 && samples == 4 => Alpha::Straight,
        _ => Alpha::None,
    };
    // A file without the tag is what its samples suggest.
    let photometric = photometric.unwrap_or(match samples {
        3 | 4 => 2,
        _ => 1,
    });
    Ok(match photometric {
        0 | 1 if samples >= 3 => {
            return Err(refused(format!(
                "{bits} bits, {samples} bands that the file does not call colours (MINISBLACK with extra samples), as GDAL writes; \
                 write it with photometric=RGB, choose three bands, or take all with `input.channels = {samples}`"
            )));
        }
        0 | 1 => Meaning::Grey {
            is_inverted: photometric == 0,
            alpha: alpha_behind(1),
        },
        2 => {
            few("RGB", 3)?;
            Meaning::Rgb {
                alpha: alpha_behind(3),
            }
        }
        3 if bits > 8 => return Err(refused(format!("a table of colours for {bits} bits"))),
        3 => Meaning::Palette(palette(page, bits)?),
        5 => {
            few("CMYK", 4)?;
            if page.number(tag::INK_SET).unwrap_or(1) != 1 {
                return Err(refused("inks other than cyan, magenta, yellow and black"));
            }
            Meaning::Cmyk
        }
        6 => {
            few("YCbCr", 3)?;
            if bits != 8 {
                return Err(refused(format!("YCbCr of {bits} bits")));
            }
            Meaning::YCbCr(ycbcr(page, compression)?)
        }
        4 => return Err(refused("a mask for another page")),
        8..=10 => return Err(refused("colours as CIE L*a*b*")),
        32803 | 34892 => return Err(refused("a camera's raw photograph (CFA or linear raw)")),
        32844 | 32845 => return Err(refused("colours as LogLuv")),
        other => return Err(refused(format!("colours of kind {other}"))),
    })
}

/// The table of colours, of which Pillow takes the upper byte; of one with bytes only, as some programs write, libtiff takes those.
fn palette(page: &Directory, bits: u32) -> Result<Vec<[u8; 3]>, AugmentError> {
    let entries = 1usize << bits;
    let values = page.numbers(tag::COLOR_MAP).unwrap_or_default();
    if values.len() < 3 * entries {
        return Err(damaged("its table of colours is too short"));
    }
    let shift = if values.iter().all(|value| *value < 256) {
        0
    } else {
        8
    };
    let byte = |index: usize| (values[index] >> shift) as u8;
    Ok((0..entries)
        .map(|entry| [0, 1, 2].map(|channel| byte(channel * entries + entry)))
        .collect())
}

fn ycbcr(page: &Directory, compression: Compression) -> Result<YCbCr, AugmentError> {
    let sampling = page
        .numbers(tag::YCBCR_SUBSAMPLING)
        .unwrap_or_else(|| vec![2, 2]);
    let factor = |index: usize| sampling.get(index).copied().unwrap_or(2);
    let allowed = |factor: u64| matches!(factor, 1 | 2 | 4);
    // JPEG data says it itself.
    if compression != Compression::Jpeg && !(allowed(factor(0)) && allowed(factor(1))) {
        return Err(damaged("its chroma is coarser by a factor that cannot be"));
    }
    let subsampling = match compression {
        Compression::Jpeg => [1, 1],
        _ => [factor(0) as usize, factor(1) as usize],
    };
    let values = |tag, default: &[f32]| -> Vec<f32> {
        let found = page.values(tag, default.len() as u64).unwrap_or_default();
        match found.len() == default.len() {
            true => found.into_iter().map(|value| value as f32).collect(),
            false => default.to_vec(),
        }
    };
    let weights = values(tag::YCBCR_COEFFICIENTS, &[0.299, 0.587, 0.114]);
    let reference = values(tag::REFERENCE, &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
    let is_whole = |pair: &[f32]| pair[1] > pair[0];
    if !weights.iter().all(|weight| (0.01..1.0).contains(weight))
        || !reference.chunks(2).all(is_whole)
    {
        return Err(damaged("its weights of colours cannot be"));
    }
    Ok(YCbCr {
        subsampling,
        weights: [weights[0], weights[1], weights[2]],
        reference: std::array::from_fn(|index| reference[index]),
    })
}
