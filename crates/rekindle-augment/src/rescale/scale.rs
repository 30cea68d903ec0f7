//! The scales of a network's input.
//!
//! Owns: what a byte becomes, the checks of the numbers, and the change from interleaved pixels to colour planes. It does not own sizes,
//! nor which numbers suit a data set.

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::moments::ChannelMoments;

/// The scale of a network's input.
///
/// A backbone's input has the three channels that are the default; [`Self::planes`] and fitting work with any number, such as
/// those of images by several sensors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "snake_case",
    deny_unknown_fields,
    bound(
        serialize = "[f32; CHANNELS]: Serialize, [[f32; CHANNELS]; CHANNELS]: Serialize",
        deserialize = "[f32; CHANNELS]: Deserialize<'de>, [[f32; CHANNELS]; CHANNELS]: Deserialize<'de>"
    )
)]
pub enum Rescale<const CHANNELS: usize = 3> {
    /// `x / 255`, from 0 to 1.
    Unit,
    /// `x / 127.5 - 1`, from -1 to 1.
    Symmetric,
    /// `(x / 255 - mean) / std`, for each channel.
    #[serde(alias = "standardize")]
    Standardise {
        /// Mean of each channel, on the scale from 0 to 1.
        mean: [f32; CHANNELS],
        /// Standard deviation of each channel, on the same scale.
        std: [f32; CHANNELS],
    },
    /// `x / 255 - mean`, for each channel.
    #[serde(alias = "center")]
    Centre {
        /// Mean of each channel, on the scale from 0 to 1.
        mean: [f32; CHANNELS],
    },
    /// `(x - mean) / max(std, 1 / sqrt(N))` with mean and standard deviation of the image's own `N` values, bytes as they are.
    ///
    /// The bound keeps an image of one colour finite: it becomes zero. It is TensorFlow's formula
    /// (`tf.image.per_image_standardization` of a `uint8` image), which the numbers were checked against.
    PerImage {
        /// Whether each channel has a mean and a standard deviation of its own, with `N` its number of pixels.
        per_channel: bool,
    },
    /// `matrix * (x / 255 - mean)` with the channels of a pixel as `x`: colour whitening.
    ///
    /// What is whitened are the colours of single pixels, by a matrix of 3 by 3: afterwards the channels of the training pixels
    /// have no correlation and variance one. Neighbouring pixels stay as correlated as they were, and have to: the filters of
    /// a pretrained backbone look for edges, which whitening of whole images would take out of them, and it would take a
    /// matrix of 150528 by 150528 at 224 pixels. [`pca_whitening`](super::pca_whitening) and [`zca_whitening`](super::zca_whitening) have the formulas of the matrix.
    Whiten {
        /// Mean of each channel, on the scale from 0 to 1.
        mean: [f32; CHANNELS],
        /// The rows are the output channels.
        matrix: [[f32; CHANNELS]; CHANNELS],
    },
    /// The bytes as they are, from 0 to 255.
    None,
}

/// How the bytes of one image become values.
enum Conversion<const CHANNELS: usize> {
    /// The value of each byte, channel by channel.
    Tables(Box<[[f32; 256]; CHANNELS]>),
    /// `matrix * bytes + offset`.
    Matrix {
        matrix: [[f32; CHANNELS]; CHANNELS],
        offset: [f32; CHANNELS],
    },
}

/// Pixels that are converted by a matrix at a time.
const BLOCK: usize = 64;

impl<const CHANNELS: usize> Conversion<CHANNELS> {
    fn tables(value: impl Fn(usize, f32) -> f32) -> Self {
        Self::Tables(Box::new(std::array::from_fn(|channel| {
            std::array::from_fn(|byte| value(channel, byte as f32))
        })))
    }
}

