//! One training step: the only place where backbone, head and optimiser meet.
//!
//! Owns how a batch is taken in parts whose gradients add up to that of the whole (gradient accumulation), and the two passes of
//! sharpness-aware minimisation.

mod blame;
mod whole_set;

use burn::module::{Module, ModuleMapper, Param, ParamGroup};
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use rekindle_head::LossConfig;

use rekindle_model::{Features, Network};

use crate::clip::{ClipSpec, NonFinite, clip};
use crate::optim::penalty::add_l1;

pub use self::blame::Blame;

/// Keeps a division by a norm of zero from giving no number; that of the authors' code for SAM.
const EPSILON: f64 = 1e-12;

/// What a step needs beside the batch.
#[derive(Debug)]
pub struct Step {
    /// The loss.
    pub loss: LossConfig,
    /// Gradient clipping.
    pub clip: ClipSpec,
    /// Strength of L1 regularisation.
    pub l1: f64,
    /// The parameters with a learning rate of their own, and its factor on the head's.
    pub rates: Vec<(ParamGroup, f64)>,
    /// The most images of a batch that go forward and backward at once; 0 for all. The gradient is that of the mean over the whole batch
    /// either way; batch norms that take the statistics of a batch take those of a part.
    pub micro_batch: usize,
    /// Radius of sharpness-aware minimisation (SAM); 0 for none. The gradient is that at the weights moved by it along the gradient, so each
    /// step takes two passes. [Foret et al. 2020](https://arxiv.org/abs/2010.01412).
    pub sam: f64,
}

/// A batch.
#[derive(Debug)]
pub struct Batch {
    /// What the first trained stage, or the head, begins with; not tracked by autodiff.
    pub features: Features,
    /// What is trained towards, `[batch, outputs]`.
    pub targets: Tensor<2>,
    /// Where the masks of dropout and drop path come from.
    pub dropout_seed: u64,
}

/// The figures of one step.
#[derive(Debug, Clone, Copy)]
pub struct StepOutput {
    /// Mean loss of the batch.
    pub loss: f64,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f64,
}

/// Why a step could not be made.
#[derive(Debug)]
pub enum StepFailure {
    /// The loss is infinite or not a number, and what is to blame.
    Loss(Blame),
    /// The gradients are.
    Gradients(NonFinite),
}

impl Step {
    /// Forward, backward, clip, update.
    ///
    /// # Errors
    ///
    /// [`StepFailure`] where the loss or a gradient is not finite.
    pub fn take(
        &self,
        tail: Network,
        optimizer: &mut ModuleOptimizer,
        batch: Batch,
        lr: f64,
    ) -> Result<(Network, StepOutput), StepFailure> {
        let (loss, gradients) = self.gradients(&tail, &batch)?;
        let gradients = match self.sam {
            0.0 => gradients,
            radius => {
                let (gradients, norm) =
                    clip(gradients, &tail, &ClipSpec::None).map_err(StepFailure::Gradients)?;
                let mut ascent = Ascent {
                    gradients,
                    length: radius / (norm + EPSILON),
                };
                let moved = tail.clone().map(&mut ascent);
                self.gradients(&moved, &batch)?.1
            }
        };
        let gradients = add_l1(gradients, &tail, self.l1);
        let (gradients, gradient_norm) =
            clip(gradients, &tail, &self.clip).map_err(StepFailure::Gradients)?;
        let tail = optimizer.step(self.learning_rates(lr), tail, gradients);
        Ok((
            tail,
            StepOutput {
                loss,
                gradient_norm,
            },
        ))
    }

    /// The mean loss of a batch and its gradients, part by part.
    fn gradients(
        &self,
        tail: &Network,
        batch: &Batch,
    ) -> Result<(f64, GradientsParams), StepFailure> {
        tail.head.seed_dropout(batch.dropout_seed);
        if let Some(stages) = &tail.backbone {
            stages.seed_drop_path(batch.dropout_seed);
        }
        let images = batch.targets.dims()[0];
        let part = match self.micro_batch {
            0 => images,
            // Parts of one size, but for a last one that is smaller by one at most: none is left with a single image.
            wished => images.div_ceil(images.div_ceil(wished.max(1))),
        };
        let backward = |features: Features, targets: Tensor<2>, share: Option<f64>| {
            let logits = tail.logits(features.train());
            let loss = self.loss.forward(logits, Tensor::from_inner(targets));
            let loss = match share {
                Some(share) => loss.mul_scalar(share),
                None => loss,
            };
            let value = f64::from(loss.clone().into_scalar::<f32>());
            match value.is_finite() {
                true => Ok((value, GradientsParams::from_grads(loss.backward(), tail))),
                false => Err(StepFailure::Loss(Blame::of(tail, &batch.features))),
            }
        };
        if part >= images {
            return backward(batch.features.clone(), batch.targets.clone(), None);
        }
        let whole = self.loss.divisor(&batch.targets);
        let (mut sum, mut gradients) = (0.0, GradientsAccumulator::new());
        for start in (0..images).step_by(part) {
            let length = part.min(images - start);
            let targets = batch.targets.clone().narrow(0, start, length);
            let share = self.loss.divisor(&targets) / whole;
            let features = batch.features.clone().narrow(start, length);
            let (loss, of_part) = backward(features, targets, Some(share))?;
            sum += loss;
            gradients.accumulate(tail, of_part);
        }
        Ok((sum, gradients.grads()))
    }

