//! The errors of this crate: facts as fields, and messages that say what to do next.

use std::path::{Path, PathBuf};

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
    #[error("{}", exists(path, *state))]
    RunExists {
        /// The directory.
        path: PathBuf,
        /// What lies there.
        state: Existing,
    },
    /// Another process trains the run.
    #[error(
        "the run {} is being trained by {by}; wait until it is done, or stop that process, which saves the run",
        path.display()
    )]
    RunInUse {
        /// The directory.
        path: PathBuf,
        /// The process, its machine and since when.
        by: String,
    },
    /// The run to resume is finished.
    #[error(
        "the run {} is finished, there is nothing to go on with; its result is {}",
        path.display(),
        model.display()
    )]
    RunFinished {
        /// The run directory.
        path: PathBuf,
        /// The model file.
        model: PathBuf,
    },
    /// A bag of models needs images that a list can name.
    #[error(
        "`{}` are tar shards, whose images no list can name, and a bag of models is trained from lists; unpack them, or train with different seeds \
         and combine the runs with `rekindle ensemble`",
        path.display()
    )]
    NoBag {
        /// The tar shards.
        path: PathBuf,
    },
    /// There is nothing to resume.
    #[error("`{}` is not the directory of a run: it has no plan.toml; start one without `--resume`", path.display())]
    NothingToResume {
        /// The run directory.
        path: PathBuf,
    },
    /// The model and the checkpoints would not fit on the disk.
    #[error(
        "the run needs {} MiB in {} for its model and checkpoints, and {} MiB are free; free some space or choose another place \
         with `--runs`",
        needed.div_ceil(1 << 20),
        path.display(),
        free >> 20
    )]
    NoRoom {
        /// The run directory.
        path: PathBuf,
        /// Bytes that are needed at most.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The machine has not the memory that the run needs.
    #[error(
        "the run needs about {} MiB of memory, and {} MiB are available; lower `{setting}`, which takes most of it",
        needed.div_ceil(1 << 20),
        available >> 20
    )]
    NoMemory {
        /// Bytes that are needed, as an estimate.
        needed: u64,
        /// Bytes that there are.
        available: u64,
        /// The setting that saves most when it is lowered.
        setting: String,
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
    #[error("{what} is not finite in {phase}, epoch {epoch}, step {step}{detail}; {remedy}")]
    NonFinite {
        /// Loss or gradient.
        what: &'static str,
        /// What is to blame: pictures, weights or the rate, as far as it is known.
        detail: String,
        /// What to do.
        remedy: String,
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

/// What lies where a run was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// A run that can go on.
    Unfinished,
    /// A run with its result.
    Finished,
    /// Something else.
    Other,
}

fn exists(path: &Path, state: Existing) -> String {
    let path = path.display();
    match state {
        Existing::Unfinished => format!(
            "the run {path} exists already; choose another `--name`, or go on with it with `--resume`"
        ),
        Existing::Finished => {
            format!("the run {path} exists already and is finished; choose another `--name`")
        }
        Existing::Other => {
            format!("{path} exists already and is not a run; choose another `--name`")
        }
    }
}
