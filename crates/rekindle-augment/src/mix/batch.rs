//! One batch's mix: the arithmetic on its images, features and targets.
//!
//! Owns: which sample is mixed with which, and how. It does not own the draw.

use burn::tensor::Tensor;

use super::drawn::Mix;

impl Mix {
    /// The mixed images.
    ///
    /// # Shapes
    ///
    /// `[batch, channels, height, width]` to the same.
    ///
    /// # Panics
    ///
    /// If CutMix's box lies outside the images.
    pub fn images(&self, images: Tensor<4>) -> Tensor<4> {
        let Some(cut) = self.cut() else {
            return self.rows(images);
        };
        let [batch, channels, ..] = images.dims();
        if cut.width == 0 || cut.height == 0 || batch < 2 {
            return images;
        }
        let range = |start: u32, length: u32| start as usize..(start + length) as usize;
        let region = [
            0..batch,
            0..channels,
            range(cut.top, cut.height),
            range(cut.left, cut.width),
        ];
        let patch = neighbours(images.clone().slice(region.clone()));
        images.slice_assign(region, patch)
    }

    /// The mixed rows: targets, or features.
    ///
    /// # Shapes
    ///
    /// `[batch, ..]` to the same.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use rekindle_augment::Mix;
    ///
    /// let targets = Tensor::<2>::from_data([[1.0f32, 0.0], [0.0, 1.0]], &Device::flex());
    /// let mixed = Mix::mixup(0.75).rows(targets);
    /// assert_eq!(mixed.into_data(), [[0.75f32, 0.25], [0.25, 0.75]].into());
    /// ```
    pub fn rows<const D: usize>(&self, rows: Tensor<D>) -> Tensor<D> {
        let others = neighbours(rows.clone());
        rows.mul_scalar(self.share())
            .add(others.mul_scalar(1.0 - self.share()))
    }
}

/// For each sample the one before it; for the first, the last.
fn neighbours<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    let batch = rows.dims()[0];
    if batch < 2 {
        return rows;
    }
    let last = rows.clone().narrow(0, batch - 1, 1);
    Tensor::cat(vec![last, rows.narrow(0, 0, batch - 1)], 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    fn ramp<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|value| value as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn a_single_sample_stays_as_it_is() {
        let image = ramp([1, 3, 4, 4]);
        for mix in [Mix::mixup(0.3), Mix::cutmix(0.3, [2, 2], [4, 4])] {
            let mixed = values(mix.images(image.clone()));
            let apart = mixed
                .iter()
                .zip(values(image.clone()))
                .map(|(a, b)| (a - b).abs());
            assert!(apart.fold(0.0, f32::max) < 1e-5);
        }
    }

    proptest! {
        #[test]
        fn every_value_of_cutmix_is_one_of_the_two_images_and_the_share_counts_them(
            batch in 2usize..6, height in 1usize..9, width in 1usize..9, share in 0.0f64..=1.0, y in 0usize..9, x in 0usize..9,
        ) {
            let images = ramp([batch, 2, height, width]);
            let mix = Mix::cutmix(share, [y % height, x % width], [height, width]);
            let mixed = values(mix.images(images.clone()));
            let (own, area) = (values(images), 2 * height * width);
            let mut kept = 0;
            for (place, value) in mixed.iter().enumerate() {
                let before = (place + (batch - 1) * area) % (batch * area);
                prop_assert!(*value == own[place] || *value == own[before]);
                kept += usize::from(*value == own[place]);
            }
            prop_assert!((kept as f64 / own.len() as f64 - mix.share()).abs() < 1e-12);
        }

        #[test]
        fn targets_still_add_up_to_one(batch in 1usize..7, share in 0.0f64..=1.0) {
            let rows: Vec<f32> = (0..batch * 3).map(|place| f32::from(u8::from(place % 4 == 0))).collect();
            let sums = |rows: &[f32]| -> f32 { rows.iter().sum() };
            let targets = Tensor::<2>::from_data(TensorData::new(rows.clone(), [batch, 3]), &Device::flex());
            let mixed = values(Mix::mixup(share).rows(targets));
            prop_assert!((sums(&mixed) - sums(&rows)).abs() < 1e-5);
        }
    }
}
