//! What moves the weights of a phase: an optimiser that takes a step by a batch's gradient, or one that sees every training image at once.
//! Owns the choice, and what of either a checkpoint keeps.

use std::path::Path;

use burn::optim::ModuleOptimizer;
use burn::tensor::{Bytes, Device};
use rekindle_model::Network;
use rekindle_settings::Within;

use crate::FinetuneError;
use crate::checkpoint::{restore_optimizer, state_path};
use crate::optim::LBfgs;
use crate::recipe::PhaseRecipe;
use crate::step::{Batch, Step, StepFailure, StepOutput};

/// What moves the weights.
pub enum Updater {
    /// A step for each batch.
    Batches(ModuleOptimizer),
    /// Several for all images.
    WholeSet(LBfgs),
}

impl Updater {
    /// That of a phase, from its beginning or from a checkpoint of the run in this directory.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub fn new(
        recipe: &PhaseRecipe,
        tail: &Network,
        device: &Device,
        state: Option<Bytes>,
        directory: &Path,
    ) -> Result<Self, FinetuneError> {
        if let Some(spec) = recipe.optim.whole_set() {
            let method = LBfgs::new(spec);
            let restored = match state {
                Some(bytes) => method.restored(&bytes),
                None => Ok(method),
            };
            let restored = restored.map_err(|reason| FinetuneError::OptimizerState {
                path: state_path(directory),
                reason,
            });
            return restored.map(Self::WholeSet);
        }
        let optimizer = recipe.optim.build_for(tail, device).within(&recipe.name)?;
        Ok(Self::Batches(match state {
            Some(bytes) => restore_optimizer(optimizer, bytes, directory)?,
            None => optimizer,
        }))
    }

    /// Makes a step.
    ///
    /// # Errors
    ///
    /// As [`Step::take`].
    pub fn take(
        &mut self,
        step: &Step,
        tail: Network,
        batch: Batch,
        lr: f64,
    ) -> Result<(Network, StepOutput), StepFailure> {
        match self {
            Self::Batches(optimizer) => step.take(tail, optimizer, batch, lr),
            Self::WholeSet(method) => step.take_whole(tail, method, &batch, lr),
        }
    }

    /// Its state, for a checkpoint.
    ///
    /// # Errors
    ///
    /// It has no form there.
    pub fn to_bytes(&self, directory: &Path) -> Result<Bytes, FinetuneError> {
        match self {
            Self::Batches(optimizer) => {
                let bytes = optimizer.into_bytes();
                bytes.map_err(|error| FinetuneError::OptimizerState {
                    path: directory.join("checkpoint"),
                    reason: error.to_string(),
                })
            }
            Self::WholeSet(method) => Ok(Bytes::from_bytes_vec(method.to_bytes())),
        }
    }
}
