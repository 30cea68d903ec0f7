//! One training step: the only place where backbone, head and optimiser meet.

use burn::module::ParamGroup;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use rekindle_head::LossConfig;

use rekindle_model::{Features, Network};

use crate::clip::{ClipSpec, NonFinite, clip};
use crate::optim::penalty::add_l1;

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
    /// The loss is infinite or not a number.
    Loss,
    /// The gradients are.
    Gradients(NonFinite),
}

impl Step {
    /// Forward, backward, clip, update.
    pub fn take(
        &self,
        tail: Network,
        optimizer: &mut ModuleOptimizer,
        features: Features,
        targets: Tensor<2>,
        lr: f64,
    ) -> Result<(Network, StepOutput), StepFailure> {
        let logits = tail.logits(features.train());
        let loss = self.loss.forward(logits, Tensor::from_inner(targets));
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Err(StepFailure::Loss);
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &tail);
        let gradients = add_l1(gradients, &tail, self.l1);
        let (gradients, gradient_norm) =
            clip(gradients, &tail, &self.clip).map_err(StepFailure::Gradients)?;
        let tail = optimizer.step(self.learning_rates(lr), tail, gradients);
        Ok((
            tail,
            StepOutput {
                loss: value,
                gradient_norm,
            },
        ))
    }

    fn learning_rates(&self, lr: f64) -> ModuleLearningRate {
        let mut rates = ModuleLrScheduler::new(lr);
        for (group, factor) in &self.rates {
            rates = rates.with_group(group.clone(), lr * factor);
        }
        rates.step()
    }
}