impl Rescale {
    /// Standardisation with the mean and standard deviation of ImageNet, which most pretrained backbones expect.
    pub const IMAGENET: Self = Self::Standardise {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
}

impl<const CHANNELS: usize> Rescale<CHANNELS> {
    /// Checks that means are from 0 to 1, standard deviations positive and matrices finite.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] with the key, such as `standardise.mean`.
    pub fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::Standardise { mean, std } => {
                check_mean("standardise.mean", mean)?;
                check_std("standardise.std", std)
            }
            Self::Centre { mean } => check_mean("centre.mean", mean),
            Self::Whiten { mean, matrix } => {
                check_mean("whiten.mean", mean)?;
                match matrix.iter().flatten().all(|entry| entry.is_finite()) {
                    true => Ok(()),
                    false => Err(SettingError::new(
                        "whiten.matrix",
                        format!("{matrix:?}"),
                        "finite numbers",
                    )),
                }
            }
            Self::Unit | Self::Symmetric | Self::PerImage { .. } | Self::None => Ok(()),
        }
    }

    /// The mean that is subtracted, on the scale from 0 to 1, where every image has the same.
    pub fn mean(&self) -> Option<[f32; CHANNELS]> {
        match *self {
            Self::Standardise { mean, .. } | Self::Centre { mean } | Self::Whiten { mean, .. } => {
                Some(mean)
            }
            Self::Unit | Self::Symmetric | Self::PerImage { .. } | Self::None => None,
        }
    }

    /// The values of one image, one channel after the other, on the host.
    ///
    /// # Shapes
    ///
    /// From `[pixels][channels]` bytes to `[channels, pixels]`, f32.
    ///
    /// ```
    /// use rekindle_augment::Rescale;
    ///
    /// let centre = Rescale::Centre { mean: [0.2, 0.0] };
    /// assert_eq!(centre.planes(&[[51, 255], [102, 0]]), [0.0, 0.2, 1.0, 0.0]);
    /// ```
    pub fn planes(&self, image: &[[u8; CHANNELS]]) -> Vec<f32> {
        let mut planes = vec![0.0; CHANNELS * image.len()];
        self.write_planes(image, &mut planes);
        planes
    }

    /// As [`Self::planes`], into `CHANNELS` times as many values as there are pixels.
    pub(super) fn write_planes(&self, image: &[[u8; CHANNELS]], output: &mut [f32]) {
        if image.is_empty() {
            return;
        }
        match self.conversion(image) {
            Conversion::Tables(tables) => {
                let planes = output.chunks_exact_mut(image.len());
                for (channel, (plane, table)) in planes.zip(tables.iter()).enumerate() {
                    for (value, pixel) in plane.iter_mut().zip(image) {
                        *value = table[usize::from(pixel[channel])];
                    }
                }
            }
            Conversion::Matrix { matrix, offset } => {
                // Few pixels at a time, channel by channel: vector code for any number of channels.
                let mut columns = [[0.0f32; BLOCK]; CHANNELS];
                for (number, pixels) in image.chunks(BLOCK).enumerate() {
                    for (place, pixel) in pixels.iter().enumerate() {
                        for (column, byte) in columns.iter_mut().zip(pixel) {
                            column[place] = f32::from(*byte);
                        }
                    }
                    let planes = output.chunks_exact_mut(image.len());
                    for ((plane, row), offset) in planes.zip(&matrix).zip(offset) {
                        let values = &mut plane[number * BLOCK..][..pixels.len()];
                        values.fill(0.0);
                        for (entry, column) in row.iter().zip(&columns) {
                            for (value, byte) in values.iter_mut().zip(column) {
                                *value += entry * byte;
                            }
                        }
                        values.iter_mut().for_each(|value| *value += offset);
                    }
                }
            }
        }
    }

    /// What the bytes of an image with these pixels become.
    fn conversion(&self, pixels: &[[u8; CHANNELS]]) -> Conversion<CHANNELS> {
        match *self {
            Self::Unit => Conversion::tables(|_, byte| byte / 255.0),
            Self::Symmetric => Conversion::tables(|_, byte| byte / 127.5 - 1.0),
            Self::Standardise { mean, std } => {
                Conversion::tables(|channel, byte| (byte / 255.0 - mean[channel]) / std[channel])
            }
            Self::Centre { mean } => {
                Conversion::tables(|channel, byte| byte / 255.0 - mean[channel])
            }
            Self::PerImage { per_channel } => {
                let (mean, std) = image_moments(pixels, per_channel);
                Conversion::tables(|channel, byte| {
                    ((f64::from(byte) - mean[channel]) / std[channel]) as f32
                })
            }
            Self::Whiten { mean, matrix } => Conversion::Matrix {
                matrix: matrix.map(|row| row.map(|entry| entry / 255.0)),
                offset: matrix.map(|row| -row.iter().zip(mean).map(|(a, b)| a * b).sum::<f32>()),
            },
            Self::None => Conversion::tables(|_, byte| byte),
        }
    }
}

impl Default for Rescale {
    fn default() -> Self {
        Self::IMAGENET
    }
}

/// Mean and adjusted standard deviation of an image's bytes, for each channel or alike for all.
fn image_moments<const CHANNELS: usize>(
    pixels: &[[u8; CHANNELS]],
    per_channel: bool,
) -> ([f64; CHANNELS], [f64; CHANNELS]) {
    let mut moments = ChannelMoments::new();
    moments.add(pixels);
    let (mean, std, count) = match per_channel {
        true => (moments.mean(), moments.std(), moments.pixels()),
        false => {
            let pooled = moments.pooled();
            let all = |value: Option<[f64; 1]>| value.map(|[value]| [value; CHANNELS]);
            (all(pooled.mean()), all(pooled.std()), pooled.pixels())
        }
    };
    let least = 1.0 / (count.max(1) as f64).sqrt();
    (
        mean.unwrap_or([0.0; CHANNELS]).map(|value| value * 255.0),
        std.unwrap_or([0.0; CHANNELS])
            .map(|value| (value * 255.0).max(least)),
    )
}

pub(crate) fn check_mean(key: &'static str, mean: &[f32]) -> Result<(), SettingError> {
    if mean.iter().all(|value| (0.0..=1.0).contains(value)) {
        return Ok(());
    }
    Err(SettingError::new(
        key,
        format!("{mean:?}"),
        "a number from 0 to 1 for each channel (means of 0..255 must be divided by 255)",
    ))
}

