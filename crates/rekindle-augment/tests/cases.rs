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
