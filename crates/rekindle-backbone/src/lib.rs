//! Pretrained convolutional backbones for Burn, as ordered lists of stages.
//!
//! A [`Backbone`] maps images to feature maps; it has no classifier, and no global pooling except where a pretrained convolution
//! comes behind it ([`Stage::is_pooled`]). It is a list of [`Stage`]s, and one number, a stage index, says where it is frozen, where
//! its features are cached and which learning rate a parameter gets. Parameters carry timm's names, so a timm checkpoint in a
//! `.safetensors` file loads with no renames, and strictly: every missing, unused or misshapen key is an error that names it.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use rekindle_backbone::Architecture;
//!
//! # fn main() -> Result<(), rekindle_backbone::BackboneError> {
//! let device = Device::flex();
//! let architecture = Architecture::from_name("resnet18")?;
//! let backbone = architecture.init(&device);
//! let features = backbone.forward(Tensor::zeros([1, 3, 64, 64], &device));
//! assert_eq!(features.dims(), [1, 512, 2, 2]);
//! assert_eq!(backbone.stage_names(), ["stem", "layer1", "layer2", "layer3", "layer4"]);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Architecture`]: which network; [`arch`] has one file per family.
//! - [`Card`]: one set of weights: where they are, their hash and licence, and the preprocessing that belongs to them.
//! - [`Backbone::load_file`], [`Backbone::load_state`]: strict loading; [`Backbone::fit_names`]: which tensor of a file is which of the
//!   network, where a file has wrappers or another author's names.
//! - [`Backbone::fold_norms`]: the copy for inference, with each batch norm folded into its convolution.
//! - [`Backbone::with_precision`]: in which [`Precision`] convolutions multiply.
//! - [`Backbone::with_input_channels`]: a pretrained network for images of one channel, or of four.
//! - [`Backbone::summary`]: sizes, parameters and multiply-adds, stage by stage.
//! - [`layers::Layer`]: a kind of layer, which describes itself once to every [`walk::Walker`].

pub mod arch;
mod backbone;
mod card;
mod channels;
mod error;
mod inference;
pub mod layers;
mod load;
mod names;
mod stage;
mod state;
mod summary;
pub mod walk;

pub use arch::{Architecture, Family};
pub use backbone::Backbone;
pub use card::{Card, CardPreprocessing, WeightsSource};
pub use channels::adapt_input_channels;
pub use error::{BackboneError, Mismatch, UnmatchedWeights};
pub use load::{StateDict, read_safetensors, read_safetensors_file};
pub use names::NameFit;
pub use rekindle_kernels::Precision;
pub use stage::Stage;
pub use state::{Named, StateVisitor};
pub use summary::StageSummary;
