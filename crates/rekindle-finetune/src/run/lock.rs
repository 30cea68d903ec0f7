//! The lock of a run directory: who trains it, so that no other process does meanwhile.
//!
//! It is the system's lock on the file `lock`, not the file itself: the system takes it back when the process ends, however it ends,
//! so that nothing has to be removed by hand after a crash.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use super::clock::utc;

/// The file that is locked.
pub(super) const LOCK: &str = "lock";

/// The lock of a run directory, held until it is dropped.
#[derive(Debug)]
pub(super) struct RunLock(File);

/// Why a lock was not taken.
#[derive(Debug)]
pub(super) enum NotLocked {
    /// Another process has it, which is described in words.
    By(String),
    /// The file cannot be made.
    Io(io::Error),
}

/// The process that trains a run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Holder {
    /// Its number.
    pub process: u32,
    /// The machine it runs on; none where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// When it took the run, in UTC.
    pub since: String,
}

impl Holder {
    /// This process, now.
    pub fn this_process() -> Self {
        Self {
            process: std::process::id(),
            host: host(),
            since: utc(SystemTime::now()),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.process)?;
        if let Some(host) = &self.host {
            write!(f, " on {host}")?;
        }
        write!(f, ", since {}", self.since)
    }
}

impl RunLock {
    /// Takes the lock of a directory, which is there.
    pub fn take(directory: &Path) -> Result<Self, NotLocked> {
        let path = directory.join(LOCK);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(NotLocked::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotLocked::By(holder_of(&path))),
            // A file system that has no locks: a run there is not guarded, but it is not refused either.
            Err(TryLockError::Error(_)) => {}
        }
        let mut lock = Self(file);
        // Only words for others; what guards the run is the lock.
        let _ = lock.sign();
        Ok(lock)
    }

    fn sign(&mut self) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.seek(SeekFrom::Start(0))?;
        writeln!(self.0, "{}", Holder::this_process())
    }
}

/// Who has the lock, in words.
fn holder_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|_| String::new());
    match text.trim() {
        // Between taking the lock and signing it, and where the system lets nobody read a locked file.
        "" => "another process".into(),
        said => said.into(),
    }
}

/// The name of this machine.
fn host() -> Option<String> {
    let told = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let variable = |name| std::env::var(name).ok();
    told.or_else(|| variable("HOSTNAME"))
        .or_else(|| variable("COMPUTERNAME"))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_says_who_has_it_and_is_free_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let lock = RunLock::take(folder.path()).unwrap();
        let Err(NotLocked::By(who)) = RunLock::take(folder.path()) else {
            panic!("the lock was taken twice");
        };
        let process = format!("process {}", std::process::id());
        assert!(
            who.starts_with(&process) && who.contains(", since 2"),
            "{who}"
        );
        drop(lock);
        drop(RunLock::take(folder.path()).unwrap());
    }
}
