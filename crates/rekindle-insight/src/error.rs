//! The errors of this crate: facts as fields, and messages that say what to do next.

use std::path::PathBuf;

use rekindle_augment::AugmentError;
use rekindle_data::DataError;
use rekindle_finetune::FinetuneError;
use rekindle_head::HeadError;
use rekindle_model::ModelError;
use rekindle_settings::SettingError;

/// What can go wrong when data or speed is looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InsightError {
    /// The recipe, or training.
    #[error(transparent)]
    Finetune(Box<FinetuneError>),
    /// The network, its weights or the device.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The head or the loss.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Preprocessing or transforms.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// A setting out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A sheet of pictures cannot go to the place that was asked for.
    #[error("cannot write a sheet to {}: {reason}", path.display())]
    SheetPath {
        /// The file.
        path: PathBuf,
        /// What speaks against it, and what to do.
        reason: &'static str,
    },
    /// An explanation of a model that it cannot have.
    #[error("cannot explain: {reason}")]
    Explain {
        /// What speaks against it, and what there is instead.
        reason: String,
    },
    /// Explanations cannot go to the folder that was asked for.
    #[error("cannot write explanations to {}: {reason}", path.display())]
    ExplainFolder {
        /// The folder.
        path: PathBuf,
        /// What speaks against it, and what to do.
        reason: String,
    },
    /// A directory holds no run, or a file of it says something else than rekindle writes.
    #[error("{}: {reason}; a report needs the directory of a run, such as runs/photos-1", path.display())]
    NoRun {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What is to be varied cannot be read.
    #[error("--vary {written}: {reason}")]
    Vary {
        /// As it was written.
        written: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// Recipes cannot be compared as asked.
    #[error("{0}")]
    Compare(String),
    /// Pictures cannot be compared with others.
    #[error("cannot compare: {0}")]
    Drift(String),
    /// A directory holds no comparison.
    #[error("{}: {reason}; expected the directory of a comparison, such as runs/compare-photos-1", path.display())]
    NoComparison {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A plot cannot be drawn.
    #[error("cannot draw a plot: {reason}")]
    Plot {
        /// What speaks against it.
        reason: String,
    },
    /// A sheet of pictures could not be written.
    #[error("cannot write {}: {source}; free some space or choose another place", path.display())]
    WriteSheet {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl From<FinetuneError> for InsightError {
    /// Boxed, since it holds every other error and each result would have its size.
    fn from(error: FinetuneError) -> Self {
        Self::Finetune(Box::new(error))
    }
}
