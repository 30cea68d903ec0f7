//! Files put together anew from the parts of others: segments of JPEG, chunks of PNG and WebP, tags of TIFF. Lengths and checksums are right
//! again afterwards, so that what is wrong lies behind them.

use std::io::{Read, Write};

use crate::random::Random;

/// Numbers at the edges of their types.
const EDGES: [u64; 10] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    u64::MAX,
];

/// A file like one of these, with parts of others of its format; none for a format without a grammar here.
pub fn splice(own: &[u8], other: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    if own.starts_with(b"II") || own.starts_with(b"MM") {
        return tags(own, random);
    }
    let kind = Kind::of(own)?;
    let mut parts = kind.parts(own)?;
    let others = match Kind::of(other) == Some(kind) {
        true => kind.parts(other).unwrap_or_default(),
        false => Vec::new(),
    };
    for _ in 0..1 + random.below(4) {
        shuffle(&mut parts, &others, random);
    }
    if kind == Kind::Png && random.below(3) == 0 {
        repack(&mut parts, random);
    }
    Some(kind.join(&parts))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Jpeg,
    Png,
    WebP,
}

impl Kind {
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', ..] => Some(Self::WebP),
            _ => None,
        }
    }

    /// Each with its marker or name, without what is made anew.
    fn parts(self, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        let number = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
        match self {
            Self::Jpeg => {
                let mut at = 0;
                while at + 2 <= bytes.len() {
                    let code = bytes[at + 1];
                    let mut end = at + 2;
                    if !matches!(code, 0xd0..=0xd9 | 1) {
                        let length = bytes.get(at + 2..at + 4)?;
                        end += usize::from(u16::from_be_bytes([length[0], length[1]]));
                    }
                    if code == 0xda {
                        while end + 1 < bytes.len()
                            && (bytes[end] != 0xff || matches!(bytes[end + 1], 0 | 0xd0..=0xd7))
                        {
                            end += 1;
                        }
                    }
                    parts.push(bytes.get(at..end)?.to_vec());
                    at = end;
                }
            }
            Self::Png => {
                let mut at = 8;
                while let Some(length) = number(at) {
                    let end = at + 8 + u32::from_be_bytes(length) as usize;
                    parts.push(bytes.get(at + 4..end)?.to_vec());
                    at = end + 4;
                }
            }
            Self::WebP => {
                let mut at = 12;
                while let Some(length) = number(at + 4) {
                    let length = u32::from_le_bytes(length) as usize;
                    let end = at + 8 + length;
                    let mut part = bytes.get(at..at + 4)?.to_vec();
                    part.extend(bytes.get(at + 8..end)?);
                    parts.push(part);
                    at = end + length % 2;
                }
            }
        }
        (!parts.is_empty()).then_some(parts)
    }

    fn join(self, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Jpeg => parts.iter().for_each(|part| bytes.extend(part)),
            Self::Png => {
                bytes.extend(b"\x89PNG\r\n\x1a\n");
                for part in parts.iter().filter(|part| part.len() >= 4) {
                    let mut sum = flate2::Crc::new();
                    sum.update(part);
                    bytes.extend((part.len() as u32 - 4).to_be_bytes());
                    bytes.extend(part);
                    bytes.extend(sum.sum().to_be_bytes());
                }
            }
            Self::WebP => {
                let mut body = b"WEBP".to_vec();
                for part in parts.iter().filter(|part| part.len() >= 4) {
                    body.extend(&part[..4]);
                    body.extend((part.len() as u32 - 4).to_le_bytes());
                    body.extend(&part[4..]);
                    body.resize(body.len() + part.len() % 2, 0);
                }
                bytes.extend(b"RIFF");
                bytes.extend((body.len() as u32).to_le_bytes());
                bytes.extend(body);
            }
        }
        bytes
    }
}

/// Leaves a part out, doubles it, moves it, takes one of another file, or changes a few of its bytes, mostly the first.
fn shuffle(parts: &mut Vec<Vec<u8>>, others: &[Vec<u8>], random: &mut Random) {
    let place = random.below(parts.len());
    let to = random.below(parts.len());
    match random.below(8) {
        0 if parts.len() > 2 => {
            parts.remove(place);
        }
        1 => {
            let part = parts[place].clone();
            parts.insert(to, part);
        }
        2 => parts.swap(place, to),
        3 if !others.is_empty() => {
            let other = others[random.below(others.len())].clone();
            match random.below(2) {
                0 => parts.insert(to, other),
                _ => parts[place] = other,
            }
        }
        4 if parts[place].len() > 8 => {
            let length = 4 + random.below(parts[place].len() - 4);
            parts[place].truncate(length);
        }
        _ => {
            let part = &mut parts[place];
            for _ in 0..1 + random.below(3) {
                let reach = if random.below(3) == 0 {
                    part.len()
                } else {
                    part.len().min(28)
                };
                let at = random.below(reach);
                let width = [1, 2, 4][random.below(3)];
                let value = EDGES[random.below(EDGES.len())];
                for index in 0..width.min(part.len().saturating_sub(at)) {
                    part[at + index] = match random.below(3) {
                        0 => random.next() as u8,
                        _ => (value >> (8 * (width - 1 - index))) as u8,
                    };
                }
            }
        }
    }
}