    fn learning_rates(&self, lr: f64) -> ModuleLearningRate {
        let mut rates = ModuleLrScheduler::new(lr);
        for (group, factor) in &self.rates {
            rates = rates.with_group(group.clone(), lr * factor);
        }
        rates.step()
    }
}

/// Moves each weight along its gradient.
struct Ascent {
    gradients: GradientsParams,
    length: f64,
}

impl ModuleMapper for Ascent {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let (id, value, mapper) = param.consume();
        let moved = value.inner() + gradient.mul_scalar(self.length);
        Param::from_mapped_value(id, Tensor::from_inner(moved), mapper).set_require_grad(true)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use rekindle_head::{CrossEntropy, HeadConfig, MeanSquaredError};
    use rekindle_model::{Joint, NetworkState};
    use serde_json::Value;

    use super::*;
    use crate::lookahead::Lookahead;
    use crate::optim::{OptimizerSpec, SgdSpec};

    fn tensor(value: &Value) -> Tensor<2> {
        let rows = value.as_array().unwrap();
        let numbers = rows.iter().flat_map(|row| row.as_array().unwrap());
        let numbers: Vec<f32> = numbers
            .map(|number| number.as_f64().unwrap() as f32)
            .collect();
        let shape = [rows.len(), numbers.len() / rows.len()];
        Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
    }

    /// A head of one linear layer from 3 features to 2 outputs.
    fn linear(weight: Vec<f32>, bias: Vec<f32>) -> Network {
        let device = Device::flex();
        let head = HeadConfig::default().init_joined(3, 0, 2, 0, &device);
        let state = NetworkState {
            backbone: Default::default(),
            head: [
                ("weight".to_owned(), TensorData::new(weight, [2, 3])),
                ("bias".to_owned(), TensorData::new(bias, [2])),
            ]
            .into(),
        };
        let network = Network::new(None, head, Joint::default());
        let network = network.load_state(&state, "the test").unwrap();
        Network::new(None, network.head.train(), Joint::default()).with_place_ids()
    }

    fn step(loss: LossConfig) -> Step {
        Step {
            loss,
            clip: ClipSpec::None,
            l1: 0.0,
            rates: Vec::new(),
            micro_batch: 0,
            sam: 0.0,
        }
    }

    fn sgd() -> OptimizerSpec {
        OptimizerSpec::Sgd(SgdSpec {
            momentum: 0.0,
            weight_decay: 0.0,
            ..SgdSpec::default()
        })
    }

    fn weights(network: &Network) -> Vec<f32> {
        let state = network.state().head;
        let values = ["weight", "bias"].map(|key| state[key].clone().try_to_vec::<f32>().unwrap());
        values.concat()
    }

