//! Pretrained weights: cards by name, where a file of weights is, and a backbone with what is in it.
//!
//! Fetching, the hub's cache and PyTorch's files are `rekindle-weights`'; names of tensors and strict loading `rekindle-backbone`'s.

mod cards;
mod listed;
mod load;
mod source;

pub use cards::{architecture_from_name, card_from_name, cards, preprocessing};
pub use listed::{BackboneCost, ListedBackbone, listed_backbones};
pub use load::{LoadedBackbone, load_backbone, pretrained};
pub use source::{download_url, fetch_weights, hub_file, origin, resolve_card};

#[cfg(test)]
mod tests;
