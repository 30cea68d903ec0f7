//! The own decoder against libjpeg-turbo, through the files that `tests/make_jpeg.py` wrote, and against itself.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::decode::testing::{check_cut, check_region, data, ends_early, files, limits, part_of};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    scales: Vec<u32>,
}

static CASES: LazyLock<Vec<(Case, Vec<u8>)>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(data("data_jpeg", "golden.json")).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    let with_bytes = |case: Case| {
        let bytes = std::fs::read(data("data_jpeg", &format!("{}.jpg", case.name))).unwrap();
        (case, bytes)
    };
    golden.cases.into_iter().map(with_bytes).collect()
});

/// Every JPEG test file, those that only the decoder of every kind takes too.
static EVERY_FILE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let files = files("data_jpeg", "jpg");
    assert!(files.len() > 35, "{}", files.len());
    files
});

fn case(name: &str) -> &'static [u8] {
    &CASES.iter().find(|(case, _)| case.name == name).unwrap().1
}

fn open(bytes: &[u8]) -> JpegFile<'_> {
    JpegFile::open(bytes, &limits()).unwrap()
}

/// The whole picture at a scale.
fn reduced(file: &JpegFile, reduction: u32) -> RgbImage {
    let (width, height, _) = file.stored_size().unwrap();
    let whole = PixelBox {
        left: 0,
        top: 0,
        width: width.div_ceil(reduction),
        height: height.div_ceil(reduction),
    };
    file.decode_part(whole, reduction).unwrap().unwrap()
}

#[test]
fn every_scale_is_that_of_libjpeg_turbo_bit_by_bit() {
    let mut compared = 0;
    for (case, bytes) in CASES.iter() {
        for &scale in case
            .scales
            .iter()
            .filter(|_| !case.name.contains("orientation"))
        {
            let expected = data("data_jpeg", &format!("{}_{scale}.png", case.name));
            let expected = image::open(expected).unwrap().into_rgb8();
            let found = reduced(&open(bytes), scale);
            assert_eq!(
                found.dimensions(),
                expected.dimensions(),
                "{} {scale}",
                case.name
            );
            let most = found
                .iter()
                .zip(expected.iter())
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            assert_eq!(most, Some(0), "{} at 1/{scale}", case.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 64);
}

#[test]
fn files_of_other_kinds_are_left_to_the_other_decoder() {
    for name in ["progressive.jpg", "cmyk_adobe.jpg", "ycck_adobe.jpg"] {
        let bytes = std::fs::read(data("data", name)).unwrap();
        assert!(open(&bytes).stored_size().is_none(), "{name}");
        assert!(open(&bytes).decode(&limits()).is_ok(), "{name}");
    }
    for name in [
        "baseline_420.jpg",
        "restart.jpg",
        "padded_header.jpg",
        "trailing_bytes.jpg",
    ] {
        let bytes = std::fs::read(data("data", name)).unwrap();
        assert!(open(&bytes).stored_size().is_some(), "{name}");
    }
}

#[test]
fn both_decoders_agree_bit_by_bit() {
    for (case, bytes) in CASES.iter() {
        let file = open(bytes);
        let other = file.decode_slowly(&limits()).unwrap().image;
        assert!(reduced(&file, 1) == other, "{}", case.name);
    }
}

#[test]
fn data_before_a_restart_is_not_read_where_it_is_not_needed() {
    let mut bytes = case("420_restart_rows").to_vec();
    let structure = Structure::read(&bytes).unwrap();
    let first = Frame::read(&bytes, &structure).unwrap().data[0].clone();
    let intact = reduced(&open(&bytes), 1);
    bytes[first].fill(0x55);
    let last_rows = PixelBox {
        left: 0,
        top: 60,
        width: 70,
        height: 40,
    };
    let part = open(&bytes).decode_part(last_rows, 1).unwrap().unwrap();
    let expected = image::imageops::crop_imm(&intact, 0, 60, 70, 40).to_image();
    assert_eq!(part, expected);
}

#[test]
fn a_file_that_is_cut_is_refused_though_the_wanted_part_is_there() {
    check_cut(case("420_noise"));
}

#[test]
fn data_that_ends_early_is_an_error() {
    let bytes = case("420");
    let data_end = Structure::read(bytes).unwrap().data_end;
    // The end-of-image marker is there, a part of the data is not.
    let shorter = [&bytes[..data_end - 300], &bytes[data_end..]].concat();
    let file = open(&shorter);
    assert!(file.stored_size().is_some());
    assert!(file.decode(&limits()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_part_is_the_same_part_of_the_whole(
        which in any::<prop::sample::Index>(), scale in 0u32..4,
        left in any::<u32>(), top in any::<u32>(), width in any::<u32>(), height in any::<u32>(),
    ) {
        let (case, bytes) = which.get(&CASES);
        let file = open(bytes);
        let whole = reduced(&file, 1 << scale);
        let part = part_of(whole.dimensions(), [left, top, width, height]);
        let expected =
            image::imageops::crop_imm(&whole, part.left, part.top, part.width, part.height).to_image();
        prop_assert_eq!(file.decode_part(part, 1 << scale), Ok(Some(expected)), "{}", &case.name);
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
        scale in 0u32..4,
    ) {
        let mut bytes = which.get(&EVERY_FILE).clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let Ok(file) = JpegFile::open(&bytes, &limits()) else {
            return Ok(());
        };
        if let Some((width, height, _)) = file.stored_size() {
            let part = PixelBox {
                left: 0,
                top: 0,
                width: width.div_ceil(1 << scale),
                height: (height / 2).max(1).div_ceil(1 << scale),
            };
            let _ = file.decode_part(part, 1 << scale);
        }
        // Data that ends early is found here; for all else, the decoder of every kind has the last word.
        if let Err(error) = file.decode(&limits()) {
            let other = file.decode_slowly(&limits()).err();
            prop_assert!(ends_early(&error) || other.as_ref() == Some(&error), "{} {:?}", error, other);
        }
    }
}
