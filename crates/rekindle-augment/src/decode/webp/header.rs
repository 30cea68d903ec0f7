//! The frame header of lossy WebP.
//!
//! Owns: which data the own decoder takes (a shown key frame whose partitions lie inside of it), quantiser steps, filter
//! strengths and probabilities. Damaged headers are left to the other decoder.
//!
//! Source: RFC 6386, sections 9 and 19.2; what libwebp leaves aside (colour space, clamping, upscaling) is not used here either.

use super::bool_decoder::BoolDecoder;
use super::tables::{
    AC_STEPS, COEFFICIENT_UPDATES, COEFFICIENTS, CoefficientProbabilities, DC_STEPS,
};

/// Which loop filter a frame is smoothed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterKind {
    None,
    /// Luma only, one pixel on each side of an edge.
    Simple,
    /// Up to three pixels on each side.
    Normal,
}

/// How strongly the edges of a macroblock are smoothed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FilterStrength {
    /// Largest step across an edge inside the macroblock that is smoothed; 0: nothing is.
    pub(super) limit: i16,
    /// Largest step between neighbours on one side.
    pub(super) interior: i16,
    /// Steps on one side above this are details, which are smoothed less.
    pub(super) detail: i16,
}

/// Steps of DC and of AC coefficients.
pub(super) type Steps = [i32; 2];

/// Settings of a segment, to which macroblocks belong.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Segment {
    pub(super) luma: Steps,
    /// Of the DC coefficients of all blocks of luma, which are coded as a block of their own.
    pub(super) luma_dc: Steps,
    pub(super) chroma: Steps,
    /// Without and with a mode for each 4 by 4 block.
    pub(super) strengths: [FilterStrength; 2],
}

/// The probabilities of one kind of block, by the place of the coefficient in zigzag order; the one behind the last is never used.
pub(super) type BlockProbabilities = [[[u8; 11]; 3]; 17];

/// A frame that the own decoder takes.
#[derive(Debug, Clone)]
pub(super) struct Frame<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) filter: FilterKind,
    pub(super) segments: [Segment; 4],
    /// Of the tree of segments, where macroblocks name theirs.
    pub(super) segment_probabilities: Option<[u8; 3]>,
    /// By [`BlockKind`](super::residual::BlockKind).
    pub(super) probabilities: Box<[BlockProbabilities; 4]>,
    /// That a macroblock has coefficients, where macroblocks say so.
    pub(super) skip_probability: Option<u8>,
    /// What follows the header: the modes of all macroblocks.
    pub(super) modes: BoolDecoder<'a>,
    /// The coefficients; rows of macroblocks take turns.
    pub(super) partitions: Vec<&'a [u8]>,
}

impl<'a> Frame<'a> {
    /// Width and height, from the first ten bytes.
    pub(super) fn size(data: &[u8]) -> Option<(usize, usize)> {
        let head = data.first_chunk::<10>()?;
        let is_key_frame = head[0] & 1 == 0;
        let is_shown = head[0] & 16 != 0;
        if !is_key_frame || !is_shown || head[0] & 0x0e > 6 || head[3..6] != [0x9d, 0x01, 0x2a] {
            return None;
        }
        let side = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]) & 0x3fff);
        Some((side(head[6], head[7]), side(head[8], head[9])))
    }

    /// Reads the header; none where the data is of another kind or the header is damaged.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        let (width, height) = Self::size(data)?;
        if width == 0 || height == 0 {
            return None;
        }
        let first_length =
            usize::from(data[0] >> 5) | usize::from(data[1]) << 3 | usize::from(data[2]) << 11;
        let (first, rest) = data[10..].split_at_checked(first_length)?;
        let mut reader = BoolDecoder::new(first);
        let _colour_space_and_clamping = reader.literal(2);
        let segmentation = Segmentation::read(&mut reader);
        let (filter, filtering) = Filtering::read(&mut reader);
        let partitions = split_partitions(1 << reader.literal(2), rest)?;
        let segments = read_segments(&mut reader, &segmentation, &filtering);
        let _keeps_probabilities = reader.flag();
        let probabilities = read_probabilities(&mut reader);
        let skip_probability = reader.flag().then(|| reader.literal(8) as u8);
        if reader.has_ended() {
            return None;
        }
        Some(Self {
            width,
            height,
            filter,
            segments,
            segment_probabilities: segmentation.probabilities,
            probabilities,
            skip_probability,
            modes: reader,
            partitions,
        })
    }

    /// Macroblocks across and down.
    pub(super) fn macroblocks(&self) -> [usize; 2] {
        [self.width.div_ceil(16), self.height.div_ceil(16)]
    }
}

/// Section 9.3.
#[derive(Default)]
struct Segmentation {
    is_on: bool,
    is_absolute: bool,
    quantisers: [i32; 4],
    filter_levels: [i32; 4],
    probabilities: Option<[u8; 3]>,
}

