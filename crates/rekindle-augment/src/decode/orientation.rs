//! Which way up a picture is, in every spelling that Pillow takes.
//!
//! Owns: the search through a file's chunks and segments for it. EXIF comes first, wherever it stands and with or without its prefix;
//! where it says nothing, XMP counts. Numbers other than 1 to 8 are no turn. It does not turn anything.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;

use super::jpeg;
use super::tiff::{File, main_page};
use crate::format::Format;

/// EXIF's own number of the tag, which is TIFF's.
const ORIENTATION: u16 = 274;
/// Longest text that is unpacked for it.
const MOST_TEXT: u64 = 1 << 20;

/// The orientation that a file asks for.
pub(super) fn of(bytes: &[u8], format: Format) -> Orientation {
    let number = match format {
        Format::Tiff => of_tiff(bytes),
        _ => {
            let found = match format {
                Format::Jpeg => of_jpeg(bytes),
                Format::Png => of_png(bytes),
                Format::WebP => of_webp(bytes),
                _ => Found::default(),
            };
            found.number()
        }
    };
    let number = number.and_then(|number| u8::try_from(number).ok());
    number
        .and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms)
}

/// The first EXIF block and the first XMP packet of a file.
#[derive(Default)]
struct Found<'a> {
    exif: Option<Cow<'a, [u8]>>,
    xmp: Option<Cow<'a, [u8]>>,
}

impl Found<'_> {
    fn number(&self) -> Option<u64> {
        let from_exif = self.exif.as_deref().and_then(in_exif);
        from_exif.or_else(|| self.xmp.as_deref().and_then(in_xmp))
    }
}

/// The number in an EXIF block, with or without its prefix.
fn in_exif(mut exif: &[u8]) -> Option<u64> {
    while let Some(rest) = exif.strip_prefix(b"Exif\0\0") {
        exif = rest;
    }
    File::open(exif)?.first()?.number(ORIENTATION)
}

/// The digit behind the first `tiff:Orientation="` or `tiff:Orientation>`.
fn in_xmp(xmp: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = xmp;
    loop {
        let at = rest.windows(NAME.len()).position(|window| window == NAME)?;
        rest = &rest[at + NAME.len()..];
        let value = match rest {
            [b'=', b'"', value, ..] | [b'>', value, ..] => *value,
            _ => continue,
        };
        if value.is_ascii_digit() {
            return Some(u64::from(value - b'0'));
        }
    }
}

fn of_jpeg(bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    let mut position = 2;
    while let Some(marker) = jpeg::next_marker(bytes, position) {
        let (Some(&code), Some(&[high, low])) = (
            bytes.get(marker + 1),
            bytes
                .get(marker + 2..marker + 4)
                .and_then(|it| it.first_chunk()),
        ) else {
            break;
        };
        if matches!(code, 0x01 | 0xd0..=0xd8) {
            position = marker + 2;
            continue;
        }
        // Start of scan, end of image.
        if matches!(code, 0xda | 0xd9) {
            break;
        }
        let end = marker + 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
        let content = bytes.get(marker + 4..end).unwrap_or_default();
        if code == 0xe1 {
            if content.starts_with(b"Exif\0\0") {
                found.exif.get_or_insert(Cow::Borrowed(content));
            } else if let Some(xmp) = content.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                found.xmp.get_or_insert(Cow::Borrowed(xmp));
            }
        }
        position = end;
    }
    found
}

/// Source: PNG specification, third edition, 5.3 and 11.3; the text chunks of ImageMagick and of XMP's part 3.
fn of_png(bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    let mut raw_profile = None;
    let mut position = 8usize;
    while let Some(&[a, b, c, d, ref kind @ ..]) = bytes.get(position..position.saturating_add(8)) {
        let start = position + 8;
        let end = start.saturating_add(u32::from_be_bytes([a, b, c, d]) as usize);
        let Some(content) = bytes.get(start..end) else {
            break;
        };
        match kind {
            b"eXIf" => {
                found.exif.get_or_insert(Cow::Borrowed(content));
            }
            b"tEXt" | b"zTXt" | b"iTXt" => match text(kind, content) {
                Some((b"Raw profile type exif", text)) => {
                    raw_profile.get_or_insert(text);
                }
                Some((b"XML:com.adobe.xmp", text)) => {
                    found.xmp.get_or_insert(text);
                }
                _ => {}
            },
            _ => {}
        }
        position = end.saturating_add(4);
    }
    if found.exif.is_none() {
        found.exif = raw_profile
            .and_then(|text| from_hexadecimal(&text))
            .map(Cow::Owned);
    }
    found
}

