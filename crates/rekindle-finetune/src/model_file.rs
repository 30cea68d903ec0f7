//! The result: one file that holds weights, class names, preprocessing and configuration, and loads by itself.
//!
//! It is a safetensors file: the backbone under timm's keys, the head under the classifier's name (a linear head loads into timm's
//! model of the same architecture as it is), and a JSON object under the metadata key `rekindle`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use rekindle_augment::Preprocessing;
use rekindle_backbone::{Architecture, Backbone, StateDict, read_safetensors};
use rekindle_head::{Head, HeadConfig};
use serde::{Deserialize, Serialize};

use crate::FinetuneError;
use crate::classifier::{Joint, head_for};
use crate::files::{read, to_safetensors, write_whole};
use crate::precision::Precision;

/// Version of the layout of [`ModelInfo`].
const FORMAT: u32 = 1;

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
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
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
}

impl ModelInfo {
    /// The present version of the layout.
    pub fn current_format() -> u32 {
        FORMAT
    }
}

/// A model read from its file.
#[derive(Debug)]
pub struct ModelFile {
    /// What it says of itself.
    pub info: ModelInfo,
    /// The backbone.
    pub backbone: Backbone,
    /// The head.
    pub head: Head,
    /// What the head sees of the backbone.
    pub joint: Joint,
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
) -> Result<(), FinetuneError> {
    let mut state = backbone.clone();
    state.extend(
        head.iter()
            .map(|(key, data)| (format!("{classifier}.{key}"), data.clone())),
    );
    let json = serde_json::to_string(info).unwrap_or_default();
    let metadata = BTreeMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("rekindle".to_owned(), json),
    ]);
    write_whole(path, &to_safetensors(&state, metadata))
}

/// Reads only what a model file says of itself.
///
/// # Errors
///
/// As [`ModelFile::load`], but for the tensors.
pub fn load_info(path: &Path) -> Result<ModelInfo, FinetuneError> {
    Ok(parse(path)?.0)
}

fn parse(path: &Path) -> Result<(ModelInfo, StateDict), FinetuneError> {
    let bytes = read(path)?;
    let not_a_model = |reason: String| FinetuneError::NotAModel {
        path: path.into(),
        reason,
    };
    let (state, metadata) = read_safetensors(&bytes, &path.display().to_string())
        .map_err(|error| not_a_model(error.to_string()))?;
    let json = metadata
        .get("rekindle")
        .ok_or_else(|| not_a_model("a safetensors file without rekindle's metadata".into()))?;
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let unreadable =
        |error: serde_json::Error| not_a_model(format!("its metadata cannot be read: {error}"));
    let version: Version = serde_json::from_str(json).map_err(unreadable)?;
    if version.format != FORMAT {
        return Err(not_a_model(format!(
            "it has format {}, this program reads {FORMAT}",
            version.format
        )));
    }
    Ok((serde_json::from_str(json).map_err(unreadable)?, state))
}

impl ModelFile {
    /// Reads a model onto a device.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not one that rekindle wrote, or its tensors do not fit what it says of itself.
    pub fn load(path: &Path, device: &Device) -> Result<Self, FinetuneError> {
        let (info, mut state) = parse(path)?;
        let origin = path.display().to_string();
        let backbone = Architecture::from_name(&info.architecture)?.init(device);
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
        info.preprocessing.check()?;
        info.head.check()?;
        if info.classes.is_empty() {
            return Err(FinetuneError::NotAModel {
                path: path.into(),
                reason: "it has no classes".into(),
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
            return Err(FinetuneError::NotAModel {
                path: path.into(),
                reason,
            });
        };
        let head = head_for(&info.head, &backbone, &taps, info.classes.len(), 0, device)
            .load_state(&head_state)?;
        let joint = Joint {
            taps,
            unit_rms: info.unit_rms,
        };
        Ok(Self {
            info,
            backbone,
            head: head.valid(),
            joint,
        })
    }
}
