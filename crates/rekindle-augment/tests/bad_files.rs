//! What the pathological files in `tests/data/bad` of the workspace give.

use std::path::PathBuf;

use rekindle_augment::{AugmentError, DecodeLimits, Decoded, Format, SourceMode, decode};

fn decode_bad(name: &str) -> Result<Decoded, AugmentError> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/bad")
        .join(name);
    decode(&std::fs::read(path).unwrap(), &DecodeLimits::default())
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
fn heic_is_named() {
    let error = decode_bad("heic_header.heic").unwrap_err();
    assert_eq!(error, AugmentError::UnsupportedFormat { format: "HEIC" });
    assert!(
        error.to_string().contains("convert the image to JPEG"),
        "{error}"
    );
}
