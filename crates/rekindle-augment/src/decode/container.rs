//! What a file holds besides the one picture that is decoded: a colour profile, further frames or pages.
//!
//! Owns: the walk over chunks and blocks that finds them. It decodes no pixel and never fails: what cannot be followed is not there.

use super::jpeg;
use super::reading::{Reading, TiffPlanes};
use super::tiff::{File, Stack, has_more_pages, main_page, unread_stack};
use crate::format::Format;

/// What a file holds besides its picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) has_icc_profile: bool,
    pub(super) has_more_frames: bool,
    /// The stack of which one plane is the picture.
    pub(super) stack: Option<Stack>,
}

impl Container {
    pub(super) fn read(bytes: &[u8], format: Format, reading: &Reading) -> Self {
        match format {
            Format::Jpeg => Self {
                has_icc_profile: jpeg_has_profile(bytes),
                ..Self::default()
            },
            Format::Png => of_png(bytes),
            Format::WebP => of_webp(bytes),
            Format::Gif => of_gif(bytes).unwrap_or_default(),
            Format::Tiff => of_tiff(bytes, reading.tiff_planes),
            Format::Pnm | Format::Npy => Self::default(),
            // The version 5 header says `MBED` where it says anything of a profile; the value is little-endian.
            Format::Bmp => Self {
                has_icc_profile: bytes.get(14) == Some(&124) && bytes.get(70..74) == Some(b"DEBM"),
                ..Self::default()
            },
        }
    }
}

/// Source: ICC.1:2022, annex B.4.
fn jpeg_has_profile(bytes: &[u8]) -> bool {
    const APPLICATION_2: u8 = 0xe2;
    const START_OF_SCAN: u8 = 0xda;
    let mut position = 2;
    while let Some(marker) = jpeg::next_marker(bytes, position) {
        let length = bytes.get(marker + 2..marker + 4);
        let code = bytes.get(marker + 1).copied();
        let body = bytes.get(marker + 4..).unwrap_or_default();
        match (code, length) {
            (Some(APPLICATION_2), Some(_)) if body.starts_with(b"ICC_PROFILE\0") => return true,
            (Some(START_OF_SCAN), _) | (None, _) | (_, None) => return false,
            (_, Some(length)) => {
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                position = marker + 2 + length.max(2);
            }
        }
    }
    false
}

/// Source: PNG specification, third edition, 5.3 and 11.3.
fn of_png(bytes: &[u8]) -> Container {
    let mut found = Container::default();
    let mut position = 8;
    // Both chunks have to stand before the pixels.
    while let Some(&[a, b, c, d, ref kind @ ..]) = bytes.get(position..position + 8) {
        match kind {
            b"iCCP" => found.has_icc_profile = true,
            b"acTL" => {
                let frames = bytes.get(position + 8..position + 12);
                found.has_more_frames = frames.is_some_and(|frames| *frames > [0, 0, 0, 1][..]);
            }
            b"IDAT" => break,
            _ => {}
        }
        // Length, kind and checksum take 12 bytes.
        position = position.saturating_add(12 + u32::from_be_bytes([a, b, c, d]) as usize);
    }
    found
}

/// Source: RFC 9649, 2.7: the flags of the extended header.
fn of_webp(bytes: &[u8]) -> Container {
    let flags = match bytes.get(12..16) {
        Some(b"VP8X") => bytes.get(20).copied().unwrap_or(0),
        _ => 0,
    };
    Container {
        has_icc_profile: flags & 0x20 != 0,
        has_more_frames: flags & 0x02 != 0,
        stack: None,
    }
}

/// Source: GIF89a specification, sections 18 to 26.
fn of_gif(bytes: &[u8]) -> Option<Container> {
    let table = |packed: u8| match packed & 0x80 {
        0 => 0,
        _ => 3 << ((packed & 7) + 1),
    };
    let mut found = Container::default();
    let mut pictures = 0;
    let mut position = 13 + table(*bytes.get(10)?);
    loop {
        match *bytes.get(position)? {
            0x21 => {
                found.has_icc_profile |=
                    bytes.get(position + 3..position + 14) == Some(b"ICCRGBG1012");
                position += 2;
            }
            0x2c => {
                pictures += 1;
                if pictures == 2 {
                    found.has_more_frames = true;
                    return Some(found);
                }
                // Place and size, the table of colours, the width of a code.
                position += 10 + table(*bytes.get(position + 9)?) + 1;
            }
            _ => return Some(found),
        }
        // Blocks of a length and as many bytes, up to one of none.
        loop {
            // What was found holds also where the file is cut behind it.
            let Some(&length) = bytes.get(position) else {
                return Some(found);
            };
            position += 1 + usize::from(length);
            if length == 0 {
                break;
            }
        }
    }
}

fn of_tiff(bytes: &[u8], how: TiffPlanes) -> Container {
    const ICC_PROFILE: u16 = 34675;
    let Some(file) = File::open(bytes) else {
        return Container::default();
    };
    Container {
        has_icc_profile: main_page(&file).is_some_and(|page| page.has(ICC_PROFILE)),
        // The others are refused where they are asked for and are no planes of the picture.
        has_more_frames: how == TiffPlanes::First && has_more_pages(&file),
        stack: unread_stack(&file, how),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8], format: Format) -> Container {
        Container::read(bytes, format, &Reading::default())
    }

    fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, body) in chunks {
            bytes.extend((body.len() as u32).to_be_bytes());
            bytes.extend_from_slice(*kind);
            bytes.extend_from_slice(body);
            bytes.extend([0; 4]);
        }
        bytes
    }

    #[test]
    fn an_animated_png_has_more_than_one_frame() {
        let frames = |count: u32| {
            let control = [count.to_be_bytes(), [0; 4]].concat();
            let bytes = png(&[(b"IHDR", &[0; 13]), (b"acTL", &control), (b"IDAT", &[0])]);
            of(&bytes, Format::Png).has_more_frames
        };
        assert!(frames(2) && frames(0x100) && !frames(1));
    }

    #[test]
    fn chunks_behind_the_pixels_of_a_png_do_not_count() {
        let bytes = png(&[(b"IDAT", &[0]), (b"iCCP", &[0])]);
        assert_eq!(of(&bytes, Format::Png), Container::default());
    }

    #[test]
    fn lengths_that_lead_out_of_the_file_end_the_walk() {
        let mut bytes = png(&[(b"IHDR", &[0; 13])]);
        bytes[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        for format in [
            Format::Png,
            Format::Jpeg,
            Format::Gif,
            Format::Tiff,
            Format::WebP,
            Format::Bmp,
        ] {
            for length in 0..bytes.len() {
                assert_eq!(
                    of(&bytes[..length], format),
                    Container::default(),
                    "{format}, {length} bytes"
                );
            }
        }
    }
}
