//! A step that sees every training image and asks for their loss as often as it likes: L-BFGS's. Owns how a network's trained weights become
//! numbers and back, and the penalty on them.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use rekindle_model::Network;

use super::{Batch, Step, StepFailure, StepOutput};
use crate::clip::{ClipSpec, clip};
use crate::optim::LBfgs;

impl Step {
    /// Moves the weights of a network that its batch is all of the training images for. The loss has to be the same whenever it is asked for:
    /// without dropout, batch statistics, clipping and L1, which a plan sees to. `lr` is where each search begins, 1 as a rule.
    ///
    /// # Errors
    ///
    /// [`StepFailure`] where the loss or a gradient is not finite.
    pub fn take_whole(
        &self,
        tail: Network,
        method: &mut LBfgs,
        batch: &Batch,
        lr: f64,
    ) -> Result<(Network, StepOutput), StepFailure> {
        let settings = method.settings();
        let mut weights = Weights {
            decay: settings.weight_decay,
            decays_all: settings.decay_norm_and_bias,
            ..Weights::default()
        };
        tail.visit(&mut weights);
        let Weights {
            mut values, decays, ..
        } = weights;
        let mut first = None;
        method.minimise(&mut values, lr, |values| {
            let moved = with_weights(tail.clone(), values);
            let (loss, gradients) = self.gradients(&moved, batch)?;
            let (gradients, gradient_norm) =
                clip(gradients, &moved, &ClipSpec::None).map_err(StepFailure::Gradients)?;
            let mut flat = Flat {
                gradients,
                values: Vec::with_capacity(values.len()),
            };
            moved.visit(&mut flat);
            let mut penalty = 0.0;
            for ((gradient, value), decay) in flat.values.iter_mut().zip(values).zip(&decays) {
                penalty += decay / 2.0 * value * value;
                *gradient += decay * value;
            }
            first.get_or_insert(StepOutput {
                loss,
                gradient_norm,
            });
            Ok((loss + penalty, flat.values))
        })?;
        // A method that asks for no loss has none to tell.
        let output = first.unwrap_or(StepOutput {
            loss: f64::NAN,
            gradient_norm: 0.0,
        });
        Ok((with_weights(tail, &values), output))
    }
}

/// The trained weights, one after the other, and how much each decays.
#[derive(Default)]
struct Weights {
    decay: f64,
    decays_all: bool,
    values: Vec<f64>,
    decays: Vec<f64>,
}

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        self.values.extend(value.into_data().iter::<f64>());
        let decays = D > 1 || self.decays_all;
        let decay = if decays { self.decay } else { 0.0 };
        self.decays.resize(self.values.len(), decay);
    }
}

/// The gradients of the trained weights in the same order; 0 of one that the loss does not depend on.
struct Flat {
    gradients: GradientsParams,
    values: Vec<f64>,
}

impl ModuleVisitor for Flat {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        match self.gradients.get::<D>(param.id) {
            Some(gradient) => self.values.extend(gradient.into_data().iter::<f64>()),
            None => {
                let all = self.values.len() + value.shape().num_elements();
                self.values.resize(all, 0.0);
            }
        }
    }
}

/// A network with these trained weights.
fn with_weights(tail: Network, values: &[f64]) -> Network {
    struct Set<'a>(&'a [f64]);
    impl ModuleMapper for Set<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !param.val().is_require_grad() {
                return param;
            }
            let (id, value, mapper) = param.consume();
            let (own, rest) = self.0.split_at(value.shape().num_elements());
            self.0 = rest;
            let own: Vec<f32> = own.iter().map(|value| *value as f32).collect();
            let value = value.inner();
            let moved = Tensor::from_data(TensorData::new(own, value.shape()), &value.device());
            Param::from_mapped_value(id, Tensor::from_inner(moved), mapper).set_require_grad(true)
        }
    }
    tail.map(&mut Set(values))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rekindle_head::{CrossEntropy, HeadConfig, LossConfig, one_hot};
    use rekindle_model::{Features, Joint};
    use serde_json::Value;

    use super::*;
    use crate::optim::LBfgsSpec;

    fn numbers(value: &Value) -> Vec<f32> {
        match value {
            Value::Array(items) => items.iter().flat_map(numbers).collect(),
            number => vec![number.as_f64().unwrap() as f32],
        }
    }

    #[test]
    fn a_linear_head_gets_the_weights_of_logistic_regression() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../tests/data/lbfgs.json")).unwrap();
        let fixture = &fixture["scikit_learn"];
        let device = Device::flex();
        let classes: Vec<usize> = serde_json::from_value(fixture["classes"].clone()).unwrap();
        let features = TensorData::new(numbers(&fixture["features"]), [classes.len(), 5]);
        let batch = Batch {
            features: Features::Joined(Tensor::from_data(features, &device)),
            targets: one_hot(&classes, 3, &device).unwrap(),
            dropout_seed: 0,
        };
        let step = |micro_batch| Step {
            loss: LossConfig::CrossEntropy(CrossEntropy::default()),
            clip: ClipSpec::None,
            l1: 0.0,
            rates: Vec::new(),
            micro_batch,
            sam: 0.0,
        };
        for micro_batch in [0, 16] {
            let head = HeadConfig::default().init_joined(5, 0, 3, 7, &device);
            let mut tail = Network::new(None, head.train(), Joint::default()).with_place_ids();
            let mut method = LBfgs::new(&LBfgsSpec {
                weight_decay: fixture["weight_decay"].as_f64().unwrap(),
                ..LBfgsSpec::default()
            });
            let mut losses = Vec::new();
            for _ in 0..12 {
                let (next, output) = step(micro_batch)
                    .take_whole(tail, &mut method, &batch, 1.0)
                    .unwrap();
                losses.push(output.loss);
                tail = next;
            }
            let loss = fixture["loss"].as_f64().unwrap();
            assert!((losses[11] - loss).abs() < 1e-5, "{losses:?} for {loss}");
            let state = tail.state().head;
            for (key, expected) in [("weight", "weight"), ("bias", "bias")] {
                let found = state[key].clone().try_to_vec::<f32>().unwrap();
                let expected = numbers(&fixture[expected]);
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() < 2e-3,
                        "{key}: {found} for {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_frozen_by_name_stays() {
        let device = Device::flex();
        let head = HeadConfig::default().init_joined(2, 0, 2, 7, &device);
        let mut tail = Network::new(None, head.train(), Joint::default()).with_place_ids();
        let before = tail.state().head["weight"].clone();
        struct HoldMatrices;
        impl ModuleMapper for HoldMatrices {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.set_require_grad(D == 1)
            }
        }
        tail = tail.map(&mut HoldMatrices);
        let batch = Batch {
            features: Features::Joined(Tensor::from_data([[1.0, 0.0], [0.5, 0.5]], &device)),
            targets: one_hot(&[1, 1], 2, &device).unwrap(),
            dropout_seed: 0,
        };
        let step = Step {
            loss: LossConfig::CrossEntropy(CrossEntropy::default()),
            clip: ClipSpec::None,
            l1: 0.0,
            rates: Vec::new(),
            micro_batch: 0,
            sam: 0.0,
        };
        let mut method = LBfgs::new(&LBfgsSpec::default());
        let (tail, _) = step.take_whole(tail, &mut method, &batch, 1.0).unwrap();
        let state = tail.state().head;
        assert_eq!(state["weight"], before);
        let bias = state["bias"].clone().try_to_vec::<f32>().unwrap();
        assert!(bias[1] > bias[0] + 1.0, "{bias:?}");
    }
}
