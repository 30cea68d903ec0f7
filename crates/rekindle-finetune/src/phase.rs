//! One phase of training: epochs of steps, validation, early stopping, checkpoints. What a step's features come from is `phase/feed.rs`'s.

mod failed;
mod feed;
mod followers;
mod state;
mod try_rates;
mod updater;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::feed::Feed;
pub use self::feed::Inputs;
pub use self::followers::Followed;
use self::followers::Followers;
use self::state::{DROPOUT, MIX};
pub use self::state::{Phase, PhaseEnd, RunState, epoch_id};
use burn::module::Module;
use burn::tensor::{Bytes, Tensor, TensorData};
use rekindle_augment::{Mix, MixAt, SampleRng};
use rekindle_data::{
    Draw, LastBatch, Loader, LoaderOptions, Outputs, Sampling, Target, TaskReport, balanced_epoch,
    batches, epoch_order,
};
use rekindle_model::{Features, Network, NetworkState};

use self::updater::Updater;
use crate::checkpoint::{Checkpoint, Progress};
use crate::observer::{EpochRecord, EpochTiming, Observer, StepProgress};
use crate::run::predictions;
use crate::run::records::Records;
use crate::step::{Batch, Step};
use crate::stopping::Decision;
use crate::{FinetuneError, Plan};

/// A checkpoint is written when the user interrupts, and at the end of an epoch when this much time has passed since the last one.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

/// What an epoch says of the validation images.
#[derive(Debug)]
pub struct Measured {
    report: TaskReport,
    /// The head's outputs, row by row, where they can be kept.
    outputs: Option<Vec<f32>>,
    /// How long it waited for images that are not in a feature cache.
    waited: Duration,
}

