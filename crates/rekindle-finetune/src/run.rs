//! The whole run, top to bottom: features, one phase after the other, result.
//!
//! Its directory is `run/directory.rs`'s, and the files in it that others read `run/records.rs`'s.

mod clock;
mod directory;
mod latest;
mod lengths;
mod lock;
mod memory;
pub(crate) mod predictions;
pub(crate) mod records;
mod room;
mod sources;
mod stand;

use std::collections::HashSet;
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub use self::clock::utc;
use self::directory::{EPOCHS, MODEL, PARAMETERS, PLAN, PREDICTIONS, SPLIT};
pub use self::directory::{RunDirectory, RunStatus};
pub use self::latest::Latest;
use self::lengths::{check_lengths, write_lengths};
use self::records::{Records, report_failure};
pub(crate) use self::sources::Sources;
pub(crate) use self::sources::kept_features;
use self::stand::{Stand, enter, place_of, stand, start_of, with_trained};
use burn::module::Module;
use rekindle_backbone::Backbone;
use rekindle_data::{Fingerprints, Sampling, Split, TaskReport, epoch_order};
use rekindle_model::{FileError, head_for, load_backbone, write_whole};
use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::distill::Teacher;
use crate::features::FrozenNetwork;
use crate::memory::available_memory;
use crate::observer::{EpochRecord, EpochTiming, Observer};
use crate::phase::{Phase, PhaseEnd, RunState, balanced_draws};
use crate::tail::{groups_csv, rates_of, tail_of};
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
    /// The most memory that the process held at once, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
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
    /// Blocks of features that were read from it, in place of decoding and computing.
    pub features_read: u64,
    /// Blocks of features that were written to it.
    pub features_written: u64,
}

