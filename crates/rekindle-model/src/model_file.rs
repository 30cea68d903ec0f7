//! The result: one file that holds weights, class names, preprocessing and configuration, and loads by itself.
//!
//! It is a safetensors file: the backbone under timm's keys, the head under the classifier's name (a linear head loads into timm's
//! model of the same architecture as it is), a JSON object under the metadata key `rekindle`, and a checksum of the tensors.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use rekindle_augment::Preprocessing;
use rekindle_backbone::{Architecture, Precision, StateDict, read_safetensors};
use rekindle_data::{NumberScale, OutputKind, Outputs, TaskKind};
use rekindle_head::HeadConfig;
use rekindle_settings::Within;
use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::checksum;
use crate::ensemble::AfterTraining;
use crate::files::{read, to_safetensors, write_whole};
use crate::network::{Joint, Network, head_for};

/// Versions of the layout of [`ModelInfo`]: 2 has a task, which programs that know 1 alone would not see; 3 has what was added after
/// training, without which the outputs would be others.
const FORMATS: [u32; 3] = [1, 2, 3];

/// What a model file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Version of this layout.
    pub format: u32,
    /// Version of rekindle that wrote it.
    pub rekindle: String,
    /// The architecture, timm's name.
    pub architecture: String,
    /// The card of the weights it was fine-tuned from.
    pub backbone: String,
    /// SHA-256 of the file of those weights; empty when it was trained from scratch.
    pub backbone_sha256: String,
    /// What its outputs stand for; files that say nothing are for one class of several.
    #[serde(default)]
    pub task: TaskKind,
    /// Names of the classes, labels or numbers, in the order of the outputs.
    pub classes: Vec<String>,
    /// Mean and deviation by which numbers were standardised; none for other tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_scale: Option<NumberScale>,
    /// The preprocessing of evaluation.
    pub preprocessing: Preprocessing,
    /// The precision that it was trained and measured in; files of version 0.1.0 before it was offered have none and mean `f32`.
    #[serde(default)]
    pub precision: Precision,
    /// The head.
    pub head: HeadConfig,
    /// Names of the stages whose average-pooled outputs join the head's input, the finest first.
    pub tapped_stages: Vec<String>,
    /// Whether each part of the head's input is divided by its own root mean square.
    pub unit_rms: bool,
    /// `phase1` or `phase2`, where the best epoch was.
    pub best_phase: String,
    /// The best epoch in it.
    pub best_epoch: usize,
    /// Figures on the validation images at that epoch.
    pub validation: BTreeMap<String, f64>,
    /// The recipe, as TOML.
    pub recipe: String,
    /// What was added once it was trained; nothing for the model of a run.
    #[serde(default, skip_serializing_if = "AfterTraining::is_empty")]
    pub after: AfterTraining,
}

impl ModelInfo {
    /// The version of the layout that a model of this task is written in: 1 where it says all.
    pub fn format_of(task: TaskKind) -> u32 {
        match task == TaskKind::default() {
            true => FORMATS[0],
            false => FORMATS[1],
        }
    }

    /// The version of the layout that says all of this model.
    pub(crate) fn own_format(&self) -> u32 {
        match self.after.is_empty() {
            true => Self::format_of(self.task),
            false => FORMATS[2],
        }
    }

    /// What the outputs are.
    pub fn outputs(&self) -> Outputs {
        Outputs {
            task: self.task,
            names: self.classes.clone(),
            scale: self.number_scale.clone(),
        }
    }

    /// What speaks against the scale of the numbers, if anything does.
    fn scale_problem(&self) -> Option<&'static str> {
        let fits = |scale: &NumberScale| {
            let mut pairs = scale.mean.iter().zip(&scale.std);
            scale.mean.len() == self.classes.len()
                && scale.std.len() == self.classes.len()
                && pairs.all(|(mean, std)| mean.is_finite() && std.is_finite() && *std > 0.0)
        };
        match (self.task.outputs(), &self.number_scale) {
            (OutputKind::Numbers, None) => Some("it has no scale of its numbers"),
            (_, Some(scale)) if !fits(scale) => Some("the scale of its numbers does not fit them"),
            _ => None,
        }
    }
}

/// A model read from its file.
#[derive(Debug)]
pub struct ModelFile {
    /// What it says of itself.
    pub info: ModelInfo,
    /// The network, as it was trained: batch norms are not folded.
    pub network: Network,
}

/// Writes a model file.
///
/// # Errors
///
/// It cannot be written.
pub fn save_model(
    path: &Path,
    info: &ModelInfo,
    classifier: &str,
    backbone: &StateDict,
    head: &StateDict,
) -> Result<(), ModelError> {
    let mut state = backbone.clone();
    state.extend(
        head.iter()
            .map(|(key, data)| (format!("{classifier}.{key}"), data.clone())),
    );
    write_state(path, info, &state)
}

