//! The coefficients of a macroblock.
//!
//! Owns: the way through the entropy-coded data, the undoing of quantisation, and where a coefficient lies.
//!
//! Source: RFC 6386, section 13.

use super::bool_decoder::{BoolDecoder, branch};
use super::header::{BlockProbabilities, Segment, Steps};
use super::transform::{Content, inverse_walsh_hadamard};

/// Kinds of blocks, by which the probabilities differ.
#[derive(Debug, Clone, Copy)]
pub(super) enum BlockKind {
    /// Luma without its DC coefficient.
    LumaWithoutDc,
    /// The DC coefficients of all luma blocks.
    LumaDc,
    Chroma,
    Luma,
}

/// Coefficients, and then residuals, in rows of 16: of luma in the places of its pixels, of chroma those of U beside those of V.
pub(super) type Rows = [[i16; 16]; 24];

/// Blocks of a macroblock that lie side by side in [`Rows`] are transformed together.
pub(super) const GROUPS: usize = 6;

/// Which blocks along an edge have coefficients: luma, U and V, and the block of DC coefficients.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Neighbour {
    blocks: [u8; 8],
    luma_dc: u8,
}

impl Neighbour {
    /// After a macroblock without coefficients. One with a mode for each block has no block of DC coefficients, and says
    /// nothing of it.
    pub(super) fn clear(&mut self, has_block_modes: bool) {
        self.blocks = [0; 8];
        if !has_block_modes {
            self.luma_dc = 0;
        }
    }
}

/// A block's place: the first row and column in [`Rows`], and which neighbours above and to the left it touches.
struct Place {
    row: u8,
    column: u8,
    above: u8,
    left: u8,
}

/// In the order of the data: luma, U, V.
const PLACES: [Place; 24] = {
    let mut places = [const {
        Place {
            row: 0,
            column: 0,
            above: 0,
            left: 0,
        }
    }; 24];
    let mut number = 0;
    while number < 16 {
        let (down, across) = (number as u8 / 4, number as u8 % 4);
        places[number] = Place {
            row: 4 * down,
            column: 4 * across,
            above: across,
            left: down,
        };
        number += 1;
    }
    while number < 24 {
        let plane = (number as u8 - 16) / 4;
        let (down, across) = (number as u8 % 4 / 2, number as u8 % 2);
        places[number] = Place {
            row: 16 + 4 * down,
            column: 8 * plane + 4 * across,
            above: 4 + 2 * plane + across,
            left: 4 + 2 * plane + down,
        };
        number += 1;
    }
    places
};

/// Where the coefficients of a block lie, in the order of the data: 16 times the row, and the column.
const ZIGZAG: [u8; 16] = [0, 1, 16, 32, 17, 2, 3, 18, 33, 48, 49, 34, 19, 35, 50, 51];

/// Reads a macroblock's coefficients into rows of zeros.
#[inline(always)]
pub(super) fn read(
    reader: &mut BoolDecoder,
    probabilities: &[BlockProbabilities; 4],
    segment: &Segment,
    has_block_modes: bool,
    above: &mut Neighbour,
    left: &mut Neighbour,
    rows: &mut Rows,
) -> [Content; GROUPS] {
    let mut contents = [Content::Zero; GROUPS];
    let (mut kind, mut steps, mut first) = (BlockKind::Luma, segment.luma, 0);
    if !has_block_modes {
        let mut block = [[0i16; 16]; 4];
        let context = usize::from(above.luma_dc + left.luma_dc);
        let of_kind = &probabilities[BlockKind::LumaDc as usize];
        let values = block.as_flattened_mut();
        let count = read_block(reader, of_kind, context, segment.luma_dc, 0, values);
        (above.luma_dc, left.luma_dc) = (u8::from(count > 0), u8::from(count > 0));
        if count > 0 {
            for (down, values) in inverse_walsh_hadamard(&block).into_iter().enumerate() {
                for (across, value) in values.into_iter().enumerate() {
                    rows[4 * down][4 * across] = value;
                    if value != 0 {
                        contents[down] = Content::Dc;
                    }
                }
            }
        }
        (kind, first) = (BlockKind::LumaWithoutDc, 1);
    }
    for (number, place) in PLACES.iter().enumerate() {
        if number == 16 {
            (kind, steps, first) = (BlockKind::Chroma, segment.chroma, 0);
        }
        let (row, column) = (usize::from(place.row), usize::from(place.column));
        let of_above = &mut above.blocks[usize::from(place.above) & 7];
        let of_left = &mut left.blocks[usize::from(place.left) & 7];
        let context = usize::from(*of_above + *of_left);
        let of_kind = &probabilities[kind as usize];
        let values = &mut rows.as_flattened_mut()[16 * row + column..];
        let count = read_block(reader, of_kind, context, steps, first, values);
        (*of_above, *of_left) = (u8::from(count > first), u8::from(count > first));
        let content = match count {
            0 => Content::Zero,
            1 if first == 0 => Content::Dc,
            1 => Content::Zero,
            _ => Content::Any,
        };
        let group = &mut contents[row / 4];
        *group = content.max(*group);
    }
    contents
}

/// Reads a block from the coefficient `first` on; gives the number of coefficients up to the last one that is not zero.
#[inline(always)]
fn read_block(
    shared: &mut BoolDecoder,
    probabilities: &BlockProbabilities,
    context: usize,
    steps: Steps,
    first: usize,
    values: &mut [i16],
) -> usize {
    // A copy, which the compiler can keep in registers.
    let mut reader = *shared;
    let mut number = first;
    let mut branches = &probabilities[number][context];
    'block: while number < 16 {
        branch!(reader, branches[0], {}, break 'block);
        loop {
            branch!(reader, branches[1], break, {});
            number += 1;
            if number == 16 {
                break 'block;
            }
            branches = &probabilities[number][0];
        }
        let next = &probabilities[number + 1];
        let value = branch!(
            reader,
            branches[2],
            {
                let value = read_large(&mut reader, branches);
                branches = &next[2];
                value
            },
            {
                branches = &next[1];
                1
            }
        );
        let value = reader.signed(value) * steps[usize::from(number > 0)];
        if let Some(place) = values.get_mut(usize::from(ZIGZAG[number])) {
            *place = value as i16;
        }
        number += 1;
    }
    *shared = reader;
    number
}

/// A number above 1.
#[inline(always)]
fn read_large(reader: &mut BoolDecoder, branches: &[u8; 11]) -> i32 {
    if !reader.bit(branches[3]) {
        if !reader.bit(branches[4]) {
            return 2;
        }
        return 3 + i32::from(reader.bit(branches[5]));
    }
    if !reader.bit(branches[6]) {
        if !reader.bit(branches[7]) {
            return 5 + i32::from(reader.bit(159));
        }
        let high = 2 * i32::from(reader.bit(165));
        return 7 + high + i32::from(reader.bit(145));
    }
    const EXTRA: [&[u8]; 4] = [
        &[173, 148, 140],
        &[176, 155, 140, 135],
        &[180, 157, 141, 134, 130],
        &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129],
    ];
    let high = usize::from(reader.bit(branches[8]));
    let category = 2 * high + usize::from(reader.bit(branches[9 + high]));
    let extra = EXTRA[category].iter().fold(0, |value, probability| {
        2 * value + i32::from(reader.bit(*probability))
    });
    3 + (8 << category) + extra
}
