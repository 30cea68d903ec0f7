//! Files made from nothing but the grammar of their format: TIFF, BMP, PNM, NumPy's arrays, DICOM. Sizes, kinds and packings are drawn, and most of
//! what is drawn fits together.

use std::io::Write;

use crate::random::Random;

/// A file of a drawn format.
pub fn file(random: &mut Random) -> Vec<u8> {
    match random.below(7) {
        0..=2 => tiff(random),
        3 => bmp(random),
        4 => pnm(random),
        5 => npy(random),
        _ => dicom(random),
    }
}

fn one<T: Copy>(choices: &[T], random: &mut Random) -> T {
    choices[random.below(choices.len())]
}

fn noise(length: usize, random: &mut Random) -> Vec<u8> {
    (0..length).map(|_| random.next() as u8).collect()
}

/// A side: mostly small, seldom none or much too large.
fn side(random: &mut Random) -> u32 {
    match random.below(24) {
        0 => 0,
        1 => one(&[0xffff, 0x10000, 0x7fff_ffff, u32::MAX], random),
        _ => 1 + random.below(40) as u32,
    }
}

fn tiff(random: &mut Random) -> Vec<u8> {
    let is_little = random.below(2) == 0;
    let [width, height] = [side(random), side(random)];
    let samples = one(&[1usize, 1, 1, 2, 3, 3, 4, 5], random);
    let bits = one(
        &[1usize, 2, 4, 8, 8, 8, 10, 12, 14, 16, 16, 24, 32, 64],
        random,
    );
    let is_planar = random.below(4) == 0;
    let is_tiled = random.below(3) == 0;
    let [wide, high] = match is_tiled {
        true => [16, 16],
        false => [width.min(4096), one(&[1, 3, height, u32::MAX], random)],
    };
    let compression = one(
        &[1u32, 1, 1, 2, 3, 4, 5, 5, 7, 8, 8, 32773, 50000, 34925],
        random,
    );
    let across = width.min(64).div_ceil(wide.max(1));
    let down = height.min(64).div_ceil(high.max(1));
    let planes = if is_planar { samples as u32 } else { 1 };
    let chunks = (across * down * planes).clamp(1, 64) as usize;
    let per_pixel = if is_planar { bits } else { bits * samples };
    let rows = high.min(height).min(64) as usize;
    let length = (wide as usize * per_pixel).div_ceil(8) * rows;
    let description = one(
        &[
            "",
            "",
            "ImageJ=1.54f\nimages=3\nchannels=3\n",
            "ImageJ=1.54f\nimages=4\nslices=2\nframes=2\n",
            "<?xml version=\"1.0\"?><OME UUID=\"a\"><Image><Pixels DimensionOrder=\"XYCZT\" SizeC=\"2\" SizeZ=\"1\" SizeT=\"1\"><TiffData IFD=\"1\"/><TiffData FirstC=\"1\" IFD=\"0\"/></Pixels></Image></OME>",
        ],
        random,
    );
    let pages = one(&[1, 1, 1, 2, 3], random);
    let put = |bytes: &mut Vec<u8>, value: u64, width: usize| match is_little {
        true => bytes.extend(&value.to_le_bytes()[..width]),
        false => bytes.extend(&value.to_be_bytes()[8 - width..]),
    };
    let mut bytes = if is_little {
        b"II".to_vec()
    } else {
        b"MM".to_vec()
    };
    put(&mut bytes, 42, 2);
    put(&mut bytes, 0, 4);
    let mut link = 4;
    for page in 0..pages {
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for _ in 0..chunks {
            let raw = noise(length.min(1 << 14), random);
            let data = match compression {
                8 => {
                    let mut writer =
                        flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                    let _ = writer.write_all(&raw);
                    writer.finish().unwrap_or_default()
                }
                _ => raw,
            };
            offsets.push(bytes.len() as u64);
            lengths.push(data.len() as u64);
            bytes.extend(data);
        }
        let list = |bytes: &mut Vec<u8>, values: &[u64], width: usize| -> u64 {
            let at = bytes.len() as u64;
            values.iter().for_each(|value| put(bytes, *value, width));
            at
        };
        let offsets_at = list(&mut bytes, &offsets, 4);
        let lengths_at = list(&mut bytes, &lengths, 4);
        let bits_at = list(&mut bytes, &vec![bits as u64; samples], 2);
        let text_at = bytes.len() as u64;
        bytes.extend(description.as_bytes());
        bytes.push(0);
        let few = |values: &[u64], at: u64| if values.len() == 1 { values[0] } else { at };
        let (place, size) = if is_tiled { (324, 325) } else { (273, 279) };
        let count = chunks as u64;
        let bits_value = match samples {
            1 => bits as u64,
            2 if is_little => (bits * 0x1_0001) as u64,
            _ => bits_at,
        };
        let mut tags: Vec<(u64, u64, u64, u64)> = vec![
            (256, 4, 1, u64::from(width)),
            (257, 4, 1, u64::from(height)),
            (258, 3, samples as u64, bits_value),
            (259, 3, 1, u64::from(compression)),
            (262, 3, 1, one(&[0, 1, 1, 2, 2, 3, 5, 6, 8], random)),
            (place, 4, count, few(&offsets, offsets_at)),
            (277, 3, 1, samples as u64),
            (size, 4, count, few(&lengths, lengths_at)),
            (284, 3, 1, if is_planar { 2 } else { 1 }),
        ];
        match is_tiled {
            true => tags.extend([(322, 3, 1, 16), (323, 3, 1, 16)]),
            false => tags.push((278, 4, 1, u64::from(high))),
        }
        if page == 0 && !description.is_empty() {
            tags.push((270, 2, description.len() as u64 + 1, text_at));
        }
        if random.below(3) == 0 {
            tags.push((317, 3, 1, one(&[1, 2, 3], random)));
        }
        if random.below(3) == 0 {
            tags.push((338, 3, 1, one(&[0, 1, 2, 999], random)));
        }
        if random.below(3) == 0 {
            tags.push((339, 3, 1, one(&[1, 2, 3, 5], random)));
        }
        if random.below(6) == 0 {
            tags.push((266, 3, 1, 2));
        }
        let start = bytes.len() as u64;
        let mut address = Vec::new();
        put(&mut address, start, 4);
        bytes[link..link + 4].copy_from_slice(&address);
        put(&mut bytes, tags.len() as u64, 2);
        for (tag, kind, count, value) in tags {
            put(&mut bytes, tag, 2);
            put(&mut bytes, kind, 2);
            put(&mut bytes, count, 4);
            match kind == 3 && count == 1 {
                true => {
                    put(&mut bytes, value, 2);
                    put(&mut bytes, 0, 2);
                }
                false => put(&mut bytes, value, 4),
            }
        }
        link = bytes.len();
        put(&mut bytes, 0, 4);
    }
    bytes
}

