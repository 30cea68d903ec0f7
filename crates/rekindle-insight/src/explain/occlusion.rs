//! Occlusion: how much an output falls when a window of the picture is covered.

use burn::tensor::{Tensor, TensorData};

use super::map::HeatMap;

/// Occlusion ([Zeiler & Fergus 2014](https://arxiv.org/abs/1311.2901)) of one output: a square window goes over the image in steps of
/// `stride`, covered by the baseline, and each pixel gets the mean fall of the output over the windows that it was in, as captum has it.
/// Windows that would reach over the right or lower edge are cut there, so each pixel is covered. `together` windows are computed at a
/// time; `outputs` gives those of a batch of inputs, `[batch, outputs]`.
///
/// # Shapes
///
/// `image` and `baseline` `[1, 3, height, width]`.
///
/// # Panics
///
/// When a number is 0, or there is no such output.
pub fn occlusion(
    outputs: impl Fn(Tensor<4>) -> Tensor<2>,
    image: &Tensor<4>,
    baseline: &Tensor<4>,
    output: usize,
    [window, stride]: [usize; 2],
    together: usize,
) -> HeatMap {
    let [_, channels, height, width] = image.dims();
    let device = image.device();
    let host = |tensor: &Tensor<4>| -> Vec<f32> {
        let data = tensor.clone().into_data();
        data.iter::<f32>().collect()
    };
    let (pixels, cover) = (host(image), host(baseline));
    let of = |batch: Tensor<4>| -> Vec<f32> {
        let found = outputs(batch);
        let width = found.dims()[1];
        let found: Vec<f32> = found.into_data().iter::<f32>().collect();
        found.chunks(width).map(|row| row[output]).collect()
    };
    let whole = of(image.clone())[0];
    let windows: Vec<[usize; 4]> = starts(height, window, stride)
        .into_iter()
        .flat_map(|top| {
            let columns = starts(width, window, stride).into_iter();
            columns.map(move |left| {
                let (bottom, right) = ((top + window).min(height), (left + window).min(width));
                [top, bottom, left, right]
            })
        })
        .collect();
    let mut falls = vec![0.0f64; height * width];
    let mut times = vec![0u32; height * width];
    for chunk in windows.chunks(together) {
        let mut batch = pixels.repeat(chunk.len());
        for (image, [top, bottom, left, right]) in batch.chunks_mut(pixels.len()).zip(chunk) {
            for channel in 0..channels {
                for row in *top..*bottom {
                    let start = (channel * height + row) * width;
                    let part = start + left..start + right;
                    image[part.clone()].copy_from_slice(&cover[part]);
                }
            }
        }
        let data = TensorData::new(batch, [chunk.len(), channels, height, width]);
        let found = of(Tensor::from_data(data, &device));
        for (found, [top, bottom, left, right]) in found.iter().zip(chunk) {
            for row in *top..*bottom {
                let part = row * width + left..row * width + right;
                let pixels = falls[part.clone()].iter_mut().zip(&mut times[part]);
                for (fall, times) in pixels {
                    *fall += f64::from(whole) - f64::from(*found);
                    *times += 1;
                }
            }
        }
    }
    let mean = falls.iter().zip(&times);
    let mean = mean.map(|(fall, times)| (fall / f64::from((*times).max(1))) as f32);
    HeatMap::new([height, width], mean.collect(), true)
}

/// Where windows begin along a side, so that each place is in one.
pub(super) fn starts(side: usize, window: usize, stride: usize) -> Vec<usize> {
    let steps = side.saturating_sub(window).div_ceil(stride);
    (0..=steps).map(|step| step * stride).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn windows_reach_the_far_edge() {
        assert_eq!(starts(10, 4, 2), [0, 2, 4, 6]);
        assert_eq!(starts(10, 4, 3), [0, 3, 6]);
        assert_eq!(starts(11, 4, 3), [0, 3, 6, 9]);
        assert_eq!(starts(3, 5, 1), [0]);
    }

    /// Of a sum of pixels, each window takes what it covers.
    #[test]
    fn a_fall_is_divided_evenly_within_its_window() {
        let device = Device::flex();
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let image = Tensor::<4>::from_data(TensorData::new(values, [1, 3, 2, 2]), &device);
        let sum = |batch: Tensor<4>| {
            let [images, ..] = batch.dims();
            batch.reshape([images, 12]).sum_dim(1)
        };
        let map = occlusion(sum, &image, &image.zeros_like(), 0, [1, 1], 3);
        assert_eq!(map.values(), [12.0, 15.0, 18.0, 21.0]);
        let map = occlusion(sum, &image, &image.zeros_like(), 0, [2, 2], 3);
        assert_eq!(map.values(), [66.0; 4]);
    }
}
