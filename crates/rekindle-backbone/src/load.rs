//! Strict loading of safetensors files, and the state of a backbone as named values on the host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::module::{Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::backbone::Backbone;
use crate::{BackboneError, Mismatch, Named, StateVisitor, UnmatchedWeights};

/// Tensors by key, in f32 on the host.
pub type StateDict = BTreeMap<String, TensorData>;

/// Reads every tensor of a safetensors file, and its metadata.
///
/// # Errors
///
/// The file cannot be read, is not in the format, or holds a type that is not a floating-point one.
pub fn read_safetensors_file(
    path: &Path,
) -> Result<(StateDict, BTreeMap<String, String>), BackboneError> {
    let bytes = std::fs::read(path).map_err(|source| BackboneError::ReadWeights {
        path: path.into(),
        source,
    })?;
    read_safetensors(&bytes, &path.display().to_string())
}

/// Reads every tensor of a safetensors file in memory, converted to f32, and its metadata.
///
/// Integer counters (`num_batches_tracked`) are passed over. `origin` names the bytes in errors.
///
/// # Errors
///
/// The bytes are not in the format, name a tensor twice, or hold a type that is not a floating-point one.
pub fn read_safetensors(
    bytes: &[u8],
    origin: &str,
) -> Result<(StateDict, BTreeMap<String, String>), BackboneError> {
    let broken = |error: safetensors::SafeTensorError| BackboneError::BrokenSafetensors {
        origin: origin.to_owned(),
        reason: error.to_string(),
    };
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    if let Some(key) = duplicate_key(&bytes[8..8 + length]) {
        return Err(BackboneError::DuplicateTensor {
            origin: origin.to_owned(),
            key,
        });
    }
    let metadata = header
        .metadata()
        .clone()
        .unwrap_or_default()
        .into_iter()
        .collect();
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut state = StateDict::new();
    for (key, view) in file.iter() {
        if key.ends_with("num_batches_tracked") {
            continue;
        }
        let bytes = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Dtype::F16 => bytes
                .chunks_exact(2)
                .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            Dtype::BF16 => bytes
                .chunks_exact(2)
                .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            Dtype::F64 => bytes
                .chunks_exact(8)
                .map(|b| {
                    f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32
                })
                .collect(),
            other => {
                return Err(BackboneError::UnsupportedDtype {
                    origin: origin.to_owned(),
                    key: key.to_owned(),
                    found: format!("{other:?}"),
                });
            }
        };
        state.insert(
            key.to_owned(),
            TensorData::new(values, view.shape().to_vec()),
        );
    }
    Ok((state, metadata))
}

/// The first key that a JSON object has twice. The format's own reader takes the last one without a word, where the bytes leave no hole.
fn duplicate_key(json: &[u8]) -> Option<String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Option<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut seen = BTreeSet::new();
            while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                if !seen.insert(key.clone()) {
                    return Ok(Some(key));
                }
            }
            Ok(None)
        }
    }
    // What is no JSON the format's reader has refused before.
    let mut json = serde_json::Deserializer::from_slice(json);
    json.deserialize_map(Keys).ok().flatten()
}

impl Backbone {
    /// Loads timm weights from a `.safetensors` file.
    ///
    /// The keys of the classifier behind the backbone, and of classifiers on the way, are allowed and passed over.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a key is missing, unused or misshapen; nothing is loaded then.
    pub fn load_file(self, path: &Path) -> Result<Self, BackboneError> {
        let (state, _) = read_safetensors_file(path)?;
        self.load_state(&state, &path.display().to_string())
    }

    /// Loads named values; `origin` names them in errors.
    ///
    /// # Errors
    ///
    /// A key is missing, unused or misshapen, or a value is not finite; nothing is loaded then.
    pub fn load_state(mut self, state: &StateDict, origin: &str) -> Result<Self, BackboneError> {
        let mut check = Check {
            state,
            seen: BTreeSet::new(),
            mismatch: UnmatchedWeights::default(),
        };
        self.visit_state(&mut check);
        let Check {
            seen, mut mismatch, ..
        } = check;
        mismatch.unused = state
            .keys()
            .filter(|key| !seen.contains(*key) && !self.passes_over(key))
            .cloned()
            .collect();
        if !mismatch.is_empty() {
            return Err(BackboneError::UnmatchedWeights {
                origin: origin.to_owned(),
                architecture: self.name().to_owned(),
                mismatch,
            });
        }
        let not_finite: Vec<String> = state
            .iter()
            .filter(|(key, data)| seen.contains(*key) && has_non_finite(data))
            .map(|(key, _)| key.clone())
            .collect();
        if !not_finite.is_empty() {
            return Err(BackboneError::NonFiniteWeights {
                origin: origin.to_owned(),
                keys: not_finite,
            });
        }
        self.visit_state(&mut Load { state });
        Ok(self)
    }

