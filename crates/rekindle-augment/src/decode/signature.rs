//! Recognising an image format by its content.
//!
//! Owns: the signatures of supported formats and of common unsupported ones. File names play no part.

use crate::error::AugmentError;
use crate::format::Format;

impl Format {
    /// The format of this content, by its first bytes.
    ///
    /// # Errors
    ///
    /// [`AugmentError::Empty`] for no bytes, [`AugmentError::UnsupportedFormat`] for a format that is known and not
    /// supported, such as HEIC, and [`AugmentError::UnknownFormat`] for anything else.
    pub fn of(bytes: &[u8]) -> Result<Self, AugmentError> {
        if bytes.is_empty() {
            return Err(AugmentError::Empty);
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return Ok(Self::WebP);
        }
        if let Some((_, format)) = SUPPORTED_STARTS
            .iter()
            .find(|(start, _)| bytes.starts_with(start))
        {
            return Ok(*format);
        }
        if let Some(format) = media_container(bytes) {
            return Err(AugmentError::UnsupportedFormat { format });
        }
        if let Some((_, format)) = UNSUPPORTED_STARTS
            .iter()
            .find(|(start, _)| bytes.starts_with(start))
        {
            return Err(AugmentError::UnsupportedFormat { format });
        }
        Err(AugmentError::UnknownFormat {
            start: describe_start(bytes),
        })
    }
}

const SUPPORTED_STARTS: &[(&[u8], Format)] = &[
    (&[0xff, 0xd8, 0xff], Format::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Format::Png),
    (b"GIF87a", Format::Gif),
    (b"GIF89a", Format::Gif),
    (b"II*\0", Format::Tiff),
    (b"MM\0*", Format::Tiff),
    (b"II+\0", Format::Tiff),
    (b"MM\0+", Format::Tiff),
    (b"BM", Format::Bmp),
];

const UNSUPPORTED_STARTS: &[(&[u8], &str)] = &[
    (&[0xff, 0x0a], "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (&[0xff, 0x4f, 0xff, 0x51], "JPEG 2000"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
    (b"<!DOCTYPE html", "an HTML page (a failed download?)"),
    (b"<!doctype html", "an HTML page (a failed download?)"),
    (b"<html", "an HTML page (a failed download?)"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"\0\0\x01\0", "ICO"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"P4\n", "PBM"),
    (b"P5\n", "PGM"),
    (b"P6\n", "PPM"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer (run `git lfs pull`)",
    ),
];

/// The name of an ISO base media file (`ftyp` box) by its brand: HEIC, AVIF or a video.
fn media_container(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    Some(match bytes.get(8..12) {
        Some(b"avif" | b"avis") => "AVIF",
        Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => {
            "HEIC"
        }
        _ => "a video or another ISO media file",
    })
}

/// The first bytes, for a message.
fn describe_start(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(16)];
    let is_text = start
        .iter()
        .all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    if is_text {
        return format!("the text {:?}", String::from_utf8_lossy(start));
    }
    let words: Vec<String> = start
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("the bytes {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_picture_is_named_as_heic_and_not_as_unknown() {
        let error = Format::of(b"\0\0\0\x18ftypheic\0\0\0\0").unwrap_err();
        assert_eq!(error, AugmentError::UnsupportedFormat { format: "HEIC" });
        let error = Format::of(b"\0\0\0\x20ftypavif\0\0\0\0").unwrap_err();
        assert_eq!(error, AugmentError::UnsupportedFormat { format: "AVIF" });
    }

    #[test]
    fn every_jpeg_xl_signature_is_named() {
        for start in [&b"\xff\x0a\xfa"[..], b"\0\0\0\x0cJXL \r\n\x87\n\0\0"] {
            let error = Format::of(start).unwrap_err();
            assert_eq!(error, AugmentError::UnsupportedFormat { format: "JPEG XL" });
        }
    }

    #[test]
    fn unknown_content_is_quoted() {
        let error = Format::of(b"hello, world and more").unwrap_err();
        assert!(error.to_string().contains("hello, world"), "{error}");
        let error = Format::of(&[0, 1, 2, 255]).unwrap_err();
        assert!(error.to_string().contains("00 01 02 ff"), "{error}");
        assert_eq!(Format::of(b"").unwrap_err(), AugmentError::Empty);
    }

    #[test]
    fn a_riff_file_that_is_not_webp_is_unknown() {
        assert!(matches!(
            Format::of(b"RIFF\0\0\0\0WAVE"),
            Err(AugmentError::UnknownFormat { .. })
        ));
        assert_eq!(Format::of(b"RIFF\0\0\0\0WEBPVP8 "), Ok(Format::WebP));
    }
}
