//! The whole run, top to bottom: features, phase 1, phase 2, result.

mod sources;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use self::sources::Sources;
use burn::module::Module;
use burn::tensor::Bytes;
use rekindle_backbone::{Backbone, StateDict};
use rekindle_head::{Head, TaskKind};
use serde::Serialize;

use crate::checkpoint::{Checkpoint, Progress};
use crate::classifier::{Joint, Tail, TailState, head_for};
use crate::data::{Sampling, Split, epoch_order};
use crate::features::{FrozenNetwork, Tap};
use crate::files::{create_directory, write_whole};
use crate::metrics::TaskReport;
use crate::model_file::{ModelInfo, save_model};
use crate::observer::{EpochRecord, EpochTiming, Observer};
use crate::phase::{Phase, PhaseEnd, RunState, balanced_draws, monitored};
use crate::recipe::Recipe;
use crate::stopping::EarlyStopping;
use crate::weights::load_backbone;
use crate::{FinetuneError, Plan};

/// How to run a plan.
#[derive(Debug)]
pub struct RunOptions {
    /// The run directory, `runs/NAME`.
    pub directory: PathBuf,
    /// Go on from its checkpoint.
    pub resume: bool,
    /// When the process began, for the report.
    pub started: Instant,
    /// Set it to stop after the step under way.
    pub interrupt: Arc<AtomicBool>,
}

/// How a run ended.
#[derive(Debug)]
pub enum RunOutcome {
    /// The result is written.
    Finished(Box<RunReport>),
    /// It was interrupted; a checkpoint is written.
    Interrupted,
}

/// The result of a run, saved as run.json.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The model file.
    pub model: PathBuf,
    /// Phase and epoch that it is from.
    pub best: (String, usize),
    /// Its metrics on the validation images.
    pub validation: TaskReport,
    /// Epochs done in all.
    pub epochs: usize,
    /// Seconds from the start of the process to the end of the run.
    pub seconds: f64,
    /// Seconds from the start of the process to the end of the first training step.
    pub seconds_to_first_step: Option<f64>,
    /// Share of the time since the start of the process in which training and validation waited for images.
    pub waited_share: f64,
    /// Every epoch.
    pub history: Vec<EpochRecord>,
    /// How long each epoch took, and how much of that it waited for images.
    pub timings: Vec<EpochTiming>,
    /// What the cache on disk did; none where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_cache: Option<DiskCacheUse>,
}

/// What the cache on disk did in a run.
#[derive(Debug, Clone, Serialize)]
pub struct DiskCacheUse {
    /// Where it is.
    pub directory: PathBuf,
    /// Pictures that were read from it.
    pub read: u64,
    /// Pictures that were written to it.
    pub written: u64,
}

