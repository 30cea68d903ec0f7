//! The chunks of a WebP file.
//!
//! Owns: the check of the file's length, and the search for a lossy picture and its alpha channel.
//!
//! Source: RFC 9649, section 2.

use super::header::Frame;
use crate::error::AugmentError;
use crate::format::Format;

/// Compares the number of bytes with the RIFF header, as libwebp does: the orientation lies behind the pixels.
pub(super) fn check_length(bytes: &[u8]) -> Result<(), AugmentError> {
    let promised = bytes.get(4..).and_then(length).unwrap_or(0) as u64 + 8;
    if (bytes.len() as u64) < promised {
        return Err(AugmentError::Truncated {
            format: Format::WebP,
            bytes: bytes.len(),
            reason: format!("the header promises {promised} bytes"),
        });
    }
    Ok(())
}

/// A lossy picture.
pub(super) struct Lossy<'a> {
    pub(super) data: &'a [u8],
    /// The content of its ALPH chunk, where the extended header promises alpha.
    pub(super) alpha: Option<&'a [u8]>,
}

/// Flags of the extended header.
const ANIMATION: u8 = 0x02;
const XMP: u8 = 0x04;
const EXIF: u8 = 0x08;
const ALPHA: u8 = 0x10;

impl<'a> Lossy<'a> {
    /// Finds it; none where the file is of another kind or its chunks are damaged.
    pub(super) fn find(bytes: &'a [u8]) -> Option<Self> {
        let (kind, content, mut rest) = chunk(bytes.get(12..)?)?;
        if kind == b"VP8 " {
            return Some(Self {
                data: content,
                alpha: None,
            });
        }
        let &[flags, _, _, _, ref size @ ..] = content.first_chunk::<10>()?;
        if kind != b"VP8X" || flags & ANIMATION != 0 {
            return None;
        }
        let [mut data, mut alpha, mut exif, mut xmp] = [None; 4];
        while let Some((kind, content, behind)) = chunk(rest) {
            let place = match kind {
                b"VP8 " => &mut data,
                b"ALPH" => &mut alpha,
                b"EXIF" => &mut exif,
                b"XMP " => &mut xmp,
                b"VP8L" => return None,
                _ => &mut None,
            };
            // As elsewhere, the first one counts.
            place.get_or_insert(content);
            rest = behind;
        }
        let is_missing = |flag, chunk: Option<&[u8]>| flags & flag != 0 && chunk.is_none();
        if is_missing(ALPHA, alpha) || is_missing(EXIF, exif) || is_missing(XMP, xmp) {
            return None;
        }
        let data = data?;
        let side =
            |bytes: [u8; 3]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) as usize + 1;
        let [a, b, c, d, e, f] = *size;
        let is_canvas = Frame::size(data) == Some((side([a, b, c]), side([d, e, f])));
        is_canvas.then_some(Self {
            data,
            alpha: alpha.filter(|_| flags & ALPHA != 0),
        })
    }
}

/// Kind and content of the first chunk, and what follows it; none where it is cut.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let kind = bytes.first_chunk::<4>()?;
    let length = length(&bytes[4..])?;
    let (content, rest) = bytes[8..].split_at_checked(length)?;
    // Chunks start at even places.
    Some((kind, content, rest.get(length % 2..).unwrap_or_default()))
}

fn length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk::<4>()?);
    usize::try_from(length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
        for (kind, content) in chunks {
            bytes.extend_from_slice(*kind);
            bytes.extend((content.len() as u32).to_le_bytes());
            bytes.extend_from_slice(content);
            bytes.extend(vec![0; content.len() % 2]);
        }
        let length = (bytes.len() - 8) as u32;
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// The first bytes of a frame of 5 by 3 pixels.
    const FRAME: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 5, 0, 3, 0];

    fn extended(flags: u8) -> [u8; 10] {
        [flags, 0, 0, 0, 4, 0, 0, 2, 0, 0]
    }

    #[test]
    fn the_picture_is_found_behind_other_chunks() {
        let chunks: &[(&[u8; 4], &[u8])] = &[
            (b"VP8X", &extended(EXIF | 0x20)),
            (b"ICCP", &[1, 2, 3]),
            (b"ALPH", &[5]),
            (b"VP8 ", &FRAME),
            (b"EXIF", &[7]),
            (b"EXIF", &[8]),
        ];
        let bytes = file(chunks);
        assert_eq!(check_length(&bytes), Ok(()));
        let found = Lossy::find(&bytes).unwrap();
        assert_eq!(found.data, &FRAME[..]);
        // An alpha channel that the header does not promise does not count.
        assert_eq!(found.alpha, None);
        let chunks: &[(&[u8; 4], &[u8])] = &[
            (b"VP8X", &extended(ALPHA)),
            (b"ALPH", &[5]),
            (b"VP8 ", &FRAME),
        ];
        assert_eq!(Lossy::find(&file(chunks)).unwrap().alpha, Some(&[5][..]));
        assert!(check_length(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn other_kinds_and_inconsistent_files_are_left_alone() {
        let is_left = |chunks: &[(&[u8; 4], &[u8])]| Lossy::find(&file(chunks)).is_none();
        assert!(!is_left(&[(b"VP8 ", &FRAME)]));
        assert!(is_left(&[(b"VP8L", &FRAME)]));
        for flags in [ANIMATION, ALPHA, EXIF, XMP] {
            assert!(is_left(&[(b"VP8X", &extended(flags)), (b"VP8 ", &FRAME)]));
        }
        assert!(is_left(&[(b"VP8X", &extended(0))]));
        assert!(is_left(&[
            (b"VP8X", &extended(0)),
            (b"VP8 ", &FRAME),
            (b"VP8L", &FRAME)
        ]));
        let mut wider = FRAME;
        wider[6] = 6;
        assert!(is_left(&[(b"VP8X", &extended(0)), (b"VP8 ", &wider)]));
    }
}
