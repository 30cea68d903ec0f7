//! A head's weights by name. Owns the names and their match; files are the caller's.
//!
//! Names and layouts are PyTorch's: the last layer is `weight` (`[outputs, inputs]`) and `bias`, hidden layer `i` is
//! `hidden.{i}.linear.*` and `hidden.{i}.norm.*`, the norm of the pooled features `input_norm.*`, and the exponent of
//! the generalised mean `pool.p` (`[1]`). A norm has `weight`, `bias`, `running_mean` and `running_var`.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Param, RunningState};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::{Tensor, TensorData};

use crate::error::{HeadError, Misshapen};
use crate::head::Head;

impl Head {
    /// Copies every weight and running statistic to the host, in the order of the layers.
    ///
    /// All values are f32. The copy shares nothing with the head: later training does not change it.
    pub fn state(&self) -> Vec<(String, TensorData)> {
        let mut state = Vec::new();
        if let Some(exponent) = &self.pool.exponent {
            state.push(("pool.p".to_string(), host(exponent.val())));
        }
        if let Some(norm) = &self.input_norm {
            push_norm(&mut state, "input_norm.", norm);
        }
        for (index, layer) in self.hidden.iter().enumerate() {
            push_linear(
                &mut state,
                &format!("hidden.{index}.linear."),
                &layer.linear,
            );
            if let Some(norm) = &layer.norm {
                push_norm(&mut state, &format!("hidden.{index}.norm."), norm);
            }
        }
        push_linear(&mut state, "", &self.output);
        state
    }

    /// Replaces every weight and running statistic by the stored one of the same name.
    ///
    /// Devices, parameter ids and frozen parameters stay as they are.
    ///
    /// # Errors
    ///
    /// [`HeadError::UnmatchedState`] names every tensor that is missing, unused or of another shape; nothing is
    /// loaded then.
    pub fn load_state(mut self, state: &BTreeMap<String, TensorData>) -> Result<Self, HeadError> {
        self.check_state(state)?;
        if let Some(exponent) = self.pool.exponent.take() {
            self.pool.exponent = Some(load(exponent, "pool.p", state));
        }
        if let Some(norm) = self.input_norm.take() {
            self.input_norm = Some(load_norm(norm, "input_norm.", state));
        }
        let mut hidden = Vec::with_capacity(self.hidden.len());
        for (index, mut layer) in self.hidden.into_iter().enumerate() {
            layer.linear = load_linear(layer.linear, &format!("hidden.{index}.linear."), state);
            layer.norm = layer
                .norm
                .map(|norm| load_norm(norm, &format!("hidden.{index}.norm."), state));
            hidden.push(layer);
        }
        self.hidden = hidden;
        self.output = load_linear(self.output, "", state);
        Ok(self)
    }

    fn check_state(&self, state: &BTreeMap<String, TensorData>) -> Result<(), HeadError> {
        let mut unused: BTreeSet<&String> = state.keys().collect();
        let mut missing = Vec::new();
        let mut misshapen = Vec::new();
        for (name, own) in self.state() {
            unused.remove(&name);
            match state.get(&name) {
                None => missing.push(name),
                Some(stored) if stored.shape() != own.shape() => misshapen.push(Misshapen {
                    name,
                    found: stored.shape().to_vec(),
                    expected: own.shape().to_vec(),
                }),
                Some(_) => {}
            }
        }
        if missing.is_empty() && misshapen.is_empty() && unused.is_empty() {
            return Ok(());
        }
        Err(HeadError::UnmatchedState {
            missing,
            unused: unused.into_iter().cloned().collect(),
            misshapen,
        })
    }
}

fn host<const D: usize>(tensor: Tensor<D>) -> TensorData {
    tensor.into_data().convert::<f32>()
}

fn push_linear(state: &mut Vec<(String, TensorData)>, prefix: &str, linear: &Linear) {
    state.push((
        format!("{prefix}weight"),
        transposed(&host(linear.weight.val())),
    ));
    if let Some(bias) = &linear.bias {
        state.push((format!("{prefix}bias"), host(bias.val())));
    }
}

fn push_norm(state: &mut Vec<(String, TensorData)>, prefix: &str, norm: &BatchNorm) {
    state.push((format!("{prefix}weight"), host(norm.gamma.val())));
    state.push((format!("{prefix}bias"), host(norm.beta.val())));
    state.push((
        format!("{prefix}running_mean"),
        host(norm.running_mean.value_sync()),
    ));
    state.push((
        format!("{prefix}running_var"),
        host(norm.running_var.value_sync()),
    ));
}

/// The stored values in place of a parameter's; a name that is absent leaves it, which the check has ruled out.
fn load<const D: usize>(
    param: Param<Tensor<D>>,
    name: &str,
    state: &BTreeMap<String, TensorData>,
) -> Param<Tensor<D>> {
    match state.get(name) {
        Some(data) => replace(param, data.clone()),
        None => param,
    }
}

fn replace<const D: usize>(param: Param<Tensor<D>>, data: TensorData) -> Param<Tensor<D>> {
    param.map(|current| {
        let loaded = Tensor::<D>::from_data(data, &current.device()).cast(current.dtype());
        loaded.detach().set_require_grad(current.is_require_grad())
    })
}

/// `[rows, columns]` to `[columns, rows]` in memory, not by strides: a product over strides may round otherwise, and a
/// loaded head must train like the one it was saved from.
fn transposed(data: &TensorData) -> TensorData {
    let (rows, columns) = (data.shape()[0], data.shape()[1]);
    let values: Vec<f32> = data.iter().collect();
    let swapped = (0..rows * columns)
        .map(|index| values[index % rows * columns + index / rows])
        .collect();
    TensorData::new::<f32, _>(swapped, [columns, rows])
}

fn load_linear(mut linear: Linear, prefix: &str, state: &BTreeMap<String, TensorData>) -> Linear {
    if let Some(weight) = state.get(&format!("{prefix}weight")) {
        linear.weight = replace(linear.weight, transposed(weight));
    }
    linear.bias = linear
        .bias
        .map(|bias| load(bias, &format!("{prefix}bias"), state));
    linear
}

fn load_norm(mut norm: BatchNorm, prefix: &str, state: &BTreeMap<String, TensorData>) -> BatchNorm {
    norm.gamma = load(norm.gamma, &format!("{prefix}weight"), state);
    norm.beta = load(norm.beta, &format!("{prefix}bias"), state);
    norm.running_mean = load_running(norm.running_mean, &format!("{prefix}running_mean"), state);
    norm.running_var = load_running(norm.running_var, &format!("{prefix}running_var"), state);
    norm
}

/// A new running value rather than an update: the old one may be shared with a clone of the head.
fn load_running(
    running: RunningState<Tensor<1>>,
    name: &str,
    state: &BTreeMap<String, TensorData>,
) -> RunningState<Tensor<1>> {
    match state.get(name) {
        Some(data) => {
            let current = running.value_sync();
            RunningState::new(
                Tensor::<1>::from_data(data.clone(), &current.device()).cast(current.dtype()),
            )
        }
        None => running,
    }
}
