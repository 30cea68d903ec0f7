//! Bits of arithmetically coded data.
//!
//! Owns: the boolean entropy decoder and its refill. It does not know what a bit stands for.
//!
//! Source: RFC 6386, section 7; the arithmetic is libwebp's, which keeps the range less one.

/// Reads bits of known probability. Behind the end come zeros, and [`Self::is_past_end`] tells that they were used.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoolDecoder<'a> {
    bytes: &'a [u8],
    /// The next byte that is not in `window`.
    position: usize,
    /// The next bits, of which the lowest `bits + 8` count.
    window: u64,
    /// The range less one, 127 to 254 between two bits.
    range: u32,
    /// Bits of `window` below those that the next comparison sees; negative: too few are left.
    bits: i32,
}

/// Bits that a refill adds.
const REFILL: usize = 56;

impl<'a> BoolDecoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            window: 0,
            range: 254,
            bits: -8,
        }
    }

    #[inline(always)]
    fn refill(&mut self) {
        let word = match self.bytes.get(self.position..) {
            Some([a, b, c, d, e, f, g, _, ..]) => {
                u64::from_be_bytes([0, *a, *b, *c, *d, *e, *f, *g])
            }
            rest => last_word(rest.unwrap_or_default()),
        };
        self.window = (self.window << REFILL) | word;
        self.position += REFILL / 8;
        self.bits += REFILL as i32;
    }

    /// The next bit, which is 0 with a probability of `probability / 256`.
    #[inline(always)]
    pub(super) fn bit(&mut self, probability: u8) -> bool {
        if self.bits < 0 {
            self.refill();
        }
        let split = (self.range * u32::from(probability)) >> 8;
        let place = self.bits as u32 & 63;
        let bit = (self.window >> place) as u32 > split;
        let range = if bit {
            self.window = self.window.wrapping_sub(u64::from(split + 1) << place);
            self.range.wrapping_sub(split)
        } else {
            split + 1
        };
        let shift = range.leading_zeros().wrapping_sub(24);
        self.bits -= shift as i32;
        self.range = (range << (shift & 31)).wrapping_sub(1);
        bit
    }

    /// `value`, or `-value` where the next bit, as probable as not, is 1. Without a branch, since none could be foreseen.
    #[inline(always)]
    pub(super) fn signed(&mut self, value: i32) -> i32 {
        if self.bits < 0 {
            self.refill();
        }
        let split = self.range >> 1;
        let place = self.bits as u32 & 63;
        let mask = (split.wrapping_sub((self.window >> place) as u32) as i32) >> 31;
        self.bits -= 1;
        self.range = self.range.wrapping_add(mask as u32) | 1;
        let taken = u64::from((split + 1) & mask as u32) << place;
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

    /// Whether bits behind the end were taken, up to the one that a comparison now would begin with. An encoder writes two
    /// bytes more than it needs, so whole data is not affected.
    #[inline(always)]
    pub(super) fn is_past_end(&self) -> bool {
        8 * self.position as i64 - 8 - i64::from(self.bits) >= 8 * self.bytes.len() as i64
    }
}

/// The first seven of a few bytes, filled up with zeros.
#[cold]
fn last_word(rest: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[1..]
        .iter_mut()
        .zip(rest)
        .for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(word)
}

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
        assert!(!decoder.is_past_end());
    }

    #[test]
    fn the_end_is_noticed_when_its_last_bit_is_taken() {
        for length in 0..40usize {
            let bytes = vec![0; length];
            let mut decoder = BoolDecoder::new(&bytes);
            for taken in 0..8 * length {
                assert!(!decoder.is_past_end(), "{taken} of {length} bytes");
                // At even probability, a zero takes one bit, but for the first one, which takes none.
                decoder.flag();
            }
            decoder.flag();
            assert!(decoder.is_past_end(), "{length}");
        }
    }
}