/// Runs a plan.
///
/// # Errors
///
/// The run directory exists (or, to resume, does not fit the plan), an image cannot be read, the loss is not finite, or a file cannot
/// be written.
pub fn run(
    plan: &Plan,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<RunOutcome, FinetuneError> {
    let checkpoint = open_directory(plan, options)?;
    observer.started(plan);
    if let Some(disk) = plan.dataset.disk_cache() {
        disk.set_writes(true);
    }
    let recipe = &plan.recipe;
    recipe.precision.enter();
    let boundary = plan.facts.first_unfrozen_stage;

    let (backbone, sha256) =
        load_backbone(&plan.card, &recipe.backbone, recipe.seed, &plan.device)?;
    let joint = plan.joint();
    let head = head_for(
        &recipe.head,
        &backbone,
        &joint.taps,
        plan.facts.classes.len(),
        recipe.seed,
        &plan.device,
    );
    let network = FrozenNetwork::new(
        &backbone,
        boundary,
        &joint,
        &head,
        plan.preprocessing.rescale,
        &plan.device,
    );
    let samples = block_order(plan);
    let mut sources = Sources::new(plan, &backbone, &head, &samples)?;
    let all = backbone.num_params() + head.num_params();
    let (mut state, mut current, mut optimizer) = stand(plan, checkpoint);

    let phase1 = Phase {
        name: "phase1",
        number: 1,
        recipe: &recipe.phase1,
        plan,
        network: &network,
        tap: Tap::Head,
        samples: &samples,
        rates: Vec::new(),
        directory: &options.directory,
        interrupt: &options.interrupt,
    };
    if state.progress.phase == phase1.name {
        let mut tail = Tail::new(
            None,
            head.clone().train(),
            Joint {
                taps: Vec::new(),
                ..joint.clone()
            },
        );
        if let Some(current) = current.take() {
            tail = tail.load_state(&current, "the checkpoint")?;
        }
        if recipe.phase1.epochs > 0 {
            observer.phase_started(phase1.name, tail.trainable_parameters(), all);
        }
        let (mut train, mut validation) = sources.inputs(Tap::Head);
        let end = phase1.run(
            tail,
            optimizer.take(),
            &mut train,
            &mut validation,
            &mut state,
            observer,
        )?;
        if matches!(end, PhaseEnd::Interrupted) {
            return Ok(RunOutcome::Interrupted);
        }
        enter_phase2(&mut state, recipe);
        sources.drop_head_features();
        note_unwritten(plan, observer);
    }

    if recipe.phase2.epochs > 0 {
        let mut tail = unfrozen_tail(plan, &backbone, &head);
        if let Some(start) = current.take().or_else(|| state.best.clone()) {
            tail = tail.load_state(&start, "the checkpoint")?;
        }
        let phase2 = Phase {
            name: "phase2",
            number: 2,
            recipe: &recipe.phase2,
            tap: Tap::Boundary,
            rates: stage_rates(&tail, recipe),
            ..phase1
        };
        observer.phase_started(phase2.name, tail.trainable_parameters(), all);
        let (mut train, mut validation) = sources.inputs(Tap::Boundary);
        let end = phase2.run(
            tail,
            optimizer.take(),
            &mut train,
            &mut validation,
            &mut state,
            observer,
        )?;
        if matches!(end, PhaseEnd::Interrupted) {
            return Ok(RunOutcome::Interrupted);
        }
    }
    note_unwritten(plan, observer);
    Ok(RunOutcome::Finished(Box::new(write_result(
        plan, options, &backbone, sha256, state,
    )?)))
}

/// Tells why nothing could be kept on disk, where that is so.
fn note_unwritten(plan: &Plan, observer: &mut dyn Observer) {
    let disk = plan.dataset.disk_cache();
    if let Some((disk, error)) = disk.and_then(|disk| Some((disk, disk.take_failure()?))) {
        observer.note(&format!(
            "decoded images are not kept on disk, since {} cannot be written ({error}); choose another place with \
             data.cache_directory, or set data.disk_cache_mb=0",
            disk.directory().display()
        ));
    }
}

/// Makes the run directory with plan and split, or reads the checkpoint of one that goes on.
fn open_directory(plan: &Plan, options: &RunOptions) -> Result<Option<Checkpoint>, FinetuneError> {
    let directory = &options.directory;
    let [plan_file, split_file] = [PLAN, SPLIT].map(|name| directory.join(name));
    if options.resume {
        let checkpoint = Checkpoint::load(directory)?;
        let mismatch = |reason: &str| FinetuneError::ResumeMismatch {
            path: directory.clone(),
            reason: reason.into(),
        };
        if checkpoint.progress.plan != plan.to_toml() {
            return Err(mismatch(
                "the recipe, the folder or this program differs from when it was started (see plan.toml)",
            ));
        }
        let (split, _) = Split::load(plan.dataset.folder(), &split_file)?;
        if split != plan.split {
            return Err(mismatch(
                "the images of the folder are not those of split.json",
            ));
        }
        return Ok(Some(checkpoint));
    }
    if directory.exists() {
        return Err(FinetuneError::RunExists {
            path: directory.clone(),
        });
    }
    create_directory(directory)?;
    write_whole(&plan_file, plan.to_toml().as_bytes())?;
    plan.split.save(plan.dataset.folder(), &split_file)?;
    Ok(None)
}

const PLAN: &str = "plan.toml";
const SPLIT: &str = "split.json";

/// The training samples in the order of the feature blocks, which is that of the first epoch.
fn block_order(plan: &Plan) -> Vec<usize> {
    let train = &plan.split.train;
    match plan.recipe.data.sampling {
        Sampling::Shuffle => epoch_order(train.len(), plan.recipe.seed, 0)
            .into_iter()
            .map(|place| train[place])
            .collect(),
        Sampling::Balanced => {
            let mut seen = HashSet::new();
            let draws = balanced_draws(plan, 0).into_iter().map(|draw| draw.sample);
            let used_or_not = draws.chain(train.iter().copied());
            used_or_not.filter(|sample| seen.insert(*sample)).collect()
        }
    }
}

/// Where the run stands: at its beginning, or at a checkpoint.
fn stand(
    plan: &Plan,
    checkpoint: Option<Checkpoint>,
) -> (RunState, Option<TailState>, Option<Bytes>) {
    let state = |progress, best, best_report| RunState {
        progress,
        best,
        best_report,
        first_step: None,
        waited: Duration::ZERO,
    };
    match checkpoint {
        Some(at) => (
            state(at.progress, at.best, at.best_report),
            Some(at.current),
            at.optimizer,
        ),
        None => {
            let progress = Progress {
                phase: "phase1".into(),
                epoch: 0,
                step: 0,
                sums: [0.0; 3],
                stopping: EarlyStopping::new(plan.recipe.phase1.stopping),
                history: Vec::new(),
                timings: Vec::new(),
                best: None,
                plan: plan.to_toml(),
            };
            (state(progress, None, None), None, None)
        }
    }
}

fn enter_phase2(state: &mut RunState, recipe: &Recipe) {
    let spec = recipe.phase2.stopping;
    let progress = &mut state.progress;
    progress.phase = "phase2".into();
    (progress.epoch, progress.step) = (0, 0);
    progress.stopping = EarlyStopping::new(spec);
    // Phase 2 has to beat phase 1 to be the result.
    if let Some(report) = &state.best_report {
        let monitor = spec.monitor.unwrap_or_default();
        progress.stopping.update(0, monitored(monitor, report));
    }
}

/// The stages from the boundary on, unfrozen, and the head.
fn unfrozen_tail(plan: &Plan, backbone: &Backbone, head: &Head) -> Tail {
    let boundary = plan.facts.first_unfrozen_stage;
    let stages = backbone.part(boundary, backbone.stages().len()).train();
    let stages = stages.freeze_before(0, plan.recipe.unfreeze.track_statistics);
    let [_, joint] = plan.joint().split(boundary);
    Tail::new(Some(stages), head.clone().train(), joint)
}

fn stage_rates(tail: &Tail, recipe: &Recipe) -> Vec<(burn::module::ParamGroup, f64)> {
    let unfreeze = &recipe.unfreeze;
    let factor = |distance: usize| unfreeze.lr_ratio * unfreeze.lr_decay.powi(distance as i32 - 1);
    tail.groups()
        .into_iter()
        .map(|(group, distance)| (group, factor(distance)))
        .collect()
}

/// Writes the model, the metrics of every epoch and run.json; removes the checkpoint, which is of no more use.
fn write_result(
    plan: &Plan,
    options: &RunOptions,
    backbone: &Backbone,
    backbone_sha256: String,
    state: RunState,
) -> Result<RunReport, FinetuneError> {
    let directory = &options.directory;
    let RunState {
        progress,
        best,
        best_report,
        first_step,
        waited,
    } = state;
    let (Some(best), Some(validation), Some((best_phase, best_epoch))) =
        (best, best_report, progress.best)
    else {
        return Err(FinetuneError::NoBestEpoch {
            monitor: (plan.recipe.phase1.stopping.monitor)
                .unwrap_or_default()
                .name(),
        });
    };
    let mut weights: StateDict = backbone.state();
    weights.extend(best.backbone);
    let info = ModelInfo {
        format: ModelInfo::format_of(plan.facts.task),
        rekindle: env!("CARGO_PKG_VERSION").into(),
        architecture: backbone.name().into(),
        backbone: plan.card.name.clone(),
        backbone_sha256,
        task: plan.facts.task,
        classes: plan.facts.classes.clone(),
        number_scale: plan.facts.number_scale.clone(),
        preprocessing: plan.preprocessing.clone(),
        precision: plan.recipe.precision,
        head: plan.recipe.head.clone(),
        tapped_stages: plan.facts.tapped_stages.clone(),
        unit_rms: plan.recipe.features.unit_rms,
        best_phase: best_phase.clone(),
        best_epoch,
        validation: (validation
            .figures()
            .chain([("images", validation.samples() as f64)]))
        .map(|(name, value)| (name.to_owned(), value))
        .collect(),
        recipe: plan.recipe.to_toml(),
    };
    let model = directory.join("model.safetensors");
    save_model(&model, &info, backbone.classifier(), &weights, &best.head)?;
    write_whole(
        &directory.join("metrics.csv"),
        metrics_csv(plan.facts.task, &progress.history).as_bytes(),
    )?;
    let seconds = options.started.elapsed().as_secs_f64();
    let report = RunReport {
        model,
        best: (best_phase, best_epoch),
        validation,
        epochs: progress.history.len(),
        seconds,
        seconds_to_first_step: first_step.map(|at| (at - options.started).as_secs_f64()),
        waited_share: waited.as_secs_f64() / seconds,
        history: progress.history,
        timings: progress.timings,
        disk_cache: plan.dataset.disk_cache().map(|disk| {
            let [read, written] = disk.counts();
            let directory = disk.directory().to_path_buf();
            DiskCacheUse {
                directory,
                read,
                written,
            }
        }),
    };
    let json = serde_json::to_vec_pretty(&report).unwrap_or_default();
    write_whole(&directory.join("run.json"), &json)?;
    Checkpoint::remove(directory)?;
    Ok(report)
}

/// One line for each epoch, with the validation figures that the task has.
fn metrics_csv(task: TaskKind, history: &[EpochRecord]) -> String {
    let figures = TaskReport::figure_names(task);
    let mut text = String::from("phase,epoch,lr,train_loss,gradient_norm");
    for figure in figures {
        text.push_str(&format!(",validation_{figure}"));
    }
    text.push_str(",best\n");
    for record in history {
        let own = [record.lr, record.train_loss, record.gradient_norm];
        let validation = figures.iter().map(|figure| record.validation(figure));
        text.push_str(&format!("{},{}", record.phase, record.epoch));
        for value in own.into_iter().chain(validation) {
            text.push_str(&format!(",{value:.6e}"));
        }
        text.push_str(&format!(",{}\n", record.best));
    }
    text
}
