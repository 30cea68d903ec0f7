//! How many bits of a PNG's samples say anything (`sBIT`).
//!
//! Owns: the chunk, and what follows from it. By the standard samples of fewer bits are scaled to all of them, so white is the largest
//! number that the samples can hold, whatever the chunk says. Cameras also write numbers of 10, 12 or 14 bits into 16 as they are and say so
//! in this chunk: then none of the numbers is larger than so many bits hold, and that is white.
//!
//! Source: PNG specification, third edition, 11.3.2.4 and 13.12.

use image::ColorType;

use super::limits::SampleRange;
use super::pixels;

/// The largest number of bits that the chunk says of colours; none where it is not there.
pub(super) fn bits(bytes: &[u8]) -> Option<u8> {
    let mut position = 8;
    while let Some(&[a, b, c, d, ref kind @ ..]) = bytes.get(position..position + 8) {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        match kind {
            b"sBIT" => {
                let data =
                    bytes.get(position + 8..position.checked_add(8)?.checked_add(length)?)?;
                // Of two or four numbers the last one is alpha's.
                let colours = match data.len() {
                    2 | 4 => &data[..data.len() - 1],
                    _ => data,
                };
                return colours.iter().copied().max();
            }
            b"PLTE" | b"IDAT" => return None,
            _ => {}
        }
        // Length, kind and checksum take 12 bytes.
        position = position.saturating_add(length).saturating_add(12);
    }
    None
}

/// The range of a picture of 16 bits: that of its bits, where the whole range is asked for and no number is larger than they hold.
pub(super) fn range_of(
    bytes: &[u8],
    color: ColorType,
    samples: &[u8],
    asked: SampleRange,
) -> SampleRange {
    let Some((channels, colours)) = pixels::wide(color) else {
        return asked;
    };
    match bits(bytes) {
        Some(bits @ 1..16) if asked.is_full() => {
            let words = samples.as_chunks::<2>().0.chunks_exact(channels);
            let largest = words
                .flat_map(|pixel| &pixel[..colours])
                .map(|word| u16::from_ne_bytes(*word))
                .max();
            match largest.unwrap_or(0) >> bits {
                0 => SampleRange::Bits(bits),
                _ => asked,
            }
        }
        _ => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{DecodeLimits, decode};

    /// A grey PNG of 16 bits with these samples in a row, and a chunk that says so many bits.
    fn png(samples: &[u16], bits: Option<u8>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, samples.len() as u32, 1);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Sixteen);
        let mut writer = encoder.write_header().unwrap();
        if let Some(bits) = bits {
            writer.write_chunk(png::chunk::sBIT, &[bits]).unwrap();
        }
        let data: Vec<u8> = samples
            .iter()
            .flat_map(|value| value.to_be_bytes())
            .collect();
        writer.write_image_data(&data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn numbers_as_small_as_the_chunk_says_span_its_bits() {
        let levels = |samples: &[u16], bits, range| -> Vec<u8> {
            let limits = DecodeLimits {
                range,
                ..DecodeLimits::default()
            };
            let image = decode(&png(samples, bits), &limits).unwrap().image;
            image.into_raw().into_iter().step_by(3).collect()
        };
        let full = SampleRange::Full;
        assert_eq!(levels(&[0, 2048, 4095], Some(12), full), [0, 128, 255]);
        assert_eq!(levels(&[0, 2048, 4095], None, full), [0, 8, 16]);
        // Scaled to all bits, as the standard has it: one large number tells.
        assert_eq!(levels(&[0, 2048, 65_520], Some(12), full), [0, 8, 255]);
        // A setting is the last word.
        assert_eq!(
            levels(&[0, 2048, 4095], Some(12), SampleRange::Bits(16)),
            [0, 8, 16]
        );
    }
}
