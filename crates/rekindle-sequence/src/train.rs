//! The training of a head on features that are computed once: epochs of steps, validation, early stopping.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::{Tensor, TensorData};
use rekindle_augment::SampleRng;
use rekindle_data::{LastBatch, Outputs, Target, TaskKind, TaskReport, batches, epoch_order};
use rekindle_finetune::clip::clip;
use rekindle_finetune::stopping::{Decision, EarlyStopping, Monitor};
use rekindle_model::load_backbone;
use rekindle_settings::Within;

use crate::SequenceError;
use crate::batch::FeatureBatch;
use crate::features::{FrameFeatures, SequenceFeatures};
use crate::head::SequenceHead;
use crate::model::{EpochFigures, SequenceInfo, SequenceModel};
use crate::plan::Plan;

/// Sequences that are measured at once.
const MEASURED: usize = 64;
/// The stream of dropout masks is another than that of the order.
const DROPOUT: u64 = 0xD201_5EC5;

/// Is told what a training does; every method has an empty default.
pub trait Observer {
    /// The backbone is there; notes tell what was done with its weights.
    fn started(&mut self, _plan: &Plan, _notes: &[String]) {}
    /// So many frames of all have their features.
    fn features(&mut self, _done: usize, _of: usize) {}
    /// The head is built: so many numbers of a frame, from the stages of the backbone up to this one, and so many weights.
    fn head(&mut self, _stage: &str, _features: usize, _weights: usize) {}
    /// An epoch is over.
    fn epoch(&mut self, _figures: &EpochFigures) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// The result of a training.
#[derive(Debug)]
pub struct Trained {
    /// The model of the best epoch.
    pub model: SequenceModel,
    /// Its figures on the validation sequences.
    pub validation: TaskReport,
    /// Its figures on the test sequences, where the data has any.
    pub test: Option<TaskReport>,
}

/// How a training ended.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Finished(Trained),
    /// It was interrupted; the best epoch until then, if there was one. Features that were computed are kept in the cache.
    Interrupted(Option<Trained>),
}

/// Trains a plan's head; ends early once `interrupt` is set.
///
/// # Errors
///
/// The weights cannot be had, a frame cannot be read, or features, loss or gradients are not finite.
pub fn train(
    plan: &Plan,
    interrupt: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Outcome, SequenceError> {
    let recipe = &plan.recipe;
    let loaded = load_backbone(&plan.card, &recipe.backbone, recipe.seed, &plan.device)?;
    observer.started(plan, &loaded.notes);
    let channels = plan.preprocessing.channels();
    let stages = plan.stages(&loaded.backbone.with_input_channels(channels))?;
    let frames = FrameFeatures::new(
        &stages,
        recipe.features.grid,
        &plan.preprocessing,
        &plan.device,
    );
    let found = frames.of_sequences(
        &plan.dataset,
        &plan.sequences,
        recipe.features.frames,
        interrupt,
        |done, of| observer.features(done, of),
    )?;
    let Some(features) = found else {
        return Ok(Outcome::Interrupted(None));
    };
    let width = frames.width();
    let classes = plan.sequences.list.classes.len();
    let mut head = recipe.head.init(width, classes, recipe.seed, &plan.device);
    if recipe.features.standardise {
        let (mean, std) = scale(&features, &plan.split.train, width);
        head = head.with_scale(&mean, &std);
    }
    let stage = stages.stage_names().pop().unwrap_or_default();
    observer.head(stage, width, weights(&head));
    let training = Training {
        plan,
        features: &features,
        width,
        outputs: plan.outputs(),
    };
    let (best, interrupted) = training.epochs(head.clone(), interrupt, observer)?;
    let Some(best) = best else {
        if interrupted {
            return Ok(Outcome::Interrupted(None));
        }
        let monitor = recipe.train.stopping.monitor;
        let monitor = monitor
            .unwrap_or(Monitor::of_task(TaskKind::Classification))
            .name();
        return Err(SequenceError::NoBestEpoch { monitor });
    };
    let head = head.load_state(&best.state)?;
    let measured = |samples: &[usize]| training.measure(&head, samples, true);
    let test = (!plan.split.test.is_empty())
        .then(|| measured(&plan.split.test))
        .transpose()?;
    let validation = measured(&plan.split.validation)?;
    let identity = |sample: &usize| format!("{:032x}", features[*sample].identity);
    let info = SequenceInfo {
        format: SequenceInfo::FORMAT,
        rekindle: env!("CARGO_PKG_VERSION").into(),
        architecture: plan.card.architecture.clone(),
        backbone: plan.card.name.clone(),
        backbone_sha256: loaded.sha256,
        stages: stages.stages().len(),
        grid: recipe.features.grid,
        frames: recipe.features.frames,
        classes: plan.outputs().names,
        preprocessing: plan.preprocessing.clone(),
        head: recipe.head.clone(),
        best_epoch: best.figures.epoch,
        validation: best.figures.validation.clone(),
        history: best.history,
        trained_on: plan.split.train.iter().map(identity).collect(),
        recipe: recipe.to_toml()?,
    };
    let model = SequenceModel { info, stages, head };
    let trained = Trained {
        model,
        validation,
        test,
    };
    Ok(match interrupted {
        true => Outcome::Interrupted(Some(trained)),
        false => Outcome::Finished(trained),
    })
}

/// The best epoch so far.
#[derive(Debug)]
struct Best {
    state: rekindle_backbone::StateDict,
    figures: EpochFigures,
    /// Every epoch of the training.
    history: Vec<EpochFigures>,
}

/// What epochs work on.
#[derive(Debug)]
struct Training<'a> {
    plan: &'a Plan,
    features: &'a [SequenceFeatures],
    width: usize,
    outputs: Outputs,
}

