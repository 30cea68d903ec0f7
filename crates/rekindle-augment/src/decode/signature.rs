//! Recognising an image format by its content.
//!
//! Owns: the signatures of supported formats and of common unsupported ones. File names play no part.

use std::io::Read;

use flate2::read::GzDecoder;

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
        if is_pnm(bytes) {
            return Ok(Self::Pnm);
        }
        if let Some(format) = media_container(bytes).or_else(|| scientific(bytes)) {
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
    (b"\x93NUMPY", Format::Npy),
];

/// The bytes behind `P` and one of 1 to 6, which are white space or a remark.
fn is_pnm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'6', next, ..] if next.is_ascii_whitespace() || *next == b'#')
}

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
    (b"P7\n", "PAM"),
    (b"Pf\n", "PFM (float)"),
    (b"PF\n", "PFM (float)"),
    (b"SIMPLE  =", "FITS"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
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

/// The name of a scientific format whose mark stands behind the first bytes.
///
/// Source: DICOM PS3.10, 7.1; the NIfTI-1 and NIfTI-2 headers.
fn scientific(bytes: &[u8]) -> Option<&'static str> {
    let at = |place: usize, mark: &[u8]| {
        bytes
            .get(place..)
            .is_some_and(|rest| rest.starts_with(mark))
    };
    if at(128, b"DICM") {
        return Some("DICOM");
    }
    // The length of the header, in either order of bytes, and the mark at its end; gzip packs the first of them away.
    if bytes.starts_with(b"\x1f\x8b") {
        let mut start = [0; 348];
        GzDecoder::new(bytes).read_exact(&mut start).ok()?;
        return scientific(&start).filter(|name| *name == "NIfTI");
    }
    let is_first = at(344, b"n+1\0") || at(344, b"ni1\0");
    let is_second = at(4, b"n+2\0\r\n\x1a\n") || at(4, b"ni2\0\r\n\x1a\n");
    (is_first || is_second).then_some("NIfTI")
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
    fn scientific_formats_are_named_with_a_way_on() {
        let behind = |length: usize, mark: &[u8]| [vec![0; length], mark.to_vec()].concat();
        for (bytes, format, way) in [
            (behind(128, b"DICM"), "DICOM", "MONOCHROME1"),
            (behind(344, b"n+1\0"), "NIfTI", "nibabel"),
            (
                b"SIMPLE  =                    T".to_vec(),
                "FITS",
                "astropy",
            ),
            (b"\x89HDF\r\n\x1a\n".to_vec(), "HDF5", "h5py"),
            (b"PAR1\x15".to_vec(), "Parquet", "table"),
        ] {
            let error = Format::of(&bytes).unwrap_err();
            assert_eq!(error, AugmentError::UnsupportedFormat { format });
            assert!(error.to_string().contains(way), "{error}");
        }
        // A compressed NIfTI is an archive by its content.
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, &behind(344, b"n+1\0")).unwrap();
        let error = Format::of(&packed.finish().unwrap()).unwrap_err();
        assert_eq!(error, AugmentError::UnsupportedFormat { format: "NIfTI" });
    }

    #[test]
    fn every_kind_of_netpbm_is_known_and_other_words_are_not() {
        for start in [
            &b"P6\n1 1"[..],
            b"P5 1",
            b"P4#x",
            b"P1\t",
            b"P2\r\n",
            b"P3 ",
        ] {
            assert_eq!(Format::of(start), Ok(Format::Pnm));
        }
        assert!(Format::of(b"P5678").is_err());
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
