//! How each macroblock is predicted.
//!
//! Owns: the part of the data that says so, and what it says of segments and of macroblocks without coefficients.
//!
//! Source: RFC 6386, sections 8, 10, 11.2 and 11.3.

use super::bool_decoder::BoolDecoder;
use super::header::Frame;
use super::mode_tables::SUBBLOCK_MODES;

/// How a whole macroblock is predicted, its luma or its chroma.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Whole {
    /// The mean of the pixels above and to the left.
    #[default]
    Mean,
    Vertical,
    Horizontal,
    /// Left plus above less the corner.
    TrueMotion,
}

impl Whole {
    /// What a neighbour with a mode for each block takes this for.
    fn as_subblock(self) -> Subblock {
        match self {
            Self::Mean => Subblock::Mean,
            Self::Vertical => Subblock::Vertical,
            Self::Horizontal => Subblock::Horizontal,
            Self::TrueMotion => Subblock::TrueMotion,
        }
    }
}

/// How a block of 4 by 4 pixels is predicted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Subblock {
    #[default]
    Mean,
    TrueMotion,
    Vertical,
    Horizontal,
    RightDown,
    VerticalRight,
    LeftDown,
    VerticalLeft,
    HorizontalDown,
    HorizontalUp,
}

/// How luma is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Luma {
    Whole(Whole),
    /// Row by row.
    Subblocks([Subblock; 16]),
}

/// What the data says of a macroblock before its coefficients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    pub(super) segment: usize,
    /// Whether it has no coefficients.
    pub(super) is_skipped: bool,
    pub(super) luma: Luma,
    pub(super) chroma: Whole,
}

/// The modes of the four blocks that touch the next macroblock.
pub(super) type Edge = [Subblock; 4];

impl Modes {
    /// Reads the next macroblock's modes, and changes those of its neighbours to its own.
    #[inline(always)]
    pub(super) fn read(
        reader: &mut BoolDecoder,
        frame: &Frame,
        above: &mut Edge,
        left: &mut Edge,
    ) -> Self {
        let segment = match frame.segment_probabilities {
            None => 0,
            Some([first, low, high]) => match reader.bit(first) {
                false => usize::from(reader.bit(low)),
                true => 2 + usize::from(reader.bit(high)),
            },
        };
        let is_skipped = frame
            .skip_probability
            .is_some_and(|probability| reader.bit(probability));
        let luma = if reader.bit(145) {
            let mode = match reader.bit(156) {
                false if reader.bit(163) => Whole::Vertical,
                false => Whole::Mean,
                true if reader.bit(128) => Whole::TrueMotion,
                true => Whole::Horizontal,
            };
            (*above, *left) = ([mode.as_subblock(); 4], [mode.as_subblock(); 4]);
            Luma::Whole(mode)
        } else {
            let mut modes = [Subblock::Mean; 16];
            for (row, left) in modes.chunks_exact_mut(4).zip(left) {
                for (mode, above) in row.iter_mut().zip(above.iter_mut()) {
                    let probabilities = &SUBBLOCK_MODES[*above as usize][*left as usize];
                    *mode = read_subblock(reader, probabilities);
                    (*above, *left) = (*mode, *mode);
                }
            }
            Luma::Subblocks(modes)
        };
        let chroma = match reader.bit(142) {
            false => Whole::Mean,
            true if !reader.bit(114) => Whole::Vertical,
            true if reader.bit(183) => Whole::TrueMotion,
            true => Whole::Horizontal,
        };
        Self {
            segment,
            is_skipped,
            luma,
            chroma,
        }
    }
}

#[inline(always)]
fn read_subblock(reader: &mut BoolDecoder, probabilities: &[u8; 9]) -> Subblock {
    let mut bit = |branch: usize| reader.bit(probabilities[branch]);
    if !bit(0) {
        return Subblock::Mean;
    }
    if !bit(1) {
        return Subblock::TrueMotion;
    }
    if !bit(2) {
        return Subblock::Vertical;
    }
    if bit(3) {
        return match () {
            () if !bit(6) => Subblock::LeftDown,
            () if !bit(7) => Subblock::VerticalLeft,
            () if !bit(8) => Subblock::HorizontalDown,
            () => Subblock::HorizontalUp,
        };
    }
    match () {
        () if !bit(4) => Subblock::Horizontal,
        () if !bit(5) => Subblock::RightDown,
        () => Subblock::VerticalRight,
    }
}
