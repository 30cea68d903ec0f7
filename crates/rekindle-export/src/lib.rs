//! Trained networks for other programs: as ONNX files, and as folders that Python's timm loads.
//!
//! - [`to_onnx`]: a model as the bytes of an ONNX file, for ONNX Runtime and all that reads the format.
//! - [`predictor_to_onnx`], [`check_predictor`]: the same of a model of several networks.
//! - [`OnnxFile`]: such a file read back, checked, and run.
//! - [`check_onnx`]: how far what a file says is from what the model says.
//! - [`to_timm`], [`write_timm`], [`check_timm`]: a model as timm's two files, written and read back.
//! - [`FeatureExtractor`], [`FeatureFile`]: what a stage makes of images, as arrays and tables.
//! - [`write_new`]: a file where none may be lost.
//!
//! What a model is and how it is kept in rekindle's own file is `rekindle-model`'s.

mod check;
mod error;
mod features;
#[cfg(test)]
mod fixture;
mod onnx;
mod precision;
mod timm;
mod write;

pub use check::{Agreement, check_onnx, check_predictor};
pub use error::ExportError;
pub use features::{FeatureExtractor, FeatureFile, FeatureFormat};
pub use onnx::{OPSET, OnnxContents, OnnxFile, OnnxOptions, White, predictor_to_onnx, to_onnx};
pub use precision::WeightPrecision;
pub use timm::{TimmFiles, check_timm, to_timm, write_timm};
pub use write::write_new;
