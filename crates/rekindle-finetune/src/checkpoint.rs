//! What a run needs to go on: written as a set, read as a set.
//!
//! A checkpoint is a directory. A new one is written beside the old one and takes its place by renaming, so that a crash at any moment
//! leaves a whole one. A run without a checkpoint is at its beginning, which its plan says all of.
//!
//! Where the run stands is kept as TOML, whose numbers come back to the last bit; what serde_json reads may differ in that one, and JSON
//! has no word for what is not a number.

use std::fs;
use std::path::{Path, PathBuf};

use burn::optim::ModuleOptimizer;
use burn::tensor::Bytes;
use rekindle_backbone::{StateDict, read_safetensors};
use serde::de::DeserializeOwned;
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
    /// How many steps the average of the weights has followed.
    #[serde(default)]
    pub averaged: u64,
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
    /// The average of its weights, where the phase has one.
    pub average: Option<NetworkState>,
    /// The slow weights of Lookahead, where the phase has them.
    pub slow: Option<NetworkState>,
    /// The best state so far.
    pub best: Option<NetworkState>,
    /// Its metrics.
    pub best_report: Option<TaskReport>,
    /// The optimiser's state.
    pub optimizer: Option<Bytes>,
}

const REPORT: &str = "best.toml";
const PROGRESS: &str = "progress.toml";
/// The same of the first versions.
const OLD_REPORT: &str = "best.json";
const OLD_PROGRESS: &str = "progress.json";
const CURRENT: &str = "current.safetensors";
const AVERAGE: &str = "average.safetensors";
const SLOW: &str = "slow.safetensors";
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
        if let Some(average) = &self.average {
            write_whole(&folder.join(AVERAGE), &tail_bytes(average))?;
        }
        if let Some(slow) = &self.slow {
            write_whole(&folder.join(SLOW), &tail_bytes(slow))?;
        }
        if let Some(best) = &self.best {
            write_whole(&folder.join(BEST), &tail_bytes(best))?;
        }
        if let Some(report) = &self.best_report {
            let path = folder.join(REPORT);
            write_whole(&path, to_toml(report, &path)?.as_bytes())?;
        }
        if let Some(optimizer) = &self.optimizer {
            write_whole(&folder.join(OPTIMIZER), optimizer)?;
        }
        let path = folder.join(PROGRESS);
        Ok(write_whole(
            &path,
            to_toml(&self.progress, &path)?.as_bytes(),
        )?)
    }

    /// Whether a run has one.
    pub fn exists(run: &Path) -> bool {
        folder_of(run).is_some()
    }

    /// Reads the set of a run; none where the run is at its beginning.
    ///
    /// # Errors
    ///
    /// A file of it cannot be read.
    pub fn load(run: &Path) -> Result<Option<Self>, FinetuneError> {
        let Some(folder) = folder_of(run) else {
            return Ok(None);
        };
        let Some(progress) = read_either(&folder, [PROGRESS, OLD_PROGRESS], run)? else {
            return Ok(None);
        };
        let tail = |name: &str| read_tail(&folder.join(name));
        let optional = |name: &str| folder.join(name).exists();
        Ok(Some(Self {
            progress,
            current: tail(CURRENT)?,
            average: optional(AVERAGE).then(|| tail(AVERAGE)).transpose()?,
            slow: optional(SLOW).then(|| tail(SLOW)).transpose()?,
            best: optional(BEST).then(|| tail(BEST)).transpose()?,
            best_report: read_either(&folder, [REPORT, OLD_REPORT], run)?,
            optimizer: match optional(OPTIMIZER) {
                true => Some(Bytes::from_bytes_vec(read(&folder.join(OPTIMIZER))?)),
                false => None,
            },
        }))
    }

    /// How much of the disk the sets of a run take, in bytes.
    pub fn size(run: &Path) -> u64 {
        let folders = places(run)
            .into_iter()
            .filter_map(|folder| fs::read_dir(folder).ok());
        let files = folders.flatten().flatten();
        files
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .sum()
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
            path: state_path(run),
            reason: error.to_string(),
        })
}

/// Where the optimiser's state lies in a run.
pub fn state_path(run: &Path) -> PathBuf {
    places(run)[0].join(OPTIMIZER)
}

