//! What a run needs to go on: written as a set, read as a set.
//!
//! A checkpoint is a directory. A new one is written beside the old one and takes its place by renaming, so that a crash at any moment
//! leaves a whole one.

use std::fs;
use std::path::{Path, PathBuf};

use burn::optim::ModuleOptimizer;
use burn::tensor::Bytes;
use rekindle_backbone::{StateDict, read_safetensors};
use serde::{Deserialize, Serialize};

use crate::FinetuneError;
use crate::observer::{EpochRecord, EpochTiming};
use crate::stopping::EarlyStopping;
use rekindle_data::TaskReport;
use rekindle_model::{
    FileError, NetworkState, create_directory, read, to_safetensors, write_whole,
};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The phase's name.
    pub phase: String,
    /// Whole epochs done in it.
    pub epoch: usize,
    /// Steps done in the epoch under way.
    pub step: usize,
    /// Sums over those steps: loss times images, gradient norm, images.
    pub sums: [f64; 3],
    /// The watch over the phase.
    pub stopping: EarlyStopping,
    /// Every epoch so far.
    pub history: Vec<EpochRecord>,
    /// How long each of them took.
    pub timings: Vec<EpochTiming>,
    /// Phase and epoch of the best state.
    pub best: Option<(String, usize)>,
    /// The plan this belongs to; it must not have changed.
    pub plan: String,
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where the run stands.
    pub progress: Progress,
    /// What is being trained.
    pub current: NetworkState,
    /// The best state so far.
    pub best: Option<NetworkState>,
    /// Its metrics.
    pub best_report: Option<TaskReport>,
    /// The optimiser's state.
    pub optimizer: Option<Bytes>,
}

const REPORT: &str = "best.json";
const PROGRESS: &str = "progress.json";
const CURRENT: &str = "current.safetensors";
const BEST: &str = "best.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";

impl Checkpoint {
    /// Writes the set to the directory `checkpoint` of a run.
    ///
    /// # Errors
    ///
    /// A file cannot be written; the older set is still there then.
    pub fn save(&self, run: &Path) -> Result<(), FinetuneError> {
        let [place, new, old] = places(run);
        let failed = |source| FileError::Write {
            path: place.clone(),
            source,
        };
        remove(&new).map_err(failed)?;
        create_directory(&new)?;
        let written = self.write(&new);
        if written.is_err() {
            // Room for what the user frees next; the set before this one stays.
            let _ = remove(&new);
        }
        written?;
        remove(&old).map_err(failed)?;
        if place.exists() {
            fs::rename(&place, &old).map_err(failed)?;
        }
        fs::rename(&new, &place).map_err(failed)?;
        Ok(remove(&old).map_err(failed)?)
    }

    fn write(&self, folder: &Path) -> Result<(), FinetuneError> {
        write_whole(&folder.join(CURRENT), &tail_bytes(&self.current))?;
        if let Some(best) = &self.best {
            write_whole(&folder.join(BEST), &tail_bytes(best))?;
        }
        if let Some(report) = &self.best_report {
            write_whole(
                &folder.join(REPORT),
                &to_json(report, &folder.join(REPORT))?,
            )?;
        }
        if let Some(optimizer) = &self.optimizer {
            write_whole(&folder.join(OPTIMIZER), optimizer)?;
        }
        let json = to_json(&self.progress, &folder.join(PROGRESS))?;
        Ok(write_whole(&folder.join(PROGRESS), &json)?)
    }

    /// Reads the set of a run.
    ///
    /// # Errors
    ///
    /// There is none, or a file of it cannot be read.
    pub fn load(run: &Path) -> Result<Self, FinetuneError> {
        let [place, _, old] = places(run);
        let Some(folder) = [place, old]
            .into_iter()
            .find(|folder| folder.join(PROGRESS).exists())
        else {
            return Err(FinetuneError::NothingToResume { path: run.into() });
        };
        let unreadable = |name: &str, error: serde_json::Error| FinetuneError::ResumeMismatch {
            path: run.into(),
            reason: format!("{}: {error}", folder.join(name).display()),
        };
        let progress = serde_json::from_slice(&read(&folder.join(PROGRESS))?)
            .map_err(|error| unreadable(PROGRESS, error))?;
        let tail = |name: &str| read_tail(&folder.join(name));
        let optional = |name: &str| folder.join(name).exists();
        Ok(Self {
            progress,
            current: tail(CURRENT)?,
            best: if optional(BEST) {
                Some(tail(BEST)?)
            } else {
                None
            },
            best_report: match optional(REPORT) {
                true => Some(
                    serde_json::from_slice(&read(&folder.join(REPORT))?)
                        .map_err(|error| unreadable(REPORT, error))?,
                ),
                false => None,
            },
            optimizer: match optional(OPTIMIZER) {
                true => Some(Bytes::from_bytes_vec(read(&folder.join(OPTIMIZER))?)),
                false => None,
            },
        })
    }

    /// Removes the set of a finished run.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn remove(run: &Path) -> Result<(), FinetuneError> {
        let [place, new, old] = places(run);
        [place, new, old].iter().try_for_each(|folder| {
            remove(folder).map_err(|source| {
                FinetuneError::from(FileError::Write {
                    path: folder.clone(),
                    source,
                })
            })
        })
    }
}

/// An optimiser with the state of a checkpoint.
///
/// # Errors
///
/// The state cannot be read.
pub fn restore_optimizer(
    optimizer: ModuleOptimizer,
    bytes: Bytes,
    run: &Path,
) -> Result<ModuleOptimizer, FinetuneError> {
    optimizer
        .from_bytes(bytes)
        .map_err(|error| FinetuneError::OptimizerState {
            path: places(run)[0].join(OPTIMIZER),
            reason: error.to_string(),
        })
}

/// As JSON, to be written to this file.
pub(crate) fn to_json(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, FinetuneError> {
    serde_json::to_vec_pretty(value).map_err(|error| FinetuneError::NotWritable {
        path: path.into(),
        reason: error.to_string(),
    })
}

fn places(run: &Path) -> [PathBuf; 3] {
    ["checkpoint", "checkpoint.new", "checkpoint.old"].map(|name| run.join(name))
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn tail_bytes(tail: &NetworkState) -> Vec<u8> {
    let with = |prefix: &str, state: &StateDict| -> StateDict {
        state
            .iter()
            .map(|(key, data)| (format!("{prefix}{key}"), data.clone()))
            .collect()
    };
    let mut all = with("backbone.", &tail.backbone);
    all.extend(with("head.", &tail.head));
    to_safetensors(&all, Default::default())
}

fn read_tail(path: &Path) -> Result<NetworkState, FinetuneError> {
    let (state, _) = read_safetensors(&read(path)?, &path.display().to_string())?;
    let with = |prefix: &str| -> StateDict {
        state
            .iter()
            .filter_map(|(key, data)| Some((key.strip_prefix(prefix)?.to_owned(), data.clone())))
            .collect()
    };
    Ok(NetworkState {
        backbone: with("backbone."),
        head: with("head."),
    })
}
