//! CPU kernels for convolutional networks: convolution, batch normalisation, activations and pooling, forward and backward.
//!
//! The kernels work on plain `f32` slices in channels-last order, `[batch, height, width, channels]`, so that a pixel's channels lie
//! side by side and fill the registers. Each is written once over a small vector interface and compiled for AVX-512, AVX2 with FMA,
//! NEON and plain Rust; the best that the processor has is chosen at run time ([`Level`]). Work is split over rayon's threads in parts
//! that do not depend on their number, so results are the same bytes with any number of threads.
//!
//! ```
//! use rekindle_kernels::{Activation, ConvShape, Epilogue, conv_forward};
//!
//! let shape = ConvShape::new(1, [8, 8], [3, 16], 3); // one 8x8 image, 3 to 16 channels, 3x3
//! let (x, weight) = (vec![0.5; shape.input_len()], vec![0.1; shape.weight_len()]);
//! let mut out = vec![0.0; shape.output_len()];
//! let epilogue = Epilogue { activation: Activation::Relu, ..Epilogue::default() };
//! conv_forward(&shape, &x, &weight, epilogue, &mut out);
//! // A pixel inside: nine taps of three channels.
//! assert!((out[(8 + 1) * 16] - 27.0 * 0.05).abs() < 1e-5);
//! ```
//!
//! With the feature `burn` (the default) the same operations take Burn's tensors; where the tensors live on Burn's Flex backend the
//! kernels run, on every other backend Burn's own operations.

pub mod activation;
mod buffer;
mod cache;
mod channels;
#[cfg(test)]
mod check;
pub mod conv;
pub mod elementwise;
pub mod gate;
mod images;
pub mod joined;
pub mod layer_norm;
pub mod layout;
pub mod nearest;
pub mod norm;
#[cfg(feature = "burn")]
pub mod ops;
mod parallel;
pub mod plan;
pub mod pool;
pub mod precision;
pub mod profile;
pub mod response_norm;
pub mod shape;
pub mod shuffle;
mod simd;

pub use activation::Activation;
pub use buffer::{Buffer, release_memory};
#[doc(hidden)] // For a test beside Burn's operations.
pub use conv::reads_deferred;
pub use conv::{
    Epilogue, PixelGradient, PreparedConv, conv_backward_from_parts, conv_backward_input,
    conv_backward_input_adding, conv_backward_weight, conv_forward, conv_forward_moments,
    takes_gradient_in_parts,
};
pub use elementwise::{activate, activate_backward, add_activate};
pub use gate::{gate, gate_backward};
pub use joined::{JoinedNorm, Member, Target, join, join_normalized, split};
pub use layer_norm::{layer_norm, layer_norm_backward};
pub use layout::{nchw_to_nhwc, nhwc_to_nchw};
pub use nearest::{NearestShape, weigh, weigh_backward};
pub use norm::{
    Derivative, InputGradientParts, Moments, NormActBackward, act_backward, moments, normalize_act,
    settle,
};
pub use pool::{
    PoolShape, average_pool, average_pool_backward, global_average_pool,
    global_average_pool_backward, max_pool, max_pool_backward,
};
pub use precision::Precision;
pub use response_norm::{response_norm, response_norm_backward};
pub use shape::ConvShape;
pub use shuffle::shuffle;
pub use simd::{Level, with_level};