/// As JSON, to be written to this file.
pub(crate) fn to_json(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, FinetuneError> {
    serde_json::to_vec_pretty(value).map_err(|error| FinetuneError::NotWritable {
        path: path.into(),
        reason: error.to_string(),
    })
}

fn to_toml(value: &impl Serialize, path: &Path) -> Result<String, FinetuneError> {
    toml::to_string(value).map_err(|error| FinetuneError::NotWritable {
        path: path.into(),
        reason: error.to_string(),
    })
}

/// Reads a file of TOML, or its older form of JSON; none where neither is there.
fn read_either<T: DeserializeOwned>(
    folder: &Path,
    names: [&str; 2],
    run: &Path,
) -> Result<Option<T>, FinetuneError> {
    let [path, old] = names.map(|name| folder.join(name));
    let unreadable = |path: &Path, reason: String| FinetuneError::ResumeMismatch {
        path: run.into(),
        reason: format!("{}: {reason}", path.display()),
    };
    if path.exists() {
        let found = toml::from_slice(&read(&path)?);
        return match found {
            Ok(found) => Ok(Some(found)),
            Err(error) => Err(unreadable(&path, error.to_string())),
        };
    }
    if old.exists() {
        let found = serde_json::from_slice(&read(&old)?);
        return match found {
            Ok(found) => Ok(Some(found)),
            Err(error) => Err(unreadable(&old, error.to_string())),
        };
    }
    Ok(None)
}

/// The newest whole set of a run.
fn folder_of(run: &Path) -> Option<PathBuf> {
    let [place, _, old] = places(run);
    let whole = |folder: &PathBuf| {
        [PROGRESS, OLD_PROGRESS]
            .iter()
            .any(|name| folder.join(name).exists())
    };
    [place, old].into_iter().find(whole)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_data::{Meter, Target, TaskKind};

    use crate::stopping::StoppingSpec;

    fn progress() -> Progress {
        let mut stopping = EarlyStopping::new(StoppingSpec::default());
        stopping.update(1, 1e-320);
        let record = |value: f64| EpochRecord {
            phase: "phase \"1\"".into(),
            epoch: 1,
            lr: 0.1 + 0.2 / 3.0,
            train_loss: 1.0,
            gradient_norm: f64::MIN_POSITIVE,
            validation: [("validation_loss".to_owned(), value)].into(),
            best: true,
        };
        Progress {
            phase: "phase1".into(),
            epoch: 2,
            step: 3,
            sums: [0.1 + 0.2, 1e300, -0.0],
            averaged: 7,
            stopping,
            history: vec![record(0.7 / 3.0), record(1e-7)],
            timings: Vec::new(),
            best: Some(("phase1".into(), 1)),
            plan: "[a]\nb = 'c'\n".into(),
        }
    }

    fn checkpoint(progress: Progress) -> Checkpoint {
        Checkpoint {
            progress,
            current: NetworkState::default(),
            average: None,
            slow: None,
            best: None,
            best_report: None,
            optimizer: None,
        }
    }

    #[test]
    fn every_number_comes_back_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = rekindle_augment::SampleRng::new(7, 0, 0);
        let mut number = move || {
            loop {
                let value = f64::from_bits(rng.next_u64());
                if value.is_finite() {
                    return value;
                }
            }
        };
        for _ in 0..500 {
            let mut written = progress();
            written.sums = [number(), number(), number()];
            written.history[0].train_loss = number();
            let text = to_toml(&written, folder.path()).unwrap();
            assert_eq!(toml::from_str::<Progress>(&text).unwrap(), written);
        }
        let mut written = progress();
        let r2 = ("validation_r2".to_owned(), f64::NAN);
        written.history[1].validation.extend([r2]);
        checkpoint(written).save(folder.path()).unwrap();
        let read = Checkpoint::load(folder.path()).unwrap().unwrap().progress;
        assert!(read.history[1].validation("r2").is_nan());
        assert_eq!(read.history[0], progress().history[0]);
    }

    #[test]
    fn reports_of_every_task_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let label = Target::Labels([1].into());
        let number = Target::Numbers([2.5].into());
        let other = Target::Numbers([0.5].into());
        for (task, names, targets) in [
            (
                TaskKind::Classification,
                &["a", "b", "c"][..],
                [&Target::Class(1), &Target::Class(0)],
            ),
            (TaskKind::Multilabel, &["a", "b"][..], [&label, &label]),
            (TaskKind::Regression, &["x"][..], [&number, &other]),
            (
                TaskKind::Ordinal,
                &["a", "b", "c"][..],
                [&Target::Class(1), &Target::Class(0)],
            ),
        ] {
            let mut meter = Meter::new(task, names.len(), None);
            let outputs: Vec<f32> = (0..2 * names.len()).map(|at| at as f32 * 0.3).collect();
            meter.add(&outputs, &targets).unwrap();
            let written = Checkpoint {
                best_report: Some(meter.report().unwrap()),
                ..checkpoint(progress())
            };
            written.save(folder.path()).unwrap();
            let read = Checkpoint::load(folder.path()).unwrap().unwrap();
            assert_eq!(read.best_report, written.best_report);
        }
    }

    #[test]
    fn a_set_of_the_first_versions_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Checkpoint::load(folder.path()).unwrap().is_none());
        checkpoint(progress()).save(folder.path()).unwrap();
        let place = folder.path().join("checkpoint");
        fs::remove_file(place.join(PROGRESS)).unwrap();
        let simple = Progress {
            sums: [0.5, 1.5, 2.0],
            history: Vec::new(),
            stopping: EarlyStopping::new(StoppingSpec::default()),
            ..progress()
        };
        let json = to_json(&simple, &place).unwrap();
        fs::write(place.join(OLD_PROGRESS), json).unwrap();
        let read = Checkpoint::load(folder.path()).unwrap().unwrap();
        assert_eq!(read.progress, simple);
    }
}