    /// Loads named values whose names may be wrapped or another author's ([`Backbone::fit_names`]); also returns what was done about
    /// them, in words.
    ///
    /// # Errors
    ///
    /// As [`Backbone::load_state`]; what lies outside the wrapper counts as unused nowhere.
    pub fn load_fitted(
        self,
        mut state: StateDict,
        origin: &str,
    ) -> Result<(Self, Vec<String>), BackboneError> {
        let fit = self.fit_names(state.keys().map(String::as_str));
        let taken = fit.taken.iter();
        let taken = taken.filter_map(|(from, to)| Some((to.clone(), state.remove(from)?)));
        let state = fit.adapt(&self, taken.collect());
        Ok((self.load_state(&state, origin)?, fit.notes))
    }

    /// Copies every parameter and running statistic to the host under its timm key.
    pub fn state(&self) -> StateDict {
        let mut collect = Collect {
            state: StateDict::new(),
        };
        self.clone().visit_state(&mut collect);
        collect.state
    }
}

/// Whether a value is infinite or not a number: everything that is computed with it would be, and training be blamed for it.
fn has_non_finite(data: &TensorData) -> bool {
    match data.as_slice::<f32>() {
        Ok(values) => !values.iter().all(|value| value.is_finite()),
        Err(_) => !data.iter::<f32>().all(f32::is_finite),
    }
}

struct Check<'a> {
    state: &'a StateDict,
    seen: BTreeSet<String>,
    mismatch: UnmatchedWeights,
}

impl Check<'_> {
    fn tensor(&mut self, key: &str, expected: &[usize]) {
        match self.state.get(key) {
            None => self.mismatch.missing.push(key.to_owned()),
            Some(data) if data.shape()[..] != *expected => self.mismatch.shape.push(Mismatch {
                key: key.to_owned(),
                found: data.shape().to_vec(),
                expected: expected.to_vec(),
            }),
            Some(_) => {}
        }
        self.seen.insert(key.to_owned());
    }
}

impl StateVisitor for Check<'_> {
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>) {
        self.tensor(key, &parameter.lazy_shape());
    }

    fn matrix(&mut self, key: &str, parameter: &mut Param<Tensor<4>>) {
        let shape = parameter.lazy_shape();
        self.tensor(key, &[shape[0], shape[1..].iter().product()]);
    }

    fn buffer(&mut self, key: &str, buffer: &mut RunningState<Tensor<1>>) {
        self.tensor(key, &buffer.value().dims());
    }
}

fn load<const D: usize>(parameter: &mut Param<Tensor<D>>, data: TensorData) {
    // A fresh leaf on the parameter's device, with the parameter's own identity and wish for gradients.
    let device: Device = parameter.lazy_device();
    let value = Tensor::from_data(data, &device);
    let keep = parameter.clone();
    *parameter = keep.transform_for_load(value, parameter.id);
}

struct Load<'a> {
    state: &'a StateDict,
}

impl StateVisitor for Load<'_> {
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>) {
        if let Some(data) = self.state.get(key) {
            load(parameter, data.clone());
        }
    }

    fn matrix(&mut self, key: &str, parameter: &mut Param<Tensor<4>>) {
        if let Some(data) = self.state.get(key) {
            let shape = parameter.lazy_shape().to_vec();
            load(
                parameter,
                TensorData::new(data.iter::<f32>().collect(), shape),
            );
        }
    }

    fn buffer(&mut self, key: &str, buffer: &mut RunningState<Tensor<1>>) {
        if let Some(data) = self.state.get(key) {
            let device = buffer.value().device();
            *buffer = RunningState::new(Tensor::from_data(data.clone(), &device));
        }
    }
}

struct Collect {
    state: StateDict,
}

impl StateVisitor for Collect {
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>) {
        self.state.insert(
            key.to_owned(),
            parameter.val().without_autodiff().into_data(),
        );
    }

    fn matrix(&mut self, key: &str, parameter: &mut Param<Tensor<4>>) {
        let value = parameter.val().without_autodiff();
        let [channels_out, inputs @ ..] = value.dims();
        let value = value.reshape([channels_out, inputs.iter().product()]);
        self.state.insert(key.to_owned(), value.into_data());
    }

    fn buffer(&mut self, key: &str, buffer: &mut RunningState<Tensor<1>>) {
        self.state.insert(
            key.to_owned(),
            buffer.value_sync().without_autodiff().into_data(),
        );
    }
}
