//! Two-dimensional convolution with fixed or TensorFlow's "same" padding.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use rekindle_kernels::ops::{self, ConvOptions};
use rekindle_kernels::{Activation, Precision};

use super::FeatureMap;
use crate::{Named, StateVisitor};

/// How the borders are padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// The same number of pixels on each side.
    Fixed(usize),
    /// So many pixels above and below, and so many to the left and right.
    Sides([usize; 2]),
    /// TensorFlow's "same": output size `ceil(input / stride)`, the odd pixel at the bottom and right.
    Same,
}

/// Shape of a [`Conv2d`].
#[derive(Debug, Clone)]
pub struct Conv2dConfig {
    /// timm's name of the layer, `layer1.0.conv1`.
    pub key: String,
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Height of the kernel in pixels.
    pub kernel: usize,
    /// Width of the kernel in pixels.
    pub kernel_width: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Border padding.
    pub padding: Padding,
    /// Number of groups; the input channels for a depthwise convolution.
    pub groups: usize,
    /// Whether a bias is added (off where a norm follows).
    pub bias: bool,
    /// Whether checkpoints keep the weight as a matrix, as they do that of a linear layer over all numbers that the kernel covers.
    pub matrix: bool,
}

impl Conv2dConfig {
    /// A convolution of stride 1 with a square kernel and no bias that keeps the size of the image.
    pub fn new(key: impl Into<String>, channels: [usize; 2], kernel: usize) -> Self {
        Self {
            key: key.into(),
            channels,
            kernel,
            kernel_width: kernel,
            stride: 1,
            padding: Padding::Fixed(kernel / 2),
            groups: 1,
            bias: false,
            matrix: false,
        }
    }

    /// Builds the layer with Kaiming-normal weights over the fan-out (He et al. 2015), timm's default for these networks.
    ///
    /// # Panics
    ///
    /// When the groups do not divide the channels.
    pub fn init(&self, device: &Device) -> Conv2d {
        let [channels_in, channels_out] = self.channels;
        assert!(
            channels_in.is_multiple_of(self.groups) && channels_out.is_multiple_of(self.groups),
            "{}: {} groups do not divide {channels_in} and {channels_out} channels",
            self.key,
            self.groups
        );
        let shape = [
            channels_out,
            channels_in / self.groups,
            self.kernel,
            self.kernel_width,
        ];
        let area = self.kernel * self.kernel_width;
        let initializer = Initializer::KaimingNormal {
            gain: std::f64::consts::SQRT_2,
            fan_out_only: true,
        };
        let fan_in = Some(channels_in / self.groups * area);
        let fan_out = Some(channels_out / self.groups * area);
        Conv2d {
            weight: initializer.init_with(shape, fan_in, fan_out, device),
            bias: self
                .bias
                .then(|| Initializer::Zeros.init([channels_out], device)),
            stride: self.stride,
            groups: self.groups,
            padding: self.padding,
            key: self.key.clone(),
            matrix: self.matrix,
            precision: Precision::default(),
        }
    }
}

/// A two-dimensional convolution, dense, grouped or depthwise.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[channels_out, channels_in / groups, kernel, kernel_width]`.
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    groups: usize,
    #[module(skip)]
    padding: Padding,
    #[module(skip)]
    key: String,
    #[module(skip)]
    matrix: bool,
    #[module(skip)]
    precision: Precision,
}

