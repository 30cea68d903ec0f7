//! One image file to the few hundred bytes that are kept of it.
//!
//! Owns: reading, decoding, and what is computed from the pixels. The pixels themselves are dropped here, so memory does not grow with
//! the size of the images. It does not judge.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use rekindle_augment::{
    AugmentError, DecodeLimits, Format, Interpolation, LargeInTurn, RgbImage, SourceMode, Stack,
    decode, resize, shown,
};
use sha2::{Digest, Sha256};

use super::perceptual_hash::{SIDE, perceptual_hash};
use super::report::UnreadableKind;
use rekindle_data::{ImageFolder, ImageProblem, Sample};

/// Points of the grid on each side, from which mean and standard deviation are computed.
const GRID: u32 = 64;
/// Pixels of the thumbnail on each side.
const THUMBNAIL: usize = 8;
/// Most grey levels between the darkest and the lightest value of a channel of a picture without content.
const BLANK_LEVELS: u8 = 4;

/// SHA-256.
pub(super) type Hash = [u8; 32];
/// Mean colours of 8 by 8 parts, row by row.
pub(super) type Thumbnail = [u8; THUMBNAIL * THUMBNAIL * 3];

/// What is kept of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Examined {
    /// Hash of its bytes; none where it cannot be read.
    pub file_hash: Option<Hash>,
    /// What is kept of its picture, or why there is none.
    pub picture: Result<Picture, (UnreadableKind, String)>,
}

/// What is kept of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    pub format: Format,
    pub mode: SourceMode,
    pub orientation: u8,
    pub has_icc_profile: bool,
    pub has_more_frames: bool,
    /// The stack of which one plane is the picture.
    pub stack: Option<Stack>,
    /// Whether it was put over white by an alpha channel, or what else was asked for was done with it.
    pub has_alpha: bool,
    /// Upright, in pixels.
    pub width: u32,
    pub height: u32,
    /// Hash of size, reduced picture and means: equal for pictures of equal pixels, and seldom for others.
    pub look: Hash,
    /// Equal for pictures of equal pixels and for no others. It is the hash of the file, and after [`identify`] that of the pixels
    /// where another file looks the same.
    pub identity: Hash,
    pub perceptual_hash: u64,
    pub thumbnail: Thumbnail,
    pub is_blank: bool,
    /// The largest value of any channel.
    pub most: u8,
    /// Means of the values and of their squares, of each channel, from 0 to 1.
    pub mean: [f64; 3],
    pub mean_square: [f64; 3],
}

/// Reads, decodes and measures one image.
pub(super) fn examine(
    folder: &ImageFolder,
    sample: &Sample,
    limits: &DecodeLimits,
    turns: &LargeInTurn,
) -> Examined {
    let bytes = match folder.read(sample) {
        Ok(bytes) => bytes,
        Err(error) => {
            let reason = ImageProblem::Read(error).to_string();
            return Examined {
                file_hash: None,
                picture: Err((UnreadableKind::File, reason)),
            };
        }
    };
    let file_hash: Hash = Sha256::digest(&bytes).into();
    // What is wrong with a header, the decoder says.
    let _turn = turns.wait(&bytes, limits);
    let picture = match decode(&bytes, limits) {
        Ok(decoded) => {
            // Figures are of the first three channels; whether two pictures are alike, of all.
            let image = shown(&decoded.image, limits.channels);
            let reduced = resize(
                &decoded.image,
                SIDE as u32,
                SIDE as u32,
                Interpolation::Bilinear,
            );
            let (mean, mean_square) = moments(&image);
            let (width, height) = image.dimensions();
            Ok(Picture {
                format: decoded.format,
                mode: decoded.mode,
                orientation: decoded.orientation,
                has_icc_profile: decoded.has_icc_profile,
                has_more_frames: decoded.has_more_frames,
                stack: decoded.stack,
                has_alpha: decoded.has_alpha,
                width,
                height,
                look: look(width, height, &reduced, mean_square),
                identity: file_hash,
                perceptual_hash: perceptual_hash(&reduced),
                thumbnail: thumbnail(&reduced),
                is_blank: is_blank(&reduced),
                most: decoded.image.iter().copied().max().unwrap_or(0),
                mean,
                mean_square,
            })
        }
        Err(error) => Err((kind_of(&error), error.to_string())),
    };
    Examined {
        file_hash: Some(file_hash),
        picture,
    }
}

fn kind_of(error: &AugmentError) -> UnreadableKind {
    match error {
        AugmentError::Empty => UnreadableKind::Empty,
        AugmentError::Truncated { .. } => UnreadableKind::Truncated,
        AugmentError::UnknownFormat { .. } => UnreadableKind::NotAnImage,
        AugmentError::UnsupportedFormat { .. }
        | AugmentError::UnsupportedFeature { .. }
        | AugmentError::OtherChannels { .. } => UnreadableKind::Unsupported,
        AugmentError::TooManyPixels { .. } | AugmentError::TooMuchMemory { .. } => {
            UnreadableKind::TooLarge
        }
        _ => UnreadableKind::Corrupt,
    }
}