/// Writes what a model says of itself with tensors under the keys that they have in the file.
pub(crate) fn write_state(
    path: &Path,
    info: &ModelInfo,
    state: &StateDict,
) -> Result<(), ModelError> {
    let json = serde_json::to_string(info).map_err(|error| ModelError::NotWritable {
        path: path.into(),
        reason: error.to_string(),
    })?;
    let metadata = BTreeMap::from([
        (checksum::KEY.to_owned(), checksum::of_state(state)),
        ("format".to_owned(), "pt".to_owned()),
        ("rekindle".to_owned(), json),
    ]);
    Ok(write_whole(path, &to_safetensors(state, metadata))?)
}

/// Reads only what a model file says of itself.
///
/// # Errors
///
/// As [`ModelFile::load`], but for tensors that do not fit.
pub fn load_info(path: &Path) -> Result<ModelInfo, ModelError> {
    Ok(parse(&read(path)?, path)?.0)
}

/// Takes a file apart; `path` is where errors say that it is.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<(ModelInfo, StateDict), ModelError> {
    let not_a_model = |reason: String| ModelError::NotAModel {
        path: path.into(),
        reason,
    };
    let (state, metadata) = read_safetensors(bytes, &path.display().to_string())
        .map_err(|error| not_a_model(error.to_string()))?;
    let json = metadata.get("rekindle").ok_or_else(|| {
        not_a_model(match metadata.contains_key("rekindle-sequence") {
            true => "it is a model of sequences, for `rekindle sequence predict`".into(),
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
    if !FORMATS.contains(&version.format) {
        let [first, .., last] = FORMATS;
        return Err(not_a_model(format!(
            "it has format {}, this program reads {first} to {last}",
            version.format
        )));
    }
    if let Some(written) = metadata.get(checksum::KEY) {
        checksum::check(bytes, written).map_err(|reason| ModelError::Damaged {
            path: path.into(),
            reason,
        })?;
    }
    Ok((serde_json::from_str(json).map_err(unreadable)?, state))
}

impl ModelFile {
    /// Reads a model onto a device.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not one that rekindle wrote, or its tensors do not fit what it says of itself;
    /// [`ModelError::Combined`] for several networks in one file, which [`Predictor`](crate::Predictor) takes.
    pub fn load(path: &Path, device: &Device) -> Result<Self, ModelError> {
        Self::of_bytes(&read(path)?, path, device)
    }

    /// The same from the bytes of a file, which a program may hold without one.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); `origin` is what the errors call the file.
    pub fn of_bytes(bytes: &[u8], origin: &Path, device: &Device) -> Result<Self, ModelError> {
        let (info, state) = parse(bytes, origin)?;
        Self::of_state(info, state, origin, device)
    }

    /// A network of its tensors, under the keys that they have in a file of its own.
    pub(crate) fn of_state(
        info: ModelInfo,
        mut state: StateDict,
        path: &Path,
        device: &Device,
    ) -> Result<Self, ModelError> {
        if let Some(combination) = &info.after.combination {
            return Err(ModelError::Combined {
                path: path.into(),
                members: combination.sources(),
            });
        }
        info.after.check(path)?;
        let origin = path.display().to_string();
        info.preprocessing.check().within("preprocessing")?;
        let backbone = Architecture::from_name(&info.architecture)?
            .init(device)
            .with_input_channels(info.preprocessing.channels());
        let prefix = format!("{}.", backbone.classifier());
        let keys: Vec<String> = state
            .keys()
            .filter(|key| key.starts_with(&prefix))
            .cloned()
            .collect();
        let head_state: StateDict = keys
            .iter()
            .filter_map(|key| Some((key[prefix.len()..].to_owned(), state.remove(key)?)))
            .collect();
        let backbone = backbone.load_state(&state, &origin)?;
        info.head.check().within("head")?;
        if info.classes.is_empty() {
            return Err(ModelError::NotAModel {
                path: path.into(),
                reason: "it has no classes".into(),
            });
        }
        let levels = info.task == TaskKind::Ordinal;
        if levels != info.head.ordinal || (levels && info.classes.len() < 2) {
            return Err(ModelError::NotAModel {
                path: path.into(),
                reason: "its head does not fit its levels".into(),
            });
        }
        if let Some(reason) = info.scale_problem() {
            return Err(ModelError::NotAModel {
                path: path.into(),
                reason: reason.into(),
            });
        }
        let names = backbone.stage_names();
        let index = |name: &String| names.iter().position(|stage| stage == name);
        let Some(taps) = info
            .tapped_stages
            .iter()
            .map(index)
            .collect::<Option<Vec<usize>>>()
        else {
            let reason = format!(
                "it taps stages that {} has not: {}",
                info.architecture,
                info.tapped_stages.join(", ")
            );
            return Err(ModelError::NotAModel {
                path: path.into(),
                reason,
            });
        };
        let head = head_for(&info.head, &backbone, &taps, info.classes.len(), 0, device)
            .load_state(&head_state)?;
        let familiarity = info.after.familiarity.as_ref();
        if familiarity.is_some_and(|known| known.features != head.features()) {
            return Err(ModelError::NotAModel {
                path: path.into(),
                reason: "what it knows of its training images is of other features".into(),
            });
        }
        let joint = Joint {
            taps,
            unit_rms: info.unit_rms,
        };
        let backbone = backbone.with_precision(info.precision);
        let network = Network::new(Some(backbone), head.valid(), joint);
        Ok(Self { info, network })
    }
}
