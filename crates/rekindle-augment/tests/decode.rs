//! Decoding of every kind of file against Pillow, through the files that `make_golden.py` wrote.

use std::path::PathBuf;

use proptest::prelude::*;
use rekindle_augment::{AugmentError, DecodeLimits, decode, read_header};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    decode: Vec<Case>,
}

#[derive(Deserialize, Clone)]
struct Case {
    file: String,
    expected: String,
    mode: String,
    orientation: u8,
    /// Largest difference that is allowed in any value.
    most: u8,
    /// Largest mean difference.
    mean: f64,
    #[serde(default)]
    has_icc_profile: bool,
    #[serde(default)]
    has_more_frames: bool,
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(data("golden.json")).unwrap();
    serde_json::from_str::<Golden>(&text).unwrap().decode
}

fn bytes_of(case: &Case) -> Vec<u8> {
    std::fs::read(data(&case.file)).unwrap()
}

#[test]
fn every_kind_of_file_decodes_as_in_pillow() {
    let cases = cases();
    assert!(cases.len() > 50, "{}", cases.len());
    let mut failures = Vec::new();
    for case in cases {
        let decoded = match decode(&bytes_of(&case), &DecodeLimits::default()) {
            Ok(decoded) => decoded,
            Err(error) => {
                failures.push(format!("{}: {error}", case.file));
                continue;
            }
        };
        let expected = image::open(data(&case.expected)).unwrap().into_rgb8();
        if decoded.image.dimensions() != expected.dimensions() {
            failures.push(format!(
                "{}: size {:?} and not {:?}",
                case.file,
                decoded.image.dimensions(),
                expected.dimensions()
            ));
            continue;
        }
        let differences = || {
            let pairs = decoded.image.iter().zip(expected.iter());
            pairs.map(|(a, b)| a.abs_diff(*b))
        };
        let most = differences().max().unwrap_or(0);
        let mean = differences().map(f64::from).sum::<f64>() / expected.len() as f64;
        println!("{most} {mean:.3} {}", case.file);
        if most > case.most || mean > case.mean {
            failures.push(format!(
                "{}: differs by up to {most}, {mean:.3} on average",
                case.file
            ));
        }
        if decoded.orientation != case.orientation {
            failures.push(format!(
                "{}: orientation {}",
                case.file, decoded.orientation
            ));
        }
        if format!("{:?}", decoded.mode) != case.mode {
            failures.push(format!("{}: mode {:?}", case.file, decoded.mode));
        }
        let holds = (decoded.has_icc_profile, decoded.has_more_frames);
        if holds != (case.has_icc_profile, case.has_more_frames) {
            failures.push(format!("{}: profile and frames {holds:?}", case.file));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_header_tells_the_size_before_orientation() {
    for case in cases() {
        let bytes = bytes_of(&case);
        let limits = DecodeLimits::default();
        let header = read_header(&bytes, &limits).unwrap();
        let decoded = decode(&bytes, &limits).unwrap();
        let (width, height) = decoded.image.dimensions();
        let stored = if case.orientation >= 5 {
            (height, width)
        } else {
            (width, height)
        };
        assert_eq!((header.width, header.height), stored, "{}", case.file);
        assert_eq!(header.format, decoded.format, "{}", case.file);
    }
}

#[test]
fn a_cut_file_is_an_error_or_the_whole_picture_but_never_a_part_of_it() {
    for case in cases() {
        let bytes = bytes_of(&case);
        let limits = DecodeLimits::default();
        let whole = decode(&bytes, &limits).unwrap();
        let step = (bytes.len() / 60).max(1);
        let lengths = (0..bytes.len())
            .step_by(step)
            .chain(bytes.len() - 4..bytes.len());
        for length in lengths {
            if let Ok(part) = decode(&bytes[..length], &limits) {
                let same = part.image == whole.image;
                assert!(same, "{} cut to {length} of {}", case.file, bytes.len());
            }
        }
    }
}

/// Files of which the first half holds the whole first frame or page.
const FIRST_OF_MORE: [&str; 3] = ["animated.gif", "animated.png", "two_pages.tif"];

#[test]
fn a_file_cut_in_half_says_that_it_is_cut() {
    let mut others = Vec::new();
    for case in cases() {
        let bytes = bytes_of(&case);
        let half = decode(&bytes[..bytes.len() / 2], &DecodeLimits::default());
        match half {
            Err(AugmentError::Truncated { .. }) => {}
            Ok(_) if FIRST_OF_MORE.contains(&case.file.as_str()) => {}
            other => others.push(format!("{}: {:?}", case.file, other.map(|_| "decoded"))),
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}

#[test]
fn limits_are_checked_before_decoding() {
    let tight = DecodeLimits {
        max_pixels: 1000,
        ..DecodeLimits::default()
    };
    let small = DecodeLimits {
        max_alloc_bytes: 2000,
        ..DecodeLimits::default()
    };
    for case in cases() {
        let bytes = bytes_of(&case);
        let error = decode(&bytes, &tight).unwrap_err();
        let named = matches!(
            error,
            AugmentError::TooManyPixels {
                max_pixels: 1000,
                ..
            }
        );
        assert!(named, "{}: {error}", case.file);
        assert!(read_header(&bytes, &tight).is_err(), "{}", case.file);
        let error = decode(&bytes, &small).unwrap_err();
        let named = matches!(error, AugmentError::TooMuchMemory { .. });
        assert!(named, "{}: {error}", case.file);
    }
}

#[test]
fn a_kind_of_tiff_that_is_not_read_says_so() {
    // A CIE L*a*b* TIFF of one pixel.
    let mut tiff = b"II*\0\x08\0\0\0\x09\0".to_vec();
    let entries: [(u16, u16, u32, u32); 9] = [
        (256, 3, 1, 1),
        (257, 3, 1, 1),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 8),
        (273, 4, 1, 0),
        (277, 3, 1, 1),
        (278, 3, 1, 1),
        (279, 4, 1, 1),
    ];
    for (tag, kind, count, value) in entries {
        tiff.extend(tag.to_le_bytes());
        tiff.extend(kind.to_le_bytes());
        tiff.extend(count.to_le_bytes());
        tiff.extend(value.to_le_bytes());
    }
    tiff.extend([0; 4]);
    let error = decode(&tiff, &DecodeLimits::default()).unwrap_err();
    assert!(
        matches!(error, AugmentError::UnsupportedFeature { .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn damaged_bytes_never_panic(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let cases = cases();
        let mut bytes = bytes_of(which.get(&cases));
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let limits = DecodeLimits { max_pixels: 1 << 22, max_alloc_bytes: 1 << 26, ..DecodeLimits::default() };
        match decode(&bytes, &limits) {
            Ok(decoded) => prop_assert!(decoded.image.width() > 0 && decoded.image.height() > 0),
            Err(error) => prop_assert!(!matches!(error, AugmentError::DecoderPanicked { .. }), "{error}"),
        }
        let header = read_header(&bytes, &limits);
        let is_panic = matches!(header, Err(AugmentError::DecoderPanicked { .. }));
        prop_assert!(!is_panic, "the header");
    }
}
