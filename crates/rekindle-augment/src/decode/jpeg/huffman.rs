//! Huffman codes of coefficients.
//!
//! Owns: the tables that turn bits into coefficients, or pass over them. Short codes come out of one look-up together with
//! the value behind them; passing over coefficients takes several of them in one look-up.

use super::bits::{BitReader, extend};

/// Bits that a look-up decodes at once.
const SHORT_BITS: u32 = 10;
/// Bits that a look-up passes over at once.
const SKIP_BITS: u32 = 12;

/// Number of coefficients that the end of a block stands for: more than there are.
const END_OF_BLOCK: u32 = 0x80;

/// In `short`: the value still has to be read, and its place holds its size.
const INCOMPLETE: i32 = 0x80;

/// In `skip`: the block ends.
const SKIP_END: u16 = 0x8000;

/// Why data cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// A code that stands for nothing, or too many coefficients.
    Code,
    /// The data ends before the last unit.
    End,
}

/// One Huffman table of a file.
#[derive(Debug, Clone)]
pub(super) struct HuffmanTable {
    /// By the next bits: the value (16 bits, signed), the coefficients before it (8 bits), [`INCOMPLETE`], and the number of
    /// bits (7 bits). Zero for codes that are longer or missing.
    short: Box<[i32; 1 << SHORT_BITS]>,
    /// By the next bits: [`SKIP_END`], the coefficients passed over (7 bits), the bits they take (4 bits). Zero where not
    /// even one fits. Only for tables of AC coefficients.
    skip: Box<[u16; 1 << SKIP_BITS]>,
    /// For each length, the first code that is too large for it, moved to the top of 16 bits.
    limits: [u32; 17],
    /// For each length, what added to a code gives the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// A table from the number of codes of each length, 1 to 16, and their symbols; none where they are no prefix code.
    ///
    /// Source: ITU-T T.81, annex C and F.2.2.3.
    pub(super) fn new(counts: [u8; 16], symbols: &[u8], is_ac: bool) -> Option<Self> {
        let mut table = Self {
            short: Box::new([0; 1 << SHORT_BITS]),
            skip: Box::new([0; 1 << SKIP_BITS]),
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
                // A DC difference of a picture of 8 bits has at most 11.
                if !is_ac && symbol > 11 {
                    return None;
                }
                table.enter(code, length as u32, symbol, is_ac);
                code += 1;
                index += 1;
            }
            table.limits[length] = code << (16 - length);
            code <<= 1;
        }
        if is_ac {
            table.fill_skips();
        }
        (index == symbols.len()).then_some(table)
    }

    /// What a symbol stands for: the coefficients before its value, and the value's size.
    #[inline(always)]
    fn meaning(symbol: u8, is_ac: bool) -> (u32, u32) {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (is_ac, run, size) {
            (false, _, _) => (0, u32::from(symbol)),
            // Sixteen zeros: fifteen, and a value of zero.
            (true, 15, 0) => (15, 0),
            (true, _, 0) => (END_OF_BLOCK, 0),
            (true, run, size) => (run, size),
        }
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8, is_ac: bool) {
        let Some(free) = SHORT_BITS.checked_sub(length) else {
            return;
        };
        let (run, size) = Self::meaning(symbol, is_ac);
        for rest in 0..1u32 << free {
            let bits = (code << free) | rest;
            let entry = if size == 0 {
                entry(0, run, length)
            } else if size <= free {
                let value = (rest >> (free - size)) as i32;
                entry(extend(value, size), run, length + size)
            } else {
                entry(size as i32, run, length) | INCOMPLETE
            };
            self.short[bits as usize] = entry;
        }
    }

    /// For each pattern of bits, as many whole coefficients as lie in it.
    fn fill_skips(&mut self) {
        for pattern in 0..1usize << SKIP_BITS {
            let (mut used, mut passed, mut end) = (0, 0, 0);
            while end == 0 {
                // What is not known of the bits is zero here; a code that reaches into it is not used.
                let next = (pattern << used) & ((1 << SKIP_BITS) - 1);
                let entry = self.short[next >> (SKIP_BITS - SHORT_BITS)];
                let (run, mut length) = (advance(entry), length(entry));
                if entry & INCOMPLETE != 0 {
                    length += (entry >> 16) as u32;
                }
                if entry == 0 || used + length > SKIP_BITS {
                    break;
                }
                if run == END_OF_BLOCK {
                    end = SKIP_END;
                } else if passed + run + 1 < 64 {
                    passed += run + 1;
                } else {
                    break;
                }
                used += length;
            }
            self.skip[pattern] = end | (passed as u16) << 4 | used as u16;
        }
    }

    /// The next symbol as an entry of `short`, by its code alone.
    #[cold]
    #[inline(never)]
    fn long(&self, bits: usize, is_ac: bool) -> Result<i32, Damage> {
        let bits = bits as u32;
        let length = (1..=16).find(|length| bits < self.limits[*length]);
        let length = length.ok_or(Damage::Code)?;
        let code = (bits >> (16 - length)) as i32;
        let index = usize::try_from(code + self.offsets[length]).map_err(|_| Damage::Code)?;
        let symbol = *self.symbols.get(index).ok_or(Damage::Code)?;
        let (run, size) = Self::meaning(symbol, is_ac);
        let flag = if size == 0 { 0 } else { INCOMPLETE };
        Ok(entry(size as i32, run, length as u32) | flag)
    }

    /// The next coefficient: how many zeros come before it, and its value. [`BitReader::ensure_32`] comes first.
    #[inline(always)]
    fn next(&self, reader: &mut BitReader, is_ac: bool) -> Result<(u32, i32), Damage> {
        let mut entry = self.short[reader.peek(SHORT_BITS)];
        if entry == 0 {
            entry = self.long(reader.peek(16), is_ac)?;
        }
        reader.consume(length(entry));
        let value = if entry & INCOMPLETE == 0 {
            entry >> 16
        } else {
            reader.signed((entry >> 16) as u32)
        };
        Ok((advance(entry), value))
    }

    /// The next difference of a DC coefficient.
    #[inline(always)]
    pub(super) fn difference(&self, reader: &mut BitReader) -> Result<i32, Damage> {
        reader.ensure_32();
        Ok(self.next(reader, false)?.1)
    }

    /// The AC coefficients of a block, dequantised, into their places; gives the zigzag place of the last one, or 0.
    #[inline(always)]
    pub(super) fn read_block(
        &self,
        reader: &mut BitReader,
        quantisation: &[i16; 64],
        block: &mut [i16; 64],
    ) -> Result<usize, Damage> {
        let (mut place, mut last) = (1, 0);
        while place < 64 {
            reader.ensure_32();
            let (run, value) = self.next(reader, true)?;
            place += run as usize;
            if place >= 64 {
                return if run == END_OF_BLOCK {
                    Ok(last)
                } else {
                    Err(Damage::Code)
                };
            }
            block[ZIGZAG[place]] = (value as i16).wrapping_mul(quantisation[place]);
            last = place;
            place += 1;
        }
        Ok(last)
    }

    /// Passes over the AC coefficients of a block.
    #[inline(always)]
    pub(super) fn skip_block(&self, reader: &mut BitReader) -> Result<(), Damage> {
        let mut place = 1;
        while place < 64 {
            reader.ensure_32();
            let entry = self.skip[reader.peek(SKIP_BITS)];
            let next = place + u32::from(entry >> 4 & 0x7f);
            // Where the block ends inside of the pattern, the rest of it is another block's.
            if entry != 0 && next < 64 {
                reader.consume(u32::from(entry & 15));
                if entry & SKIP_END != 0 {
                    return Ok(());
                }
                place = next;
                continue;
            }
            let (run, _) = self.next(reader, true)?;
            if run == END_OF_BLOCK {
                return Ok(());
            }
            place += run + 1;
            if place > 64 {
                return Err(Damage::Code);
            }
        }
        Ok(())
    }
}

fn entry(value: i32, run: u32, length: u32) -> i32 {
    value << 16 | (run << 8 | length) as i32
}

#[inline(always)]
fn length(entry: i32) -> u32 {
    (entry & 0x7f) as u32
}

#[inline(always)]
fn advance(entry: i32) -> u32 {
    (entry >> 8 & 0xff) as u32
}

/// Where the coefficients lie in a block, in the order of the file.
#[rustfmt::skip]
pub(super) const ZIGZAG: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];
