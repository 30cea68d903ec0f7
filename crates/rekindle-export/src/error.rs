//! The errors of this crate.

use std::path::PathBuf;

use rekindle_backbone::BackboneError;
use rekindle_model::ModelError;

/// What can go wrong in an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The model, or its prediction.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The weights that were read back.
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    /// The network has an operation that the format's writer does not know.
    #[error("{architecture} cannot be written as ONNX: no {operation} is known here")]
    UnknownOperation {
        /// The architecture.
        architecture: String,
        /// What the operation is.
        operation: String,
    },
    /// A weight that 16 bits do not hold.
    #[error(
        "{tensor} has the value {value}, and 16 bits hold numbers up to 65504; export with `--precision f32`"
    )]
    BeyondHalf {
        /// The tensor.
        tensor: String,
        /// The value.
        value: f32,
    },
    /// The networks of a combination cannot share one input.
    #[error("the networks of this model cannot share one input: {reason}")]
    Views {
        /// What differs, and what to do.
        reason: String,
    },
    /// The network is not one that timm has.
    #[error(
        "timm has no {architecture}, which is {library}'s; `--format onnx` writes every network"
    )]
    UnknownToTimm {
        /// The architecture.
        architecture: String,
        /// The library that it is of.
        library: &'static str,
    },
    /// The head is not one that timm has.
    #[error("timm's {architecture} has no such head: {reasons}; `--format onnx` writes every head")]
    NotTimm {
        /// The architecture.
        architecture: String,
        /// What the head has that timm's own has not.
        reasons: String,
    },
    /// An ONNX file of more than 2 GB.
    #[error(
        "the model takes {bytes} bytes, and a file of Protocol Buffers, which ONNX is, holds {}; export with `--precision f16`, or in \
         timm's format",
        i32::MAX
    )]
    TooLarge {
        /// Bytes of the file that was not written.
        bytes: usize,
    },
    /// A backbone has no stage of this name or number.
    #[error(
        "{architecture} has no stage `{stage}`; its stages are {known}, or their numbers from 0"
    )]
    UnknownStage {
        /// The backbone.
        architecture: String,
        /// What was asked for.
        stage: String,
        /// The stages it has.
        known: String,
    },
    /// A feature that is infinite or not a number.
    #[error("the features of {} behind {stage} are not finite; the weights are damaged or have diverged", image.display())]
    FeatureNotFinite {
        /// The image.
        image: PathBuf,
        /// The stage.
        stage: String,
    },
    /// A file of features of no known kind.
    #[error(
        "{} is no kind of file that features are kept in; let its name end with .npy, .safetensors or .csv", path.display()
    )]
    FeatureFile {
        /// The file.
        path: PathBuf,
    },
    /// More paths than a safetensors file has room for.
    #[error(
        "the paths of so many images have no room in the header of {}; write an array, .npy, whose list is beside it", path.display()
    )]
    TooManyPaths {
        /// The file.
        path: PathBuf,
    },
    /// There is something where the export would be written.
    #[error("{} is there already; choose another name, or pass `--force` to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written or read back.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// `write` or `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is read is no ONNX file, or none like those written here.
    #[error("not an ONNX file as rekindle writes them: {reason}")]
    NotOnnx {
        /// What was found.
        reason: String,
    },
    /// The file was written, and read back it says something else than the model.
    #[error(
        "what was written gives other {what} than the model, by {difference}; this is a mistake in rekindle, please report it"
    )]
    Differs {
        /// `probabilities`, `logits` or `numbers`.
        what: &'static str,
        /// The largest difference.
        difference: f32,
    },
}
