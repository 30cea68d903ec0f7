//! What can go wrong when a backbone is named, read or loaded.

use std::fmt;
use std::path::PathBuf;

use rekindle_settings::{did_you_mean, first_ten};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackboneError {
    /// No architecture or card has this name.
    #[error("unknown backbone `{name}`{}; `rekindle backbones` lists those there are", did_you_mean(.name, .suggestion))]
    UnknownBackbone {
        /// The name that was asked for.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },
    /// A weight file could not be read.
    #[error("cannot read the weights {}: {source}", path.display())]
    ReadWeights {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not a valid safetensors file.
    #[error(
        "{origin} is not a readable .safetensors file: {reason}; check that the download is whole and that it is not a .pth or .bin file"
    )]
    BrokenSafetensors {
        /// Which file or bundle.
        origin: String,
        /// What the format's reader said.
        reason: String,
    },
    /// A safetensors header names a tensor twice: which of the two is meant nobody can say.
    #[error(
        "{origin} is not a readable .safetensors file: its header has `{key}` twice; fetch it again from a source that you trust"
    )]
    DuplicateTensor {
        /// Which file or bundle.
        origin: String,
        /// The name.
        key: String,
    },
    /// A tensor's element type is not a floating-point type that can be loaded.
    #[error("{origin}: tensor `{key}` has element type {found}; expected F16, BF16, F32 or F64")]
    UnsupportedDtype {
        /// Which file or bundle.
        origin: String,
        /// The tensor.
        key: String,
        /// Its type.
        found: String,
    },
    /// The weights do not belong to this architecture.
    #[error(
        "{origin} does not fit {architecture}: {mismatch}\ncheck that the file belongs to this architecture and has timm's key names"
    )]
    UnmatchedWeights {
        /// Which file or bundle.
        origin: String,
        /// The architecture that was loaded into.
        architecture: String,
        /// Every key that is missing, unused or misshapen.
        mismatch: UnmatchedWeights,
    },
    /// Images are too small for a network.
    #[error(
        "images of {width}x{height} pixels are too small for {architecture}, which needs at least {smallest} a side; set `input.size` to \
         that or more, or take another backbone"
    )]
    ImageTooSmall {
        /// The architecture.
        architecture: String,
        /// Height of the images in pixels.
        height: usize,
        /// Their width.
        width: usize,
        /// What it needs.
        smallest: usize,
    },
    /// Weights that are infinite or not numbers.
    #[error(
        "{origin} holds values that are not finite in {} tensors: {}; the file is damaged, or the training that made it diverged: take other \
         weights",
        keys.len(), first_ten(keys)
    )]
    NonFiniteWeights {
        /// Which file or bundle.
        origin: String,
        /// The tensors.
        keys: Vec<String>,
    },
    /// A card could not be parsed.
    #[error("card {origin}: {reason}")]
    BadCard {
        /// Which card.
        origin: String,
        /// What the parser said.
        reason: String,
    },
}

/// A tensor whose shape differs from the network's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The key.
    pub key: String,
    /// The shape in the file.
    pub found: Vec<usize>,
    /// The shape of the network's parameter.
    pub expected: Vec<usize>,
}

/// Every key on which a state dict and a network disagree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnmatchedWeights {
    /// Keys of the network which the file lacks.
    pub missing: Vec<String>,
    /// Keys of the file which the network has no place for.
    pub unused: Vec<String>,
    /// Keys on both sides with different shapes.
    pub shape: Vec<Mismatch>,
}

impl UnmatchedWeights {
    /// Whether the two sides agree.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.shape.is_empty()
    }
}

impl fmt::Display for UnmatchedWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<String> = self
            .shape
            .iter()
            .map(|m| format!("{} (file {:?}, network {:?})", m.key, m.found, m.expected))
            .collect();
        let lists = [
            ("missing from the file", &self.missing),
            ("not in the network", &self.unused),
            ("of another shape", &shapes),
        ];
        let mut first = true;
        for (what, keys) in lists.into_iter().filter(|(_, keys)| !keys.is_empty()) {
            if !first {
                f.write_str("; ")?;
            }
            first = false;
            write!(f, "{} {what}: {}", keys.len(), first_ten(keys))?;
        }
        Ok(())
    }
}
