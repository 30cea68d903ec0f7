//! The result: one file that holds the stages of the backbone, the head, class names, preprocessing and settings, and loads by itself.
//!
//! It is a safetensors file: the stages under timm's keys behind `backbone.`, the head under its own ([`crate::state`]), a JSON object under the metadata
//! key [`SequenceModel::KEY`], and a checksum of the tensors. That key is another than that of models of single images, which do not take
//! such a file for theirs.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use rekindle_augment::Preprocessing;
use rekindle_backbone::{Architecture, Backbone, StateDict, read_safetensors};
use rekindle_data::{Outputs, TaskKind};
use rekindle_model::{read, state_checksum, to_safetensors, write_whole};
use rekindle_settings::Within;
use serde::{Deserialize, Serialize};

use crate::SequenceError;
use crate::head::{SequenceHead, SequenceHeadConfig};

/// What stands before the keys of the backbone.
const BACKBONE: &str = "backbone.";
/// The key of the checksum, as in models of images.
const CHECKSUM: &str = "checksum";

/// What a model file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SequenceInfo {
    /// Version of this layout.
    pub format: u32,
    /// Version of rekindle that wrote it.
    pub rekindle: String,
    /// The architecture of the backbone, timm's name.
    pub architecture: String,
    /// The card of its weights.
    pub backbone: String,
    /// SHA-256 of the file of those weights; empty for random ones.
    pub backbone_sha256: String,
    /// How many of its stages are run.
    pub stages: usize,
    /// Cells along a side over which a frame's features are averaged.
    pub grid: usize,
    /// Most frames of a sequence; longer ones are thinned evenly.
    pub frames: usize,
    /// Names of the classes, in the order of the outputs.
    pub classes: Vec<String>,
    /// What a frame goes through.
    pub preprocessing: Preprocessing,
    /// The head.
    pub head: SequenceHeadConfig,
    /// The epoch that it is of.
    pub best_epoch: usize,
    /// Figures on the validation sequences at that epoch.
    pub validation: BTreeMap<String, f64>,
    /// Every epoch.
    pub history: Vec<EpochFigures>,
    /// The sequences that it was trained on: hashes of their frames' contents.
    pub trained_on: Vec<String>,
    /// The recipe, as TOML.
    pub recipe: String,
}

/// The figures of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochFigures {
    /// Its number, from 1.
    pub epoch: usize,
    /// The learning rate of its last step.
    pub lr: f64,
    /// Mean loss on the training sequences while they were trained on.
    pub train_loss: f64,
    /// Figures on the validation sequences, by their names in reports.
    pub validation: BTreeMap<String, f64>,
    /// Whether it was the best until then.
    pub best: bool,
}

impl SequenceInfo {
    /// The version of the layout that is written and read.
    pub const FORMAT: u32 = 1;

    /// What the outputs are.
    pub fn outputs(&self) -> Outputs {
        Outputs {
            task: TaskKind::Classification,
            names: self.classes.clone(),
            scale: None,
        }
    }

    /// The settings beyond which no network is built: a file's numbers are not to be trusted.
    fn check(&self) -> Result<(), SequenceError> {
        self.preprocessing.check().within("preprocessing")?;
        self.head.check().within("head")?;
        Ok(())
    }
}

/// A trained model of sequences.
#[derive(Debug)]
pub struct SequenceModel {
    /// What it says of itself.
    pub info: SequenceInfo,
    /// The stages of the backbone whose features it sees; batch norms are not folded.
    pub stages: Backbone,
    /// The head.
    pub head: SequenceHead,
}

impl SequenceModel {
    /// The key of its metadata.
    pub const KEY: &'static str = "rekindle-sequence";

