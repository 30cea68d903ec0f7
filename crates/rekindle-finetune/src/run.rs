//! The whole run, top to bottom: features, one phase after the other, result.

mod sources;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use self::sources::Sources;
use burn::module::Module;
use burn::tensor::Bytes;
use rekindle_backbone::{Backbone, StateDict};
use rekindle_data::{Sampling, Split, TaskKind, TaskReport, epoch_order};
use rekindle_head::Head;
use rekindle_model::{
    ModelInfo, Network, NetworkState, create_directory, head_for, load_backbone, save_model,
    write_whole,
};
use serde::Serialize;

use crate::checkpoint::{Checkpoint, Progress, to_json};
use crate::features::FrozenNetwork;
use crate::observer::{EpochRecord, EpochTiming, Observer};
use crate::phase::{Phase, PhaseEnd, RunState, balanced_draws};
use crate::recipe::PhaseRecipe;
use crate::stopping::EarlyStopping;
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
    let loaded = load_backbone(&plan.card, &recipe.backbone, recipe.seed, &plan.device)?;
    for note in &loaded.notes {
        observer.note(&format!("weights: {note}"));
    }
    let sha256 = loaded.sha256;
    let pretrained = loaded.backbone.with_precision(recipe.precision);
    let joint = plan.joint();
    let head = head_for(
        &recipe.head,
        &pretrained,
        &joint.taps,
        plan.facts.classes.len(),
        recipe.seed,
        &plan.device,
    );
    let frozen = |backbone: &Backbone| {
        FrozenNetwork::new(
            backbone,
            plan.cuts(),
            &joint,
            &head,
            plan.preprocessing.rescale,
            &plan.device,
        )
    };
    let samples = block_order(plan);
    let mut sources = Sources::new(plan, &pretrained, &head, &samples)?;
    let all = pretrained.num_params() + head.num_params();
    let (mut state, mut current, mut optimizer) = stand(plan, checkpoint)?;
    let first = place_of(plan, &state.progress.phase, &options.directory)?;
    let mut network = frozen(&pretrained);
    // The lowest stage that differs from the pretrained one in `network`.
    let mut in_network = plan.facts.stages.len();

    for (place, phase) in recipe.phase.iter().enumerate().skip(first) {
        if state.progress.phase != phase.name {
            enter(&mut state, phase);
            sources.keep_only(&plan.cuts_from(place));
            note_unwritten(plan, observer);
        }
        if phase.epochs == 0 {
            continue;
        }
        let cut = plan.cut(place)?;
        let trained = plan.lowest_trained(place)?;
        let backbone = with_trained(&pretrained, &state)?;
        if trained < cut && trained < in_network {
            // Earlier phases have trained stages that this one keeps frozen.
            network = frozen(&backbone);
            sources.forget_behind(trained);
            in_network = trained;
        }
        let mut tail = tail_of(plan, &backbone, &head, place)?;
        if let Some(start) = current.take().or_else(|| start_of(&state, &tail)) {
            tail = tail.load_state(&start, "the checkpoint")?;
        }
        let running = Phase {
            number: place as u64 + 1,
            recipe: phase,
            plan,
            network: &network,
            cut,
            samples: &samples,
            rates: stage_rates(&tail, phase),
            directory: &options.directory,
            interrupt: &options.interrupt,
        };
        observer.phase_started(phase, tail.trainable_parameters(), all);
        let (mut train, mut validation) = sources.inputs(cut);
        let end = running.run(
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
        plan,
        options,
        &pretrained,
        sha256,
        state,
    )?)))
}