impl Training<'_> {
    /// Trains from the first epoch to the last, or to where early stopping or the interrupt ends it, which is told.
    fn epochs(
        &self,
        head: SequenceHead,
        interrupt: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<(Option<Best>, bool), SequenceError> {
        let (plan, recipe) = (self.plan, &self.plan.recipe.train);
        let spec = recipe
            .stopping
            .for_task(TaskKind::Classification)
            .within("train")?;
        let monitor = spec
            .monitor
            .unwrap_or(Monitor::of_task(TaskKind::Classification));
        let mut stopping = EarlyStopping::new(spec);
        let mut head = head.train();
        let optimizer = recipe.optim.build_for(&head, &plan.device);
        let mut optimizer = optimizer.within("train")?;
        let mut best: Option<Best> = None;
        let mut history = Vec::new();
        let mut interrupted = false;
        'epochs: for epoch in 0..recipe.epochs {
            let order = epoch_order(plan.split.train.len(), plan.recipe.seed, epoch as u64);
            let order: Vec<usize> = order
                .into_iter()
                .map(|place| plan.split.train[place])
                .collect();
            let batches = batches(&order, recipe.batch_size, LastBatch::Keep);
            let steps = batches.len();
            let (mut sum, mut lr) = (0.0, 0.0);
            for (step, batch) in batches.iter().enumerate() {
                if interrupt.load(Ordering::SeqCst) {
                    interrupted = true;
                    break 'epochs;
                }
                let factor =
                    recipe
                        .schedule
                        .factor(epoch * steps + step, steps, steps * recipe.epochs);
                lr = recipe.lr * factor;
                let seed = SampleRng::new(plan.recipe.seed ^ DROPOUT, epoch as u64, step as u64)
                    .next_u64();
                head.seed_dropout(seed);
                let (features, targets) = self.batch(batch);
                let logits = head.forward(Tensor::from_inner(features.features), &features.lengths);
                let loss = recipe.loss.forward(logits, Tensor::from_inner(targets));
                let value = f64::from(loss.clone().into_scalar::<f32>());
                if !value.is_finite() {
                    return Err(SequenceError::LossNotFinite { epoch: epoch + 1 });
                }
                let gradients = GradientsParams::from_grads(loss.backward(), &head);
                let (gradients, _) = clip(gradients, &head, &recipe.clip).map_err(|source| {
                    SequenceError::GradientsNotFinite {
                        epoch: epoch + 1,
                        source,
                    }
                })?;
                head = optimizer.step(ModuleLrScheduler::new(lr).step(), head, gradients);
                sum += value * batch.len() as f64;
            }
            let valid = head.valid();
            let report = self.measure(&valid, &plan.split.validation, false)?;
            let decision = stopping.update(epoch + 1, monitor.value(&report));
            let figures = EpochFigures {
                epoch: epoch + 1,
                lr,
                train_loss: sum / order.len().max(1) as f64,
                validation: report
                    .figures()
                    .map(|(figure, value)| (figure.name.to_owned(), value))
                    .collect(),
                best: decision == Decision::Improved,
            };
            observer.epoch(&figures);
            history.push(figures.clone());
            if decision == Decision::Improved {
                best = Some(Best {
                    state: valid.state(),
                    figures,
                    history: Vec::new(),
                });
            }
            if decision == Decision::Stop {
                break;
            }
        }
        if let Some(best) = &mut best {
            best.history = history;
        }
        Ok((best, interrupted))
    }

    /// Features and rows of targets of sequences.
    fn batch(&self, samples: &[usize]) -> (FeatureBatch, Tensor<2>) {
        let values: Vec<&[f32]> = samples
            .iter()
            .map(|sample| &self.features[*sample].values[..])
            .collect();
        let features = FeatureBatch::new(&values, self.width, &self.plan.device);
        let rows = self.outputs.rows(self.targets(samples).into_iter());
        let data = TensorData::new(rows, [samples.len(), self.outputs.names.len()]);
        (features, Tensor::from_data(data, &self.plan.device))
    }

    fn targets(&self, samples: &[usize]) -> Vec<&Target> {
        let list = &self.plan.sequences.list.samples;
        samples.iter().map(|sample| &list[*sample].target).collect()
    }

    /// The figures of a head on sequences.
    fn measure(
        &self,
        head: &SequenceHead,
        samples: &[usize],
        scores: bool,
    ) -> Result<TaskReport, SequenceError> {
        let meter = self.outputs.meter();
        let mut meter = if scores { meter.with_scores() } else { meter };
        for chunk in samples.chunks(MEASURED) {
            let (batch, _) = self.batch(chunk);
            let logits = head.forward(batch.features, &batch.lengths);
            let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
            meter.add(&logits, &self.targets(chunk))?;
        }
        Ok(meter.report()?)
    }
}