impl Segmentation {
    fn read(reader: &mut BoolDecoder) -> Self {
        let mut found = Self {
            is_on: reader.flag(),
            // As libwebp, where a frame turns segments on and gives no values for them.
            is_absolute: true,
            ..Self::default()
        };
        if !found.is_on {
            return found;
        }
        let has_map = reader.flag();
        if reader.flag() {
            found.is_absolute = reader.flag();
            found.quantisers = [(); 4].map(|()| reader.optional_signed(7));
            found.filter_levels = [(); 4].map(|()| reader.optional_signed(6));
        }
        let mut probability = || match reader.flag() {
            true => reader.literal(8) as u8,
            false => 255,
        };
        found.probabilities = has_map.then(|| [(); 3].map(|()| probability()));
        found
    }

    /// The value of a segment, where `base` is that of the frame.
    fn value(&self, of_segments: &[i32; 4], segment: usize, base: i32) -> i32 {
        match (self.is_on, self.is_absolute) {
            (false, _) => base,
            (true, true) => of_segments[segment],
            (true, false) => base + of_segments[segment],
        }
    }
}

/// Sections 9.3 and 9.6.
struct Filtering {
    level: i32,
    sharpness: i32,
    /// Added to the level: for a key frame, and for a mode for each block.
    adjustment: [i32; 2],
}

impl Filtering {
    fn read(reader: &mut BoolDecoder) -> (FilterKind, Self) {
        let is_simple = reader.flag();
        let level = reader.literal(6) as i32;
        let sharpness = reader.literal(3) as i32;
        let mut adjustment = [0; 2];
        if reader.flag() && reader.flag() {
            let references = [(); 4].map(|()| reader.optional_signed(6));
            let modes = [(); 4].map(|()| reader.optional_signed(6));
            adjustment = [references[0], modes[0]];
        }
        let kind = match (level, is_simple) {
            (0, _) => FilterKind::None,
            (_, true) => FilterKind::Simple,
            (_, false) => FilterKind::Normal,
        };
        let filtering = Self {
            level,
            sharpness,
            adjustment,
        };
        (kind, filtering)
    }

    /// Section 15.2, as libwebp computes it.
    fn strength(&self, level: i32, has_block_modes: bool) -> FilterStrength {
        let [key_frame, block_modes] = self.adjustment;
        let level = level + key_frame + if has_block_modes { block_modes } else { 0 };
        let level = level.clamp(0, 63);
        if level == 0 {
            return FilterStrength::default();
        }
        let interior = match self.sharpness {
            0 => level,
            sharpness => (level >> if sharpness > 4 { 2 } else { 1 }).min(9 - sharpness),
        };
        let interior = interior.max(1);
        FilterStrength {
            limit: (2 * level + interior) as i16,
            interior: interior as i16,
            detail: i16::from(level >= 15) + i16::from(level >= 40),
        }
    }
}

/// Section 9.5. As in libwebp, a partition that reaches over the end is cut there; its data then ends early.
fn split_partitions(count: usize, data: &[u8]) -> Option<Vec<&[u8]>> {
    let (sizes, mut rest) = data.split_at_checked(3 * (count - 1))?;
    let mut partitions = Vec::with_capacity(count);
    for size in sizes.chunks_exact(3) {
        let size = usize::from(size[0]) | usize::from(size[1]) << 8 | usize::from(size[2]) << 16;
        let (partition, behind) = rest.split_at(size.min(rest.len()));
        partitions.push(partition);
        rest = behind;
    }
    partitions.push(rest);
    (!rest.is_empty()).then_some(partitions)
}

/// Section 9.6, and the strengths of the filters.
fn read_segments(
    reader: &mut BoolDecoder,
    segmentation: &Segmentation,
    filtering: &Filtering,
) -> [Segment; 4] {
    let base = reader.literal(7) as i32;
    let [luma_dc, second_dc, second_ac, chroma_dc, chroma_ac] =
        [(); 5].map(|()| reader.optional_signed(4));
    let dc = |index: i32, most: i32| i32::from(DC_STEPS[index.clamp(0, most) as usize]);
    let ac = |index: i32| i32::from(AC_STEPS[index.clamp(0, 127) as usize]);
    std::array::from_fn(|number| {
        let index = segmentation.value(&segmentation.quantisers, number, base);
        let level = segmentation.value(&segmentation.filter_levels, number, filtering.level);
        Segment {
            luma: [dc(index + luma_dc, 127), ac(index)],
            // Section 14.1: 155/100, and no less than 8.
            luma_dc: [
                2 * dc(index + second_dc, 127),
                ((ac(index + second_ac) * 101_581) >> 16).max(8),
            ],
            chroma: [dc(index + chroma_dc, 117), ac(index + chroma_ac)],
            strengths: [false, true].map(|modes| filtering.strength(level, modes)),
        }
    })
}

/// Section 13.4; the probabilities of bands are spread to the places of coefficients, section 13.3.
fn read_probabilities(reader: &mut BoolDecoder) -> Box<[BlockProbabilities; 4]> {
    const BANDS: [usize; 17] = [0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0];
    let mut bands: CoefficientProbabilities = COEFFICIENTS;
    let all = bands.as_flattened_mut().as_flattened_mut();
    let updates = COEFFICIENT_UPDATES.as_flattened().as_flattened();
    for (value, update) in all
        .as_flattened_mut()
        .iter_mut()
        .zip(updates.as_flattened())
    {
        if reader.bit(*update) {
            *value = reader.literal(8) as u8;
        }
    }
    Box::new(bands.map(|of_kind| BANDS.map(|band| of_kind[band])))
}
