//! Pixels of several images on the host, and their way to floating-point colour planes.
//!
//! Owns: the change from interleaved bytes to planes. What a byte becomes is [`Rescale`]'s.

use image::RgbImage;

use super::scale::Rescale;
use crate::bands::Bands;
use crate::error::AugmentError;

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

    /// The batch of pictures of bands as their rescaled planes, on the host.
    ///
    /// # Shapes
    ///
    /// `[batch, bands, height, width]`, row by row, where the pictures of the batch are as many times as high as RGB pictures carry
    /// the bands.
    pub fn band_planes(&self, bands: &Bands) -> Vec<f32> {
        let area = self.height / bands.pictures() * self.width;
        let mut planes = vec![0.0; self.batch * bands.count() * area];
        if area == 0 {
            return planes;
        }
        let images = self.pixels.chunks_exact(3 * self.height * self.width);
        let outputs = planes.chunks_exact_mut(bands.count() * area);
        for (image, output) in images.zip(outputs) {
            bands.write_planes(image, output);
        }
        planes
    }

    /// The batch as rescaled colour planes, on the host.
    ///
    /// # Shapes
    ///
    /// `[batch, 3, height, width]`, row by row.
    pub fn planes(&self, rescale: &Rescale) -> Vec<f32> {
        let area = self.height * self.width;
        let mut planes = vec![0.0; self.pixels.len()];
        if area == 0 {
            return planes;
        }
        let outputs = planes.chunks_exact_mut(3 * area);
        for (image, output) in self.pixels.chunks_exact(3 * area).zip(outputs) {
            rescale.write_planes(image.as_chunks().0, output);
        }
        planes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_planes_in_the_order_of_red_green_blue() {
        let pixels = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let batch = RgbBatch::new(pixels, 2, 1, 2).unwrap();
        assert_eq!(
            batch.planes(&Rescale::None),
            [
                1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 7.0, 10.0, 8.0, 11.0, 9.0, 12.0
            ]
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
}
