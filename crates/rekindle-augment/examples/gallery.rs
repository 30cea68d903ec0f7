//! Draws the picture of every transform that its documentation shows: the original, then samples at the default settings.
//!
//! ```text
//! cargo run -p rekindle-augment --example gallery [-- PICTURE [OUTPUT_FOLDER]]
//! ```
//!
//! Without arguments it takes an emoji of this repository and rewrites `crates/rekindle-augment/docs/ops`. A new transform
//! joins by itself, since the list comes from `TransformSpec::all`.

use std::error::Error;
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use rekindle_augment::{
    DecodeLimits, Interpolation, Preprocessing, SampleRng, TransformSpec, decode, resize,
};

/// Pictures larger than this slow a page down.
const LARGEST_FILE: usize = 24_000;
/// How many samples a strip shows beside the original, where there are so many different ones.
const SAMPLES: usize = 4;
/// White between two tiles, in pixels.
const GAP: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let picture = arguments
        .next()
        .unwrap_or_else(|| here.join("../../examples/emoji/bird/parrot.webp"));
    let folder = arguments.next().unwrap_or_else(|| here.join("docs/ops"));

    let bytes =
        std::fs::read(&picture).map_err(|error| format!("{}: {error}", picture.display()))?;
    let picture = decode(&bytes, &DecodeLimits::default())?.image;
    std::fs::create_dir_all(&folder)?;
    for spec in TransformSpec::all() {
        let (name, tiles) = samples(&spec, &picture)?;
        let file = folder.join(format!("{name}.png"));
        let png = smallest_strip(&tiles)?;
        std::fs::write(&file, &png)?;
        println!("{}: {} bytes", file.display(), png.len());
    }
    Ok(())
}

/// The name of a transform, and the original with different samples of it, all of the input size.
fn samples(
    spec: &TransformSpec,
    picture: &RgbImage,
) -> Result<(String, Vec<RgbImage>), Box<dyn Error>> {
    let mut settings = serde_json::to_value(spec)?;
    if settings.get("probability").is_some() {
        settings["probability"] = 1.0.into();
    }
    let name = settings["op"].as_str().unwrap_or_default().to_string();
    let certain: TransformSpec = serde_json::from_value(settings)?;

    let preprocessing = Preprocessing {
        crop_ratio: 0.75,
        ..Preprocessing::default()
    };
    let transform = certain.build(&preprocessing)?;
    let (width, height) = preprocessing.size();
    let fit = |image: &RgbImage| resize(image, width, height, Interpolation::Bicubic);
    let original = fit(picture);
    let mut tiles = vec![original.clone()];
    for sample in 0..100 {
        let output = transform.apply_borrowed(&original, &mut SampleRng::new(7, 0, sample));
        let output = fit(&output);
        if tiles.len() <= SAMPLES && !tiles.contains(&output) {
            tiles.push(output);
        }
    }
    Ok((name, tiles))
}

/// The strip as a PNG, with tiles as large as the limit of the file allows.
fn smallest_strip(tiles: &[RgbImage]) -> Result<Vec<u8>, Box<dyn Error>> {
    for side in (24..=112).rev().step_by(8) {
        let png = encode(&strip(tiles, side))?;
        if png.len() <= LARGEST_FILE {
            return Ok(png);
        }
    }
    Err("no tile is small enough for the limit of a file".into())
}

fn strip(tiles: &[RgbImage], side: u32) -> RgbImage {
    let count = tiles.len() as u32;
    let mut output = RgbImage::from_pixel(count * (side + GAP) - GAP, side, Rgb([255; 3]));
    for (index, tile) in (0i64..).zip(tiles) {
        let tile = resize(tile, side, side, Interpolation::Bicubic);
        image::imageops::replace(&mut output, &tile, index * i64::from(side + GAP), 0);
    }
    output
}

fn encode(image: &RgbImage) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
        .write_image(
            image,
            image.width(),
            image.height(),
            ExtendedColorType::Rgb8,
        )?;
    Ok(png)
}