    /// Writes the file, under another name first: a file that is there is replaced by a whole one or stays.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SequenceError> {
        let mut state = self.head.state();
        for (key, data) in self.stages.state() {
            state.insert(format!("{BACKBONE}{key}"), data);
        }
        let json =
            serde_json::to_string(&self.info).map_err(|error| SequenceError::NotWritable {
                path: path.into(),
                reason: error.to_string(),
            })?;
        let metadata = BTreeMap::from([
            (CHECKSUM.to_owned(), state_checksum(&state)),
            ("format".to_owned(), "pt".to_owned()),
            (Self::KEY.to_owned(), json),
        ]);
        Ok(write_whole(path, &to_safetensors(&state, metadata))?)
    }

    /// Reads a model onto a device.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is of another kind, damaged, or its tensors do not fit what it says of itself.
    pub fn load(path: &Path, device: &Device) -> Result<Self, SequenceError> {
        let (info, mut state) = parse(&read(path)?, path)?;
        info.check()?;
        let not_a_model = |reason: String| SequenceError::NotAModel {
            path: path.into(),
            reason,
        };
        let whole = Architecture::from_name(&info.architecture)?
            .init(device)
            .with_input_channels(info.preprocessing.channels());
        let stages = whole.stages().len();
        if !(1..=stages).contains(&info.stages)
            || !(1..=16).contains(&info.grid)
            || info.frames == 0
        {
            let reason = format!(
                "its features are of {} of {stages} stages, in {} cells, of {} frames",
                info.stages, info.grid, info.frames
            );
            return Err(not_a_model(reason));
        }
        if info.classes.len() < 2 {
            return Err(not_a_model(format!(
                "it has {} classes",
                info.classes.len()
            )));
        }
        let keys: Vec<String> = state
            .keys()
            .filter(|key| key.starts_with(BACKBONE))
            .cloned()
            .collect();
        let backbone: StateDict = keys
            .iter()
            .filter_map(|key| Some((key[BACKBONE.len()..].to_owned(), state.remove(key)?)))
            .collect();
        let stages = whole
            .part(0, info.stages)
            .load_state(&backbone, &path.display().to_string())?;
        let features = stages.channels() * info.grid * info.grid;
        fits(&info, features, &state).map_err(not_a_model)?;
        let head = info
            .head
            .init(features, info.classes.len(), 0, device)
            .load_state(&state)?;
        Ok(Self {
            info,
            stages,
            head: head.valid(),
        })
    }

    /// Reads only what a file says of itself.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), but for tensors that do not fit.
    pub fn info(path: &Path) -> Result<SequenceInfo, SequenceError> {
        Ok(parse(&read(path)?, path)?.0)
    }
}

/// Compares the sizes of a head with a tensor of the file before the head is built: of a file that lies about its widths nothing is
/// allocated.
fn fits(info: &SequenceInfo, features: usize, state: &StateDict) -> Result<(), String> {
    let size = |key: &str| {
        state
            .get(key)
            .map_or(0, burn::tensor::TensorData::num_elements)
    };
    let hidden = info.head.cell.gates() * info.head.hidden;
    let widths = size("input.mean") == features
        && size("classifier.bias") == info.classes.len()
        && (hidden == 0 || size("rnn.bias_ih_l0") == hidden)
        && (hidden == 0 || state.contains_key(&format!("rnn.bias_ih_l{}", info.head.layers - 1)));
    match widths {
        true => Ok(()),
        false => Err("its tensors do not fit what it says of its head".into()),
    }
}

/// Takes a file apart.
fn parse(bytes: &[u8], path: &Path) -> Result<(SequenceInfo, StateDict), SequenceError> {
    let not_a_model = |reason: String| SequenceError::NotAModel {
        path: path.into(),
        reason,
    };
    let (state, metadata) = read_safetensors(bytes, &path.display().to_string())
        .map_err(|error| not_a_model(error.to_string()))?;
    let json = metadata.get(SequenceModel::KEY).ok_or_else(|| {
        not_a_model(match metadata.contains_key("rekindle") {
            true => "it is a model of single images, for `rekindle predict`".into(),
            false => "a safetensors file without rekindle's metadata".into(),
        })
    })?;
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let unreadable =
        |error: serde_json::Error| not_a_model(format!("its metadata cannot be read: {error}"));
    let version: Version = serde_json::from_str(json).map_err(unreadable)?;
    if version.format != SequenceInfo::FORMAT {
        let (found, read) = (version.format, SequenceInfo::FORMAT);
        return Err(not_a_model(format!(
            "it has format {found}, this program reads {read}"
        )));
    }
    let (found, written) = (state_checksum(&state), metadata.get(CHECKSUM));
    if written != Some(&found) {
        let written = written.map_or("none", String::as_str);
        return Err(SequenceError::Damaged {
            path: path.into(),
            reason: format!(
                "its weights have the checksum {found}, they were written with {written}"
            ),
        });
    }
    Ok((serde_json::from_str(json).map_err(unreadable)?, state))
}
