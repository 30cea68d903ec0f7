//! What a phase works on: its settings and place, and where the run stands. Owns also how epochs and purposes get random numbers of their own.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use burn::module::ParamGroup;
use rekindle_data::TaskReport;
use rekindle_model::NetworkState;

use crate::Plan;
use crate::checkpoint::Progress;
use crate::distill::Teacher;
use crate::features::{Cut, FrozenNetwork};
use crate::recipe::PhaseRecipe;

/// Epoch numbers of different phases must not meet, since randomness comes from (seed, epoch, sample).
const EPOCHS_APART: u64 = 1 << 32;

/// The epoch of every [`SampleRng`](rekindle_augment::SampleRng) in an epoch, from 0, of a phase, from 1. The numbers below those of phase 1 are the views of the
/// feature cache.
pub fn epoch_id(phase: u64, epoch: usize) -> u64 {
    phase * EPOCHS_APART + epoch as u64
}

/// Keeps the random numbers that choose views, seed dropout and mix batches apart from those of the augmentation.
pub(crate) const VIEWS: u64 = 0x5649_4557;
pub(crate) const DROPOUT: u64 = 0x4452_4F50;
pub(crate) const MIX: u64 = 0x4D49_5855;

/// Everything a phase needs that does not change in it.
#[derive(Debug)]
pub struct Phase<'a> {
    /// Its place in the list, from 1.
    pub number: u64,
    /// Its settings.
    pub recipe: &'a PhaseRecipe,
    /// The plan.
    pub plan: &'a Plan,
    /// The frozen part.
    pub network: &'a FrozenNetwork,
    /// The features that it starts from: the output of the stages that stay frozen.
    pub cut: Cut,
    /// Training samples in the order of the cache's blocks.
    pub samples: &'a [usize],
    /// Parameters with a learning rate of their own.
    pub rates: Vec<(ParamGroup, f64)>,
    /// What a teacher says of the training images, where there is one.
    pub teacher: Option<&'a Teacher>,
    /// The run directory.
    pub directory: &'a Path,
    /// Set when the user wants the run to stop.
    pub interrupt: &'a AtomicBool,
}

/// What changes in a run: where it stands and the best state so far.
#[derive(Debug)]
pub struct RunState {
    /// Where it stands.
    pub progress: Progress,
    /// The best state so far.
    pub best: Option<NetworkState>,
    /// Metrics of the best state.
    pub best_report: Option<TaskReport>,
    /// What the best state says of the validation images, row by row in the split's order: the head's outputs. None where it was
    /// measured by another process, or there are too many to keep.
    pub best_outputs: Option<Vec<f32>>,
    /// When the first training step was done.
    pub first_step: Option<Instant>,
    /// Time spent waiting for images.
    pub waited: Duration,
}

/// How a phase ended.
#[derive(Debug)]
pub enum PhaseEnd {
    /// All epochs, or early stopping.
    Done,
    /// The user stopped it; a checkpoint is written.
    Interrupted,
}

impl Phase<'_> {
    /// The epoch of every [`SampleRng`](rekindle_augment::SampleRng) in an epoch of it, from 0.
    pub(super) fn epoch_id(&self, epoch: usize) -> u64 {
        epoch_id(self.number, epoch)
    }
}