impl Phase<'_> {
    /// Trains from where the progress stands to the end.
    ///
    /// # Errors
    ///
    /// An image cannot be read, the loss or a gradient is not finite, or a file cannot be written. What was trained until then is in a
    /// checkpoint, if that can be written.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a phase begins with, reads, changes and tells"
    )]
    pub fn run(
        &self,
        mut tail: Network,
        optimizer_state: Option<Bytes>,
        followed: Followed,
        train: &mut Inputs,
        validation: &mut Inputs,
        state: &mut RunState,
        records: &mut Records,
        observer: &mut dyn Observer,
    ) -> Result<PhaseEnd, FinetuneError> {
        let step_of = self.step();
        let (device, directory) = (&self.plan.device, self.directory);
        let mut optimizer = Updater::new(self.recipe, &tail, device, optimizer_state, directory)?;
        let mut followers = Followers::new(self.recipe, &tail, followed)?;
        let outputs = self.plan.outputs();
        let mut last_checkpoint = Instant::now();
        while state.progress.epoch < self.recipe.epochs && !self.is_over(&state.progress) {
            let epoch = state.progress.epoch;
            let (began, waited) = (Instant::now(), train.waited() + validation.waited());
            let batches = self.batches(epoch);
            let steps = batches.len();
            let of = batches.iter().map(Vec::len).sum();
            let mut feed = self
                .feed(train, epoch, &batches, state.progress.step)
                .map_err(|error| {
                    self.keep(error, &Trained(&tail, &optimizer, &followers), state)
                })?;
            let mut images: usize = batches[..state.progress.step].iter().map(Vec::len).sum();
            let plateau = self.plateau(&state.progress);
            let rate = |step: usize| {
                let factor = self.recipe.schedule.factor(
                    epoch * steps + step,
                    steps,
                    steps * self.recipe.epochs,
                );
                self.recipe.lr * plateau * factor
            };
            for (step, batch) in batches.iter().enumerate().skip(state.progress.step) {
                let inputs = self
                    .step_inputs(&mut feed, &outputs, epoch, step, batch, observer)
                    .map_err(|error| {
                        self.keep(error, &Trained(&tail, &optimizer, &followers), state)
                    })?;
                let Some(inputs) = inputs else {
                    self.save(&Trained(&tail, &optimizer, &followers), state)?;
                    return Ok(PhaseEnd::Interrupted);
                };
                let (next, output) = optimizer
                    .take(&step_of, tail, inputs, rate(step))
                    .map_err(|failure| self.failed(failure, epoch, step, batch))?;
                tail = followers.after_step(next, epoch * steps + step + 1);
                state.first_step.get_or_insert_with(Instant::now);
                images += batch.len();
                let weight = batch.len() as f64;
                let added = [output.loss * weight, output.gradient_norm * weight, weight];
                state
                    .progress
                    .sums
                    .iter_mut()
                    .zip(added)
                    .for_each(|(sum, value)| *sum += value);
                state.progress.step = step + 1;
                observer.step(StepProgress {
                    phase: &self.recipe.name,
                    epoch: epoch + 1,
                    epochs: self.recipe.epochs,
                    images,
                    of,
                    loss: output.loss,
                });
                if self.interrupt.load(Ordering::Relaxed) {
                    self.save(&Trained(&tail, &optimizer, &followers), state)?;
                    return Ok(PhaseEnd::Interrupted);
                }
            }
            let streamed = feed.waited();
            drop(feed);
            followers.after_epoch(&tail, epoch + 1);
            let measured = self
                .measure(followers.measured(&tail), validation)
                .map_err(|error| {
                    self.keep(error, &Trained(&tail, &optimizer, &followers), state)
                })?;
            let Some(Measured {
                report,
                outputs,
                waited: measured,
            }) = measured
            else {
                self.save(&Trained(&tail, &optimizer, &followers), state)?;
                return Ok(PhaseEnd::Interrupted);
            };
            let waited = train.waited() + validation.waited() - waited + streamed + measured;
            state.waited += waited;
            let timing = EpochTiming {
                phase: self.recipe.name.clone(),
                epoch: epoch + 1,
                seconds: began.elapsed().as_secs_f64(),
                waited_seconds: waited.as_secs_f64(),
            };
            let stop = self.close_epoch(
                followers.measured(&tail),
                (report, outputs),
                rate(steps - 1),
                timing,
                state,
            );
            // What is told is in the files already.
            let mut written = records.epoch(state);
            if written.is_ok() && self.keeps(epoch + 1) {
                written = records.kept_epoch(followers.measured(&tail).state(), state);
            }
            let progress = &state.progress;
            if let (Some(record), Some(timing)) = (progress.history.last(), progress.timings.last())
            {
                observer.epoch(record, timing);
            }
            written.map_err(|error| {
                self.keep(error, &Trained(&tail, &optimizer, &followers), state)
            })?;
            if stop {
                break;
            }
            if last_checkpoint.elapsed() > CHECKPOINT_EVERY {
                self.save(&Trained(&tail, &optimizer, &followers), state)?;
                last_checkpoint = Instant::now();
            }
        }
        Ok(PhaseEnd::Done)
    }

    /// What the phase's steps have in common.
    fn step(&self) -> Step {
        Step {
            loss: self.plan.loss.clone(),
            clip: self.recipe.clip,
            l1: self.recipe.l1,
            rates: self.rates.clone(),
            micro_batch: self.recipe.micro_batch,
            sam: self.recipe.sam,
        }
    }

    /// What a step is made on, mixed where the recipe says so; none when the user interrupted while features were computed.
    fn step_inputs(
        &self,
        feed: &mut Feed,
        outputs: &Outputs,
        epoch: usize,
        step: usize,
        batch: &[Draw],
        observer: &mut dyn Observer,
    ) -> Result<Option<Batch>, FinetuneError> {
        let mix = self.mix(feed, epoch, step);
        let features = self.features(feed, epoch, batch, mix.as_ref(), observer)?;
        let targets = self.target_rows(outputs, batch);
        let targets = match &mix {
            Some(mix) => mix.rows(targets),
            None => targets,
        };
        let seed = self.plan.recipe.seed ^ DROPOUT;
        let mut dropout = SampleRng::new(seed, self.epoch_id(epoch), step as u64);
        Ok(features.map(|features| Batch {
            features,
            targets,
            dropout_seed: dropout.next_u64(),
        }))
    }

    /// The factor on the rate of a schedule that looks at the validation figure; 1 of another.
    fn plateau(&self, progress: &Progress) -> f64 {
        let monitor = self.recipe.stopping.monitor.unwrap_or_default();
        let own = progress.history.iter();
        let own = own.filter(|record| record.phase == self.recipe.name);
        let name = monitor.name();
        let values = own.map(|record| *record.validation.get(&name).unwrap_or(&f64::NAN));
        self.recipe.schedule.after(values, monitor.better())
    }

    /// Whether early stopping has ended the phase, where a run goes on that was stopped right behind its last epoch.
    fn is_over(&self, progress: &Progress) -> bool {
        self.may_stop() && progress.epoch > 0 && progress.step == 0 && progress.stopping.is_over()
    }

    /// Whether early stopping may end the phase: an average of the last epochs needs them all.
    fn may_stop(&self) -> bool {
        self.recipe.swa_epochs == 0
    }

    /// Books an epoch; tells whether the phase is to stop.
    fn close_epoch(
        &self,
        tail: &Network,
        (report, outputs): (TaskReport, Option<Vec<f32>>),
        lr: f64,
        timing: EpochTiming,
        state: &mut RunState,
    ) -> bool {
        let progress = &mut state.progress;
        progress.epoch += 1;
        progress.step = 0;
        let [loss, norm, images] = std::mem::take(&mut progress.sums);
        let decision = progress.stopping.update(
            progress.epoch,
            (self.recipe.stopping.monitor.unwrap_or_default()).value(&report),
        );
        let record = EpochRecord {
            phase: self.recipe.name.clone(),
            epoch: progress.epoch,
            lr,
            train_loss: loss / images.max(1.0),
            gradient_norm: norm / images.max(1.0),
            validation: report
                .figures()
                .map(|(figure, value)| (figure.monitor(), value))
                .collect(),
            best: decision == Decision::Improved,
        };
        if record.best {
            progress.best = Some((self.recipe.name.clone(), progress.epoch));
            // What earlier phases have trained and this one keeps frozen stays part of the best.
            let best = state.best.get_or_insert_default();
            let NetworkState { backbone, head } = tail.state();
            best.backbone.extend(backbone);
            best.head = head;
            state.best_report = Some(report);
            state.best_outputs = outputs;
        }
        progress.history.push(record);
        progress.timings.push(timing);
        decision == Decision::Stop && self.may_stop()
    }

    /// Whether the model of an epoch, from 1, is written by itself.
    fn keeps(&self, epoch: usize) -> bool {
        self.recipe.keep_every > 0 && epoch.is_multiple_of(self.recipe.keep_every)
    }

    /// Saves what was trained before an error, so that the run can go on when its cause is gone.
    fn keep(&self, error: FinetuneError, trained: &Trained, state: &RunState) -> FinetuneError {
        let progress = &state.progress;
        if progress.step > 0 || !progress.history.is_empty() {
            // The first error is the one to tell; the checkpoint before this one is there still.
            let _ = self.save(trained, state);
        }
        error
    }

    fn save(&self, trained: &Trained, state: &RunState) -> Result<(), FinetuneError> {
        let Trained(tail, optimizer, followers) = trained;
        let optimizer = optimizer.to_bytes(self.directory)?;
        let followed = followers.state();
        let checkpoint = Checkpoint {
            progress: Progress {
                averaged: followed.averaged,
                ..state.progress.clone()
            },
            current: tail.state(),
            average: followed.average,
            slow: followed.slow,
            best: state.best.clone(),
            best_report: state.best_report.clone(),
            optimizer: Some(optimizer),
        };
        checkpoint.save(self.directory)
    }

    /// What a tail says of the validation images; none when the user interrupted meanwhile.
    ///
    /// # Errors
    ///
    /// An image cannot be read, or a logit is not finite.
    pub fn measure(
        &self,
        tail: &Network,
        inputs: &mut Inputs,
    ) -> Result<Option<Measured>, FinetuneError> {
        let tail = tail.valid();
        let mut waited = Duration::ZERO;
        let samples = &self.plan.split.validation;
        let mut meter = self.plan.outputs().meter();
        let mut outputs = predictions::can_be_kept(self.plan).then(Vec::new);
        let mut add = |features: Features, samples: &[usize]| -> Result<(), FinetuneError> {
            let logits: Vec<f32> = tail.logits(features).into_data().iter::<f32>().collect();
            let targets: Vec<&Target> = self.targets(samples.iter().copied()).collect();
            meter.add(&logits, &targets)?;
            if let Some(outputs) = &mut outputs {
                outputs.extend(logits);
            }
            Ok(())
        };
        let batches = batches(samples, 64, LastBatch::Keep);
        match inputs {
            Inputs::Cached(cache) => {
                for batch in &batches {
                    if self.interrupt.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                    let wanted: Vec<(usize, usize)> =
                        batch.iter().map(|sample| (*sample, 0)).collect();
                    add(cache.get(self.network, self.cut, &wanted)?, batch)?;
                }
            }
            Inputs::Streamed(pipeline) => {
                let dataset = self.plan.dataset.clone();
                let mut loader = Loader::new(
                    dataset,
                    pipeline.clone(),
                    batches,
                    0,
                    0,
                    LoaderOptions::default(),
                )?;
                for batch in &mut loader {
                    if self.interrupt.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                    let batch = batch?;
                    let images = self.network.images(&batch.images);
                    add(self.network.features(images, self.cut), &batch.indices)?;
                }
                waited = loader.waited();
            }
        }
        Ok(Some(Measured {
            report: meter.report()?,
            outputs,
            waited,
        }))
    }

    /// How a step's batch is mixed, if it is. It depends on seed, epoch and step alone, so a resumed run mixes alike.
    fn mix(&self, feed: &Feed, epoch: usize, step: usize) -> Option<Mix> {
        let recipe = &self.plan.recipe;
        let spec = recipe.augment.mix.as_ref()?;
        let mixes = match (spec.at, feed) {
            (MixAt::Features, _) => true,
            // A head alone does not see mixed images, whether its features fit the cache or not.
            (MixAt::Images, Feed::Streamed(_)) => !self.recipe.unfreeze.is_head(),
            (MixAt::Images, Feed::Cached { .. }) => false,
        };
        let mut rng = SampleRng::new(recipe.seed ^ MIX, self.epoch_id(epoch), step as u64);
        let size = self.plan.preprocessing.input_size;
        mixes
            .then(|| spec.draw(epoch, self.recipe.epochs, size, &mut rng))
            .flatten()
    }

    /// The images of each step. The first epoch on cached features follows the cache's blocks, so that the first step needs few.
    fn batches(&self, epoch: usize) -> Vec<Vec<Draw>> {
        if self.recipe.optim.whole_set().is_some() {
            // The same images in the same order in every step, each as often as it has views.
            let all = self.samples.iter().copied().map(Draw::from);
            let views = self.plan.recipe.augment.views;
            return vec![(0..views).flat_map(|_| all.clone()).collect()];
        }
        let first = self.number == 1 && epoch == 0;
        let id = if first { 0 } else { self.epoch_id(epoch) };
        let order: Vec<Draw> = match self.plan.recipe.data.sampling {
            Sampling::Shuffle if first => self.samples.iter().copied().map(Draw::from).collect(),
            Sampling::Shuffle => epoch_order(self.samples.len(), self.plan.recipe.seed, id)
                .into_iter()
                .map(|place| Draw::from(self.samples[place]))
                .collect(),
            Sampling::Balanced => balanced_draws(self.plan, id),
        };
        batches(&order, self.recipe.batch_size, LastBatch::MergeSingle)
    }

    fn targets(&self, batch: impl Iterator<Item = usize>) -> impl Iterator<Item = &Target> {
        let samples = &self.plan.dataset.folder().samples;
        batch.map(|sample| &samples[sample].target)
    }

    /// What a batch is trained towards, `[batch, outputs]`.
    fn target_rows(&self, outputs: &Outputs, batch: &[Draw]) -> Tensor<2> {
        let samples = batch.iter().map(|draw| draw.sample);
        let mut rows = outputs.rows(self.targets(samples.clone()));
        if let Some(teacher) = self.teacher {
            teacher.blend(&mut rows, samples);
        }
        let data = TensorData::new(rows, [batch.len(), outputs.names.len()]);
        Tensor::from_data(data, &self.plan.device)
    }
}

/// What a checkpoint keeps of a phase: the network, the optimiser and what follows the weights.
struct Trained<'a>(&'a Network, &'a Updater, &'a Followers);

/// The images of an epoch in which all classes are used equally often.
pub fn balanced_draws(plan: &Plan, epoch: u64) -> Vec<Draw> {
    let samples = &plan.dataset.folder().samples;
    // A plan refuses balanced sampling of images without classes.
    let class_of = |sample: usize| samples[sample].class().unwrap_or(0);
    balanced_epoch(&plan.split.train, class_of, plan.recipe.seed, epoch)
}
