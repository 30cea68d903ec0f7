//! Classification heads for [Burn](https://burn.dev): what stands between a backbone's last feature map and the loss.
//!
//! A head is pooling, an optional batch norm on the pooled features, zero or more hidden layers (linear, batch norm,
//! activation, dropout), and a last linear layer that gives one logit per class. It knows nothing of backbones: its
//! input is any `[batch, channels, height, width]` tensor.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | [`HeadConfig`]: what a head consists of, readable from a recipe |
//! | [`head`] | [`Head`]: the Burn module, from feature map to logits |
//! | [`pool`] | pooling over height and width, with and without a learned exponent |
//! | [`activation`] | non-linearities of hidden layers |
//! | [`dropout`] | dropout whose masks follow from a seed |
//! | [`initialise`] | the distributions of first weights |
//! | [`random`] | random numbers on the host, the same for every device |
//! | [`norm`] | batch norm with PyTorch's running variance |
//! | [`state`] | weights by name under PyTorch's conventions |
//! | [`loss`] | losses on soft targets, on several labels and on numbers |
//! | [`ordinal`] | what a head's outputs are where classes are levels |
//! | [`targets`] | what rows of targets are, and what outputs say that were trained on them |
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use rekindle_head::HeadConfig;
//!
//! # fn main() -> Result<(), rekindle_head::HeadError> {
//! let device = Device::flex();
//! let config = HeadConfig { hidden: vec![64], ..HeadConfig::default() };
//! config.check()?;
//! let head = config.init(512, 10, 42, &device);
//! let logits = head.forward(Tensor::<4>::zeros([2, 512, 7, 7], &device));
//! assert_eq!(logits.dims(), [2, 10]);
//! # Ok(())
//! # }
//! ```

pub mod activation;
pub mod config;
pub mod dropout;
mod error;
pub mod head;
pub mod initialise;
pub mod loss;
pub mod norm;
pub mod ordinal;
pub mod pool;
pub mod random;
pub mod state;
pub mod targets;

pub use activation::HiddenActivation;
pub use config::HeadConfig;
pub use error::{HeadError, Misshapen};
pub use head::{Head, HiddenLayer};
pub use initialise::Initialisation;
pub use loss::*;
pub use pool::Pooling;
pub use targets::Targets;
