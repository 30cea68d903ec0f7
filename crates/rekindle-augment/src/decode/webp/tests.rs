//! The own decoder against libwebp, through the files that `tests/make_webp.py` wrote, and against itself.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::decode::testing::{check_cut, check_region, data, ends_early, files, limits, part_of};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<String>,
}

struct Case {
    name: String,
    bytes: Vec<u8>,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(data("data_webp", "golden.json")).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    let with_bytes = |name: String| {
        let bytes = std::fs::read(data("data_webp", &format!("{name}.webp"))).unwrap();
        Case { name, bytes }
    };
    golden.cases.into_iter().map(with_bytes).collect()
});

/// Every WebP test file, those that only the other decoder reads too.
static EVERY_FILE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let files = files("data_webp", "webp");
    assert!(files.len() > 90, "{}", files.len());
    files
});

fn case(name: &str) -> &'static [u8] {
    &CASES.iter().find(|case| case.name == name).unwrap().bytes
}

fn open(bytes: &[u8]) -> WebPFile<'_> {
    WebPFile::open(bytes, &limits()).unwrap()
}

/// The whole picture as stored.
fn whole(file: &WebPFile) -> RgbImage {
    let (width, height, _) = file.stored_size().unwrap();
    let part = PixelBox {
        left: 0,
        top: 0,
        width,
        height,
    };
    file.decode_part(part).unwrap().unwrap()
}

#[test]
fn every_file_is_decoded_as_libwebp_does_bit_by_bit() {
    for case in CASES.iter() {
        let expected = data("data_webp", &format!("{}.png", case.name));
        let expected = image::open(expected).unwrap().into_rgb8();
        let found = whole(&open(&case.bytes));
        assert_eq!(found.dimensions(), expected.dimensions(), "{}", case.name);
        let first = found
            .enumerate_pixels()
            .find(|(x, y, pixel)| expected.get_pixel(*x, *y) != *pixel);
        assert_eq!(first, None, "{}", case.name);
    }
    assert_eq!(CASES.len(), 99);
}

#[test]
fn files_of_other_kinds_are_left_to_the_other_decoder() {
    for name in ["lossless.webp", "alpha.webp", "animated.webp"] {
        let bytes = std::fs::read(data("data", name)).unwrap();
        assert!(open(&bytes).stored_size().is_none(), "{name}");
        assert!(open(&bytes).decode(&limits()).is_ok(), "{name}");
    }
    let bytes = std::fs::read(data("data", "lossy.webp")).unwrap();
    assert!(open(&bytes).stored_size().is_some());
}

#[test]
fn both_decoders_agree() {
    let mut compared = 0;
    for case in CASES.iter().filter(|case| !case.name.contains("changed")) {
        let own = whole(&open(&case.bytes));
        let other = raster::decode(&case.bytes, Format::WebP, &limits()).unwrap();
        let sum: u64 = own
            .iter()
            .zip(other.image.iter())
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        // The other one enlarges colours otherwise at the edges of the picture.
        let mean = sum as f64 / own.len() as f64;
        assert!(mean < 2.0, "{}: {mean}", case.name);
        compared += 1;
    }
    assert_eq!(compared, 59);
}

#[test]
fn what_lies_below_a_part_is_not_read() {
    let bytes = case("partitions_8");
    let intact = whole(&open(bytes));
    let mut damaged = bytes.to_vec();
    let frame = Frame::read(Lossy::find(bytes).unwrap().data).unwrap();
    // The part lies in the first six of ten rows of macroblocks; the seventh and the eighth partition hold other rows only.
    let behind = frame.partitions[6].len() + frame.partitions[7].len();
    let start = bytes.len() - behind;
    damaged[start..].fill(0x55);
    let part = PixelBox {
        left: 3,
        top: 2,
        width: 40,
        height: 78,
    };
    let found = open(&damaged).decode_part(part).unwrap().unwrap();
    let expected = image::imageops::crop_imm(&intact, 3, 2, 40, 78).to_image();
    assert_eq!(found, expected);
}

/// The file with bytes of its only chunk left out before the end, and lengths that fit.
fn shortened(bytes: &[u8], by: usize) -> Vec<u8> {
    let mut shorter = bytes[..bytes.len() - by].to_vec();
    let length = shorter.len() as u32;
    shorter[4..8].copy_from_slice(&(length - 8).to_le_bytes());
    shorter[16..20].copy_from_slice(&(length - 20).to_le_bytes());
    shorter
}

#[test]
fn data_that_ends_early_is_an_error() {
    for name in ["quality_90", "partitions_8", "noise"] {
        for by in [40, 100, 250] {
            let shorter = shortened(case(name), by);
            let file = open(&shorter);
            assert!(file.stored_size().is_some(), "{name}");
            let error = file.decode(&limits()).err();
            let is_named = error.as_ref().is_some_and(ends_early);
            assert!(is_named, "{name} without {by} bytes: {error:?}");
        }
    }
}

#[test]
fn a_file_that_is_cut_is_refused_though_the_wanted_part_is_there() {
    check_cut(case("large"));
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    let mut bytes = case("flat").to_vec();
    bytes[26..30].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    let error = WebPFile::open(&bytes, &limits()).err().unwrap();
    assert!(
        matches!(error, AugmentError::TooManyPixels { .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_part_is_the_same_part_of_the_whole(
        which in any::<prop::sample::Index>(),
        left in any::<u32>(), top in any::<u32>(), width in any::<u32>(), height in any::<u32>(),
    ) {
        let case = which.get(&CASES);
        let file = open(&case.bytes);
        let whole = whole(&file);
        let part = part_of(whole.dimensions(), [left, top, width, height]);
        let expected =
            image::imageops::crop_imm(&whole, part.left, part.top, part.width, part.height).to_image();
        prop_assert_eq!(file.decode_part(part), Ok(Some(expected)), "{}", &case.name);
    }

    #[test]
    fn a_region_is_that_part_of_the_upright_picture(
        which in any::<prop::sample::Index>(),
        left in any::<u32>(), top in any::<u32>(), width in any::<u32>(), height in any::<u32>(),
    ) {
        check_region(which.get::<Vec<u8>>(&EVERY_FILE), [left, top, width, height]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn damaged_files_never_panic_and_are_refused_for_a_reason(
        which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), is_cut in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        in_header in any::<bool>(),
    ) {
        let mut bytes = which.get(&EVERY_FILE).clone();
        let end = if in_header { bytes.len().min(60) } else { bytes.len() };
        for (at, value) in damage {
            let at = at.index(end);
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let Ok(file) = WebPFile::open(&bytes, &limits()) else {
            return Ok(());
        };
        let Some((width, height, _)) = file.stored_size() else {
            // For what this decoder does not take, the other one has the last word.
            let found = file.decode(&limits()).map(|upright| upright.image);
            let other = raster::decode(&bytes, Format::WebP, &limits()).map(|upright| upright.image);
            prop_assert_eq!(found, other);
            return Ok(());
        };
        let part = PixelBox { left: width / 3, top: 0, width: width - width / 3, height: (height / 2).max(1) };
        let found = file.decode_part(part);
        match file.decode(&limits()) {
            Ok(upright) => {
                let expected =
                    image::imageops::crop_imm(&upright.image, part.left, 0, part.width, part.height);
                prop_assert_eq!(found, Ok(Some(expected.to_image())));
            }
            Err(error) => {
                // Data that ends early is found here; for all else, the other decoder has the last word.
                let other = raster::decode(&bytes, Format::WebP, &limits()).err();
                prop_assert!(ends_early(&error) || other.as_ref() == Some(&error), "{} {:?}", error, other);
            }
        }
    }
}