/// Runs a plan in the directory that the options name.
///
/// # Errors
///
/// The run directory exists, or another process trains in it (or, to resume, it does not fit the plan), an image cannot be read, the
/// loss is not finite, or a file cannot be written.
pub fn run(
    plan: &Plan,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<RunOutcome, FinetuneError> {
    let directory = match options.resume {
        true => RunDirectory::resume(&options.directory)?,
        false => RunDirectory::create(&options.directory)?,
    };
    let (started, interrupt) = (options.started, &options.interrupt);
    run_in(directory, plan, started, interrupt, observer)
}

/// Runs a plan in a directory that has been taken for it. `started` is when the process began, for the report; once `interrupt` is set,
/// the run stops after the step under way.
///
/// A run that fails before anything of it was trained gives the directory of a new run back. What was trained stays.
///
/// # Errors
///
/// As [`run`].
pub fn run_in(
    directory: RunDirectory,
    plan: &Plan,
    started: Instant,
    interrupt: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<RunOutcome, FinetuneError> {
    let mut state = None;
    let outcome = train(&directory, plan, started, interrupt, &mut state, observer);
    match &outcome {
        Ok(RunOutcome::Finished(_)) => directory.finish(),
        Ok(RunOutcome::Interrupted) => {}
        Err(error) => {
            let kept = !directory.give_back_if_untrained();
            if let (Some(state), true) = (&state, kept) {
                // The error of the run is the one to tell.
                let _ = report_failure(plan, directory.path(), started, state, error);
            }
        }
    }
    outcome
}

/// Trains and writes the result; where the run stands is kept in `place_of_state` from the beginning on.
fn train(
    directory: &RunDirectory,
    plan: &Plan,
    started: Instant,
    interrupt: &AtomicBool,
    place_of_state: &mut Option<RunState>,
    observer: &mut dyn Observer,
) -> Result<RunOutcome, FinetuneError> {
    let checkpoint = open_directory(plan, directory)?;
    let directory = directory.path();
    observer.started(plan);
    if let Some(disk) = plan.dataset.disk_cache() {
        disk.set_writes(true);
    }
    let recipe = &plan.recipe;
    plan.memory()?.check(available_memory())?;
    let loaded = load_backbone(&plan.card, &recipe.backbone, recipe.seed, &plan.device)?;
    for note in &loaded.notes {
        observer.note(&format!("weights: {note}"));
    }
    let sha256 = loaded.sha256;
    let pretrained = loaded
        .backbone
        .with_input_channels(plan.preprocessing.channels())
        .with_precision(recipe.precision);
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
            &plan.preprocessing,
            &plan.device,
        )
    };
    let samples = block_order(plan);
    let mut sources = Sources::new(plan, &pretrained, &head, &samples, &sha256)?;
    let all = pretrained.num_params() + head.num_params();
    let Stand {
        state,
        mut current,
        mut followed,
        mut optimizer,
    } = stand(plan, checkpoint)?;
    let state = place_of_state.insert(state);
    let first = place_of(plan, &state.progress.phase, directory)?;
    let kept = directory.join(EPOCHS);
    let there =
        Checkpoint::size(directory) + size_of_file(&directory.join(MODEL)) + size_of_files(&kept);
    let needed = room::needed(plan, &pretrained, &head);
    room::check(directory, needed.saturating_sub(there))?;
    let mut records = Records::new(plan, directory, &pretrained, sha256, started, state)?;
    if let Some(path) = &recipe.distill.model {
        let images = plan.split.train.len();
        observer.note(&format!(
            "the teacher {} looks at {images} images",
            path.display()
        ));
    }
    let Continue(teacher) = Teacher::of(plan, &plan.device, interrupt)? else {
        records.report(state, RunStatus::Interrupted)?;
        return Ok(RunOutcome::Interrupted);
    };
    let mut network = frozen(&pretrained);
    // The lowest stage that differs from the pretrained one in `network`.
    let mut in_network = plan.facts.stages.len();

    for (place, phase) in recipe.phase.iter().enumerate().skip(first) {
        if state.progress.phase != phase.name {
            enter(state, phase);
            sources.keep_only(&plan.cuts_from(place));
            note_unwritten(plan, observer);
        }
        if phase.epochs == 0 {
            continue;
        }
        let cut = plan.cut(place)?;
        let trained = plan.lowest_trained(place)?;
        let backbone = with_trained(&pretrained, state)?;
        if trained < cut && trained < in_network {
            // Earlier phases have trained stages that this one keeps frozen.
            network = frozen(&backbone);
            sources.forget_behind(trained);
            in_network = trained;
        }
        let mut tail = tail_of(plan, &backbone, &head, place)?;
        if let Some(start) = current.take().or_else(|| start_of(state, &tail)) {
            tail = tail.load_state(&start, "the checkpoint")?;
        }
        let running = Phase {
            number: place as u64 + 1,
            recipe: phase,
            plan,
            network: &network,
            cut,
            samples: &samples,
            rates: rates_of(&tail, phase),
            teacher: teacher.as_ref(),
            directory,
            interrupt,
        };
        observer.phase_started(phase, tail.trainable_parameters(), all);
        let (mut train, mut validation) = sources.inputs(cut);
        let end = running.run(
            tail,
            optimizer.take(),
            std::mem::take(&mut followed),
            &mut train,
            &mut validation,
            state,
            &mut records,
            observer,
        );
        // The best weights of a phase, and of a run that stops, are there to be used.
        let written = records.model(state);
        let end = end?;
        written?;
        if matches!(end, PhaseEnd::Interrupted) {
            records.report(state, RunStatus::Interrupted)?;
            return Ok(RunOutcome::Interrupted);
        }
    }
    note_unwritten(plan, observer);
    let report = write_result(plan, directory, started, &mut records, state, observer)?;
    Ok(RunOutcome::Finished(Box::new(report)))
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

/// Writes plan and split of a new run, or reads the checkpoint of one that goes on; none where it is at its beginning.
fn open_directory(
    plan: &Plan,
    directory: &RunDirectory,
) -> Result<Option<Checkpoint>, FinetuneError> {
    let (resumed, directory) = (directory.is_resumed(), directory.path());
    let [plan_file, split_file] = [PLAN, SPLIT].map(|name| directory.join(name));
    let save_split = || plan.split.save(plan.dataset.folder(), &split_file);
    if !resumed {
        write_whole(&plan_file, plan.to_toml()?.as_bytes())?;
        let parameters = groups_csv(&plan.parameter_groups()?);
        write_whole(&directory.join(PARAMETERS), parameters.as_bytes())?;
        save_split()?;
        write_lengths(plan, directory)?;
        return Ok(None);
    }
    let checkpoint = Checkpoint::load(directory)?;
    let mismatch = |reason: &str| FinetuneError::ResumeMismatch {
        path: directory.into(),
        reason: reason.into(),
    };
    let is_said = match &checkpoint {
        Some(checkpoint) => plan.is_said_by(&checkpoint.progress.plan),
        None => {
            let read = std::fs::read_to_string(&plan_file);
            plan.is_said_by(&read.map_err(|source| FileError::Read {
                path: plan_file,
                source,
            })?)
        }
    };
    if !is_said {
        return Err(mismatch(
            "the recipe, the folder or this program differs from when it was started (see plan.toml)",
        ));
    }
    if checkpoint.is_none() && !split_file.exists() {
        // Killed behind the plan.
        save_split()?;
    }
    let (split, _) = Split::load(plan.dataset.folder(), &split_file)?;
    if split != plan.split {
        return Err(mismatch(
            "the images of the folder are not those of split.json",
        ));
    }
    check_lengths(plan, directory)?;
    Ok(checkpoint)
}

/// Bytes of a file; 0 where there is none.
fn size_of_file(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// The length of the files in a directory; 0 where there is none.
fn size_of_files(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files.map(|file| size_of_file(&file.path())).sum()
}

/// The training samples in the order of the feature blocks, which is that of the first epoch.
pub(crate) fn block_order(plan: &Plan) -> Vec<usize> {
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

/// Writes the model, the metrics of every epoch and run.json; removes the checkpoint, which is of no more use.
fn write_result(
    plan: &Plan,
    directory: &Path,
    started: Instant,
    records: &mut Records,
    state: &RunState,
    observer: &mut dyn Observer,
) -> Result<RunReport, FinetuneError> {
    // Before the result counts as written: what evaluates it asks which images it knows.
    let trained_on = Fingerprints::of(plan.dataset.folder(), &plan.split.train);
    write_whole(
        &directory.join(Fingerprints::FILE),
        trained_on.to_text().as_bytes(),
    )?;
    records.model(state)?;
    let progress = &state.progress;
    let (Some(validation), Some(best)) = (&state.best_report, &progress.best) else {
        let monitor = plan.recipe.phase[0].stopping.monitor;
        return Err(FinetuneError::NoBestEpoch {
            monitor: monitor.unwrap_or_default().name(),
        });
    };
    let validation = match predictions::outputs(plan, &directory.join(MODEL), state)? {
        Some(outputs) => {
            let csv = predictions::csv(plan, &outputs);
            write_whole(&directory.join(PREDICTIONS), &csv)?;
            predictions::scored(plan, &outputs, validation)?
        }
        None => {
            observer.note(&format!(
                "{PREDICTIONS} is not written: {} validation images with {} outputs each are too many to keep; `rekindle predict` tells \
                 of any of them",
                plan.facts.validation_images,
                plan.facts.classes.len()
            ));
            validation.clone()
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let first_step = state.first_step;
    let report = RunReport {
        model: directory.join(MODEL),
        best: best.clone(),
        validation,
        epochs: progress.history.len(),
        seconds,
        seconds_to_first_step: first_step.map(|at| (at - started).as_secs_f64()),
        waited_share: state.waited.as_secs_f64() / seconds,
        peak_memory_bytes: memory::peak_bytes(),
        history: progress.history.clone(),
        timings: progress.timings.clone(),
        disk_cache: plan.dataset.disk_cache().map(|disk| {
            let [read, written] = disk.counts();
            let [features_read, features_written] = disk.number_counts();
            let directory = disk.directory().to_path_buf();
            DiskCacheUse {
                directory,
                read,
                written,
                features_read,
                features_written,
            }
        }),
    };
    records.finish(&progress.history, &report)?;
    Checkpoint::remove(directory)?;
    Ok(report)
}
