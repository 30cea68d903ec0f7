//! The geometry of a convolution, and the two orders of an image's dimensions.

use burn::tensor::Tensor;

use crate::{ConvShape, Precision};

/// Geometry of a convolution, apart from the sizes that its tensors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvOptions {
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Zeros before and after, of the height and of the width.
    pub padding: [[usize; 2]; 2],
    /// Distance between the kernel's taps in each direction.
    pub dilation: [usize; 2],
    /// Number of groups.
    pub groups: usize,
    /// In which the products are computed where the kernels run, forward and backward.
    pub precision: Precision,
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self {
            stride: [1; 2],
            padding: [[0; 2]; 2],
            dilation: [1; 2],
            groups: 1,
            precision: Precision::F32,
        }
    }
}

impl ConvOptions {
    /// The sizes of a convolution of `x`, `[batch, height, width, channels]`, with `weight`.
    ///
    /// # Panics
    ///
    /// When the channels do not fit, or the kernel does not fit in the padded image.
    pub fn shape(&self, x: [usize; 4], weight: [usize; 4]) -> ConvShape {
        let [batch, height, width, channels_in] = x;
        let [channels_out, group_in, kernel_height, kernel_width] = weight;
        assert_eq!(
            channels_in,
            group_in * self.groups,
            "an image with {channels_in} channels meets a weight {weight:?} in {} groups",
            self.groups
        );
        let shape = ConvShape {
            batch,
            height,
            width,
            channels_in,
            channels_out,
            kernel: [kernel_height, kernel_width],
            stride: self.stride,
            dilation: self.dilation,
            padding: self.padding,
            groups: self.groups,
            precision: self.precision,
        };
        shape.check();
        shape
    }
}

/// `[batch, height, width, channels]` from `[batch, channels, height, width]`, without a copy.
pub fn channels_last(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}

/// `[batch, channels, height, width]` from `[batch, height, width, channels]`, without a copy.
pub fn channels_first(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}
