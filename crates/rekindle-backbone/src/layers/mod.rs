//! The kinds of layers that every architecture is built from, a file each: what a kind computes ([`Layer::walk`]) and what it is made of
//! ([`Layer::parts`]) are said there once.
//!
//! `conv_norm` is the one seam at which a faster kernel can take over; nothing outside this module calls a convolution.

mod act;
mod adaptive_pool;
mod any;
mod attend;
mod batch_norm;
mod channels;
mod concat;
mod conv2d;
mod conv_norm;
mod conv_norm_act;
mod drop_path;
mod enlarge;
mod erased;
mod feature_map;
mod grn;
mod layer;
mod layer_norm;
mod norm_act;
mod part;
mod pool;
mod pool_config;
mod residual;
mod run;
mod scaled_conv;
mod squeeze_excite;
#[cfg(test)]
mod tests;

pub use act::Act;
pub use adaptive_pool::AdaptivePool;
pub use any::AnyLayer;
pub(crate) use attend::Weight;
pub use attend::{Attend, nearest_pixels};
pub use batch_norm::{BatchNorm, BatchNormConfig};
pub use channels::{Channels, ChannelsOf};
pub use concat::Concat;
pub use conv_norm_act::{ConvNormAct, ConvNormActConfig};
pub use conv2d::{Conv2d, Conv2dConfig, Padding};
pub use drop_path::DropPath;
pub use enlarge::Enlarge;
pub use feature_map::FeatureMap;
pub use grn::Grn;
pub use layer::Layer;
pub use layer_norm::{LayerNorm, LayerNormConfig};
pub use norm_act::NormAct;
pub use part::Part;
pub use pool::Pool;
pub use pool_config::{PoolConfig, PoolKind};
pub use rekindle_kernels::Activation;
pub use residual::Residual;
pub(crate) use scaled_conv::Scale;
pub use scaled_conv::ScaledConv;
pub use squeeze_excite::{SqueezeExcite, SqueezeExciteConfig};
