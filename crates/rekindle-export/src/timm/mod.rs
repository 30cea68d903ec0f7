//! Models as folders that Python's timm loads: `model.safetensors` under timm's keys, and `config.json` as timm's repositories on the hub
//! have it, which `config.rs` writes.

mod config;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, TensorData};
use rekindle_backbone::{Architecture, StateDict, read_safetensors};
use rekindle_head::Pooling;
use rekindle_model::{Joint, ModelFile, Network, head_for};
use safetensors::tensor::{Dtype, TensorView};

use crate::ExportError;
use crate::check::{Agreement, logits, pictures};
use crate::onnx::for_inference;
use crate::precision::WeightPrecision;
use crate::write::{refuse_existing, write_new};

/// The file of weights in a folder.
const WEIGHTS: &str = "model.safetensors";
/// The file that says what they are.
const CONFIG: &str = "config.json";

/// The two files of a model in timm's form.
#[derive(Debug, Clone, PartialEq)]
pub struct TimmFiles {
    /// `model.safetensors`.
    pub weights: Vec<u8>,
    /// `config.json`.
    pub config: String,
    /// What timm has no place for, in words; empty where it has one for everything.
    pub notes: Vec<String>,
}

/// A model in timm's form.
///
/// # Errors
///
/// [`ExportError::UnknownToTimm`] where timm has no such network, [`ExportError::NotTimm`] where the head is not timm's own: one linear layer
/// on the average of the last map. A weight does not fit 16 bits.
pub fn to_timm(model: &ModelFile, precision: WeightPrecision) -> Result<TimmFiles, ExportError> {
    let name = &model.info.architecture;
    if let Ok(known) = Architecture::from_name(name)
        && known.library() != "timm"
    {
        return Err(ExportError::UnknownToTimm {
            architecture: name.clone(),
            library: known.library(),
        });
    }
    let reasons = other_heads(model);
    if !reasons.is_empty() {
        return Err(ExportError::NotTimm {
            architecture: model.info.architecture.clone(),
            reasons: reasons.join("; "),
        });
    }
    let Some(backbone) = &model.network.backbone else {
        return Err(ExportError::NotTimm {
            architecture: model.info.architecture.clone(),
            reasons: "it has no backbone".into(),
        });
    };
    let mut state = backbone.state();
    let head = model.network.head.state().into_iter();
    state.extend(head.map(|(key, data)| (format!("{}.{key}", backbone.classifier()), data)));
    let (config, notes) = config::config(model, backbone);
    Ok(TimmFiles {
        weights: bytes(&state, precision)?,
        config,
        notes,
    })
}

/// Writes the files into a folder, which is made where there is none.
///
/// # Errors
///
/// There is one of the files already and they may not be replaced, or they cannot be written.
pub fn write_timm(folder: &Path, files: &TimmFiles, replace: bool) -> Result<(), ExportError> {
    let (weights, config) = (folder.join(WEIGHTS), folder.join(CONFIG));
    for path in [&weights, &config] {
        refuse_existing(path, replace)?;
    }
    std::fs::create_dir_all(folder).map_err(|source| ExportError::File {
        doing: "write",
        path: folder.into(),
        source,
    })?;
    write_new(&weights, &files.weights, replace)?;
    write_new(&config, files.config.as_bytes(), replace)
}

/// Loads what was written as a network of the same architecture, and compares its logits for a few generated images with the model's.
///
/// # Errors
///
/// The file does not fit the architecture, or its logits are others by more than rounding.
pub fn check_timm(
    weights: &[u8],
    model: &ModelFile,
    precision: WeightPrecision,
    device: &Device,
) -> Result<Agreement, ExportError> {
    let info = &model.info;
    let (mut state, _) = read_safetensors(weights, WEIGHTS)?;
    let backbone = Architecture::from_name(&info.architecture)?
        .init(device)
        .with_input_channels(info.preprocessing.channels());
    let prefix = format!("{}.", backbone.classifier());
    let of_head = |key: &String| key.starts_with(&prefix);
    let keys: Vec<String> = state.keys().filter(|key| of_head(key)).cloned().collect();
    let taken = keys.iter().filter_map(|key| {
        let data = state.remove(key)?;
        Some((key[prefix.len()..].to_owned(), data))
    });
    let head: StateDict = taken.collect();
    let backbone = backbone.load_state(&state, WEIGHTS)?;
    let outputs = info.classes.len();
    let built = head_for(&info.head, &backbone, &[], outputs, 0, device);
    let built = built
        .load_state(&head)
        .map_err(rekindle_model::ModelError::from)?;
    let read = Network::new(Some(backbone), built, Joint::default());
    let pixels = pictures(&info.preprocessing);
    let say = |network: &Network| {
        let input = &info.preprocessing;
        logits(&for_inference(network), &pixels, input, device)
    };
    Agreement::of("logits", &say(&read), &say(&model.network)).or_error(precision)
}

/// What a model's head has that timm's own has not.
fn other_heads(model: &ModelFile) -> Vec<String> {
    let (info, joint) = (&model.info, model.network.joint());
    let mut reasons = Vec::new();
    if !joint.taps.is_empty() {
        reasons.push(format!(
            "it also sees the stages {} (train with `--set features.taps=0`)",
            info.tapped_stages.join(", ")
        ));
    }
    if info.head.ordinal {
        reasons.push("its outputs are steps between levels".to_owned());
    }
    if joint.unit_rms {
        reasons.push(
            "its input is divided by its root mean square (train with `--set features.unit_rms=false`)"
                .to_owned(),
        );
    }
    if info.head.pool != Pooling::Average {
        reasons.push("it pools otherwise than by the average (`head.pool`)".to_owned());
    }
    if info.head.input_norm {
        reasons.push("it has a batch norm on its input (`head.input_norm`)".to_owned());
    }
    if !info.head.hidden.is_empty() {
        reasons.push("it has hidden layers (`head.hidden`)".to_owned());
    }
    reasons
}

/// A safetensors file of these tensors.
fn bytes(state: &StateDict, precision: WeightPrecision) -> Result<Vec<u8>, ExportError> {
    let mut tensors: BTreeMap<&str, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (key, data) in state {
        let kept = kept(key, data, precision)?;
        tensors.insert(key, kept);
    }
    let mut views = Vec::with_capacity(tensors.len());
    let fault = |error: safetensors::SafeTensorError| ExportError::File {
        doing: "write",
        path: WEIGHTS.into(),
        source: std::io::Error::other(error),
    };
    for (key, (dtype, shape, bytes)) in &tensors {
        let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(fault)?;
        views.push((*key, view));
    }
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(metadata)).map_err(fault)
}

/// The type, shape and bytes that a tensor is kept as.
fn kept(
    key: &str,
    data: &TensorData,
    precision: WeightPrecision,
) -> Result<(Dtype, Vec<usize>, Vec<u8>), ExportError> {
    let shape = data.shape().to_vec();
    let values: Vec<f32> = data.iter::<f32>().collect();
    Ok(match precision == WeightPrecision::F16 && shape.len() > 1 {
        true => {
            let halves = precision.halves(key, &values)?;
            let bytes = halves.iter().flat_map(|value| value.to_le_bytes());
            (Dtype::F16, shape, bytes.collect())
        }
        false => {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            (Dtype::F32, shape, bytes.collect())
        }
    })
}
