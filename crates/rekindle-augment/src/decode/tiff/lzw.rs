//! LZW as TIFF packs it.
//!
//! Owns: the codes of revision 6.0, highest bit first, which get longer one code early, and those of before, lowest bit first. The
//! `weezl` crate stops short of the end of some data that libtiff writes.
//!
//! Source: TIFF revision 6.0, section 13; libtiff for the older kind.

use super::codec::Fault;

const CLEAR: usize = 256;
const END: usize = 257;
const FIRST_FREE: usize = 258;
const MOST_CODES: usize = 4096;

/// At most `needed` bytes; fewer where the data ends before.
pub(super) fn decode(data: &[u8], needed: usize) -> Result<Vec<u8>, Fault> {
    const DAMAGE: Fault = Fault::Damage("an LZW code that stands for nothing");
    // The first code clears the table, so its bits tell which kind it is.
    let is_old = matches!(data, [0, second, ..] if second & 1 == 1);
    let early = usize::from(!is_old);
    // For each code, where the bytes it stands for lie in the output, and how many they are.
    let mut places = [(0usize, 0usize); MOST_CODES];
    let mut output: Vec<u8> = Vec::with_capacity(needed.min(data.len().saturating_mul(8)));
    let (mut bits, mut count, mut at) = (0u32, 0u32, 0usize);
    let (mut width, mut free) = (9u32, FIRST_FREE);
    let mut last: Option<(usize, usize)> = None;
    while output.len() < needed {
        while count < width {
            let Some(&byte) = data.get(at) else {
                return Ok(output);
            };
            at += 1;
            match is_old {
                true => bits |= u32::from(byte) << count,
                false => bits = bits << 8 | u32::from(byte),
            }
            count += 8;
        }
        let mask = (1u32 << width) - 1;
        let code = match is_old {
            true => {
                let code = bits & mask;
                bits >>= width;
                code
            }
            false => bits >> (count - width) & mask,
        } as usize;
        count -= width;
        match code {
            CLEAR => {
                (width, free, last) = (9, FIRST_FREE, None);
                continue;
            }
            END => break,
            _ => {}
        }
        let start = output.len();
        let (from, length) = match code {
            0..=255 => {
                output.push(code as u8);
                (start, 1)
            }
            // The code that is about to be entered: what came last and its first byte again.
            _ if code == free && last.is_some() => {
                last.map_or((0, 0), |(from, length)| (from, length + 1))
            }
            _ if code < free => places[code],
            _ => return Err(DAMAGE),
        };
        if code > 255 {
            for index in from..from + length {
                output.push(output[index]);
            }
        }
        if let Some((from, length)) = last
            && free < MOST_CODES
        {
            // Behind what came last lies what has come now, so its first byte follows of itself.
            places[free] = (from, length + 1);
            free += 1;
            if free + early > mask as usize && width < 12 {
                width += 1;
            }
        }
        last = Some((start, length));
    }
    output.truncate(needed);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code of nine bits each, highest bit first.
    fn packed(codes: &[u16]) -> Vec<u8> {
        let bits = codes
            .iter()
            .flat_map(|code| (0..9).rev().map(move |bit| code >> bit & 1));
        let bits: Vec<u16> = bits.collect();
        let byte = |bits: &[u16]| {
            bits.iter()
                .enumerate()
                .fold(0, |byte, (at, bit)| byte | (bit << (7 - at)) as u8)
        };
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn the_example_of_the_specification_is_unpacked() {
        let codes = [256, 7, 258, 8, 8, 259, 262, 7, 257];
        let expected = [7, 7, 7, 8, 8, 7, 7, 7, 7, 7, 7];
        let found = decode(&packed(&codes), 100).unwrap();
        assert_eq!(found[..6], expected[..6]);
        assert!(decode(&packed(&[256, 7, 300]), 100).is_err());
        assert!(decode(&packed(&[256, 258]), 100).is_err());
        assert_eq!(decode(&packed(&codes), 3), Ok(vec![7, 7, 7]));
    }
}