fn bmp(random: &mut Random) -> Vec<u8> {
    let header = one(&[40u32, 40, 40, 12, 52, 56, 108, 124], random);
    let bits = one(&[1u16, 4, 8, 16, 24, 32, 32, 2], random);
    let compression = one(&[0u32, 0, 0, 1, 2, 3, 6], random);
    let [width, height] = [side(random), side(random)];
    let table = if bits <= 8 {
        one(&[0u32, 2, 16, 256, 257], random)
    } else {
        0
    };
    let height = if random.below(3) == 0 {
        height.wrapping_neg()
    } else {
        height
    };
    let mut bytes = b"BM".to_vec();
    bytes.extend([0; 8]);
    let start = 14 + header + 4 * table.min(256);
    bytes.extend(one(&[start, start, start, 0, u32::MAX], random).to_le_bytes());
    bytes.extend(header.to_le_bytes());
    match header {
        12 => {
            bytes.extend((width as u16).to_le_bytes());
            bytes.extend((height as u16).to_le_bytes());
            bytes.extend(1u16.to_le_bytes());
            bytes.extend(bits.to_le_bytes());
        }
        _ => {
            bytes.extend(width.to_le_bytes());
            bytes.extend(height.to_le_bytes());
            bytes.extend(1u16.to_le_bytes());
            bytes.extend(bits.to_le_bytes());
            bytes.extend(compression.to_le_bytes());
            bytes.extend([0; 12]);
            bytes.extend(table.to_le_bytes());
            bytes.extend([0; 4]);
            let masks = one(
                &[
                    [0xff0000u32, 0xff00, 0xff, 0xff000000],
                    [0x7c00, 0x3e0, 0x1f, 0],
                    [0, 0, 0, 0],
                    [u32::MAX; 4],
                ],
                random,
            );
            masks
                .iter()
                .for_each(|mask| bytes.extend(mask.to_le_bytes()));
        }
    }
    bytes.resize(start as usize, 0);
    let row = (width.min(64) as usize * usize::from(bits))
        .div_ceil(8)
        .next_multiple_of(4);
    let rows = height.min(height.wrapping_neg()).min(64) as usize;
    bytes.extend(noise(row * rows, random));
    bytes
}

