//! The directory of a run: taking it for oneself, and giving it back when nothing came of it.
//!
//! Owns its name, its lock, and in which state a run is that lies there. What a run writes into it is `records.rs`'s and
//! `checkpoint.rs`'s.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rekindle_model::FileError;
use serde::{Deserialize, Serialize};

use super::lengths::LENGTHS;
use super::lock::{LOCK, NotLocked, RunLock};
use crate::FinetuneError;
use crate::checkpoint::Checkpoint;
use crate::error::Existing;

/// The plan, which is written first: a directory with one is a run.
pub(super) const PLAN: &str = "plan.toml";
/// Which image is used for what.
pub(super) const SPLIT: &str = "split.json";
/// The best weights so far, and in the end the result.
pub(super) const MODEL: &str = "model.safetensors";
/// Each parameter of each phase: whether it is trained, its rate and its decay.
pub(super) const PARAMETERS: &str = "parameters.csv";
/// The models of epochs that were asked for by themselves.
pub(super) const EPOCHS: &str = "epochs";
/// A line for each epoch.
pub(super) const METRICS: &str = "metrics.csv";
/// What the result says of each validation image.
pub(super) const PREDICTIONS: &str = "predictions.csv";
/// Where the run stands, and in the end the report.
pub(super) const REPORT: &str = "run.json";
/// What the program printed, which the program writes.
const LOG: &str = "log.txt";

/// Where a run stands, as its run.json says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is trained, or the process that trained it ended without a word: the directory's lock tells.
    Running,
    /// It was told to stop, and can go on.
    Interrupted,
    /// It stopped at an error, and can go on.
    Failed,
    /// The result is there.
    Finished,
}

/// A run directory that this process, and no other, trains in. Others may until it is dropped, or the process ends in any way.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    resumed: bool,
    _lock: RunLock,
}

impl RunDirectory {
    /// Makes the directory of a new run, and those above it. What a process left that was killed before it wrote the plan is taken over.
    ///
    /// # Errors
    ///
    /// [`FinetuneError::RunExists`] or [`FinetuneError::RunInUse`] if anything else is there; it cannot be written.
    pub fn create(path: &Path) -> Result<Self, FinetuneError> {
        if !make(path)? && !holds_remains_only(path) {
            return Err(exists(path));
        }
        let lock = take(path)?;
        // Another process may have been faster, and be done already.
        if !holds_remains_only(path) {
            return Err(exists_unlocked(path));
        }
        Ok(Self {
            path: path.into(),
            resumed: false,
            _lock: lock,
        })
    }

    /// Whether [`create`](Self::create) would make it, without doing so.
    ///
    /// # Errors
    ///
    /// Those that `create` would have, but for what cannot be written.
    pub fn check_free(path: &Path) -> Result<(), FinetuneError> {
        match !path.exists() || holds_remains_only(path) {
            true => Ok(()),
            false => Err(exists(path)),
        }
    }

    /// Makes the directory `STEM-NUMBER` with the first number that is free. Processes that do so at once get numbers of their own.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn create_numbered(runs: &Path, stem: &str) -> Result<Self, FinetuneError> {
        let mut number = 1u64;
        loop {
            let path = runs.join(format!("{stem}-{number}"));
            if make(&path)? {
                match Self::create(&path) {
                    // Another process took it for remains.
                    Err(FinetuneError::RunExists { .. } | FinetuneError::RunInUse { .. }) => {}
                    other => return other,
                }
            }
            number += 1;
        }
    }

    /// Takes the directory of a run that is to go on.
    ///
    /// # Errors
    ///
    /// It holds no run, or one that is finished, or another process trains it.
    pub fn resume(path: &Path) -> Result<Self, FinetuneError> {
        if !path.join(PLAN).is_file() {
            return Err(FinetuneError::NothingToResume { path: path.into() });
        }
        let finished = || FinetuneError::RunFinished {
            path: path.into(),
            model: path.join(MODEL),
        };
        // Before the lock too, since a finished run has none.
        if status(path) == Some(RunStatus::Finished) {
            // Killed behind its result, it left what nobody needs any more.
            if Checkpoint::exists(path)
                && let Ok(_lock) = take(path)
            {
                let _ = Checkpoint::remove(path);
                let _ = fs::remove_file(path.join(LOCK));
            }
            return Err(finished());
        }
        let lock = take(path)?;
        match status(path) {
            Some(RunStatus::Finished) => Err(finished()),
            Some(_) => Ok(Self {
                path: path.into(),
                resumed: true,
                _lock: lock,
            }),
            None => Err(FinetuneError::NothingToResume { path: path.into() }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a run goes on in it.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Gives the name free again if this process made the directory and nothing was trained in it.
    pub(super) fn give_back_if_untrained(&self) -> bool {
        if self.resumed || Checkpoint::exists(&self.path) || self.path.join(MODEL).exists() {
            return false;
        }
        // The error of the run is the one to tell; a directory that holds anything else stays.
        for file in [PLAN, PARAMETERS, SPLIT, LENGTHS, METRICS, REPORT, LOG, LOCK] {
            let _ = fs::remove_file(self.path.join(file));
        }
        fs::remove_dir(&self.path).is_ok()
    }

    /// Takes the lock away from a finished run, of which nothing will be written any more.
    pub(super) fn finish(self) {
        // It tells nothing once the run is finished.
        let _ = fs::remove_file(self.path.join(LOCK));
    }
}

/// In which state the run in a directory is; none where there is no run.
pub(super) fn status(path: &Path) -> Option<RunStatus> {
    /// The part of run.json that matters here; those of the first versions say no status, since they are written at the end.
    #[derive(Deserialize)]
    struct Report {
        status: Option<RunStatus>,
    }
    if !path.join(PLAN).is_file() {
        return None;
    }
    let report = fs::read(path.join(REPORT)).ok();
    let report = report.and_then(|bytes| serde_json::from_slice::<Report>(&bytes).ok());
    let said = report.and_then(|report| report.status);
    // A run of a version that wrote the model last, and removed the checkpoint then.
    let old = || match path.join(MODEL).is_file() && !Checkpoint::exists(path) {
        true => RunStatus::Finished,
        false => RunStatus::Interrupted,
    };
    Some(said.unwrap_or_else(old))
}

/// Whether there is nothing but what a process leaves that is killed before it has written a plan.
fn holds_remains_only(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else {
        return false;
    };
    let remains = [LOCK, LOG, "plan.toml.part"];
    entries
        .into_iter()
        .all(|entry| entry.is_ok_and(|entry| remains.iter().any(|name| entry.file_name() == *name)))
}

/// Makes a directory and those above it; tells whether it was not there before.
fn make(path: &Path) -> Result<bool, FinetuneError> {
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        // Of a parent that cannot be made, the run's own name is what the user knows.
        fs::create_dir_all(parent).map_err(|error| not_writable(path, error))?;
    }
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(not_writable(path, error)),
    }
}

