//! Pictures of other channels than red, green and blue: grey, and any number of bands.
//!
//! Owns: in which form such a picture travels, and the scale of its bands. What a file's bands are is `decode`'s; which transforms suit
//! them is said in `ops/suitable.rs`.
//!
//! A picture of N bands travels as `ceil(N / 3)` RGB pictures of three bands each, one below the other in one [`RgbImage`] of their joint
//! height; the last band is repeated until the last of them is full. So everything that keeps, moves or batches pictures takes it as it
//! is, and every transform runs on three bands at a time, with the same draws for each three. A grey picture is one with three times the
//! same.

use std::borrow::Cow;

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use crate::rescale::{Rescale, check_mean, check_std};

/// Most bands of a picture: more than any imaging spectrometer has.
pub const MOST_BANDS: usize = 1024;

/// The bands of an input that is not red, green and blue, and the scale of each: `(x / 255 - mean) / std`.
///
/// ```
/// use rekindle_augment::Bands;
///
/// // What weights for red, green and blue were trained with.
/// let four = Bands::adapted(4, [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]);
/// assert_eq!((four.mean, four.std), (vec![0.5; 4], vec![0.2; 4]));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// Mean of each band, on the scale from 0 to 1.
    pub mean: Vec<f32>,
    /// Standard deviation of each band, on the same scale.
    pub std: Vec<f32>,
    /// Where these bands are a part of a picture's: the number of the first of them, and how many the picture has.
    #[serde(skip)]
    part: Option<(usize, usize)>,
}

impl Bands {
    /// Bands with this scale.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Self {
        Self {
            mean,
            std,
            part: None,
        }
    }

    /// So many bands with a scale for red, green and blue: each has the mean of the three means and of the three deviations. It is what
    /// timm 1.0.31 does (`resolve_model_data_config`).
    pub fn adapted(count: usize, mean: [f32; 3], std: [f32; 3]) -> Self {
        let of = |three: [f32; 3]| {
            let sum: f64 = three.iter().map(|value| f64::from(*value)).sum();
            vec![(sum / 3.0) as f32; count]
        };
        Self::new(of(mean), of(std))
    }

    /// Those for a scale of red, green and blue; none where it is another thing than a factor and an offset for each.
    pub fn of_rescale(count: usize, rescale: &Rescale) -> Option<Self> {
        Some(match *rescale {
            Rescale::Unit => Self::adapted(count, [0.0; 3], [1.0; 3]),
            Rescale::Symmetric => Self::adapted(count, [0.5; 3], [0.5; 3]),
            Rescale::Standardise { mean, std } => Self::adapted(count, mean, std),
            Rescale::Centre { mean } => Self::adapted(count, mean, [1.0; 3]),
            Rescale::None => Self::adapted(count, [0.0; 3], [1.0 / 255.0; 3]),
            Rescale::PerImage { .. } | Rescale::Whiten { .. } => return None,
        })
    }

    /// Checks that there is a mean and a deviation for each band, of 1 to [`MOST_BANDS`] but 3, which are no bands.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] with the key `mean` or `std`.
    pub fn check(&self) -> Result<(), SettingError> {
        let count = self.mean.len();
        if !(1..=MOST_BANDS).contains(&count) || count == 3 {
            return Err(SettingError::new(
                "mean",
                format!("of {count} channels"),
                format!("1, 2, or 4 to {MOST_BANDS} numbers"),
            ));
        }
        if self.std.len() != count {
            return Err(SettingError::new(
                "std",
                format!("of {} channels", self.std.len()),
                format!("{count} numbers, as `mean` has"),
            ));
        }
        check_mean("mean", &self.mean)?;
        check_std("std", &self.std)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.mean.len()
    }

    /// How many RGB pictures carry them.
    pub fn pictures(&self) -> usize {
        pictures(self.count())
    }

    /// The number of the first of them in the picture that they are a part of: 0 for a whole picture.
    pub(crate) fn first(&self) -> usize {
        self.part.map_or(0, |(first, _)| first)
    }

    /// Whether the picture has one band.
    pub(crate) fn is_grey(&self) -> bool {
        self.part.map_or(self.count(), |(_, count)| count) == 1
    }

    /// Those of one of the RGB pictures.
    pub(crate) fn of_picture(&self, number: usize) -> Self {
        let first = 3 * number;
        let places = (first..first + 3).map(|place| place.min(self.count() - 1));
        let of = |values: &[f32]| places.clone().map(|place| values[place]).collect();
        Self {
            mean: of(&self.mean),
            std: of(&self.std),
            part: Some((first, self.count())),
        }
    }

    /// The values of one picture that travels as above, one band after the other: from `[pictures * pixels][3]` bytes to
    /// `[bands, pixels]`.
    pub(crate) fn write_planes(&self, picture: &[u8], output: &mut [f32]) {
        let pixels = picture.len() / 3 / self.pictures();
        if pixels == 0 {
            return;
        }
        let planes = output.chunks_exact_mut(pixels);
        for (band, plane) in planes.enumerate().take(self.count()) {
            let (mean, std) = (self.mean[band], self.std[band]);
            let table: [f32; 256] = std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std);
            let part = &picture[3 * pixels * (band / 3)..][..3 * pixels];
            for (value, pixel) in plane.iter_mut().zip(part.as_chunks::<3>().0) {
                *value = table[usize::from(pixel[band % 3])];
            }
        }
    }
}

/// How many RGB pictures carry so many channels.
pub(crate) fn pictures(channels: usize) -> usize {
    channels.div_ceil(3).max(1)
}

