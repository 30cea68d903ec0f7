//! Colour planes as a tensor.
//!
//! Owns: the upload. The values are [`RgbBatch::planes`]'s.

use burn::tensor::{Device, Tensor, TensorData};

use super::pixels::RgbBatch;
use super::scale::Rescale;
use crate::preprocessing::Preprocessing;

/// Uploads a batch as the floating-point input of a backbone.
///
/// # Shapes
///
/// From `[batch, height, width, 3]` bytes to `[batch, 3, height, width]`, f32, on the scale of `rescale`.
///
/// The conversion runs on the host, through a table of 256 values for each channel or a matrix, and ends in one upload.
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
    let [images, height, width, channels] = batch.shape();
    let shape = [images, channels, height, width];
    Tensor::from_data(TensorData::new(batch.planes(rescale), shape), device)
}

/// Uploads a batch as the input of a network with this preprocessing, of any number of channels.
///
/// # Shapes
///
/// From pictures as a [`Pipeline`](crate::Pipeline) makes them to `[batch, channels, height, width]`, f32.
pub fn network_input(
    batch: &RgbBatch,
    preprocessing: &Preprocessing,
    device: &Device,
) -> Tensor<4> {
    let Some(bands) = &preprocessing.bands else {
        return rescale(batch, &preprocessing.rescale, device);
    };
    let [images, height, width, _] = batch.shape();
    let shape = [images, bands.count(), height / bands.pictures(), width];
    Tensor::from_data(TensorData::new(batch.band_planes(bands), shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_channels_of_the_tensor() {
        let preprocessing = Preprocessing {
            bands: Some(crate::Bands::adapted(4, [0.0; 3], [1.0; 3])),
            ..Preprocessing::default()
        };
        // Two images of one pixel, each two pictures high.
        let batch = RgbBatch::new((1..=12).collect(), 2, 2, 1).unwrap();
        let tensor = network_input(&batch, &preprocessing, &Device::flex());
        assert_eq!(tensor.dims(), [2, 4, 1, 1]);
        let expected = [1, 2, 3, 4, 7, 8, 9, 10].map(|byte| byte as f32 / 255.0);
        assert_eq!(tensor.into_data().try_to_vec::<f32>().unwrap(), expected);
    }

    #[test]
    fn the_tensor_holds_the_planes() {
        let batch = RgbBatch::new((1..=12).collect(), 2, 1, 2).unwrap();
        let tensor = rescale(&batch, &Rescale::None, &Device::flex());
        assert_eq!(tensor.dims(), [2, 3, 1, 2]);
        assert_eq!(
            tensor.into_data().try_to_vec::<f32>().unwrap(),
            batch.planes(&Rescale::None)
        );
    }
}