    fn assert_near(found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= tolerance,
                "{found} for {expected}"
            );
        }
    }

    #[test]
    fn sharpness_aware_steps_are_those_of_pytorch_optimizer() {
        let fixture: Value = serde_json::from_str(include_str!("../tests/data/sam.json")).unwrap();
        let mut network = linear(vec![0.3, -0.2, 0.5, -0.4, 0.1, 0.2], vec![0.1, -0.1]);
        let step = Step {
            sam: fixture["rho"].as_f64().unwrap(),
            ..step(LossConfig::MeanSquaredError(MeanSquaredError {}))
        };
        let mut optimizer = sgd().build_for(&network, &Device::flex()).unwrap();
        let steps = fixture["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 3);
        for expected in steps {
            let batch = Batch {
                features: Features::Joined(tensor(&fixture["inputs"])),
                targets: tensor(&fixture["targets"]),
                dropout_seed: 0,
            };
            let lr = fixture["lr"].as_f64().unwrap();
            network = step.take(network, &mut optimizer, batch, lr).unwrap().0;
            let rows = expected["weight"].as_array().unwrap().iter();
            let all = rows.flat_map(|row| row.as_array().unwrap());
            let all = all.chain(expected["bias"].as_array().unwrap());
            let expected: Vec<f32> = all.map(|value| value.as_f64().unwrap() as f32).collect();
            assert_near(&weights(&network), &expected, 1e-6);
        }
    }

    #[test]
    fn lookahead_is_that_of_pytorch_optimizer() {
        let fixture: Value =
            serde_json::from_str(include_str!("../tests/data/lookahead.json")).unwrap();
        let mut network = linear(vec![0.3, -0.2, 0.5, -0.4, 0.1, 0.2], vec![0.1, -0.1]);
        let step = step(LossConfig::MeanSquaredError(MeanSquaredError {}));
        let mut optimizer = sgd().build_for(&network, &Device::flex()).unwrap();
        let every = fixture["every"].as_u64().unwrap() as usize;
        let alpha = fixture["alpha"].as_f64().unwrap();
        let mut lookahead = Lookahead::new(&network, every, alpha);
        let steps = fixture["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 7);
        for (place, expected) in steps.iter().enumerate() {
            let batch = Batch {
                features: Features::Joined(tensor(&fixture["inputs"])),
                targets: tensor(&fixture["targets"]),
                dropout_seed: 0,
            };
            let lr = fixture["lr"].as_f64().unwrap();
            network = step.take(network, &mut optimizer, batch, lr).unwrap().0;
            network = lookahead.after_step(network, place + 1);
            let rows = expected["weight"].as_array().unwrap().iter();
            let all = rows.flat_map(|row| row.as_array().unwrap());
            let all = all.chain(expected["bias"].as_array().unwrap());
            let expected: Vec<f32> = all.map(|value| value.as_f64().unwrap() as f32).collect();
            assert_near(&weights(&network), &expected, 1e-6);
        }
    }

    #[test]
    fn a_loss_that_is_not_finite_says_what_is_to_blame() {
        let blame = |weight: f32, features: [[f32; 3]; 2]| {
            let device = Device::flex();
            let network = linear(vec![weight, -0.2, 0.5, -0.4, 0.1, 0.2], vec![0.1, -0.1]);
            let mut optimizer = sgd().build_for(&network, &device).unwrap();
            let batch = Batch {
                features: Features::Joined(Tensor::from_data(features, &device)),
                targets: Tensor::from_data([[1.0f32, 0.0], [0.0, 1.0]], &device),
                dropout_seed: 0,
            };
            let step = step(LossConfig::MeanSquaredError(MeanSquaredError {}));
            match step.take(network, &mut optimizer, batch, 0.1) {
                Err(StepFailure::Loss(blame)) => blame,
                other => panic!("{other:?}"),
            }
        };
        let plain = [0.5, 1.0, 2.0];
        assert_eq!(
            blame(0.3, [plain, [0.0, f32::NAN, 0.0]]),
            Blame::Images(vec![1])
        );
        let weights = Blame::Weights(vec!["head.output.weight".into()]);
        assert_eq!(blame(f32::INFINITY, [plain, plain]), weights);
        let Blame::Outputs { largest_weight } = blame(1e30, [plain, plain]) else {
            panic!("the outputs are too large");
        };
        assert!((largest_weight / 1e30 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_batch_in_parts_makes_the_step_of_the_whole_batch() {
        let device = Device::flex();
        let inputs: Vec<f32> = (0..21)
            .map(|at| ((at * 7) % 11) as f32 / 5.0 - 1.0)
            .collect();
        let targets: Vec<f32> = (0..7)
            .flat_map(|at| [(at % 3 == 0) as u8 as f32, (at % 3 != 0) as u8 as f32])
            .collect();
        // With weights of classes, parts of the same size do not weigh alike.
        let loss = LossConfig::CrossEntropy(CrossEntropy {
            class_weights: Some(vec![3.0, 0.5]),
            ..CrossEntropy::default()
        });
        let after = |micro_batch: usize| {
            let network = linear(vec![0.3, -0.2, 0.5, -0.4, 0.1, 0.2], vec![0.1, -0.1]);
            let mut optimizer = sgd().build_for(&network, &device).unwrap();
            let batch = Batch {
                features: Features::Joined(Tensor::from_data(
                    TensorData::new(inputs.clone(), [7, 3]),
                    &device,
                )),
                targets: Tensor::from_data(TensorData::new(targets.clone(), [7, 2]), &device),
                dropout_seed: 3,
            };
            let step = Step {
                micro_batch,
                ..step(loss.clone())
            };
            let (network, output) = step.take(network, &mut optimizer, batch, 0.5).unwrap();
            (weights(&network), output)
        };
        let (whole, of_whole) = after(0);
        for micro_batch in [1, 2, 3, 6, 7, 100] {
            let (parts, of_parts) = after(micro_batch);
            assert_near(&parts, &whole, 1e-6);
            assert!((of_parts.loss - of_whole.loss).abs() < 1e-6);
            assert!((of_parts.gradient_norm - of_whole.gradient_norm).abs() < 1e-6);
        }
    }
}