/// Pictures of one size, one below the other.
pub(crate) fn stack(pictures: Vec<RgbImage>) -> RgbImage {
    let (width, height) = pictures.first().map_or((0, 0), RgbImage::dimensions);
    let joint = height * pictures.len() as u32;
    let bytes = pictures.into_iter().flat_map(RgbImage::into_raw).collect();
    RgbImage::from_raw(width, joint, bytes).unwrap_or_default()
}

/// The pictures that [`stack`] joined, so many.
pub(crate) fn split(image: &RgbImage, count: usize) -> Vec<RgbImage> {
    let (width, height) = (image.width(), image.height() / count as u32);
    let length = 3 * width as usize * height as usize;
    let part = |number: usize| {
        let bytes = image.as_raw()[number * length..][..length].to_vec();
        RgbImage::from_raw(width, height, bytes).unwrap_or_default()
    };
    (0..count).map(part).collect()
}

/// The first three of so many channels of a picture, to be looked at: of one that [`decode`](crate::decode()) gave, or a
/// [`Pipeline`](crate::Pipeline) made.
pub fn shown(image: &RgbImage, channels: usize) -> Cow<'_, RgbImage> {
    match pictures(channels) {
        1 => Cow::Borrowed(image),
        count => {
            let (width, height) = (image.width(), image.height() / count as u32);
            let length = 3 * width as usize * height as usize;
            let first = image.as_raw()[..length].to_vec();
            Cow::Owned(RgbImage::from_raw(width, height, first).unwrap_or_default())
        }
    }
}

/// Samples of pixels one after the other, so many to a pixel, as the pictures that carry them.
pub(crate) fn of_samples(
    width: u32,
    height: u32,
    channels: usize,
    samples: &[u8],
) -> Vec<RgbImage> {
    let picture = |number: usize| {
        let places: [usize; 3] =
            std::array::from_fn(|place| (3 * number + place).min(channels - 1));
        let pixels = samples.chunks_exact(channels);
        let bytes = pixels
            .flat_map(|pixel| places.map(|place| pixel[place]))
            .collect();
        RgbImage::from_raw(width, height, bytes).unwrap_or_default()
    };
    (0..pictures(channels)).map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_bands_travel_as_two_pictures_and_come_back() {
        let samples: Vec<u8> = (0..2 * 3 * 5).collect();
        let parts = of_samples(2, 3, 5, &samples);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].get_pixel(1, 0).0, [5, 6, 7]);
        assert_eq!(parts[1].get_pixel(1, 0).0, [8, 9, 9]);
        let joint = stack(parts.clone());
        assert_eq!(joint.dimensions(), (2, 6));
        assert_eq!(split(&joint, 2), parts);
        assert_eq!(*shown(&joint, 5), parts[0]);
        let bands = Bands::new(vec![0.0; 5], vec![1.0 / 255.0; 5]);
        let mut planes = vec![0.0; 30];
        bands.write_planes(joint.as_raw(), &mut planes);
        for (place, value) in planes.iter().enumerate() {
            let (band, pixel) = (place / 6, place % 6);
            assert!((value - f32::from(samples[5 * pixel + band])).abs() < 1e-4);
        }
    }

    #[test]
    fn the_bands_of_each_picture_have_their_own_scale() {
        let bands = Bands::new(vec![0.1, 0.2, 0.3, 0.4], vec![1.0; 4]);
        let second = bands.of_picture(1);
        assert_eq!((second.first(), second.mean), (3, vec![0.4; 3]));
        assert_eq!(bands.of_picture(0).mean, [0.1, 0.2, 0.3]);
    }

    #[test]
    fn scales_of_red_green_and_blue_are_those_of_bands_where_they_can_be() {
        let value = |rescale: &Rescale| {
            let bands = Bands::of_rescale(2, rescale).unwrap();
            let mut planes = vec![0.0; 2];
            bands.write_planes(&[51, 204, 204], &mut planes);
            planes
        };
        for rescale in [
            Rescale::Unit,
            Rescale::Symmetric,
            Rescale::Standardise {
                mean: [0.4; 3],
                std: [0.2; 3],
            },
            Rescale::Centre { mean: [0.3; 3] },
            Rescale::None,
        ] {
            let expected = rescale.planes(&[[51, 204, 0]]);
            let found = value(&rescale);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{rescale:?}: {found} {expected}"
                );
            }
        }
        assert_eq!(
            Bands::of_rescale(2, &Rescale::PerImage { per_channel: true }),
            None
        );
        // timm 1.0.31: resolve_model_data_config(create_model("resnet18", in_chans=4))
        let imagenet = Bands::of_rescale(4, &Rescale::IMAGENET).unwrap();
        assert_eq!(
            (imagenet.mean, imagenet.std),
            (vec![0.449; 4], vec![0.226; 4])
        );
    }

    #[test]
    fn wrong_bands_name_their_key() {
        let key = |mean: Vec<f32>, std: Vec<f32>| {
            Bands::new(mean, std).check().unwrap_err().key().to_owned()
        };
        assert_eq!(key(vec![], vec![]), "mean");
        assert_eq!(key(vec![0.5; 3], vec![0.5; 3]), "mean");
        assert_eq!(key(vec![0.5; 4], vec![0.5; 3]), "std");
        assert_eq!(key(vec![0.5; 4], vec![0.5, 0.5, 0.0, 0.5]), "std");
        assert_eq!(key(vec![2.0], vec![0.5]), "mean");
    }
}