fn pnm(random: &mut Random) -> Vec<u8> {
    let kind = 1 + random.below(6);
    let [width, height] = [side(random), side(random)];
    let most = one(&[1u32, 255, 255, 65535, 1023, 0, 70000], random);
    let space =
        |random: &mut Random| one(&[" ", "\n", "\t", "\r\n", " # a remark\n", "#\n"], random);
    let mut text = format!("P{kind}{}", space(random));
    text += &format!("{width}{}{height}{}", space(random), space(random));
    if !matches!(kind, 1 | 4) {
        text += &format!("{most}{}", one(&["\n", " "], random));
    }
    let count =
        (width.min(64) * height.min(64)) as usize * if kind.is_multiple_of(3) { 3 } else { 1 };
    let mut bytes = text.into_bytes();
    match kind {
        1..=3 => {
            for _ in 0..count {
                let value = random.below(most as usize + 1);
                bytes.extend(format!("{value}{}", one(&[" ", "\n", "  "], random)).as_bytes());
            }
        }
        _ => bytes.extend(noise(count * if most > 255 { 2 } else { 1 }, random)),
    }
    bytes
}

fn npy(random: &mut Random) -> Vec<u8> {
    let kind = one(
        &[
            "|u1", "<u2", ">u2", "<i2", "<f4", ">f8", "<f2", "|b1", "<c8", "|O", "u1", "<U3",
        ],
        random,
    );
    let order = one(&["False", "True", "Maybe"], random);
    let [width, height] = [side(random), side(random)];
    let shape = match random.below(6) {
        0 => format!("({height}, {width}, 3)"),
        1 => format!("({height}, {width}, 4)"),
        2 => format!("(3, {height}, {width})"),
        3 => "()".to_owned(),
        4 => format!("({height}, {width}, 1, {width})"),
        _ => format!("({height}, {width})"),
    };
    let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([one(&[1, 2, 3, 9], random), 0]);
    let padded = format!("{header:<117}\n");
    match bytes[6] {
        1 => bytes.extend((padded.len() as u16).to_le_bytes()),
        _ => bytes.extend((padded.len() as u32).to_le_bytes()),
    }
    bytes.extend(padded.as_bytes());
    let count = width.min(64) as usize * height.min(64) as usize * 3;
    bytes.extend(noise(
        one(&[count, count * 4, count * 8, 0], random),
        random,
    ));
    bytes
}