/// Mean and deviation of each feature over the frames of these sequences. One that hardly changes is not divided by its deviation, which
/// would make noise of it.
fn scale(features: &[SequenceFeatures], samples: &[usize], width: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut sums, mut squares, mut count) = (vec![0.0f64; width], vec![0.0f64; width], 0.0f64);
    for frame in samples
        .iter()
        .flat_map(|sample| features[*sample].values.chunks(width))
    {
        count += 1.0;
        for (place, value) in frame.iter().enumerate() {
            sums[place] += f64::from(*value);
        }
    }
    let count = count.max(1.0);
    let mean: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
    for frame in samples
        .iter()
        .flat_map(|sample| features[*sample].values.chunks(width))
    {
        for (place, value) in frame.iter().enumerate() {
            squares[place] += (f64::from(*value) - mean[place]).powi(2);
        }
    }
    let std = squares.iter().map(|square| (square / count).sqrt());
    let std = std.map(|std| if std < 1e-6 { 1.0 } else { std as f32 });
    (
        mean.iter().map(|mean| *mean as f32).collect(),
        std.collect(),
    )
}

/// How many numbers are trained.
fn weights(head: &SequenceHead) -> usize {
    let state = head.state();
    let trained = state.iter().filter(|(key, _)| !key.starts_with("input."));
    trained.map(|(_, data)| data.num_elements()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_do_not_change_are_left_as_they_are() {
        let of = |values: &[f32]| SequenceFeatures {
            values: values.to_vec(),
            identity: 0,
        };
        let features = [of(&[1.0, 5.0, 3.0, 5.0]), of(&[9.0, 9.0]), of(&[5.0, 5.0])];
        let (mean, std) = scale(&features, &[0, 2], 2);
        assert_eq!(mean, [3.0, 5.0]);
        assert_eq!(std, [(8.0f64 / 3.0).sqrt() as f32, 1.0]);
    }
}
