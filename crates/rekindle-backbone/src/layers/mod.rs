//! The blocks that every architecture is built from.
//!
//! [`ConvNormAct`] is the one seam at which a faster kernel can take over; nothing outside this module calls a convolution.

mod activation;
mod batch_norm;
mod conv2d;
mod conv_norm_act;
mod pool;
mod residual;

pub use activation::Activation;
pub use batch_norm::{BatchNorm, BatchNormConfig};
pub use conv_norm_act::{ConvNormAct, ConvNormActConfig};
pub use conv2d::{Conv2d, Conv2dConfig, Padding};
pub use pool::{Pool, PoolConfig, PoolKind};
pub use residual::{Layer, Residual, Unit};
