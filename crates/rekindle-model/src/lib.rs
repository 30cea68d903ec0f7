//! Trained image networks: what one is, how it is kept in a file, and what it says of images.
//!
//! - [`Network`]: stages of a backbone, what the head sees of them, and the head; the one forward pass.
//! - [`ModelFile`]: `model.safetensors`, which holds weights, class names, preprocessing and configuration, and loads by itself.
//! - [`Predictor`]: predictions of bytes, decoded images and data sets; it can be shared between threads.
//! - [`Familiarity`]: whether a picture is like those that a network was trained on.
//! - [`Probe`]: a network cut behind a stage, and how its outputs depend on what is there.
//! - [`ensemble`]: several models as one, temperatures, and what is fitted to held-out images.
//! - [`load_backbone`] and [`card_from_name`]: pretrained weights; [`device_from_name`]: devices.
//!
//! How a network is trained is `rekindle-finetune`'s.

mod checksum;
mod device;
pub mod ensemble;
mod error;
mod familiarity;
mod files;
mod model_file;
mod network;
mod precision;
mod predict;
mod probe;
mod settings;
mod weights;

pub use checksum::of_state as state_checksum;
pub use device::{available_devices, device_from_name};
pub use error::ModelError;
pub use familiarity::Familiarity;
pub use files::{
    FileError, create_directory, read, sha256_of, to_safetensors, write_often, write_whole,
};
pub use model_file::{ModelFile, ModelInfo, load_info, save_model};
pub use network::{Features, Joint, Network, NetworkState, Trunk, head_for};
pub use precision::check_precision;
pub use predict::{ImageViews, Predictor, Said};
pub use probe::{Probe, Slope};
pub use rekindle_backbone::Precision;
pub use rekindle_weights::{
    CachedFile, Fetching, FileError as WeightsFileError, Hub, HubError, HubFile, Verdict,
};
pub use settings::{BackboneRecipe, InputRecipe};
pub use weights::{
    BackboneCost, ListedBackbone, LoadedBackbone, architecture_from_name, card_from_name, cards,
    download_url, fetch_weights, hub_file, listed_backbones, load_backbone, origin, preprocessing,
    pretrained, resolve_card,
};
