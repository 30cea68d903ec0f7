//! Bits of entropy-coded data.
//!
//! Owns: the bit reader and its refill. It does not know codes; the bytes come without stuffing
//! ([`Structure`](super::structure::Structure) takes it out).

/// Reads bits, the highest of each byte first. Behind the end come zeros, and [`Self::is_past`] tells that they were used.
#[derive(Debug, Clone)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The next byte that is not in `bits`.
    position: usize,
    /// The next bits, the first at the top.
    bits: u64,
    /// How many of `bits` count; those below are the same bits again or zero.
    count: u32,
}

impl<'a> BitReader<'a> {
    /// Reads from the byte at `position` on.
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self {
            bytes,
            position,
            bits: 0,
            count: 0,
        }
    }

    /// Makes at least 32 bits available: enough for the longest code (16) and the longest value behind it (15).
    #[inline(always)]
    pub(super) fn ensure_32(&mut self) {
        if self.count < 32 {
            self.refill();
        }
    }

    #[inline(always)]
    fn refill(&mut self) {
        let word = match self.bytes.get(self.position..) {
            Some([a, b, c, d, e, f, g, h, ..]) => {
                u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])
            }
            rest => last_word(rest.unwrap_or_default()),
        };
        self.bits |= word >> self.count;
        self.position += (63 - self.count as usize) >> 3;
        self.count |= 56;
    }

    /// The next `count` bits, 1 to 32, without taking them.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> usize {
        (self.bits >> (64 - count)) as usize
    }

    /// Takes `count` bits, at most as many as [`Self::ensure_32`] left.
    #[inline(always)]
    pub(super) fn consume(&mut self, count: u32) {
        self.bits <<= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// Takes a value of `size` bits, 1 to 15, in JPEG's form: a leading 0 stands for a negative number.
    ///
    /// Source: ITU-T T.81, F.2.2.1, EXTEND.
    #[inline(always)]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        let value = self.peek(size) as i32;
        self.consume(size);
        extend(value, size)
    }

    /// Whether bits behind the byte `end` were taken.
    #[inline(always)]
    pub(super) fn is_past(&self, end: usize) -> bool {
        8 * self.position > 8 * end + self.count as usize
    }
}

/// The signed number that JPEG writes as `size` bits of `value`.
#[inline(always)]
pub(super) fn extend(value: i32, size: u32) -> i32 {
    let is_negative = (value >> (size - 1)) == 0;
    value - if is_negative { (1 << size) - 1 } else { 0 }
}

/// Fewer than eight bytes, filled up with zeros.
#[cold]
fn last_word(rest: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_across_refills_and_the_end_is_noticed() {
        let bytes: Vec<u8> = (0..20u32).map(|value| (value * 73 + 11) as u8).collect();
        let mut reader = BitReader::new(&bytes, 0);
        for (index, byte) in bytes.iter().enumerate() {
            for half in [byte >> 4, byte & 15] {
                reader.ensure_32();
                assert_eq!(reader.peek(4), usize::from(half), "byte {index}");
                reader.consume(4);
            }
            assert!(!reader.is_past(index + 1));
            assert!(reader.is_past(index));
        }
        reader.ensure_32();
        assert_eq!(reader.peek(32), 0);
        reader.consume(1);
        assert!(reader.is_past(bytes.len()));
    }

    #[test]
    fn values_are_extended_as_the_standard_says() {
        // Table F.1: size 3 holds -7..=-4 and 4..=7.
        let values: Vec<i32> = (0..8).map(|value| extend(value, 3)).collect();
        assert_eq!(values, [-7, -6, -5, -4, 4, 5, 6, 7]);
        assert_eq!([extend(0, 1), extend(1, 1)], [-1, 1]);
    }
}
