//! Bytes to the floating-point input of a network: the only normalisation in rekindle.
//!
//! Owns: the scale of the values and the change from interleaved pixels to colour planes. It does not own sizes.

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::error::AugmentError;

/// The scale that a backbone expects of its input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rescale {
    /// `x / 255`, from 0 to 1.
    Unit,
    /// `x / 127.5 - 1`, from -1 to 1.
    Symmetric,
    /// `(x / 255 - mean) / std`, for each of red, green and blue.
    Standardise {
        /// Mean of each channel, on the scale from 0 to 1.
        mean: [f32; 3],
        /// Standard deviation of each channel, on the same scale.
        std: [f32; 3],
    },
    /// The bytes as they are, from 0 to 255.
    None,
}

impl Rescale {
    /// Standardisation with the mean and standard deviation of ImageNet, which most pretrained backbones expect.
    pub const IMAGENET: Self = Self::Standardise {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };

    /// Checks that means are finite and standard deviations positive.
    ///
    /// # Errors
    ///
    /// [`AugmentError::InvalidSetting`] that names the key.
    pub fn check(&self) -> Result<(), AugmentError> {
        let Self::Standardise { mean, std } = self else {
            return Ok(());
        };
        if mean.iter().any(|value| !(0.0..=1.0).contains(value)) {
            return Err(AugmentError::InvalidSetting {
                key: "preprocessing.rescale.mean",
                value: format!("{mean:?}"),
                expected: "three numbers from 0 to 1 (means of 0..255 must be divided by 255)",
            });
        }
        if std.iter().any(|value| !(value.is_finite() && *value > 0.0)) {
            return Err(AugmentError::InvalidSetting {
                key: "preprocessing.rescale.std",
                value: format!("{std:?}"),
                expected: "three numbers over 0 (on the scale from 0 to 1)",
            });
        }
        Ok(())
    }

    /// What one byte of one channel (0 red, 1 green, 2 blue) becomes.
    ///
    /// # Panics
    ///
    /// For a channel above 2.
    pub fn value(&self, channel: usize, byte: u8) -> f32 {
        let byte = f32::from(byte);
        match self {
            Self::Unit => byte / 255.0,
            Self::Symmetric => byte / 127.5 - 1.0,
            Self::Standardise { mean, std } => (byte / 255.0 - mean[channel]) / std[channel],
            Self::None => byte,
        }
    }
}

impl Default for Rescale {
    fn default() -> Self {
        Self::IMAGENET
    }
}

/// Pixels of several images of one size, on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbBatch {
    pixels: Vec<u8>,
    batch: usize,
    height: usize,
    width: usize,
}

impl RgbBatch {
    /// A batch from interleaved RGB bytes.
    ///
    /// # Shapes
    ///
    /// `pixels` is `[batch, height, width, 3]`, row by row.
    ///
    /// # Errors
    ///
    /// [`AugmentError::BatchLength`] where the number of bytes is another one.
    pub fn new(
        pixels: Vec<u8>,
        batch: usize,
        height: usize,
        width: usize,
    ) -> Result<Self, AugmentError> {
        let shape = [batch, height, width, 3];
        let needed = shape
            .iter()
            .try_fold(1usize, |product, side| product.checked_mul(*side));
        if needed != Some(pixels.len()) {
            return Err(AugmentError::BatchLength {
                shape,
                found: pixels.len(),
            });
        }
        Ok(Self {
            pixels,
            batch,
            height,
            width,
        })
    }

    /// A batch of one image.
    pub fn from_image(image: RgbImage) -> Self {
        let (width, height) = image.dimensions();
        Self {
            pixels: image.into_raw(),
            batch: 1,
            height: height as usize,
            width: width as usize,
        }
    }

    /// `[batch, height, width, 3]`.
    pub fn shape(&self) -> [usize; 4] {
        [self.batch, self.height, self.width, 3]
    }