fn take(path: &Path) -> Result<RunLock, FinetuneError> {
    RunLock::take(path).map_err(|why| match why {
        NotLocked::By(by) => FinetuneError::RunInUse {
            path: path.into(),
            by,
        },
        NotLocked::Io(error) => not_writable(path, error),
    })
}

/// Why a run cannot begin where something lies: whoever trains it, or else what it is.
fn exists(path: &Path) -> FinetuneError {
    match status(path).map(|_| RunLock::take(path)) {
        Some(Err(NotLocked::By(by))) => FinetuneError::RunInUse {
            path: path.into(),
            by,
        },
        _ => exists_unlocked(path),
    }
}

fn exists_unlocked(path: &Path) -> FinetuneError {
    FinetuneError::RunExists {
        path: path.into(),
        state: match status(path) {
            None => Existing::Other,
            Some(RunStatus::Finished) => Existing::Finished,
            Some(_) => Existing::Unfinished,
        },
    }
}

fn not_writable(path: &Path, source: std::io::Error) -> FinetuneError {
    FileError::Write {
        path: path.into(),
        source,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_start_at_once_get_numbers_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = std::thread::scope(|scope| {
            let one = || {
                let directory = RunDirectory::create_numbered(folder.path(), "photos").unwrap();
                fs::write(directory.path().join(PLAN), "").unwrap();
                directory.path().to_owned()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let mut names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 8, "{paths:?}");
    }

    #[test]
    fn a_directory_that_is_in_use_says_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let held = RunDirectory::create(&path).unwrap();
        fs::write(path.join(PLAN), "").unwrap();
        for error in [RunDirectory::create(&path), RunDirectory::resume(&path)] {
            let error = error.unwrap_err().to_string();
            let process = format!("process {}", std::process::id());
            assert!(error.contains(&process), "{error}");
        }
        drop(held);
        let error = RunDirectory::create(&path).unwrap_err().to_string();
        assert!(error.contains("--resume"), "{error}");
        assert!(RunDirectory::resume(&path).unwrap().is_resumed());
    }

    #[test]
    fn what_a_process_left_that_was_killed_before_its_plan_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::create_dir(&path).unwrap();
        for file in [LOCK, LOG, "plan.toml.part"] {
            drop(RunDirectory::create(&path).unwrap());
            fs::write(path.join(file), "process 1").unwrap();
        }
        fs::write(path.join("notes.txt"), "mine").unwrap();
        let error = RunDirectory::create(&path).unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
    }

    #[test]
    fn nothing_is_removed_that_was_trained_or_is_not_the_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let begin = || {
            let directory = RunDirectory::create(&path).unwrap();
            fs::write(path.join(PLAN), "").unwrap();
            directory
        };
        assert!(begin().give_back_if_untrained() && !path.exists());
        let directory = begin();
        fs::write(path.join(MODEL), "weights").unwrap();
        assert!(!directory.give_back_if_untrained());
        assert!(path.join(PLAN).exists() && path.join(MODEL).exists());
        fs::remove_dir_all(&path).unwrap();
        let directory = begin();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        assert!(!directory.give_back_if_untrained());
        assert!(path.join("notes.txt").exists());
    }

    #[test]
    fn runs_of_versions_without_a_status_are_told_apart_by_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let write = |file: &str, text: &str| fs::write(path.join(file), text).unwrap();
        assert_eq!(status(path), None);
        write(PLAN, "");
        assert_eq!(status(path), Some(RunStatus::Interrupted));
        write(MODEL, "");
        write(REPORT, r#"{"epochs": 3}"#);
        assert_eq!(status(path), Some(RunStatus::Finished));
        fs::create_dir(path.join("checkpoint")).unwrap();
        write("checkpoint/progress.json", "{}");
        assert_eq!(status(path), Some(RunStatus::Interrupted));
        write(REPORT, r#"{"status": "finished"}"#);
        assert_eq!(status(path), Some(RunStatus::Finished));
    }
}
