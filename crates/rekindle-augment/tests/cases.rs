//! Files of kinds that decoders are known to get wrong, against the same pictures as plain PNG (from Pillow and tifffile).

use std::path::PathBuf;

use rekindle_augment::{AugmentError, DecodeLimits, SampleRange, decode};

fn bytes(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data_cases");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn every_odd_file_has_the_pixels_of_its_plain_twin() {
    let mut wrong = Vec::new();
    for (file, expected) in [
        ("02_one_scan_a_component_1x2.jpg", "02_1x2.png"),
        ("02_one_scan_a_component_2x2.jpg", "02_2x2.png"),
        ("03_four_bands_lzw_predictor.tif", "scene.png"),
        ("03_four_bands_tiled_predictor.tif", "scene.png"),
        ("05_fill_order_2_bilevel.tif", "bilevel.png"),
        ("06_alpha_of_zeros_v4.bmp", "scene.png"),
        ("07_orientation_as_long.jpg", "jpeg_turned.png"),
        ("07_orientation_as_long_big_endian.jpg", "jpeg_turned.png"),
        ("07_orientation_in_xmp.jpg", "jpeg_turned.png"),
        ("07_orientation_raw_profile.png", "turned.png"),
        ("07_orientation_exif_prefix.webp", "turned.png"),
        ("08_two_channels.tif", "grey.png"),
        ("09_no_huffman_tables.jpg", "jpeg.png"),
        ("10_lzw_tiles.tif", "grey.png"),
    ] {
        let expected = image::load_from_memory(&bytes(expected))
            .unwrap()
            .into_rgb8();
        match decode(&bytes(file), &DecodeLimits::default()) {
            Ok(decoded) if decoded.image.dimensions() == expected.dimensions() => {
                let pairs = decoded.image.iter().zip(expected.iter());
                let most = pairs.map(|(a, b)| a.abs_diff(*b)).max();
                if most != Some(0) {
                    wrong.push(format!("{file}: differs by up to {most:?}"));
                }
            }
            Ok(decoded) => wrong.push(format!("{file}: {:?}", decoded.image.dimensions())),
            Err(error) => wrong.push(format!("{file}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn arithmetic_coding_is_named_with_a_way_to_change_it_and_not_called_damage() {
    let error = decode(&bytes("09_arithmetic.jpg"), &DecodeLimits::default()).unwrap_err();
    assert!(
        matches!(error, AugmentError::UnsupportedFeature { .. }),
        "{error}"
    );
    for words in ["arithmetic coding", "jpegtran"] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn twelve_bits_in_sixteen_span_all_grey_levels_where_that_is_said() {
    let bytes = bytes("28_twelve_bits_in_sixteen.tif");
    let levels = |range| {
        let limits = DecodeLimits {
            range,
            ..DecodeLimits::default()
        };
        let decoded = decode(&bytes, &limits).unwrap();
        let values: std::collections::BTreeSet<u8> = decoded.image.iter().copied().collect();
        (values.len(), values.last().copied().unwrap())
    };
    let (full, brightest) = levels(SampleRange::Full);
    assert!(
        full <= 17 && brightest <= 16,
        "{full} levels up to {brightest}"
    );
    let bits = levels(SampleRange::Bits(12));
    assert!(bits.0 > 3 * full && bits.1 > 200, "{bits:?}");
    let span = SampleRange::Span {
        low: 0.0,
        high: 4095.0,
    };
    assert_eq!(levels(span), bits);
}

#[test]
fn every_storage_of_tiff_has_the_pixels_that_were_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data_tiff");
    let plain = |name: &str| image::open(folder.join(name)).unwrap().into_rgb8();
    let twins = ["rgb", "grey", "bilevel"].map(|name| (name, plain(&format!("{name}.png"))));
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".tif") {
            continue;
        }
        let twin = twins.iter().find(|(kind, _)| name.starts_with(kind));
        match decode(&std::fs::read(&path).unwrap(), &DecodeLimits::default()) {
            Ok(decoded) if decoded.image == twin.unwrap().1 => compared += 1,
            Ok(decoded) => wrong.push(format!("{name}: {:?}", decoded.mode)),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(compared, 32);
}

/// An EXIF block with this orientation as a number of a type.
fn exif(kind: u8, orientation: u8) -> Vec<u8> {
    let entry = [0x12, 1, kind, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
}

#[test]
fn the_first_of_two_exif_segments_of_a_jpeg_counts() {
    let bytes = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/baseline_420.jpg"
    ));
    let bytes = bytes.unwrap();
    let segment = |orientation| {
        let content = [&b"Exif\0\0"[..], &exif(4, orientation)].concat();
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&[0xff, 0xe1][..], &length, &content].concat()
    };
    let both = [&bytes[..2], &segment(6), &segment(3), &bytes[2..]].concat();
    let decoded = decode(&both, &DecodeLimits::default()).unwrap();
    assert_eq!(decoded.orientation, 6);
}

#[test]
fn exif_behind_the_pixels_of_a_png_counts_and_xmp_where_there_is_none() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rgb.png")).unwrap();
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(content);
        let length = (content.len() as u32).to_be_bytes();
        [&length[..], kind, content, &crc.sum().to_be_bytes()].concat()
    };
    // The last chunk has no content.
    let (body, end) = bytes.split_at(bytes.len() - 12);
    let with = |chunk: Vec<u8>| {
        let file = [body, &chunk, end].concat();
        decode(&file, &DecodeLimits::default()).unwrap().orientation
    };
    assert_eq!(with(chunk(b"eXIf", &exif(3, 8))), 8);
    assert_eq!(
        with(chunk(
            b"iTXt",
            b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation=\"5\"/>"
        )),
        5
    );
    assert_eq!(with(chunk(b"eXIf", &exif(3, 9))), 1);
    let hexadecimal: String = exif(3, 7)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let text = format!("Raw profile type exif\0\nexif\n      34\n{hexadecimal}\n");
    assert_eq!(with(chunk(b"tEXt", text.as_bytes())), 7);
}