impl Conv2d {
    /// Convolves `x`.
    ///
    /// # Shapes
    ///
    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height', width']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x), None, Activation::Identity)
            .into_images()
    }

    /// `activation(convolution + bias + residual)`.
    pub(super) fn apply(
        &self,
        x: FeatureMap,
        residual: Option<FeatureMap>,
        activation: Activation,
    ) -> FeatureMap {
        let bias = self.bias.as_ref().map(|bias| bias.val());
        self.apply_with(x, self.weight.val(), bias, residual, activation)
    }

    /// The same with other weights of the same shape.
    pub(super) fn apply_with(
        &self,
        x: FeatureMap,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        residual: Option<FeatureMap>,
        activation: Activation,
    ) -> FeatureMap {
        let last = x.is_channels_last();
        let x = x.into_tensor();
        let options = self.options(x.dims(), last);
        let residual = residual.map(FeatureMap::into_tensor);
        if last {
            let out = ops::conv_act(x, weight, bias, residual, options, activation);
            return FeatureMap::channels_last(out);
        }
        let [[top, bottom], [left, right]] = options.padding;
        let pads = [(top, bottom), (left, right)];
        let options = burn::tensor::ops::ConvOptions::new_with_padding(
            options.stride,
            pads,
            options.dilation,
            options.groups,
        );
        let out = burn::tensor::module::conv2d(x, weight, bias, options);
        let out = match residual {
            Some(residual) => out + residual,
            None => out,
        };
        FeatureMap::channels_first(activation.forward(out))
    }

    /// timm's name of the layer.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Stride in both directions.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Border padding.
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// In which its products are computed where rekindle's kernels take over; `f32` unless
    /// [`Backbone::with_precision`](crate::Backbone::with_precision) has set another.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub(super) fn set_precision(&mut self, precision: Precision) {
        self.precision = precision;
    }

    /// Rows of zeros above and below, and columns to the left and right, of a map of this height and width.
    pub fn pads(&self, height: usize, width: usize) -> [[usize; 2]; 2] {
        self.options([1, height, width, 1], true).padding
    }

    /// The geometry for a map of these dimensions.
    pub(crate) fn options(&self, dims: [usize; 4], channels_last: bool) -> ConvOptions {
        let (height, width) = match channels_last {
            true => (dims[1], dims[2]),
            false => (dims[2], dims[3]),
        };
        // Weights that are still to be drawn need not be for this.
        let [_, _, kernel_height, kernel_width] = self.weight.lazy_shape().dims();
        let padding = match self.padding {
            Padding::Fixed(pad) => [[pad; 2]; 2],
            Padding::Sides(pads) => pads.map(|pad| [pad; 2]),
            Padding::Same => [
                same_padding(height, kernel_height, self.stride),
                same_padding(width, kernel_width, self.stride),
            ],
        };
        ConvOptions {
            stride: [self.stride; 2],
            padding,
            dilation: [1; 2],
            groups: self.groups,
            precision: self.precision,
        }
    }

    /// The same convolution with each output channel scaled and shifted, as a batch norm behind it would do; for inference.
    pub fn scaled(&self, scale: Tensor<1>, shift: Tensor<1>) -> Self {
        let channels = scale.dims()[0];
        let weight =
            self.weight.val().without_autodiff() * scale.clone().reshape([channels, 1, 1, 1]);
        let bias = match &self.bias {
            Some(bias) => bias.val().without_autodiff() * scale + shift,
            None => shift,
        };
        Self {
            weight: Param::initialized(self.weight.id, weight),
            bias: Some(Param::from_tensor(bias).set_require_grad(false)),
            stride: self.stride,
            groups: self.groups,
            padding: self.padding,
            key: self.key.clone(),
            matrix: self.matrix,
            precision: self.precision,
        }
    }
}

impl Named for Conv2d {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        let key = format!("{}.weight", self.key);
        match self.matrix {
            true => visitor.matrix(&key, &mut self.weight),
            false => visitor.parameter(&key, &mut self.weight),
        }
        if let Some(bias) = &mut self.bias {
            visitor.parameter(&format!("{}.bias", self.key), bias);
        }
    }
}

/// Padding before and after one dimension so that the output has `ceil(size / stride)` elements.
fn same_padding(size: usize, kernel: usize, stride: usize) -> [usize; 2] {
    let total = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
    [total / 2, total - total / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_pixel_last() {
        assert_eq!(same_padding(224, 3, 2), [0, 1]);
        assert_eq!(same_padding(225, 3, 2), [1, 1]);
        assert_eq!(same_padding(56, 5, 2), [1, 2]);
        assert_eq!(same_padding(7, 3, 1), [1, 1]);
        assert_eq!(same_padding(8, 1, 2), [0, 0]);
    }

    #[test]
    fn a_scaled_convolution_equals_convolving_then_scaling() {
        let device = Device::flex();
        let conv = Conv2dConfig::new("c", [3, 4], 3).init(&device);
        let x = Tensor::<4>::random(
            [2, 3, 5, 5],
            burn::tensor::Distribution::Normal(0.0, 1.0),
            &device,
        );
        let scale = Tensor::<1>::from_floats([0.5, 2.0, -1.0, 3.0], &device);
        let shift = Tensor::<1>::from_floats([1.0, -2.0, 0.0, 0.25], &device);
        let expected = conv.forward(x.clone()) * scale.clone().reshape([1, 4, 1, 1])
            + shift.clone().reshape([1, 4, 1, 1]);
        let got = conv.scaled(scale, shift).forward(x);
        got.into_data().assert_approx_eq::<f32>(
            &expected.into_data(),
            burn::tensor::Tolerance::absolute(1e-4),
        );
    }
}
