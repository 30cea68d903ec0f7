//! The errors of this crate: facts as fields, and messages that say what to do next.

use std::path::PathBuf;

use rekindle_augment::AugmentError;
use rekindle_backbone::BackboneError;
use rekindle_data::DataError;
use rekindle_data::metrics::MetricsError;
use rekindle_head::HeadError;
use rekindle_model::{FileError, ModelError};
use rekindle_settings::SettingError;

/// What can go wrong between a recipe and a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinetuneError {
    /// The network, its weights or the device.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The backbone.
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
    /// A file of the run cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The recipe is not TOML, or a key is unknown or of the wrong type.
    #[error("{origin}: {reason}")]
    Recipe {
        /// The recipe's path, or `--set key=value`.
        origin: String,
        /// What is wrong, with the nearest valid key.
        reason: String,
    },
    /// Something of the run cannot be written down.
    #[error("{} cannot be written: {reason}", path.display())]
    NotWritable {
        /// The file that was to be written.
        path: PathBuf,
        /// What has no form there.
        reason: String,
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
        phase: String,
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
        monitor: String,
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
