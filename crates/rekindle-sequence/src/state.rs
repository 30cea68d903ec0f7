//! A head's weights by name. Names and layouts of the recurrent layers are those of PyTorch's modules, behind `rnn.`:
//! `weight_ih_l0` is `[gates * hidden, inputs]`, and `_reverse` stands behind what reads from the end. The classifier is `classifier.weight`
//! and `classifier.bias`, the scale of the features `input.mean` and `input.std`.

use std::collections::BTreeMap;

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use rekindle_backbone::StateDict;
use rekindle_settings::first_ten;

use crate::head::SequenceHead;
use crate::recurrent::Direction;

/// What stands before the names of the recurrent layers.
const LAYERS: &str = "rnn.";
/// What stands before those of the classifier.
const CLASSIFIER: &str = "classifier.";

/// Tensors that do not fit a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tensors of the sequence head do not fit: {problems}")]
#[non_exhaustive]
pub struct UnfitState {
    /// Which are missing, of another shape or of no use, in words.
    pub problems: String,
}

impl SequenceHead {
    /// Copies every weight to the host. All values are f32, and shared with nothing.
    pub fn state(&self) -> StateDict {
        let mut state = StateDict::new();
        state.insert("input.mean".into(), host(self.mean.val()));
        state.insert("input.std".into(), host(self.std.val()));
        for (name, direction) in self.directions() {
            for (key, matrix) in [
                ("weight_ih", &direction.input),
                ("weight_hh", &direction.hidden),
            ] {
                let data = transposed(&host(matrix.val()));
                state.insert(format!("{LAYERS}{key}{name}"), data);
            }
            for (key, bias) in [
                ("bias_ih", &direction.input_bias),
                ("bias_hh", &direction.hidden_bias),
            ] {
                state.insert(format!("{LAYERS}{key}{name}"), host(bias.val()));
            }
        }
        for (key, data) in self.classifier.state() {
            state.insert(format!("{CLASSIFIER}{key}"), data);
        }
        state
    }

    /// Replaces every weight by the stored one of the same name.
    ///
    /// # Errors
    ///
    /// [`UnfitState`] where a tensor is missing, misshapen or of no use; nothing is loaded then.
    pub fn load_state(mut self, state: &StateDict) -> Result<Self, UnfitState> {
        let own = self.state();
        let mut problems = Vec::new();
        for (key, data) in &own {
            match state.get(key) {
                None => problems.push(format!("`{key}` is missing")),
                Some(found) if found.shape() != data.shape() => problems.push(format!(
                    "`{key}` is {:?}, expected {:?}",
                    found.shape().to_vec(),
                    data.shape().to_vec()
                )),
                Some(_) => {}
            }
        }
        let unused = state.keys().filter(|key| !own.contains_key(*key));
        problems.extend(unused.map(|key| format!("`{key}` is of no use")));
        if !problems.is_empty() {
            let problems = first_ten(problems);
            return Err(UnfitState { problems });
        }
        let device = self.mean.device();
        let values = |key: &str| -> Vec<f32> {
            let data = state.get(key);
            data.into_iter()
                .flat_map(|data| data.iter::<f32>())
                .collect()
        };
        self = self.with_scale(&values("input.mean"), &values("input.std"));
        let matrix = |key: String| Param::from_data(transposed(&state[&key]), &device);
        let bias = |key: String| Param::from_data(state[&key].clone(), &device);
        for (number, layer) in self.layers.iter_mut().enumerate() {
            let both = [
                (Some(&mut layer.forward), ""),
                (layer.backward.as_mut(), "_reverse"),
            ];
            for (direction, end) in both {
                let Some(direction) = direction else { continue };
                let key = |name: &str| format!("{LAYERS}{name}_l{number}{end}");
                direction.input = matrix(key("weight_ih"));
                direction.hidden = matrix(key("weight_hh"));
                direction.input_bias = bias(key("bias_ih"));
                direction.hidden_bias = bias(key("bias_hh"));
            }
        }
        let classifier: BTreeMap<String, TensorData> = state
            .iter()
            .filter_map(|(key, data)| {
                Some((key.strip_prefix(CLASSIFIER)?.to_owned(), data.clone()))
            })
            .collect();
        let fits = |error: rekindle_head::HeadError| UnfitState {
            problems: error.to_string(),
        };
        self.classifier = self.classifier.load_state(&classifier).map_err(fits)?;
        Ok(self)
    }

    /// Every direction with what its names end in.
    fn directions(&self) -> impl Iterator<Item = (String, &Direction)> {
        self.layers.iter().enumerate().flat_map(|(number, layer)| {
            let back = layer.backward.iter();
            let back = back.map(move |back| (format!("_l{number}_reverse"), back));
            std::iter::once((format!("_l{number}"), &layer.forward)).chain(back)
        })
    }
}

/// A matrix with rows and columns exchanged.
fn transposed(data: &TensorData) -> TensorData {
    let shape = data.shape();
    let (rows, columns) = (shape[0], shape[1]);
    let values: Vec<f32> = data.iter::<f32>().collect();
    let column = |column: usize| values[column..].iter().step_by(columns).copied();
    TensorData::new(
        (0..columns).flat_map(column).collect::<Vec<f32>>(),
        [columns, rows],
    )
}

/// A copy on the host, in f32.
fn host<const D: usize>(tensor: Tensor<D>) -> TensorData {
    let shape = tensor.dims();
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    TensorData::new(values, shape)
}
