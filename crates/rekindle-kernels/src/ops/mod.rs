//! The kernels as operations on Burn's tensors, differentiable where the tensors are.
//!
//! Images are `[batch, height, width, channels]`, the kernels' own order, so that Burn's elementwise operations and its sums of
//! gradients see dense tensors too. On Burn's Flex backend with `f32` the kernels run; on every other backend, and for other number
//! types, each operation is composed of Burn's own, with the same result up to rounding.

mod add;
mod carry;
mod channels;
mod concat;
mod conv_act;
mod conv_norm_act;
#[cfg(feature = "flex")]
mod flex;
mod gate;
mod geometry;
#[cfg(feature = "flex")]
mod growing;
mod layer_norm;
mod map;
mod norm_act;
mod plan;
mod pool;
mod response_norm;
#[cfg(feature = "flex")]
mod tracked_norm;
mod weigh;

use burn::tensor::{Tensor, activation};

pub use add::add_act;
pub use carry::{Carries, Carry};
pub use channels::{halves, shuffle};
pub use concat::concat;
pub use conv_act::conv_act;
pub use conv_norm_act::{ConvNorm, Normalized, conv_norm_act};
pub use gate::gate;
pub use geometry::{ConvOptions, channels_first, channels_last};
pub use layer_norm::layer_norm;
pub use map::Map;
pub use norm_act::{Factors, Grown, NormAct, Normed, grow, norm_act};
pub use plan::{Snapshot, run_plan};
pub use pool::{PoolOptions, avg_pool, global_average, max_pool};
pub use response_norm::response_norm;
pub use weigh::weigh;

use crate::Activation;

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
            Self::Sigmoid => activation::sigmoid(x),
            Self::Silu => activation::silu(x),
            Self::Gelu => activation::gelu(x),
        }
    }
}