pub(crate) fn check_std(key: &'static str, std: &[f32]) -> Result<(), SettingError> {
    if std.iter().all(|value| value.is_finite() && *value > 0.0) {
        return Ok(());
    }
    Err(SettingError::new(
        key,
        format!("{std:?}"),
        "a number over 0 for each channel (on the scale from 0 to 1)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rescale::RgbBatch;

    /// The three values of one pixel among others.
    fn values(rescale: Rescale, pixel: [u8; 3], others: &[u8]) -> [f32; 3] {
        let bytes = [&pixel, others].concat();
        let area = bytes.len() / 3;
        let planes = RgbBatch::new(bytes, 1, 1, area).unwrap().planes(&rescale);
        std::array::from_fn(|channel| planes[channel * area])
    }

    #[test]
    fn each_scale_has_its_range() {
        assert_eq!(values(Rescale::Unit, [0, 128, 255], &[])[2], 1.0);
        assert_eq!(values(Rescale::Symmetric, [0, 1, 255], &[])[0], -1.0);
        assert_eq!(values(Rescale::Symmetric, [0, 1, 255], &[])[2], 1.0);
        // torchvision 0.29.2: Normalize(mean, std)(to_tensor(image)) of the colours (0, 0, 0) and (255, 255, 255).
        let black = [-2.117_904, -2.035_714_1, -1.804_444_4];
        let white = [2.248_908_3, 2.428_571_5, 2.64];
        for (colour, expected) in [([0; 3], black), ([255; 3], white)] {
            let found = values(Rescale::IMAGENET, colour, &[]);
            for channel in 0..3 {
                assert!((found[channel] - expected[channel]).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn an_image_of_one_colour_becomes_zero_by_its_own_mean_and_stays_finite() {
        for per_channel in [false, true] {
            let rescale = Rescale::PerImage { per_channel };
            assert_eq!(values(rescale, [77; 3], &[77; 9]), [0.0; 3]);
        }
        let tinted = values(Rescale::PerImage { per_channel: true }, [9, 0, 255], &[]);
        assert_eq!(tinted, [0.0; 3]);
    }

    #[test]
    fn each_image_of_a_batch_is_standardised_by_itself() {
        let (dark, light) = (vec![0, 1, 2, 3, 4, 5], vec![240, 241, 242, 243, 244, 245]);
        let rescale = Rescale::PerImage { per_channel: false };
        let alone = RgbBatch::new(dark.clone(), 1, 1, 2)
            .unwrap()
            .planes(&rescale);
        let both = RgbBatch::new([dark, light].concat(), 2, 1, 2)
            .unwrap()
            .planes(&rescale);
        assert_eq!(both[..6], alone);
        assert!(
            both[6..]
                .iter()
                .zip(&alone)
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
    }

    #[test]
    fn whitening_with_the_identity_is_centring() {
        let mean = [0.25, 0.5, 0.75];
        let identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let whitened = values(
            Rescale::Whiten {
                mean,
                matrix: identity,
            },
            [200, 3, 90],
            &[],
        );
        let centred = values(Rescale::Centre { mean }, [200, 3, 90], &[]);
        assert!(
            whitened
                .iter()
                .zip(centred)
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
    }

    #[test]
    fn means_of_bytes_are_refused_with_a_hint() {
        let rescale = Rescale::Standardise {
            mean: [123.7, 116.3, 103.5],
            std: [58.4, 57.1, 57.4],
        };
        let message = rescale.check().unwrap_err().to_string();
        assert!(
            message.contains("`standardise.mean`") && message.contains("divided by 255"),
            "{message}"
        );
    }

    #[test]
    fn a_matrix_that_is_not_finite_is_refused() {
        let rescale = Rescale::Whiten {
            mean: [0.5; 3],
            matrix: [[1.0, f32::NAN, 0.0]; 3],
        };
        assert!(
            rescale
                .check()
                .unwrap_err()
                .to_string()
                .contains("`whiten.matrix`")
        );
    }

    #[test]
    fn scales_have_short_names_in_files() {
        let text = |rescale: Rescale| serde_json::to_string(&rescale).unwrap();
        assert_eq!(text(Rescale::Symmetric), "\"symmetric\"");
        let whiten = Rescale::Whiten {
            mean: [0.1, 0.2, 0.7],
            matrix: [[3.1, -0.2, 1e-3], [0.5, 7.7, 0.3], [1.0 / 3.0, 0.0, 2.0]],
        };
        for rescale in [
            whiten,
            Rescale::PerImage { per_channel: true },
            Rescale::IMAGENET,
        ] {
            assert_eq!(
                serde_json::from_str::<Rescale>(&text(rescale)).unwrap(),
                rescale
            );
        }
        let text = r#"{"standardise":{"mean":[0.5,0.5,0.5],"std":[0.25,0.25,0.25]}}"#;
        let rescale: Rescale = serde_json::from_str(text).unwrap();
        assert_eq!(
            rescale,
            Rescale::Standardise {
                mean: [0.5; 3],
                std: [0.25; 3]
            }
        );
    }
}
