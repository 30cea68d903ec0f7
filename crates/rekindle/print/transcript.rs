//! log.txt of a run: what the terminal showed, with times.
//!
//! Text is kept in memory until the run's directory is there. A log that cannot be written stops nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rekindle_finetune::utc;

/// Where the text goes.
#[derive(Debug)]
enum Log {
    /// Nowhere: the command has no run.
    Off,
    /// To a file that is not there yet.
    Waiting(Vec<u8>),
    /// To a file.
    To(File),
}

static LOG: Mutex<Log> = Mutex::new(Log::Off);

fn log() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins with the command line.
pub fn begin() {
    *log() = Log::Waiting(Vec::new());
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| super::words::shell_word(Path::new(&word)))
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    add(&format!("rekindle {version}: rekindle {}", words.join(" ")));
}

/// Writes what was kept to a file, behind what it holds, and from now on everything.
pub fn write_to(path: &Path) {
    let mut log = log();
    let Log::Waiting(kept) = &*log else {
        return;
    };
    let opened = OpenOptions::new().create(true).append(true).open(path);
    *log = match opened {
        Ok(mut file) => {
            let _ = file.write_all(kept);
            Log::To(file)
        }
        Err(_) => Log::Off,
    };
}

/// Adds text, each line with the time.
pub fn add(text: &str) {
    let mut log = log();
    if matches!(*log, Log::Off) {
        return;
    }
    let now = utc(SystemTime::now());
    let lines: String = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| format!("{now}  {line}\n"))
        .collect();
    match &mut *log {
        Log::Off => {}
        Log::Waiting(kept) => kept.extend(lines.as_bytes()),
        Log::To(file) => {
            let _ = file.write_all(lines.as_bytes());
        }
    }
}
