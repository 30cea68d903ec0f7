//! The errors of this crate: facts as fields, and messages that say what to do next.

use std::path::PathBuf;

use rekindle_augment::AugmentError;
use rekindle_backbone::BackboneError;
use rekindle_data::DataError;
use rekindle_data::metrics::MetricsError;
use rekindle_finetune::clip::NonFinite;
use rekindle_model::{FileError, ModelError};
use rekindle_settings::SettingError;

use crate::state::UnfitState;

/// What can go wrong between sequences of pictures and their classes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// The sequences, or their pictures.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The backbone's weights, a device, or what is shared with other models.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The backbone.
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    /// The preprocessing, or a picture.
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
    /// A recipe, or a setting on the command line, cannot be read.
    #[error("{origin}: {reason}")]
    Recipe {
        /// The file, or the setting.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The backbone has no such stage.
    #[error(
        "`features.stage` is `{stage}`, expected a stage of {architecture}, by its name or its number from 0: {known}"
    )]
    UnknownStage {
        /// The network.
        architecture: String,
        /// What was asked for.
        stage: String,
        /// The stages there are.
        known: String,
    },
    /// A feature of a frame is infinite or not a number.
    #[error("`{}` gives a feature that is {value}, which is no result; the weights of the backbone are damaged", frame.display())]
    FeatureNotFinite {
        /// The frame.
        frame: PathBuf,
        /// The value.
        value: f32,
    },
    /// The loss is infinite or not a number.
    #[error(
        "the loss is not finite in epoch {epoch}: lower `train.lr`, or clip the gradients with `train.clip`"
    )]
    LossNotFinite {
        /// The epoch, from 1.
        epoch: usize,
    },
    /// The gradients are infinite or not a number.
    #[error("in epoch {epoch}: {source}")]
    GradientsNotFinite {
        /// The epoch, from 1.
        epoch: usize,
        /// Which.
        source: NonFinite,
    },
    /// No epoch had a figure to choose it by.
    #[error("no epoch has a finite `{monitor}`; choose another with `train.stopping.monitor`")]
    NoBestEpoch {
        /// The figure.
        monitor: String,
    },
    /// The file is not a model of sequences.
    #[error("{} is not a model of sequences: {reason}; `rekindle sequence train` writes one", path.display())]
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
    /// What a model says of itself cannot be written down.
    #[error("the model cannot be described in {}: {reason}", path.display())]
    NotWritable {
        /// The file that was to be written.
        path: PathBuf,
        /// What cannot be said in JSON.
        reason: String,
    },
    /// A sequence without pictures was given.
    #[error("the sequence has no pictures; give at least one")]
    NoFrames,
    /// Weights that do not fit the head.
    #[error(transparent)]
    State(#[from] UnfitState),
}
