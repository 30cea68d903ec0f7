//! How a run tells what it does; printing is the caller's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{PhaseRecipe, Plan};

/// One epoch's figures; the same for the same seed and machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The phase's name.
    pub phase: String,
    /// Epoch in the phase, from 1; 0 is the state a phase begins with.
    pub epoch: usize,
    /// The head's learning rate in the last step.
    pub lr: f64,
    /// Mean training loss, as trained on: with smoothing, weights and augmentation, and against mixed targets where batches are mixed.
    pub train_loss: f64,
    /// Mean norm of the gradients before clipping.
    pub gradient_norm: f64,
    /// The figures on the validation images by name, such as `validation_loss` and `validation_accuracy`; those of
    /// [`TaskReport::figure_names`](rekindle_data::Task::figures).
    #[serde(flatten)]
    pub validation: BTreeMap<String, f64>,
    /// Whether it is the best epoch so far.
    pub best: bool,
}

impl EpochRecord {
    /// A figure on the validation images by its name, such as `loss`; not a number where the task has no such figure.
    pub fn validation(&self, figure: &str) -> f64 {
        let value = self.validation.get(&format!("validation_{figure}"));
        value.copied().unwrap_or(f64::NAN)
    }
}

/// How long an epoch took; apart from [`EpochRecord`], since it differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochTiming {
    /// The phase's name.
    pub phase: String,
    /// Epoch in the phase, from 1.
    pub epoch: usize,
    /// Seconds of training and validation; of an epoch that was interrupted, those after it went on.
    pub seconds: f64,
    /// Seconds of these in which nothing was computed, since images had not been read, decoded and augmented yet.
    pub waited_seconds: f64,
}

impl EpochTiming {
    /// The share of the time that was waited, from 0 to 1. Where it is large, a larger cache or more processors help, and a faster
    /// device does not.
    pub fn waited_share(&self) -> f64 {
        match self.seconds > 0.0 {
            true => (self.waited_seconds / self.seconds).min(1.0),
            false => 0.0,
        }
    }
}

/// Where a step stands, for a progress bar.
#[derive(Debug, Clone, Copy)]
pub struct StepProgress<'a> {
    /// The phase's name.
    pub phase: &'a str,
    /// Epoch, from 1.
    pub epoch: usize,
    /// Most epochs.
    pub epochs: usize,
    /// Images of the epoch done.
    pub images: usize,
    /// Images of the epoch.
    pub of: usize,
    /// Loss of the batch.
    pub loss: f64,
}

/// Hears what a run does. Every method may be left out.
pub trait Observer {
    /// The run begins.
    fn started(&mut self, _plan: &Plan) {}
    /// A phase begins; the trainable and all parameters are counted.
    fn phase_started(&mut self, _phase: &PhaseRecipe, _trainable: usize, _all: usize) {}
    /// Frozen features are computed: images done of how many.
    fn features(&mut self, _done: usize, _of: usize) {}
    /// A training step is done.
    fn step(&mut self, _progress: StepProgress) {}
    /// An epoch is done.
    fn epoch(&mut self, _record: &EpochRecord, _timing: &EpochTiming) {}
    /// Something that the user should know.
    fn note(&mut self, _text: &str) {}
}

/// Several observers hear the same.
impl<T: Observer + ?Sized> Observer for [&mut T] {
    fn started(&mut self, plan: &Plan) {
        self.iter_mut().for_each(|each| each.started(plan));
    }

    fn phase_started(&mut self, phase: &PhaseRecipe, trainable: usize, all: usize) {
        self.iter_mut()
            .for_each(|each| each.phase_started(phase, trainable, all));
    }

    fn features(&mut self, done: usize, of: usize) {
        self.iter_mut().for_each(|each| each.features(done, of));
    }

    fn step(&mut self, progress: StepProgress) {
        self.iter_mut().for_each(|each| each.step(progress));
    }

    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming) {
        self.iter_mut().for_each(|each| each.epoch(record, timing));
    }

    fn note(&mut self, text: &str) {
        self.iter_mut().for_each(|each| each.note(text));
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
