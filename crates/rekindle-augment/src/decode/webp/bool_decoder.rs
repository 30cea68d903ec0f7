//! Bits of arithmetically coded data.
//!
//! Owns: the boolean entropy decoder and its refill. It does not know what a bit stands for.
//!
//! Source: RFC 6386, section 7; the arithmetic is libwebp's, which keeps the range less one.

/// Reads bits of known probability. Behind the end come zeros, and [`Self::has_ended`] tells that they were used.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoolDecoder<'a> {
    /// The bytes that are not in `window`.
    rest: &'a [u8],
    /// The next bits, of which the lowest `bits + 8` count.
    window: u64,
    /// The range less one, 127 to 254 between two bits.
    range: u32,
    /// Bits of `window` below those that the next comparison sees; negative: too few are left. Behind the end, [`ENDED`] more.
    bits: i32,
}

/// More than all bits of a row of macroblocks of the largest picture, so that the end is still known at the end of the row. Not a
/// field of its own, since every bit is read around here.
const ENDED: i32 = 1 << 30;

/// Bits that a refill adds.
const REFILL: i32 = 56;

impl<'a> BoolDecoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            window: 0,
            range: 254,
            bits: if bytes.is_empty() { ENDED } else { -8 },
        }
    }

    #[inline(always)]
    fn refill(&mut self) {
        if let Some(word) = self.rest.first_chunk::<8>() {
            self.rest = &self.rest[REFILL as usize / 8..];
            let word = u64::from_be_bytes(*word) >> (64 - REFILL);
            self.window = (self.window << REFILL) | word;
            self.bits += REFILL;
        } else {
            *self = self.with_last_bytes();
        }
    }

    /// With the last seven or fewer bytes in the window. Where there are none a comparison would now see what is not there; so
    /// does libwebp find the end.
    #[cold]
    #[inline(never)]
    fn with_last_bytes(mut self) -> Self {
        let count = self.rest.len().min(REFILL as usize / 8);
        let (taken, rest) = self.rest.split_at(count);
        for byte in taken {
            self.window = (self.window << 8) | u64::from(*byte);
        }
        self.rest = rest;
        self.bits += if count == 0 { ENDED } else { 8 * count as i32 };
        self
    }

    /// The next bit, which is 0 with a probability of `probability / 256`.
    #[inline(always)]
    pub(super) fn bit(&mut self, probability: u8) -> bool {
        let (split, bit) = self.compare(probability);
        if bit {
            self.take_one(split);
        } else {
            self.take_zero(split);
        }
        bit
    }

    /// Where the range is divided, and whether the next bit is 1. It has to be taken by [`Self::take_one`] or
    /// [`Self::take_zero`]; see [`branch`].
    #[inline(always)]
    pub(super) fn compare(&mut self, probability: u8) -> (u32, bool) {
        if self.bits < 0 {
            self.refill();
        }
        let split = (self.range * u32::from(probability)) >> 8;
        (
            split,
            self.window.wrapping_shr(self.bits as u32) as u32 > split,
        )
    }

    #[inline(always)]
    pub(super) fn take_one(&mut self, split: u32) {
        let taken = u64::from(split + 1).wrapping_shl(self.bits as u32);
        self.window = self.window.wrapping_sub(taken);
        self.normalise(self.range.wrapping_sub(split));
    }

    #[inline(always)]
    pub(super) fn take_zero(&mut self, split: u32) {
        self.normalise(split + 1);
    }

    #[inline(always)]
    fn normalise(&mut self, range: u32) {
        let shift = range.leading_zeros().wrapping_sub(24);
        self.bits -= shift as i32;
        self.range = range.wrapping_shl(shift).wrapping_sub(1);
    }

    /// `value`, or `-value` where the next bit, as probable as not, is 1. Without a branch, since none could be foreseen.
    #[inline(always)]
    pub(super) fn signed(&mut self, value: i32) -> i32 {
        if self.bits < 0 {
            self.refill();
        }
        let split = self.range >> 1;
        let place = self.bits as u32;
        let compared = self.window.wrapping_shr(place) as u32;
        let mask = (split.wrapping_sub(compared) as i32) >> 31;
        self.bits -= 1;
        self.range = self.range.wrapping_add(mask as u32) | 1;
        let taken = u64::from((split + 1) & mask as u32).wrapping_shl(place);
        self.window = self.window.wrapping_sub(taken);
        (value ^ mask) - mask
    }

    /// One bit, as probable as not.
    pub(super) fn flag(&mut self) -> bool {
        self.bit(128)
    }

    /// A number of so many bits, the highest first.
    pub(super) fn literal(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |value, _| 2 * value + u32::from(self.flag()))
    }

    /// A number of so many bits, and its sign behind it.
    pub(super) fn signed_literal(&mut self, bits: u32) -> i32 {
        let value = self.literal(bits) as i32;
        if self.flag() { -value } else { value }
    }

    /// A number with its sign that is there only if the bit before it is 1, and else 0.
    pub(super) fn optional_signed(&mut self, bits: u32) -> i32 {
        match self.flag() {
            true => self.signed_literal(bits),
            false => 0,
        }
    }

    /// Whether a bit was compared with what lies behind the end. An encoder writes more than it needs, so that whole data does not
    /// come to this.
    #[inline(always)]
    pub(super) fn has_ended(&self) -> bool {
        self.bits >= ENDED / 2
    }
}

