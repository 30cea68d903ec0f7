//! Images of bands against what tifffile, Pillow and NumPy read of them, and grey against Pillow's (`make_bands.py`); and their way through
//! a pipeline.

use rekindle_augment::{
    Bands, DecodeLimits, Pipeline, Preprocessing, RgbImage, SampleRange, SampleRng, TransformSpec,
    decode,
};

#[derive(serde::Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    file: String,
    channels: usize,
    span: Option<[f64; 2]>,
    height: usize,
    width: usize,
    /// Bytes, band by band of each pixel.
    bands: Vec<u8>,
}

#[test]
fn bands_are_those_that_other_readers_find() {
    let fixture: Fixture = serde_json::from_str(include_str!("bands.json")).unwrap();
    assert_eq!(fixture.cases.len(), 12);
    for case in fixture.cases {
        let path = format!(
            "{}/tests/data_bands/{}",
            env!("CARGO_MANIFEST_DIR"),
            case.file
        );
        let limits = DecodeLimits {
            channels: case.channels,
            range: match case.span {
                Some([low, high]) => SampleRange::Span { low, high },
                None => SampleRange::Full,
            },
            ..DecodeLimits::default()
        };
        let bytes = std::fs::read(&path).unwrap();
        let image = decode(&bytes, &limits)
            .unwrap_or_else(|error| panic!("{}: {error}", case.file))
            .image;
        let pictures = case.channels.div_ceil(3);
        assert_eq!(
            image.dimensions(),
            (case.width as u32, (case.height * pictures) as u32),
            "{}",
            case.file
        );
        for (place, expected) in case.bands.iter().enumerate() {
            let (pixel, band) = (place / case.channels, place % case.channels);
            let (x, y) = (
                pixel % case.width,
                pixel / case.width + band / 3 * case.height,
            );
            let found = image.get_pixel(x as u32, y as u32).0[band % 3];
            assert_eq!(
                found, *expected,
                "{}: band {band} of pixel {pixel}",
                case.file
            );
        }
        // With another number of channels it is refused, whatever the format.
        let other = DecodeLimits {
            channels: case.channels + 9,
            ..limits
        };
        let error = decode(&bytes, &other).unwrap_err().to_string();
        assert!(error.contains("`input.channels`"), "{}: {error}", case.file);
    }
}

/// A picture whose every pixel differs.
fn picture(shift: u32) -> RgbImage {
    RgbImage::from_fn(50, 40, |x, y| {
        let values = [x * 5 + shift, y * 6, (x * y + 40 * shift) % 256];
        image::Rgb(values.map(|value| value as u8))
    })
}

fn below(first: &RgbImage, second: &RgbImage) -> RgbImage {
    let bytes = [first.as_raw().as_slice(), second.as_raw()].concat();
    RgbImage::from_raw(first.width(), first.height() * 2, bytes).unwrap()
}

#[test]
fn bands_go_through_the_same_geometry_with_the_same_draws() {
    let fill = Some([7, 8, 9]);
    let plain = Preprocessing {
        input_size: [24, 32],
        fill,
        ..Preprocessing::default()
    };
    let five = Preprocessing {
        bands: Some(Bands::adapted(5, [0.5; 3], [0.5; 3])),
        ..plain.clone()
    };
    let picture = below(&picture(3), &picture(90));
    let half = picture.as_raw().len() / 2;
    let part = |image: &RgbImage, number: usize| {
        let half = image.as_raw().len() / 2;
        image.as_raw()[number * half..][..half].to_vec()
    };
    for transforms in [
        r#"[{"op":"random_resized_crop"},{"op":"horizontal_flip"},{"op":"brightness"}]"#,
        r#"[{"op":"rotation","degrees":30},{"op":"elastic"},{"op":"gamma"},{"op":"random_erasing","probability":1.0}]"#,
        r#"[{"op":"one_of","transforms":[{"op":"vertical_flip"},{"op":"perspective"}]},{"op":"gaussian_blur"}]"#,
        r#"[{"op":"pad"},{"op":"random_crop"},{"op":"equalise"},{"op":"posterise"}]"#,
        "[]",
    ] {
        let transforms: Vec<TransformSpec> = serde_json::from_str(transforms).unwrap();
        let of_five = Pipeline::training(&five, &transforms).unwrap();
        let of_three = Pipeline::training(&plain, &transforms).unwrap();
        assert_eq!(of_five.size(), (32, 48));
        for sample in 0..6 {
            let rng = || SampleRng::new(5, 2, sample);
            let mut own = rng();
            let found = of_five.apply(&picture, &mut own);
            for number in [0, 1] {
                let bytes = picture.as_raw()[number * half..][..half].to_vec();
                let alone = RgbImage::from_raw(50, 40, bytes).unwrap();
                let mut single = rng();
                let expected = of_three.apply(&alone, &mut single);
                assert_eq!(part(&found, number), *expected.as_raw(), "{transforms:?}");
                assert_eq!(own, single);
            }
        }
    }
    // Noise is not the same in the fourth band as in the first.
    let noise: Vec<TransformSpec> =
        serde_json::from_str(r#"[{"op":"gaussian_noise","probability":1.0,"sigma":[9,9]}]"#)
            .unwrap();
    let grey = RgbImage::from_pixel(32, 24, image::Rgb([128; 3]));
    let noisy = Pipeline::training(&five, &noise).unwrap();
    let noisy = noisy.apply(&below(&grey, &grey), &mut SampleRng::new(1, 0, 0));
    assert_ne!(part(&noisy, 0), part(&noisy, 1));
    assert_ne!(part(&noisy, 1), *grey.as_raw());
}

#[test]
fn bands_that_nobody_calls_colours_and_negative_numbers_are_refused_in_words() {
    let refused = |file: &str, channels: usize| {
        let path = format!("{}/tests/data_bands/{file}", env!("CARGO_MANIFEST_DIR"));
        let limits = DecodeLimits {
            channels,
            ..DecodeLimits::default()
        };
        let error = decode(&std::fs::read(path).unwrap(), &limits).unwrap_err();
        error.to_string()
    };
    let text = refused("eight.tif", 3);
    for words in [
        "16 bits, 8 bands that the file does not call colours (MINISBLACK with extra samples), as GDAL writes",
        "photometric=RGB",
        "`input.channels = 8`",
        "one range for the whole set",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let text = refused("gdal.tif", 3);
    assert!(text.contains("8 bits, 4 bands"), "{text}");
    let text = refused("eight.tif", 8);
    assert!(text.contains("signed numbers of 16 bits"), "{text}");
}
