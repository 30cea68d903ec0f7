//! The kernels as operations on Burn's tensors, differentiable where the tensors are.
//!
//! Images are `[batch, height, width, channels]`, the kernels' own order, so that Burn's elementwise operations and its sums of
//! gradients see dense tensors too. On Burn's Flex backend with `f32` the kernels run; on every other backend, and for other number
//! types, each operation is composed of Burn's own, with the same result up to rounding.

mod carry;
mod conv_act;
mod conv_norm_act;
#[cfg(feature = "flex")]
mod flex;
mod gate;
mod map;
mod plan;
mod pool;
#[cfg(feature = "flex")]
mod tracked_norm;

use burn::tensor::{Tensor, activation};

pub use carry::{Carries, Carry};
pub use conv_act::conv_act;
pub use conv_norm_act::{NormOptions, Normalized, conv_norm_act};
pub use gate::gate;
pub use map::Map;
pub use plan::{Source, run_plan};
pub use pool::{PoolOptions, avg_pool, global_average, max_pool};

use crate::{Activation, ConvShape, Precision};

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
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self {
            stride: [1; 2],
            padding: [[0; 2]; 2],
            dilation: [1; 2],
            groups: 1,
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
            precision: Precision::current(),
        };
        shape.check();
        shape
    }
}

/// Whether the kernels take over for this tensor.
pub fn accelerated<const D: usize>(x: &Tensor<D>) -> bool {
    #[cfg(feature = "flex")]
    {
        flex::route([x]).is_some()
    }
    #[cfg(not(feature = "flex"))]
    {
        let _ = x;
        false
    }
}

impl Activation {
    /// Applies the function to each element by Burn's own operations.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => activation::relu(x),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::HardSigmoid => activation::hard_sigmoid(x, 1.0 / 6.0, 0.5),
            Self::HardSwish => activation::hard_swish(x),
            Self::Silu => activation::silu(x),
            Self::Gelu => activation::gelu(x),
        }
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