/// Does one thing or another by the next bit. Where bits can be foreseen this is faster than [`BoolDecoder::bit`], which the
/// compiler makes a choice between two values: here the processor goes on before it knows the bit.
macro_rules! branch {
    ($reader:ident, $probability:expr, $one:expr, $zero:expr) => {{
        let (split, bit) = $reader.compare($probability);
        if bit {
            $reader.take_one(split);
            $one
        } else {
            $reader.take_zero(split);
            $zero
        }
    }};
}
pub(super) use branch;

#[cfg(test)]
mod tests {
    use super::*;

    /// The encoder of RFC 6386, section 7.3, for tests.
    #[derive(Default)]
    struct BoolEncoder {
        bytes: Vec<u8>,
        range: u32,
        bottom: u32,
        bit_count: i32,
    }

    impl BoolEncoder {
        fn new() -> Self {
            Self {
                range: 255,
                bit_count: 24,
                ..Self::default()
            }
        }

        fn write(&mut self, bit: bool, probability: u8) {
            let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
            if bit {
                let (bottom, carried) = self.bottom.overflowing_add(split);
                self.bottom = bottom;
                if carried {
                    self.carry();
                }
                self.range -= split;
            } else {
                self.range = split;
            }
            while self.range < 128 {
                self.range <<= 1;
                if self.bottom & (1 << 31) != 0 {
                    self.carry();
                }
                self.bottom <<= 1;
                self.bit_count -= 1;
                if self.bit_count == 0 {
                    self.bytes.push((self.bottom >> 24) as u8);
                    self.bottom &= (1 << 24) - 1;
                    self.bit_count = 8;
                }
            }
        }

        fn carry(&mut self) {
            for byte in self.bytes.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }

        fn finish(mut self) -> Vec<u8> {
            for _ in 0..32 {
                self.write(false, 128);
            }
            self.bytes
        }
    }

    #[test]
    fn what_an_encoder_wrote_is_read_again() {
        let mut state = 1u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        let bits: Vec<(bool, u8)> = (0..5000)
            .map(|_| {
                let probability = (draw() % 255 + 1) as u8;
                ((draw() % 256) as u8 >= probability, probability)
            })
            .collect();
        let mut encoder = BoolEncoder::new();
        for &(bit, probability) in &bits {
            encoder.write(bit, probability);
            encoder.write(bit, 128);
        }
        let bytes = encoder.finish();
        let mut decoder = BoolDecoder::new(&bytes);
        for (number, &(bit, probability)) in bits.iter().enumerate() {
            assert_eq!(decoder.bit(probability), bit, "{number}");
            assert_eq!(decoder.signed(3), if bit { -3 } else { 3 }, "{number}");
        }
        assert!(!decoder.has_ended());
    }

    #[test]
    fn the_end_is_noticed_when_a_bit_is_compared_with_what_is_not_there() {
        for length in 0..40usize {
            let bytes = vec![0; length];
            let mut decoder = BoolDecoder::new(&bytes);
            // At even probability a zero takes one bit, but for the first one; a comparison sees eight.
            for taken in 0..(8 * length).saturating_sub(6) {
                assert!(!decoder.has_ended(), "{taken} of {length} bytes");
                decoder.flag();
            }
            decoder.flag();
            assert!(decoder.has_ended(), "{length}");
        }
    }
}