/// Keyword and text of a chunk.
fn text<'a>(kind: &[u8], content: &'a [u8]) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
    let (keyword, rest) = split_at_zero(content)?;
    // Only these are asked for, so nothing else is unpacked.
    if !matches!(keyword, b"Raw profile type exif" | b"XML:com.adobe.xmp") {
        return None;
    }
    let (is_packed, text) = match (kind, rest) {
        (b"tEXt", text) => (false, text),
        (b"zTXt", [0, text @ ..]) => (true, text),
        (b"iTXt", [flag, _, rest @ ..]) => {
            let (_, rest) = split_at_zero(rest)?;
            (*flag == 1, split_at_zero(rest)?.1)
        }
        _ => return None,
    };
    if !is_packed {
        return Some((keyword, Cow::Borrowed(text)));
    }
    let mut unpacked = Vec::new();
    let mut reader = ZlibDecoder::new(text).take(MOST_TEXT);
    reader.read_to_end(&mut unpacked).ok()?;
    Some((keyword, Cow::Owned(unpacked)))
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// The bytes of ImageMagick's text: an empty line, a name, a length, and lines of hexadecimal digits.
fn from_hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.split(|byte| *byte == b'\n').skip(3).flatten();
    let digits = digits.filter(|byte| !byte.is_ascii_whitespace());
    let values: Vec<u8> = digits
        .map(|digit| char::from(*digit).to_digit(16).map(|value| value as u8))
        .collect::<Option<_>>()?;
    Some(
        values
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[high, low]| high << 4 | low)
            .collect(),
    )
}

/// Source: RFC 9649, 2.3 and 2.7.
fn of_webp(bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    let mut position = 12usize;
    while let Some(&[ref kind @ .., a, b, c, d]) = bytes.get(position..position.saturating_add(8)) {
        let start = position + 8;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let Some(content) = start
            .checked_add(length)
            .and_then(|end| bytes.get(start..end))
        else {
            break;
        };
        match kind {
            b"EXIF" => {
                found.exif.get_or_insert(Cow::Borrowed(content));
            }
            b"XMP " => {
                found.xmp.get_or_insert(Cow::Borrowed(content));
            }
            _ => {}
        }
        position = start + length + length % 2;
    }
    found
}

/// The tag of the page that is decoded, or its XMP packet.
fn of_tiff(bytes: &[u8]) -> Option<u64> {
    const XMP: u16 = 700;
    let page = main_page(&File::open(bytes)?)?;
    page.number(ORIENTATION)
        .or_else(|| in_xmp(page.bytes(XMP)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xmp_counts_where_exif_says_nothing_and_only_there() {
        let exif = |number: u8| {
            let tag = [0x12, 1, 3, 0, 1, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0];
            [b"II*\0\x08\0\0\0\x01\0".as_slice(), &tag].concat()
        };
        let found = |exif: Option<Vec<u8>>, xmp: &'static [u8]| {
            let found = Found {
                exif: exif.map(Cow::Owned),
                xmp: Some(Cow::Borrowed(xmp)),
            };
            found.number()
        };
        let attribute = b"<x tiff:Orientation=\"6\"/>";
        assert_eq!(found(None, attribute), Some(6));
        assert_eq!(
            found(None, b"<tiff:Orientation>8</tiff:Orientation>"),
            Some(8)
        );
        assert_eq!(found(Some(exif(3)), attribute), Some(3));
        assert_eq!(found(Some(exif(1)), attribute), Some(1));
        let prefixed = [b"Exif\0\0Exif\0\0".to_vec(), exif(5)].concat();
        assert_eq!(found(Some(prefixed), attribute), Some(5));
        assert_eq!(
            found(None, b"tiff:Orientation tiff:Orientation=\"x\""),
            None
        );
    }

    #[test]
    fn lengths_that_lead_out_of_the_file_end_the_search() {
        for format in [Format::Jpeg, Format::Png, Format::WebP, Format::Tiff] {
            for filler in [0u8, 0x7f, 0xff] {
                let bytes = [filler; 40];
                for length in 0..bytes.len() {
                    assert_eq!(of(&bytes[..length], format), Orientation::NoTransforms);
                }
            }
        }
    }
}