    /// The interleaved bytes.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The batch as rescaled colour planes, on the host.
    ///
    /// # Shapes
    ///
    /// `[batch, 3, height, width]`, row by row.
    pub fn planes(&self, rescale: &Rescale) -> Vec<f32> {
        let tables: [[f32; 256]; 3] = std::array::from_fn(|channel| {
            std::array::from_fn(|byte| rescale.value(channel, byte as u8))
        });
        let area = self.height * self.width;
        let mut planes = vec![0.0; self.pixels.len()];
        if area == 0 {
            return planes;
        }
        for (image, output) in self
            .pixels
            .chunks_exact(3 * area)
            .zip(planes.chunks_exact_mut(3 * area))
        {
            let (red, rest) = output.split_at_mut(area);
            let (green, blue) = rest.split_at_mut(area);
            for (((pixel, red), green), blue) in image.chunks_exact(3).zip(red).zip(green).zip(blue)
            {
                *red = tables[0][usize::from(pixel[0])];
                *green = tables[1][usize::from(pixel[1])];
                *blue = tables[2][usize::from(pixel[2])];
            }
        }
        planes
    }
}

/// Uploads a batch as the floating-point input of a backbone.
///
/// # Shapes
///
/// From `[batch, height, width, 3]` bytes to `[batch, 3, height, width]`, f32, on the scale of `rescale`.
///
/// The conversion runs on the host through a table of 256 values for each channel, and ends in one upload.
///
/// ```
/// use burn::tensor::Device;
/// use rekindle_augment::{Rescale, RgbBatch, rescale};
///
/// let batch = RgbBatch::new(vec![0, 255, 51], 1, 1, 1)?;
/// let images = rescale(&batch, &Rescale::Unit, &Device::flex());
/// assert_eq!(images.dims(), [1, 3, 1, 1]);
/// assert_eq!(images.into_data().try_to_vec::<f32>().unwrap(), [0.0, 1.0, 0.2]);
/// # Ok::<(), rekindle_augment::AugmentError>(())
/// ```
pub fn rescale(batch: &RgbBatch, rescale: &Rescale, device: &Device) -> Tensor<4> {
    let shape = [batch.batch, 3, batch.height, batch.width];
    Tensor::from_data(TensorData::new(batch.planes(rescale), shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_planes_in_the_order_of_red_green_blue() {
        let pixels = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let batch = RgbBatch::new(pixels, 2, 1, 2).unwrap();
        let planes = batch.planes(&Rescale::None);
        assert_eq!(
            planes,
            [
                1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 7.0, 10.0, 8.0, 11.0, 9.0, 12.0
            ]
        );
        let tensor = rescale(&batch, &Rescale::None, &Device::flex());
        assert_eq!(tensor.dims(), [2, 3, 1, 2]);
        assert_eq!(tensor.into_data().try_to_vec::<f32>().unwrap(), planes);
    }

    #[test]
    fn each_scale_has_its_range() {
        assert_eq!(
            [Rescale::Unit.value(0, 0), Rescale::Unit.value(2, 255)],
            [0.0, 1.0]
        );
        assert_eq!(
            [
                Rescale::Symmetric.value(0, 0),
                Rescale::Symmetric.value(1, 255)
            ],
            [-1.0, 1.0]
        );
        // torchvision 0.29.2: Normalize(mean, std)(to_tensor(image)) of the colours (0, 0, 0) and (255, 255, 255).
        let black = [-2.117_904, -2.035_714_1, -1.804_444_4];
        let white = [2.248_908_3, 2.428_571_5, 2.64];
        for channel in 0..3 {
            assert!((Rescale::IMAGENET.value(channel, 0) - black[channel]).abs() < 1e-6);
            assert!((Rescale::IMAGENET.value(channel, 255) - white[channel]).abs() < 1e-6);
        }
    }

    #[test]
    fn means_of_bytes_are_refused_with_a_hint() {
        let rescale = Rescale::Standardise {
            mean: [123.7, 116.3, 103.5],
            std: [58.4, 57.1, 57.4],
        };
        let message = rescale.check().unwrap_err().to_string();
        assert!(
            message.contains("rescale.mean") && message.contains("divided by 255"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_number_of_bytes_is_an_error_with_both_numbers() {
        let message = RgbBatch::new(vec![0; 11], 1, 2, 2).unwrap_err().to_string();
        assert!(
            message.contains("12 bytes") && message.contains("found 11"),
            "{message}"
        );
        assert!(RgbBatch::new(vec![], usize::MAX, usize::MAX, 2).is_err());
    }

    #[test]
    fn scales_have_short_names_in_files() {
        assert_eq!(
            serde_json::to_string(&Rescale::Symmetric).unwrap(),
            "\"symmetric\""
        );
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