/// Tells apart the pixels of different files that look the same. They are decoded once more: to hash the pixels of every picture would
/// take a third of the time of decoding it, and few need it.
pub(super) fn identify(
    folder: &ImageFolder,
    examined: &mut [Examined],
    limits: &DecodeLimits,
    turns: &LargeInTurn,
) {
    let mut files: HashMap<Hash, BTreeMap<Hash, usize>> = HashMap::new();
    for (index, file) in examined.iter().enumerate() {
        if let Ok(picture) = &file.picture {
            let same = files.entry(picture.look).or_default();
            same.entry(picture.identity).or_insert(index);
        }
    }
    let alike: Vec<(Hash, usize)> = files
        .into_values()
        .filter(|same| same.len() > 1)
        .flatten()
        .collect();
    let pixels: HashMap<Hash, Hash> = alike
        .into_par_iter()
        .filter_map(|(file, index)| {
            // A file that has changed since keeps the identity it had.
            let bytes = folder.read(&folder.samples[index]).ok()?;
            let _turn = turns.wait(&bytes, limits).ok()?;
            let decoded = decode(&bytes, limits).ok()?;
            Some((file, pixel_hash(&decoded.image)))
        })
        .collect();
    for picture in examined
        .iter_mut()
        .filter_map(|file| file.picture.as_mut().ok())
    {
        if let Some(hash) = pixels.get(&picture.identity) {
            picture.identity = *hash;
        }
    }
}

fn look(width: u32, height: u32, reduced: &RgbImage, mean_square: [f64; 3]) -> Hash {
    let mut hasher = Sha256::new()
        .chain_update(width.to_le_bytes())
        .chain_update(height.to_le_bytes())
        .chain_update(reduced.as_raw());
    for value in mean_square {
        hasher.update(value.to_bits().to_le_bytes());
    }
    hasher.finalize().into()
}

fn pixel_hash(image: &RgbImage) -> Hash {
    Sha256::new()
        .chain_update(image.width().to_le_bytes())
        .chain_update(image.as_raw())
        .finalize()
        .into()
}

/// Means over the points of a grid: pixels as they are and not averages of several, which would have a smaller deviation.
fn moments(image: &RgbImage) -> ([f64; 3], [f64; 3]) {
    let points = |side: u32| {
        let count = side.min(GRID);
        (0..u64::from(count)).map(move |at| {
            // The middle of each of `count` equal parts.
            ((2 * at + 1) * u64::from(side) / (2 * u64::from(count))) as u32
        })
    };
    let (mut sums, mut squares, mut count) = ([0u64; 3], [0u64; 3], 0u64);
    for y in points(image.height()) {
        for x in points(image.width()) {
            let pixel = image.get_pixel(x, y).0.map(u64::from);
            for channel in 0..3 {
                sums[channel] += pixel[channel];
                squares[channel] += pixel[channel] * pixel[channel];
            }
            count += 1;
        }
    }
    let scale = count.max(1) as f64 * 255.0;
    (
        sums.map(|sum| sum as f64 / scale),
        squares.map(|sum| sum as f64 / (scale * 255.0)),
    )
}

/// The reduced picture once more reduced, by the mean of each 4 by 4 pixels.
fn thumbnail(reduced: &RgbImage) -> Thumbnail {
    const PART: usize = SIDE / THUMBNAIL;
    let mut sums = [0u32; THUMBNAIL * THUMBNAIL * 3];
    for (x, y, pixel) in reduced.enumerate_pixels() {
        let place = (y as usize / PART * THUMBNAIL + x as usize / PART) * 3;
        for (sum, value) in sums[place..].iter_mut().zip(pixel.0) {
            *sum += u32::from(value);
        }
    }
    let area = (PART * PART) as u32;
    sums.map(|sum| ((sum + area / 2) / area) as u8)
}

fn is_blank(reduced: &RgbImage) -> bool {
    (0..3).all(|channel| {
        let values = || reduced.pixels().map(|pixel| pixel.0[channel]);
        let (least, most) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        most - least <= BLANK_LEVELS
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What could be kept of some picture.
    pub fn picture() -> Picture {
        Picture {
            format: Format::Png,
            mode: SourceMode::Rgb,
            orientation: 1,
            has_icc_profile: false,
            has_more_frames: false,
            stack: None,
            has_alpha: false,
            width: 320,
            height: 240,
            look: [0; 32],
            identity: [0; 32],
            perceptual_hash: 0,
            thumbnail: [0; THUMBNAIL * THUMBNAIL * 3],
            is_blank: false,
            most: 255,
            mean: [0.5; 3],
            mean_square: [0.3; 3],
        }
    }

    #[test]
    fn means_of_a_small_picture_are_those_of_its_pixels() {
        let image = RgbImage::from_raw(2, 1, vec![0, 255, 51, 255, 255, 0]).unwrap_or_default();
        let (mean, mean_square) = moments(&image);
        assert_eq!(mean, [0.5, 1.0, 0.1]);
        assert!((mean_square[2] - 0.02).abs() < 1e-12, "{mean_square:?}");
    }

    #[test]
    fn the_grid_keeps_the_deviation_of_noise() {
        // Alternating black and white: an average over pixels would be grey without any deviation.
        let image = RgbImage::from_fn(1000, 700, |x, y| {
            image::Rgb([if (x / 3 + y / 3) % 2 == 0 { 0 } else { 255 }; 3])
        });
        let (mean, mean_square) = moments(&image);
        let deviation = (mean_square[0] - mean[0] * mean[0]).sqrt();
        assert!((mean[0] - 0.5).abs() < 0.03, "{mean:?}");
        assert!((deviation - 0.5).abs() < 0.01, "{deviation}");
    }

    #[test]
    fn pictures_of_one_colour_are_blank_and_no_others() {
        let grey = RgbImage::from_pixel(32, 32, image::Rgb([90, 90, 90]));
        assert!(is_blank(&grey));
        let mut dot = grey.clone();
        dot.put_pixel(3, 3, image::Rgb([90, 100, 90]));
        assert!(!is_blank(&dot));
    }

    #[test]
    fn pixels_of_another_shape_have_another_hash() {
        let pixels = vec![7; 24];
        let [wide, tall] = [(4, 2), (2, 4)].map(|(width, height)| {
            pixel_hash(&RgbImage::from_raw(width, height, pixels.clone()).unwrap_or_default())
        });
        assert_ne!(wide, tall);
    }
}
