//! Pretrained networks for images of other channels than red, green and blue: the first convolution's weights adapted as timm does.

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};

use crate::backbone::Backbone;
use crate::layers::{Conv2d, Part};

/// The weights of a first convolution for images of so many channels, from those for `[out, channels, height, width]`.
///
/// For one channel they are summed, so that a grey image gives what it gave as red, green and blue alike. For any other number the
/// channels are repeated in order, as often as needed, and all weights are scaled by the old number of channels over the new one, so
/// that results keep their scale. Source: timm 1.0.31's `adapt_input_conv`, whose numbers it was checked against.
///
/// # Panics
///
/// When `channels` is 0 or the weights have not four dimensions.
pub fn adapt_input_channels(weights: &TensorData, channels: usize) -> TensorData {
    assert!(channels > 0, "an image has channels");
    let &[out, old, height, width] = &weights.shape()[..] else {
        panic!("the weights of a convolution have four dimensions");
    };
    let values: Vec<f32> = weights.iter().collect();
    if channels == old {
        return weights.clone();
    }
    let area = height * width;
    let place = |filter: usize, channel: usize, pixel: usize| {
        values[(filter * old + channel) * area + pixel]
    };
    let scale = old as f32 / channels as f32;
    let mut adapted = Vec::with_capacity(out * channels * area);
    for filter in 0..out {
        for channel in 0..channels {
            for pixel in 0..area {
                adapted.push(match channels {
                    1 => (0..old).map(|channel| place(filter, channel, pixel)).sum(),
                    _ => place(filter, channel % old, pixel) * scale,
                });
            }
        }
    }
    TensorData::new(adapted, [out, channels, height, width])
}

impl Backbone {
    /// Channels of the images that it takes.
    pub fn input_channels(&self) -> usize {
        let mut channels = 0;
        let mut look = |conv: &mut Conv2d| {
            channels = conv.weight.lazy_shape()[1] * conv.groups();
        };
        first_convolution(self.clone(), &mut look);
        channels
    }

    /// The same network for images of so many channels, its first convolution adapted by [`adapt_input_channels`]. Files of its weights
    /// have that number of channels, too: load weights for red, green and blue before.
    ///
    /// # Panics
    ///
    /// When `channels` is 0.
    pub fn with_input_channels(self, channels: usize) -> Self {
        assert!(channels > 0, "an image has channels");
        if self.input_channels() == channels {
            return self;
        }
        first_convolution(self, &mut |conv| {
            let wanted = conv.weight.is_require_grad();
            let weights = conv.weight.val();
            let device = weights.device();
            let data = weights.without_autodiff().into_data();
            let adapted = Tensor::from_data(adapt_input_channels(&data, channels), &device);
            let id = conv.weight.id;
            conv.weight = Param::initialized(id, adapted).set_require_grad(wanted);
        })
    }
}

/// The network with the convolution changed that reads the image: the first one.
fn first_convolution(backbone: Backbone, change: &mut dyn FnMut(&mut Conv2d)) -> Backbone {
    let mut found = false;
    backbone.with_parts(&mut |part: Part<'_>| {
        if let Part::ConvNorm(conv, _) | Part::ScaledConv(conv, ..) | Part::Conv(conv) = part
            && !std::mem::replace(&mut found, true)
        {
            change(conv);
        }
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;
    use crate::Architecture;

    /// What timm 1.0.31's `adapt_input_conv` gives for `[2, 3, 1, 2]` weights, with torch 2.15.0.
    #[test]
    fn weights_are_adapted_as_timm_does() {
        let weights = [
            0.5f32, -1.25, 2.0, 0.1, -0.3, 4.0, 1.0, 3.0, -2.5, 0.75, 0.2, -0.6,
        ];
        let weights = TensorData::new(weights.to_vec(), [2, 3, 1, 2]);
        for (channels, expected) in [
            (1, vec![2.2f32, 2.85, -1.3, 3.15]),
            (2, vec![0.75, -1.875, 3.0, 0.15, 1.5, 4.5, -3.75, 1.125]),
            (3, weights.iter::<f32>().collect()),
            (
                4,
                vec![
                    0.375, -0.9375, 1.5, 0.075, -0.225, 3.0, 0.375, -0.9375, 0.75, 2.25, -1.875,
                    0.5625, 0.15, -0.45, 0.75, 2.25,
                ],
            ),
            (
                5,
                vec![
                    0.3, -0.75, 1.2, 0.06, -0.18, 2.4, 0.3, -0.75, 1.2, 0.06, 0.6, 1.8, -1.5, 0.45,
                    0.12, -0.36, 0.6, 1.8, -1.5, 0.45,
                ],
            ),
        ] {
            let found = adapt_input_channels(&weights, channels);
            assert_eq!(found.shape()[..], [2, channels, 1, 2]);
            let expected = TensorData::new(expected, [2, channels, 1, 2]);
            found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
        }
    }

    #[test]
    fn a_grey_image_gives_what_it_gave_as_red_green_and_blue_alike() {
        let device = Device::flex();
        for name in ["resnet18d", "mobilenetv2_035", "convnext_atto"] {
            let backbone = Architecture::from_name(name).unwrap().init(&device);
            let grey = backbone.clone().with_input_channels(1);
            assert_eq!((backbone.input_channels(), grey.input_channels()), (3, 1));
            let x = Tensor::random([1, 1, 64, 64], Distribution::Normal(0.0, 1.0), &device);
            let expected = backbone.fold_norms().forward(x.clone().repeat_dim(1, 3));
            let found = grey.fold_norms().forward(x);
            found
                .into_data()
                .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::rel_abs(1e-3, 1e-3));
        }
    }

    #[test]
    fn weights_of_another_number_of_channels_save_and_load() {
        let device = Device::flex();
        let architecture = Architecture::from_name("resnet18").unwrap();
        let five = architecture.init(&device).with_input_channels(5);
        let state = five.state();
        assert_eq!(state["conv1.weight"].shape()[..], [64, 5, 7, 7]);
        let other = architecture.init(&device).with_input_channels(5);
        assert_eq!(other.load_state(&state, "a test").unwrap().state(), state);
        let error = architecture.init(&device).load_state(&state, "a test");
        assert!(error.unwrap_err().to_string().contains("conv1.weight"));
    }
}