/// The place of the phase that a checkpoint is of.
fn place_of(plan: &Plan, name: &str, directory: &Path) -> Result<usize, FinetuneError> {
    let mut phases = plan.recipe.phase.iter();
    let place = phases.position(|phase| phase.name == name);
    place.ok_or_else(|| FinetuneError::ResumeMismatch {
        path: directory.into(),
        reason: format!("its checkpoint is of the phase `{name}`, which the plan has not"),
    })
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
        if !plan.is_said_by(&checkpoint.progress.plan) {
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
    let text = plan.to_toml()?;
    create_directory(directory)?;
    write_whole(&plan_file, text.as_bytes())?;
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

/// Where a run stands, what it was training there, and the optimiser's state.
type Stand = (RunState, Option<NetworkState>, Option<Bytes>);

/// Where the run stands: at its beginning, or at a checkpoint.
fn stand(plan: &Plan, checkpoint: Option<Checkpoint>) -> Result<Stand, FinetuneError> {
    let state = |progress, best, best_report| RunState {
        progress,
        best,
        best_report,
        first_step: None,
        waited: Duration::ZERO,
    };
    if let Some(at) = checkpoint {
        return Ok((
            state(at.progress, at.best, at.best_report),
            Some(at.current),
            at.optimizer,
        ));
    }
    let first = &plan.recipe.phase[0];
    let progress = Progress {
        phase: first.name.clone(),
        epoch: 0,
        step: 0,
        sums: [0.0; 3],
        stopping: EarlyStopping::new(first.stopping),
        history: Vec::new(),
        timings: Vec::new(),
        best: None,
        plan: plan.to_toml()?,
    };
    Ok((state(progress, None, None), None, None))
}

/// Puts the run at the beginning of a phase.
fn enter(state: &mut RunState, phase: &PhaseRecipe) {
    let progress = &mut state.progress;
    progress.phase.clone_from(&phase.name);
    (progress.epoch, progress.step) = (0, 0);
    progress.stopping = EarlyStopping::new(phase.stopping);
    // A phase has to beat those before it to be the result.
    if let Some(report) = &state.best_report {
        let monitor = phase.stopping.monitor.unwrap_or_default();
        progress.stopping.update(0, monitor.value(report));
    }
}

/// The backbone with what the phases so far have trained of it.
fn with_trained(pretrained: &Backbone, state: &RunState) -> Result<Backbone, FinetuneError> {
    match &state.best {
        Some(best) if !best.backbone.is_empty() => {
            let mut weights = pretrained.state();
            weights.extend(best.backbone.clone());
            Ok(pretrained
                .clone()
                .load_state(&weights, "the best epoch so far")?)
        }
        _ => Ok(pretrained.clone()),
    }
}

/// What a phase begins with: the best head so far, and the stages as they are.
fn start_of(state: &RunState, tail: &Network) -> Option<NetworkState> {
    let head = state.best.as_ref()?.head.clone();
    let backbone = tail.state().backbone;
    Some(NetworkState { backbone, head })
}

/// The stages that a phase trains, and the head.
fn tail_of(
    plan: &Plan,
    backbone: &Backbone,
    head: &Head,
    place: usize,
) -> Result<Network, FinetuneError> {
    let (cut, stages) = (plan.cut(place)?, backbone.stages().len());
    let track = plan.recipe.phase[place].track_statistics;
    let unfrozen = (cut < stages).then(|| {
        let part = backbone.part(cut, stages).train();
        part.freeze_before(0, track)
    });
    let [_, joint] = plan.joint().split(cut);
    Ok(Network::new(unfrozen, head.clone().train(), joint).with_place_ids())
}

fn stage_rates(tail: &Network, phase: &PhaseRecipe) -> Vec<(burn::module::ParamGroup, f64)> {
    let factor = |distance: usize| phase.lr_ratio * phase.lr_decay.powi(distance as i32 - 1);
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
        let monitor = plan.recipe.phase[0].stopping.monitor;
        return Err(FinetuneError::NoBestEpoch {
            monitor: monitor.unwrap_or_default().name(),
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
            .map(|(figure, value)| (figure.name, value))
            .chain([("images", validation.samples() as f64)]))
        .map(|(name, value)| (name.to_owned(), value))
        .collect(),
        recipe: plan.recipe.to_toml()?,
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
    let file = directory.join("run.json");
    write_whole(&file, &to_json(&report, &file)?)?;
    Checkpoint::remove(directory)?;
    Ok(report)
}

/// One line for each epoch, with the validation figures that the task has.
fn metrics_csv(task: TaskKind, history: &[EpochRecord]) -> String {
    let figures: Vec<&str> = task.figures().iter().map(|figure| figure.name).collect();
    let mut text = String::from("phase,epoch,lr,train_loss,gradient_norm");
    for figure in &figures {
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
