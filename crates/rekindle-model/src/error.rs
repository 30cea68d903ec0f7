//! The errors of this crate: facts as fields, and messages that say what to do next.

use std::path::PathBuf;

use rekindle_augment::AugmentError;
use rekindle_backbone::BackboneError;
use rekindle_data::DataError;
use rekindle_data::metrics::MetricsError;
use rekindle_head::HeadError;
use rekindle_settings::SettingError;

use crate::files::FileError;

/// What can go wrong between a model file, a device and a prediction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The images.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The backbone or its weights.
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    /// The head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Preprocessing, or an image that cannot be decoded.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// Measured values.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A setting out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No device has this name.
    #[error("unknown device `{name}`{}; this program has: {available}", did_you_mean(.suggestion))]
    UnknownDevice {
        /// The name that was asked for.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
        /// The names there are.
        available: String,
    },
    /// The device's backend is not compiled into this program.
    #[error(
        "device `{name}` needs a backend that this program was built without; build it with `cargo build --release --features {feature}`"
    )]
    BackendNotCompiled {
        /// The name that was asked for.
        name: String,
        /// The Cargo feature that adds it.
        feature: &'static str,
    },
    /// A device could not finish its work.
    #[error(
        "device `{name}` failed: {reason}; try a smaller batch, smaller images or another device"
    )]
    DeviceFailed {
        /// Its name.
        name: String,
        /// What its backend said.
        reason: String,
    },
    /// The hub, or its cache.
    #[error(transparent)]
    Hub(#[from] rekindle_weights::HubError),
    /// A file of weights.
    #[error(transparent)]
    WeightsFile(#[from] rekindle_weights::FileError),
    /// A repository holds another network than the one that was asked for.
    #[error(
        "{file} holds weights of {found}, and the backbone is {expected}; pass `--backbone {found}`, or other weights"
    )]
    OtherArchitecture {
        /// The file on the hub.
        file: String,
        /// What its config.json names.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The weights of a card are not bundled, and no file was given.
    #[error(
        "the weights of {card} are not bundled with this program; download {url} and pass `--weights FILE`"
    )]
    WeightsNotBundled {
        /// The card.
        card: String,
        /// Where the file can be had.
        url: String,
    },
    /// An architecture that nobody has published weights of, as far as rekindle knows.
    #[error(
        "no weights of {architecture} are known: `--weights FILE` (`backbone.weights`) takes those of your own, \
         `--weights random` starts from scratch"
    )]
    NoWeightsKnown {
        /// Its name.
        architecture: String,
    },
    /// The file is not a model that rekindle wrote.
    #[error("{} is not a rekindle model: {reason}; `rekindle train` writes one as model.safetensors", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file is a model, but not as it was written.
    #[error("{} is damaged: {reason}; copy it again from where it is whole, or train again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file combines several networks, and one is needed.
    #[error(
        "{} combines several networks, and one is needed here; take a model that it was made of: {members}",
        path.display()
    )]
    Combined {
        /// The file.
        path: PathBuf,
        /// Where its members came from.
        members: String,
    },
    /// Models that cannot be combined.
    #[error("{first} and {other} cannot be combined: {reason}")]
    DoNotCombine {
        /// The first model.
        first: String,
        /// One that does not go with it.
        other: String,
        /// What differs, and what to do.
        reason: String,
    },
    /// Something cannot be fitted to what models say of held-out images.
    #[error("{what} cannot be fitted: {reason}")]
    NotFitted {
        /// What was to be fitted.
        what: &'static str,
        /// Why not, and what to do.
        reason: String,
    },
    /// An output of a model is infinite or not a number.
    #[error(
        "the model says {value} for `{output}` of image {image}, which is no result; its weights are damaged or have diverged, train again with a lower learning rate"
    )]
    NotFinite {
        /// Number of the image, counted from 0.
        image: usize,
        /// The class, label or number.
        output: String,
        /// The value.
        value: f32,
    },
    /// What a model file says of itself cannot be written down.
    #[error("the model cannot be described in {}: {reason}", path.display())]
    NotWritable {
        /// The file that was to be written.
        path: PathBuf,
        /// What cannot be said in JSON.
        reason: String,
    },
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map(|name| format!(", did you mean `{name}`?"))
        .unwrap_or_default()
}
