//! What becomes of an alpha channel, in every format that has one.

use image::{ColorType, ExtendedColorType, ImageEncoder};
use rekindle_augment::{AlphaUse, DecodeLimits, Decoded, Reading, decode};

const WIDTH: u32 = 6;
const HEIGHT: u32 = 5;

fn with(bytes: &[u8], alpha: AlphaUse) -> Decoded {
    let limits = DecodeLimits {
        reading: Reading {
            alpha,
            ..Reading::default()
        },
        ..DecodeLimits::default()
    };
    decode(bytes, &limits).unwrap()
}

/// Colours and an alpha of half a picture's range, none of which is opaque.
fn samples(channels: usize) -> Vec<u8> {
    let pixels = (WIDTH * HEIGHT) as usize;
    let value = |place: usize| match place % channels {
        last if last + 1 == channels => 40 + (place * 3 % 120) as u8,
        _ => (place * 7 % 251) as u8,
    };
    (0..pixels * channels).map(value).collect()
}

fn png(samples: &[u8], color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.write_image(samples, WIDTH, HEIGHT, color).unwrap();
    bytes
}

/// A plain TIFF of RGB with a fourth sample of this kind, and with a further tag.
fn tiff(samples: &[u8], extra: u16, further: Option<u16>) -> Vec<u8> {
    let mut bytes = b"II*\0".to_vec();
    bytes.extend((8 + samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    let mut tags: Vec<(u16, u16, u32, u32)> = vec![
        (256, 3, 1, WIDTH),
        (257, 3, 1, HEIGHT),
        // One width stands for all four.
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
        (277, 3, 1, 4),
        (279, 4, 1, samples.len() as u32),
        (338, 3, 1, u32::from(extra)),
    ];
    tags.extend(further.map(|tag| (tag, 3, 1, 0)));
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn alpha_that_is_left_out_leaves_the_colours_as_they_are_stored() {
    let four = samples(4);
    let two = samples(2);
    let wide: Vec<u8> = four
        .iter()
        .flat_map(|value| (u16::from(*value) * 257).to_ne_bytes())
        .collect();
    let mut webp = Vec::new();
    image::codecs::webp::WebPEncoder::new_lossless(&mut webp)
        .encode(&four, WIDTH, HEIGHT, ColorType::Rgba8.into())
        .unwrap();
    let mut bmp = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut bmp)
        .encode(&four, WIDTH, HEIGHT, ColorType::Rgba8.into())
        .unwrap();
    for (name, bytes, channels) in [
        ("png", png(&four, ColorType::Rgba8.into()), 4),
        ("png of 16 bits", png(&wide, ColorType::Rgba16.into()), 4),
        ("grey png", png(&two, ColorType::La8.into()), 2),
        ("webp", webp, 4),
        ("bmp", bmp, 4),
        ("tiff, straight", tiff(&four, 2, None), 4),
        ("tiff, associated", tiff(&four, 1, None), 4),
    ] {
        let samples = if channels == 2 { &two } else { &four };
        let colours: Vec<u8> = samples
            .chunks_exact(channels)
            .flat_map(|pixel| match *pixel {
                [red, green, blue, _] => [red, green, blue],
                _ => [pixel[0]; 3],
            })
            .collect();
        let alphas: Vec<u8> = samples
            .chunks_exact(channels)
            .flat_map(|pixel| [pixel[channels - 1]; 3])
            .collect();
        let white = with(&bytes, AlphaUse::White);
        assert!(white.has_alpha, "{name}");
        assert_ne!(white.image.as_raw(), &colours, "{name}");
        let ignored = with(&bytes, AlphaUse::Ignore);
        assert_eq!(ignored.image.as_raw(), &colours, "{name}");
        assert!(ignored.has_alpha && ignored.mode == white.mode, "{name}");
        let alone = with(&bytes, AlphaUse::Alone);
        assert_eq!(alone.image.as_raw(), &alphas, "{name}");
    }
}

#[test]
fn alpha_of_lossy_webp_is_left_out_too() {
    let folder = format!("{}/tests/data_webp", env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "webp") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let Ok(white) = decode(&bytes, &DecodeLimits::default()) else {
            continue;
        };
        if !white.has_alpha {
            let same = with(&bytes, AlphaUse::Alone);
            assert_eq!(same, white, "{}", path.display());
            continue;
        }
        let [colours, alphas] =
            [AlphaUse::Ignore, AlphaUse::Alone].map(|how| with(&bytes, how).image.into_raw());
        let over = colours.iter().zip(&alphas).map(|(value, alpha)| {
            let (value, alpha) = (f64::from(*value), f64::from(*alpha));
            (value * alpha / 255.0 + 255.0 - alpha).round() as u8
        });
        let differs = over
            .zip(white.image.iter())
            .any(|(own, found)| own != *found);
        assert!(!differs, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 1, "{seen}");
}

#[test]
fn the_fourth_band_of_a_map_is_no_alpha_whatever_the_file_calls_it() {
    let four = samples(4);
    let colours: Vec<u8> = four
        .chunks_exact(4)
        .flat_map(|pixel| &pixel[..3])
        .copied()
        .collect();
    // GeoTIFF's tags of scale, transform and keys; GDAL's of metadata and of the value of no data.
    for tag in [33550, 34264, 34735, 42112, 42113] {
        for extra in [1, 2] {
            let decoded = with(&tiff(&four, extra, Some(tag)), AlphaUse::White);
            assert!(!decoded.has_alpha, "{tag}");
            assert_eq!(decoded.image.as_raw(), &colours, "{tag}");
        }
    }
}

#[test]
fn pictures_without_alpha_are_the_same_whatever_is_asked_for() {
    let colours: Vec<u8> = (0..3 * WIDTH * HEIGHT)
        .map(|at| (at * 5 % 256) as u8)
        .collect();
    let bytes = png(&colours, ColorType::Rgb8.into());
    for how in [AlphaUse::White, AlphaUse::Ignore, AlphaUse::Alone] {
        let decoded = with(&bytes, how);
        assert!(!decoded.has_alpha);
        assert_eq!(decoded.image.as_raw(), &colours);
    }
}
