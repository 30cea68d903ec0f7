//! Stacks of planes against what tifffile reads of them (`make_stacks.py`): by default the first plane alone and the stack named, and their
//! channels where that is asked for.

use rekindle_augment::{
    AugmentError, DecodeLimits, Decoded, JpegScaling, PixelBox, Reading, RegionRequest,
    SampleRange, TiffPlanes, decode, decode_region, read_header, verify_pixels, wide_numbers,
};

#[derive(serde::Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    file: String,
    /// C, Z, T and planes, where the file says so.
    counts: Option<[u32; 4]>,
    span: Option<[f64; 2]>,
    height: u32,
    width: u32,
    planes: Vec<Vec<u8>>,
}

fn cases() -> Vec<Case> {
    let fixture: Fixture = serde_json::from_str(include_str!("stacks.json")).unwrap();
    assert_eq!(fixture.cases.len(), 10);
    fixture.cases
}

fn bytes(file: &str) -> Vec<u8> {
    let folder = format!("{}/tests/data_stacks", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(format!("{folder}/{file}")).unwrap()
}

fn limits(tiff_planes: TiffPlanes, channels: usize, span: Option<[f64; 2]>) -> DecodeLimits {
    DecodeLimits {
        channels,
        range: match span {
            Some([low, high]) => SampleRange::Span { low, high },
            None => SampleRange::Full,
        },
        reading: Reading {
            tiff_planes,
            ..Reading::default()
        },
        ..DecodeLimits::default()
    }
}

/// The values of a channel of a picture of so many.
fn channel(decoded: &Decoded, channels: usize, height: u32, number: usize) -> Vec<u8> {
    let (width, joint) = decoded.image.dimensions();
    assert_eq!(joint, height * channels.div_ceil(3) as u32);
    let place = |y, x| {
        let row = y + number as u32 / 3 * height;
        decoded.image.get_pixel(x, row).0[number % 3]
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    rows.map(|(y, x)| place(y, x)).collect()
}

#[test]
fn by_default_the_first_page_is_the_picture_and_the_stack_is_told() {
    for case in cases() {
        let Case { file, counts, .. } = &case;
        let decoded = decode(&bytes(file), &limits(TiffPlanes::First, 3, case.span)).unwrap();
        let found = decoded
            .stack
            .map(|stack| [stack.channels, stack.slices, stack.times, stack.planes]);
        assert_eq!(found, *counts, "{file}");
        // The last channel of this one lies on the first page.
        let first = match file.contains("reversed") {
            true => case.planes.last().unwrap(),
            false => &case.planes[0],
        };
        for number in 0..3 {
            let found = channel(&decoded, 3, case.height, number);
            assert_eq!(found, *first, "{file}");
        }
        assert!(decoded.has_more_frames || file.contains("behind"), "{file}");
    }
    // One plane by itself is no stack, whatever its description still says.
    let alone = decode(&bytes("refused_alone.tif"), &DecodeLimits::default()).unwrap();
    assert_eq!((alone.stack, alone.has_more_frames), (None, false));
}

#[test]
fn channels_that_are_asked_for_are_those_that_tifffile_finds() {
    for case in cases() {
        let Case { file, planes, .. } = &case;
        let bytes = bytes(file);
        for how in [TiffPlanes::Channels, TiffPlanes::All] {
            let count = planes.len();
            let is_known = matches!(case.counts, Some([_, 1, 1, _])) || how == TiffPlanes::All;
            let channels = match count {
                2 | 3 => 3,
                count => count,
            };
            let limits = limits(how, channels, case.span);
            let decoded = decode(&bytes, &limits);
            if !is_known {
                let error = decoded.unwrap_err();
                let words = error.to_string();
                assert!(
                    matches!(error, AugmentError::UnsupportedFeature { .. }),
                    "{file}: {words}"
                );
                assert!(words.contains("data.tiff_planes"), "{file}: {words}");
                continue;
            }
            let decoded = decoded.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(
                !decoded.has_more_frames && decoded.stack.is_none(),
                "{file}"
            );
            let expected = planes.iter().cloned();
            // Of two channels, blue is empty.
            let empty = vec![0; (case.width * case.height) as usize];
            let expected = expected.chain(std::iter::repeat_n(empty, channels - count));
            for (number, expected) in expected.enumerate() {
                let found = channel(&decoded, channels, case.height, number);
                assert_eq!(found, expected, "{file}, {how:?}: channel {number}");
            }
            assert_eq!(verify_pixels(&bytes, &limits), Ok(1), "{file}");
            let header = read_header(&bytes, &limits).unwrap();
            assert_eq!((header.width, header.height), (case.width, case.height));
        }
    }
}

#[test]
fn two_channels_are_two_bands_where_two_are_asked_for() {
    let case = cases().remove(1);
    let bytes = bytes(&case.file);
    let decoded = decode(&bytes, &limits(TiffPlanes::Channels, 2, None)).unwrap();
    for (number, plane) in case.planes.iter().enumerate() {
        assert_eq!(channel(&decoded, 2, case.height, number), *plane);
    }
    let error = decode(&bytes, &limits(TiffPlanes::Channels, 4, None)).unwrap_err();
    assert!(error.to_string().contains("has 2 channels"), "{error}");
}

#[test]
fn more_planes_than_colours_are_refused_with_the_setting_that_takes_all() {
    for file in ["ome_five.ome.tif", "imagej_slices.tif"] {
        let error = decode(&bytes(file), &limits(TiffPlanes::All, 3, Some([0.0, 1.0])));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("`input.channels = "), "{error}");
    }
}

#[test]
fn planes_that_are_no_channels_of_one_picture_are_refused_in_words() {
    for (file, words) in [
        ("refused_colours.tif", "each has 3 samples"),
        ("refused_table.tif", "a table of colours"),
        ("refused_sizes.ome.tif", "12 by 9 and 12 by 5 pixels"),
        ("refused_kinds.ome.tif", "8 and of 16 bits"),
        (
            "refused_elsewhere.ome.tif",
            "plane 2 of 2 lies in another file",
        ),
    ] {
        let bytes = bytes(file);
        let error = decode(&bytes, &limits(TiffPlanes::All, 3, None)).unwrap_err();
        let is_refusal = matches!(error, AugmentError::UnsupportedFeature { .. });
        assert!(is_refusal, "{file}: {error}");
        assert!(error.to_string().contains(words), "{file}: {error}");
        // Their first pages are pictures.
        assert!(decode(&bytes, &DecodeLimits::default()).is_ok(), "{file}");
    }
    let error = decode(
        &bytes("refused_alone.tif"),
        &limits(TiffPlanes::Channels, 3, None),
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("names 3 planes, and it has 1 pages"),
        "{error}"
    );
}

#[test]
fn a_file_of_one_page_is_what_it_is_with_any_setting() {
    let folder = format!("{}/tests/data_tiff", env!("CARGO_MANIFEST_DIR"));
    for file in [
        "rgb_lzw_strips.tif",
        "rgb_thumbnail_first.tif",
        "grey_packed_12.tif",
    ] {
        let bytes = std::fs::read(format!("{folder}/{file}")).unwrap();
        let usual = decode(&bytes, &DecodeLimits::default()).unwrap();
        for how in [TiffPlanes::Channels, TiffPlanes::All] {
            assert_eq!(
                decode(&bytes, &limits(how, 3, None)).unwrap(),
                usual,
                "{file}"
            );
        }
    }
}

#[test]
fn a_crop_of_channels_is_that_of_the_whole_and_every_plane_is_counted() {
    let case = cases().remove(5);
    let bytes = bytes(&case.file);
    let limits = limits(TiffPlanes::Channels, 3, None);
    let whole = decode(&bytes, &limits).unwrap().image;
    let crop = PixelBox {
        left: 0,
        top: 0,
        width: case.width,
        height: case.height,
    };
    let request = RegionRequest {
        crop,
        width: case.width,
        height: case.height,
    };
    let part = decode_region(&bytes, &limits, JpegScaling::Full, |_, _| request).unwrap();
    assert_eq!(part.image, whole);
    let mut count = 0;
    wide_numbers(&bytes, &limits, &mut |numbers| count += numbers.len()).unwrap();
    assert_eq!(count, 3 * (case.width * case.height) as usize);
}

#[test]
fn a_stack_that_is_cut_is_cut_short() {
    for file in ["imagej_behind.tif", "imagej_three.tif", "ome_three.ome.tif"] {
        let whole = bytes(file);
        let limits = limits(TiffPlanes::Channels, 3, None);
        assert!(decode(&whole, &limits).is_ok());
        for length in 8..whole.len() {
            // Never a panic, never a picture with a plane missing.
            match decode(&whole[..length], &limits) {
                Ok(decoded) => assert!(
                    decoded.image == decode(&whole, &limits).unwrap().image,
                    "{file}, {length}"
                ),
                Err(error) => assert!(
                    !matches!(error, AugmentError::DecoderPanicked { .. }),
                    "{file}, {length}: {error}"
                ),
            }
        }
    }
}
