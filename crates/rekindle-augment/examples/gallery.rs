//! Draws the picture of every transform that its documentation shows: the original, then samples at the default settings; and
//! those of mixup and CutMix: two images, then mixes of them.
//!
//! ```text
//! cargo run -p rekindle-augment --example gallery [-- PICTURE [OUTPUT_FOLDER [OTHER_PICTURE]]]
//! ```
//!
//! Without arguments it takes emoji of this repository and rewrites `crates/rekindle-augment/docs`. A new transform joins by
//! itself, since the list comes from `TransformSpec::all`.

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, GenericImageView, ImageEncoder, Rgb, RgbImage};
use rekindle_augment::{
    DecodeLimits, Interpolation, MixSpec, Preprocessing, Rescale, RgbBatch, SampleRng,
    TransformSpec, decode, rescale, resize,
};

/// Pictures larger than this slow a page down.
const LARGEST_FILE: usize = 24_000;
/// How many samples a strip shows beside the original, where there are so many different ones.
const SAMPLES: usize = 4;
/// White between two tiles, in pixels.
const GAP: u32 = 4;
/// Transforms of single pixels and their neighbours: a smaller picture would not show them, so a part of it is shown.
const FINE: [&str; 8] = [
    "box_blur",
    "gaussian_blur",
    "gaussian_noise",
    "jpeg_artefacts",
    "motion_blur",
    "salt_and_pepper",
    "sharpen",
    "uniform_noise",
];
/// The middle of that part, as shares of width and height.
const DETAIL: [f32; 2] = [0.33, 0.23];

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let emoji = |name: &str| here.join("../../examples/emoji").join(name);
    let picture = arguments.next();
    let picture = read(&picture.unwrap_or_else(|| emoji("bird/parrot.webp")))?;
    let folder = arguments.next().unwrap_or_else(|| here.join("docs"));
    let other = arguments.next();
    let other = read(&other.unwrap_or_else(|| emoji("vehicle/bus.webp")))?;

    std::fs::create_dir_all(folder.join("ops"))?;
    for spec in TransformSpec::all() {
        let (name, tiles) = samples(&spec, &picture)?;
        let is_fine = FINE.contains(&name.as_str());
        write(&folder.join("ops").join(name), &tiles, is_fine)?;
    }
    std::fs::create_dir_all(folder.join("mix"))?;
    for (name, mixup_alpha, cutmix_alpha) in [("mixup", 1.0, 0.0), ("cutmix", 0.0, 1.0)] {
        let spec = MixSpec {
            mixup_alpha,
            cutmix_alpha,
            ..MixSpec::default()
        };
        let tiles = mixes(&spec, &picture, &other)?;
        write(&folder.join("mix").join(name), &tiles, false)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<RgbImage, Box<dyn Error>> {
    let failed = |error: &dyn Error| format!("{}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
    let decoded = decode(&bytes, &DecodeLimits::default()).map_err(|error| failed(&error))?;
    Ok(decoded.image)
}

fn write(path: &Path, tiles: &[RgbImage], is_fine: bool) -> Result<(), Box<dyn Error>> {
    let file = path.with_extension("png");
    let png = smallest_strip(tiles, is_fine)?;
    std::fs::write(&file, &png)?;
    println!("{}: {} bytes", file.display(), png.len());
    Ok(())
}

/// The two images, then the first one mixed with the second, all of the input size.
fn mixes(
    spec: &MixSpec,
    picture: &RgbImage,
    other: &RgbImage,
) -> Result<Vec<RgbImage>, Box<dyn Error>> {
    let (width, height) = Preprocessing::default().size();
    let size = [height as usize, width as usize];
    let mut tiles = [picture, other]
        .into_iter()
        .map(|image| resize(image, width, height, Interpolation::Bicubic))
        .collect::<Vec<RgbImage>>();
    let pixels = tiles.iter().flat_map(|image| image.iter().copied());
    let batch = RgbBatch::new(pixels.collect(), 2, size[0], size[1])?;
    let images = rescale(&batch, &Rescale::None, &Device::flex());
    for draw in 0..SAMPLES as u64 {
        let mix = spec.draw(0, 1, size, &mut SampleRng::new(3, 0, draw));
        let mix = mix.ok_or("every batch is mixed")?;
        let values = mix.images(images.clone()).into_data();
        let values = values.try_to_vec::<f32>()?;
        let area = size[0] * size[1];
        let value = |place: usize| values[place].round() as u8;
        let at = |x: u32, y: u32| y as usize * size[1] + x as usize;
        tiles.push(RgbImage::from_fn(width, height, |x, y| {
            Rgb([0, 1, 2].map(|channel| value(channel * area + at(x, y))))
        }));
    }
    Ok(tiles)
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
fn smallest_strip(tiles: &[RgbImage], is_fine: bool) -> Result<Vec<u8>, Box<dyn Error>> {
    for side in (24..=112).rev().step_by(8) {
        let png = encode(&strip(tiles, side, is_fine))?;
        if png.len() <= LARGEST_FILE {
            return Ok(png);
        }
    }
    Err("no tile is small enough for the limit of a file".into())
}

fn strip(tiles: &[RgbImage], side: u32, is_fine: bool) -> RgbImage {
    let count = tiles.len() as u32;
    let mut output = RgbImage::from_pixel(count * (side + GAP) - GAP, side, Rgb([255; 3]));
    for (index, tile) in (0i64..).zip(tiles) {
        let tile = match is_fine {
            true => detail(tile, side),
            false => resize(tile, side, side, Interpolation::Bicubic),
        };
        image::imageops::replace(&mut output, &tile, index * i64::from(side + GAP), 0);
    }
    output
}

/// A part of the image, pixel by pixel.
fn detail(image: &RgbImage, side: u32) -> RgbImage {
    let start = |length: u32, share: f32| {
        let middle = (length as f32 * share) as u32;
        middle.saturating_sub(side / 2).min(length - side)
    };
    let (width, height) = image.dimensions();
    let corner = (start(width, DETAIL[0]), start(height, DETAIL[1]));
    image.view(corner.0, corner.1, side, side).to_image()
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
