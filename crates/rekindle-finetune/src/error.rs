//! The errors of this crate: facts as fields, and messages that say what to do next.

use std::path::PathBuf;

use rekindle_augment::AugmentError;
use rekindle_backbone::BackboneError;
use rekindle_head::HeadError;

use crate::data::DataError;
use crate::metrics::MetricsError;
use rekindle_settings::SettingError;

/// What can go wrong between a recipe and a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinetuneError {
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The backbone or its weights.
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    /// The head or the loss.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Preprocessing or transforms.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// Measured values.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A setting out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The recipe is not TOML, or a key is unknown or of the wrong type.
    #[error("{origin}: {reason}")]
    Recipe {
        /// The recipe's path, or `--set key=value`.
        origin: String,
        /// What is wrong, with the nearest valid key.
        reason: String,
    },
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
    /// The run directory exists.
    #[error("the run {} exists already; choose another `--name`, or go on with it with `--resume`", path.display())]
    RunExists {
        /// The directory.
        path: PathBuf,
    },
    /// There is nothing to resume.
    #[error("{} holds no checkpoint to go on from; start it without `--resume`", path.display())]
    NothingToResume {
        /// The run directory.
        path: PathBuf,
    },
    /// The run to resume was made from other settings or data.
    #[error("the run {} cannot go on: {reason}", path.display())]
    ResumeMismatch {
        /// The run directory.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// A file of the run could not be written.
    #[error("cannot write {}: {source}; free some space or choose another place with `--runs`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A sheet of pictures cannot go to the place that was asked for.
    #[error("cannot write a sheet to {}: {reason}", path.display())]
    SheetPath {
        /// The file.
        path: PathBuf,
        /// What speaks against it, and what to do.
        reason: &'static str,
    },
    /// A sheet of pictures could not be written.
    #[error("cannot write {}: {source}; free some space or choose another place", path.display())]
    WriteSheet {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a model that rekindle wrote.
    #[error("{} is not a rekindle model: {reason}; `rekindle train` writes one as model.safetensors", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Loss or gradients are no longer numbers.
    #[error(
        "{what} is not finite in {phase}, epoch {epoch}, step {step}{detail}; lower `{phase}.lr`, or clip gradients with `{phase}.clip`"
    )]
    NonFinite {
        /// Loss or gradient.
        what: &'static str,
        /// The parameters, where they are known.
        detail: String,
        /// The phase.
        phase: &'static str,
        /// Epoch, from 1.
        epoch: usize,
        /// Step in the epoch, from 1.
        step: usize,
    },
    /// No epoch gave a finite value to choose the best by.
    #[error(
        "no epoch has a finite {monitor}, so there is no best one to save; lower the learning rates"
    )]
    NoBestEpoch {
        /// The value looked at.
        monitor: &'static str,
    },
    /// The checkpoint of an optimiser could not be restored.
    #[error("the optimiser state in {} cannot be read: {reason}", path.display())]
    OptimizerState {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map(|name| format!(", did you mean `{name}`?"))
        .unwrap_or_default()
}
