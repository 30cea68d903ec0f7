//! Files of pretrained weights: where they come from and what is in them. No framework beneath.
//!
//! - [`Hub`]: files of the Hugging Face hub, or of a mirror, in the cache that Python's tools share; fetched with the feature `net`.
//! - [`TimmConfig`]: what a timm repository's `config.json` says of its weights.
//! - [`FileKind`]: what a file is by its first bytes; a web page or an LFS pointer is never taken for weights.
//! - [`PytorchFile`]: the tensors of a `.pth`, `.pt` or `.bin` file; no code in it is run.
//!
//! Which tensor belongs where in a network is `rekindle-backbone`'s, cards are `rekindle-model`'s.

mod config;
mod error;
mod hub;
mod kind;
mod pickle;
mod pytorch;

pub use config::TimmConfig;
pub use error::{FileError, HubError};
pub use hub::{CachedFile, Fetching, Hub, HubFile, HubSettings, Verdict};
pub use kind::FileKind;
pub use pytorch::{PytorchFile, Values};