/// Unpacks the pixels of a PNG, changes some bytes, and packs them again.
fn repack(parts: &mut Vec<Vec<u8>>, random: &mut Random) {
    let is_data = |part: &Vec<u8>| part.starts_with(b"IDAT");
    let data: Vec<u8> = parts
        .iter()
        .filter(|part| is_data(part))
        .flat_map(|part| part[4..].to_vec())
        .collect();
    let mut pixels = Vec::new();
    let reader = flate2::read::ZlibDecoder::new(&data[..]);
    if reader.take(1 << 20).read_to_end(&mut pixels).is_err() || pixels.is_empty() {
        return;
    }
    for _ in 0..1 + random.below(5) {
        let at = random.below(pixels.len());
        pixels[at] = random.next() as u8;
    }
    if random.below(4) == 0 {
        pixels.truncate(random.below(pixels.len()));
    }
    let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let (Ok(()), Ok(packed)) = (writer.write_all(&pixels), writer.finish()) else {
        return;
    };
    let Some(first) = parts.iter().position(is_data) else {
        return;
    };
    parts.retain(|part| !is_data(part));
    let half = random.below(packed.len());
    for (place, piece) in [&packed[..half], &packed[half..]].into_iter().enumerate() {
        let part = [b"IDAT", piece].concat();
        parts.insert((first + place).min(parts.len()), part);
    }
}

/// Tags of pages, of which some are changed to other tags, types, counts and values.
fn tags(own: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    const KNOWN: [u16; 28] = [
        254, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 284, 292, 317, 320, 322,
        323, 324, 325, 330, 338, 339, 347, 529, 530, 532,
    ];
    const VALUES: [u32; 18] = [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        16,
        32,
        64,
        255,
        32773,
        32946,
        50000,
        65535,
        0x7fff_ffff,
    ];
    let mut bytes = own.to_vec();
    let is_little = own.starts_with(b"II");
    let number = |bytes: &[u8], at: usize, width: usize| -> Option<u64> {
        let part = bytes.get(at..at.checked_add(width)?)?;
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match is_little {
            true => part.iter().rev().fold(0, join),
            false => part.iter().fold(0, join),
        })
    };
    let put = |bytes: &mut [u8], at: usize, width: usize, value: u64| {
        for index in 0..width {
            let shift = if is_little { index } else { width - 1 - index };
            if let Some(byte) = bytes.get_mut(at + index) {
                *byte = (value >> (8 * shift)) as u8;
            }
        }
    };
    let is_big = number(own, 2, 2)? == 43;
    let (first, wide) = if is_big { (8, 8) } else { (4, 4) };
    let (count_width, entry) = if is_big { (8, 20) } else { (2, 12) };
    let mut at = usize::try_from(number(own, first, wide)?).ok()?;
    let mut entries = Vec::new();
    let mut links = Vec::new();
    for _ in 0..8 {
        let count = usize::try_from(number(own, at, count_width)?).ok()?.min(64);
        let start = at + count_width;
        entries.extend((0..count).map(|index| start + index * entry));
        links.push(start + count * entry);
        match number(own, start + count * entry, wide) {
            Some(next) if next > 0 => at = usize::try_from(next).ok()?,
            _ => break,
        }
    }
    if entries.is_empty() {
        return None;
    }
    for _ in 0..1 + random.below(4) {
        let place = entries[random.below(entries.len())];
        let value = match random.below(3) {
            0 => EDGES[random.below(EDGES.len())],
            1 => random.below(own.len()) as u64,
            _ => u64::from(VALUES[random.below(VALUES.len())]),
        };
        match random.below(12) {
            0 => put(
                &mut bytes,
                place,
                2,
                u64::from(KNOWN[random.below(KNOWN.len())]),
            ),
            1 => put(&mut bytes, place + 2, 2, random.below(20) as u64),
            2 => put(&mut bytes, place + 4, wide, value),
            3 => {
                let link = links[random.below(links.len())];
                let to = random.below(own.len()) as u64;
                put(&mut bytes, link, wide, to);
            }
            // A number of 16 bits lies in front of the place.
            4..=7 => put(&mut bytes, place + 4 + wide, 2, value),
            _ => put(&mut bytes, place + 4 + wide, wide, value),
        }
    }
    Some(bytes)
}
