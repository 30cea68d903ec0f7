//! The blocks that every architecture is built from.
//!
//! [`ConvNormAct`] is the one seam at which a faster kernel can take over; nothing outside this module calls a convolution.

mod batch_norm;
mod conv2d;
mod conv_norm_act;
mod feature_map;
mod pool;
mod residual;
mod squeeze_excite;

pub use batch_norm::{BatchNorm, BatchNormConfig};
pub use conv_norm_act::{ConvNormAct, ConvNormActConfig};
pub use conv2d::{Conv2d, Conv2dConfig, Padding};
pub(crate) use feature_map::FeatureMap;
pub use pool::{Pool, PoolConfig, PoolKind};
pub use rekindle_kernels::Activation;
pub use residual::{Layer, Residual, Unit};
pub use squeeze_excite::{SqueezeExcite, SqueezeExciteConfig};