fn dicom(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let syntax = one(
        &[
            "1.2.840.10008.1.2\0",
            "1.2.840.10008.1.2.1\0",
            "1.2.840.10008.1.2.1\0",
            "1.2.840.10008.1.2.2\0",
            "1.2.840.10008.1.2.5\0",
            "1.2.840.10008.1.2.4.50",
            "1.2.840.10008.1.2.4.70",
        ],
        random,
    );
    bytes.extend([2, 0, 0x10, 0, b'U', b'I', syntax.len() as u8, 0]);
    bytes.extend(syntax.as_bytes());
    let is_implicit = syntax == "1.2.840.10008.1.2\0";
    let is_big = syntax == "1.2.840.10008.1.2.2\0";
    let is_packed = syntax.contains("1.2.4.50") || syntax.contains("1.2.5");
    let word = |value: u16| {
        if is_big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let long = |value: u32| {
        if is_big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let mut element =
        |group: u16, number: u16, kind: &[u8; 2], value: &[u8], length: Option<u32>| {
            bytes.extend(word(group));
            bytes.extend(word(number));
            let length = length.unwrap_or(value.len() as u32);
            let is_long = matches!(kind, b"OB" | b"OW" | b"SQ" | b"UN");
            match (is_implicit, is_long) {
                (true, _) => bytes.extend(long(length)),
                (false, true) => {
                    bytes.extend(kind);
                    bytes.extend([0, 0]);
                    bytes.extend(long(length));
                }
                (false, false) => {
                    bytes.extend(kind);
                    bytes.extend(word(length as u16));
                }
            }
            bytes.extend(value);
        };
    let [width, height] = [side(random) as u16, side(random) as u16];
    let (meaning, samples) = one(
        &[
            ("MONOCHROME2 ", 1u16),
            ("MONOCHROME1 ", 1),
            ("RGB ", 3),
            ("YBR_FULL", 3),
            ("YBR_FULL_422", 3),
            ("PALETTE COLOR ", 1),
            ("MONOCHROME2 ", 3),
        ],
        random,
    );
    let allocated = one(&[8u16, 8, 16, 16, 32, 12, 1], random);
    let stored = one(&[allocated, allocated, 12, 7, 0], random);
    if random.below(2) == 0 {
        // An item up to its end, and the end of the sequence.
        let mut items = Vec::new();
        for (tag, length) in [(0xe000u16, u32::MAX), (0xe00d, 0), (0xe0dd, 0)] {
            items.extend(word(0xfffe));
            items.extend(word(tag));
            items.extend(long(length));
        }
        element(0x0008, 0x1140, b"SQ", &items, Some(u32::MAX));
    }
    element(0x0028, 0x0002, b"US", &word(samples), None);
    element(0x0028, 0x0004, b"CS", meaning.as_bytes(), None);
    element(0x0028, 0x0006, b"US", &word(one(&[0, 1], random)), None);
    if random.below(3) == 0 {
        element(
            0x0028,
            0x0008,
            b"IS",
            one(&[&b"1 "[..], b"12", b"x "], random),
            None,
        );
    }
    element(0x0028, 0x0010, b"US", &word(height), None);
    element(0x0028, 0x0011, b"US", &word(width), None);
    element(0x0028, 0x0100, b"US", &word(allocated), None);
    element(0x0028, 0x0101, b"US", &word(stored), None);
    let high = one(&[stored.wrapping_sub(1), 15, 0], random);
    element(0x0028, 0x0102, b"US", &word(high), None);
    element(0x0028, 0x0103, b"US", &word(one(&[0, 1], random)), None);
    if random.below(3) == 0 {
        element(0x0028, 0x0120, b"US", &word(random.next() as u16), None);
    }
    if random.below(3) > 0 {
        element(
            0x0028,
            0x1050,
            b"DS",
            one(&[&b"40"[..], b"40\\9", b"1e300 ", b"x "], random),
            None,
        );
        element(
            0x0028,
            0x1051,
            b"DS",
            one(&[&b"400 "[..], b"1 ", b"0 ", b"-5"], random),
            None,
        );
    }
    if random.below(3) == 0 {
        element(
            0x0028,
            0x1053,
            b"DS",
            one(&[&b"2 "[..], b"0 ", b"-1", b"1e308 "], random),
            None,
        );
    }
    if meaning.starts_with("PALETTE") {
        for channel in 1..=3u16 {
            let about = [
                word(one(&[256, 0, 2], random)),
                word(0),
                word(one(&[8, 16], random)),
            ];
            element(0x0028, 0x1100 + channel, b"US", &about.concat(), None);
        }
        for channel in 1..=3u16 {
            let entries = noise(512, random);
            element(0x0028, 0x1200 + channel, b"OW", &entries, None);
        }
    }
    let pixels = usize::from(width.min(64)) * usize::from(height.min(64));
    let length = pixels * usize::from(samples) * usize::from(allocated).div_ceil(8);
    let data = noise(length, random);
    match is_packed {
        false => element(0x7fe0, 0x0010, b"OW", &data, None),
        true => {
            let mut items = Vec::new();
            let mut item = |tag: u16, content: &[u8]| {
                items.extend(word(0xfffe));
                items.extend(word(tag));
                items.extend(long(content.len() as u32));
                items.extend(content);
            };
            item(0xe000, &[]);
            let mut head = vec![0; 64];
            head[0] = (samples * allocated.div_ceil(8)) as u8;
            for segment in 0..usize::from(head[0]).min(15) {
                head[4 + 4 * segment] = 64;
            }
            item(0xe000, &[head, data].concat());
            item(0xe0dd, &[]);
            element(0x7fe0, 0x0010, b"OB", &items, Some(u32::MAX));
        }
    }
    bytes
}
