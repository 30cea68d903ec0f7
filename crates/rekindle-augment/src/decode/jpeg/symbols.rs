//! Huffman codes one symbol at a time.
//!
//! Owns: the tables for scans whose symbols mean different things from kind to kind. The quick way through whole blocks is
//! `huffman.rs`'s.

use super::bits::BitReader;
use super::huffman::Damage;

/// Bits that a look-up decodes at once.
const SHORT_BITS: u32 = 9;

/// One Huffman table of a file.
#[derive(Debug, Clone)]
pub(super) struct SymbolTable {
    /// By the next bits: the length of the code and its symbol; zero for codes that are longer or missing.
    short: Box<[u16; 1 << SHORT_BITS]>,
    /// For each length, the first code that is too large for it, moved to the top of 16 bits.
    limits: [u32; 17],
    /// For each length, what added to a code gives the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl SymbolTable {
    /// A table from the number of codes of each length, 1 to 16, and their symbols; none where they are no prefix code.
    ///
    /// Source: ITU-T T.81, annex C and F.2.2.3.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            short: Box::new([0; 1 << SHORT_BITS]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16usize {
            table.offsets[length] = index as i32 - code as i32;
            for _ in 0..counts[length - 1] {
                let symbol = *symbols.get(index)?;
                if code >> length != 0 {
                    return None;
                }
                if let Some(free) = SHORT_BITS.checked_sub(length as u32) {
                    let first = (code << free) as usize;
                    let entry = (length as u16) << 8 | u16::from(symbol);
                    table.short[first..first + (1 << free)].fill(entry);
                }
                code += 1;
                index += 1;
            }
            table.limits[length] = code << (16 - length);
            code <<= 1;
        }
        (index == symbols.len()).then_some(table)
    }

    /// The next symbol. At least 16 more bits are available behind it.
    #[inline(always)]
    pub(super) fn next(&self, reader: &mut BitReader) -> Result<u8, Damage> {
        reader.ensure_32();
        let entry = self.short[reader.peek(SHORT_BITS)];
        if entry != 0 {
            reader.consume(u32::from(entry >> 8));
            return Ok(entry as u8);
        }
        let bits = reader.peek(16) as u32;
        let length = (1..=16).find(|length| bits < self.limits[*length]);
        let length = length.ok_or(Damage::Code)?;
        let code = (bits >> (16 - length)) as i32;
        let index = usize::try_from(code + self.offsets[length]).map_err(|_| Damage::Code)?;
        let symbol = *self.symbols.get(index).ok_or(Damage::Code)?;
        reader.consume(length as u32);
        Ok(symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::jpeg::standard::STANDARD;

    #[test]
    fn every_code_of_the_standard_tables_gives_its_symbol() {
        for (counts, symbols) in STANDARD.as_flattened() {
            let table = SymbolTable::new(counts, symbols).unwrap();
            let (mut code, mut index) = (0u32, 0);
            for length in 1..=16u32 {
                for _ in 0..counts[length as usize - 1] {
                    let bytes = (code << (32 - length)).to_be_bytes();
                    let found = table.next(&mut BitReader::new(&bytes, 0));
                    assert_eq!(found, Ok(symbols[index]));
                    (code, index) = (code + 1, index + 1);
                }
                code <<= 1;
            }
            // The code of ones alone is no code.
            let found = table.next(&mut BitReader::new(&[0xff; 4], 0));
            assert_eq!(found, Err(Damage::Code));
        }
    }

    #[test]
    fn counts_that_are_no_prefix_code_are_no_table() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(SymbolTable::new(&counts, &[0, 1, 2]).is_none());
        counts[0] = 2;
        assert!(SymbolTable::new(&counts, &[0]).is_none());
    }
}
