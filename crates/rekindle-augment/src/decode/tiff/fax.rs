//! The codes of fax machines, in which bilevel TIFFs are stored.
//!
//! Owns: rows of bits from CCITT's modified Huffman, Group 3 (of one and two dimensions) and Group 4 codes. The tables of codes are the
//! `fax` crate's, whose own decoders know the widths of fax paper only.
//!
//! Source: ITU-T T.4 and T.6; TIFF revision 6.0, sections 10 and 11.

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

use super::codec::Fault;

/// Which codes rows are written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Rows of one dimension, each from a byte of its own on.
    ModifiedHuffman,
    /// Rows behind a mark each; with two dimensions, each says which it has.
    Group3 {
        is_two: bool,
    },
    Group4,
}

/// So many rows of this width, eight pixels to a byte; black is 1.
pub(super) fn decode(data: &[u8], width: usize, rows: usize, code: Code) -> Result<Vec<u8>, Fault> {
    let mut bits = Bits { data, at: 0 };
    let mut output = vec![0; width.div_ceil(8) * rows];
    let (mut reference, mut changes) = (Vec::new(), Vec::new());
    for row in output.chunks_exact_mut(width.div_ceil(8)) {
        changes.clear();
        let is_two = match code {
            Code::ModifiedHuffman => {
                bits.at = bits.at.next_multiple_of(8);
                false
            }
            Code::Group3 { is_two } => {
                bits.pass_mark();
                is_two && bits.take() == 0
            }
            Code::Group4 => true,
        };
        if bits.is_past() {
            return Err(Fault::End);
        }
        match is_two {
            true => two_dimensions(&mut bits, width, &reference, &mut changes)?,
            false => one_dimension(&mut bits, width, &mut changes)?,
        }
        if bits.is_past() {
            return Err(Fault::End);
        }
        for pair in changes.chunks(2) {
            let end = pair.get(1).copied().unwrap_or(width);
            for x in pair[0]..end {
                row[x / 8] |= 0x80 >> (x % 8);
            }
        }
        std::mem::swap(&mut reference, &mut changes);
    }
    Ok(output)
}

/// Bits, the highest of each byte first; behind the end come zeros.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn is_past(&self) -> bool {
        self.at > 8 * self.data.len()
    }

    fn take(&mut self) -> u16 {
        let bit = self.peek(1).unwrap_or(0);
        self.at += 1;
        bit
    }

    /// Passes over the mark of a row's end, with the zeros that fill it up, where there is one.
    fn pass_mark(&mut self) {
        if self.peek(11) != Some(0) {
            return;
        }
        while !self.is_past() && self.take() == 0 {}
    }
}

impl BitReader for Bits<'_> {
    type Error = std::convert::Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        let byte = |offset: usize| self.data.get(self.at / 8 + offset).copied().unwrap_or(0);
        let word = u32::from_be_bytes([byte(0), byte(1), byte(2), 0]) << (self.at % 8);
        Some((word >> (32 - u32::from(bits))) as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), Self::Error> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (self.at.next_multiple_of(8) - self.at) as u8
    }
}

/// The length of a run: any number of long parts, and one below 64.
fn run(bits: &mut Bits, is_black: bool) -> Result<usize, Fault> {
    let mut length = 0usize;
    loop {
        let part = match is_black {
            true => black::decode(bits),
            false => white::decode(bits),
        };
        let part = part.ok_or(Fault::Damage("a fax code that stands for nothing"))?;
        length += usize::from(part);
        if part < 64 {
            return Ok(length);
        }
        if bits.is_past() {
            return Err(Fault::End);
        }
    }
}

/// Where the colour of a row changes, from white on.
fn one_dimension(bits: &mut Bits, width: usize, changes: &mut Vec<usize>) -> Result<(), Fault> {
    let (mut at, mut is_black) = (0, false);
    while at < width {
        at += run(bits, is_black)?;
        if at > width {
            return Err(Fault::Damage("a fax row that is too long"));
        }
        changes.push(at);
        is_black = !is_black;
    }
    Ok(())
}

/// The same from the changes of the row above.
fn two_dimensions(
    bits: &mut Bits,
    width: usize,
    reference: &[usize],
    changes: &mut Vec<usize>,
) -> Result<(), Fault> {
    let too_long = Fault::Damage("a fax row that is too long");
    let (mut at, mut is_black, mut is_start) = (0, false, true);
    let mut passed = 0usize;
    while at < width || is_start && width > 0 {
        // The first change above that is behind this place and of the other colour.
        passed = passed.saturating_sub(2);
        let above = |index: usize| reference.get(index).copied().unwrap_or(width);
        while passed < reference.len()
            && (above(passed) < at
                || above(passed) == at && !is_start
                || passed % 2 != usize::from(is_black))
        {
            passed += 1;
        }
        match mode::decode(bits) {
            Some(Mode::Pass) => at = above(passed + 1),
            Some(Mode::Horizontal) => {
                for is_black in [is_black, !is_black] {
                    at += run(bits, is_black)?;
                    if at > width {
                        return Err(too_long);
                    }
                    changes.push(at);
                }
            }
            Some(Mode::Vertical(offset)) => {
                let change = above(passed).checked_add_signed(isize::from(offset));
                at = change
                    .filter(|change| (at..=width).contains(change))
                    .ok_or(too_long)?;
                changes.push(at);
                is_black = !is_black;
            }
            Some(Mode::EOF) => return Err(Fault::End),
            _ if bits.is_past() => return Err(Fault::End),
            Some(Mode::Extension) => return Err(Fault::Damage("an extended fax code")),
            None => return Err(Fault::Damage("a fax code that stands for nothing")),
        }
        if bits.is_past() {
            return Err(Fault::End);
        }
        is_start = false;
    }
    Ok(())
}
