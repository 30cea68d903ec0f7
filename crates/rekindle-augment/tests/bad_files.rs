//! What the pathological files in `tests/data/bad` of the workspace give.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rekindle_augment::{AugmentError, DecodeLimits, Decoded, Format, SourceMode, decode};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bad")
}

fn decode_bad(name: &str) -> Result<Decoded, AugmentError> {
    let bytes = std::fs::read(folder().join(name)).unwrap();
    decode(&bytes, &DecodeLimits::default())
}

#[test]
fn a_truncated_jpeg_is_not_filled_with_grey() {
    let error = decode_bad("truncated.jpg").unwrap_err();
    let named = matches!(
        error,
        AugmentError::Truncated {
            format: Format::Jpeg,
            bytes: 960,
            ..
        }
    );
    assert!(named, "{error}");
}

#[test]
fn an_empty_file_and_a_text_file_are_told_apart() {
    assert_eq!(
        decode_bad("zero_byte.png").unwrap_err(),
        AugmentError::Empty
    );
    let error = decode_bad("text_named.jpg").unwrap_err();
    assert!(
        matches!(error, AugmentError::UnknownFormat { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("This is a text"), "{error}");
}

#[test]
fn content_decides_over_the_name() {
    let decoded = decode_bad("png_named.jpg").unwrap();
    assert_eq!(decoded.format, Format::Png);
    assert_eq!(decoded.image.dimensions(), (64, 48));
}

#[test]
fn a_decompression_bomb_is_refused_by_its_header() {
    let error = decode_bad("bomb.png").unwrap_err();
    let named = matches!(
        error,
        AugmentError::TooManyPixels {
            width: 60_000,
            height: 60_000,
            max_pixels: 178_956_970,
            ..
        }
    );
    assert!(named, "{error}");
}

#[test]
fn overwritten_pixels_of_a_webp_are_noticed() {
    let error = decode_bad("corrupt.webp").map(|_| "decoded").unwrap_err();
    let named = matches!(
        error,
        AugmentError::Corrupt { .. } | AugmentError::Truncated { .. }
    );
    assert!(named, "{error}");
}

#[test]
fn a_cmyk_jpeg_has_the_colours_of_its_picture() {
    let decoded = decode_bad("cmyk.jpg").unwrap();
    assert_eq!(decoded.mode, SourceMode::Cmyk);
    // Red grows to the right and green downwards.
    let corner = decoded.image.get_pixel(0, 0).0;
    let opposite = decoded.image.get_pixel(63, 47).0;
    assert!(corner[0] < 20 && corner[1] < 20, "{corner:?}");
    assert!(opposite[0] > 230 && opposite[1] > 215, "{opposite:?}");
}

#[test]
fn formats_of_phones_and_web_pages_are_named_with_a_way_to_convert_them() {
    for (file, format, program) in [
        ("heic_header.heic", "HEIC", "heif-convert"),
        ("avif.avif", "AVIF", "heif-convert"),
        ("jxl_codestream.jxl", "JPEG XL", "djxl"),
        ("jxl_container.jxl", "JPEG XL", "djxl"),
    ] {
        let error = decode_bad(file).unwrap_err();
        assert_eq!(error, AugmentError::UnsupportedFormat { format });
        for words in ["convert the image to JPEG", program] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn bombs_of_other_formats_are_refused_by_their_headers() {
    for (file, side) in [("bomb.jpg", 60_000), ("bomb.gif", 65_535)] {
        let error = decode_bad(file).unwrap_err();
        let named = matches!(
            error,
            AugmentError::TooManyPixels { width, height, .. } if (width, height) == (side, side)
        );
        assert!(named, "{file}: {error}");
    }
    // 169 million pixels are allowed; at 15 bytes each they are not.
    let error = decode_bad("bomb_memory.tif").unwrap_err();
    let named = matches!(
        error,
        AugmentError::TooMuchMemory {
            needed_bytes: 2_535_000_000,
            ..
        }
    );
    assert!(named, "{error}");
}

/// The file names in the first column of the tables of the readme.
fn listed() -> BTreeSet<String> {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `"));
    let first = rows.filter_map(|row| row.split('|').next());
    first
        .flat_map(|cell| cell.split('`').step_by(2))
        .map(str::to_owned)
        .filter(|name| name.contains('.'))
        .collect()
}

#[test]
fn the_readme_lists_every_file_and_no_other() {
    let names = |path: PathBuf| -> BTreeSet<String> {
        let entries = std::fs::read_dir(path).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let mut files = names(folder());
    files.remove("README.md");
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/golden.json"
    ))
    .unwrap();
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = golden["decode"].as_array().unwrap();
    files.extend(
        cases
            .iter()
            .map(|case| case["file"].as_str().unwrap().to_owned()),
    );
    assert_eq!(listed(), files);
}

/// A row as it is stored would take gigabytes, of a picture of a few pixels.
#[test]
fn tiles_far_wider_than_the_picture_are_refused() {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data_tiff");
    for name in ["rgb_tiles_predictor.tif", "rgb_packbits_tiles_apart.tif"] {
        let mut bytes = std::fs::read(tests.join(name)).unwrap();
        assert_eq!(bytes[..4], *b"II*\0", "{name}");
        decode(&bytes, &DecodeLimits::default()).unwrap();
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
        let directory = number(&bytes[4..8]);
        let entries = number(&bytes[directory..directory + 2]);
        let width = (0..entries)
            .map(|entry| directory + 2 + 12 * entry)
            .find(|&at| number(&bytes[at..at + 2]) == 322)
            .unwrap();
        // One LONG.
        bytes[width + 2..width + 12].copy_from_slice(&[4, 0, 1, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff]);
        let error = decode(&bytes, &DecodeLimits::default()).unwrap_err();
        assert!(
            matches!(error, AugmentError::TooMuchMemory { .. }),
            "{name}: {error}"
        );
    }
}
