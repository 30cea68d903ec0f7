//! The signals that stop a run: Ctrl-C, and on Unix SIGTERM (`docker stop`, Slurm, `systemd`) and SIGHUP (a terminal that is gone).
//!
//! Before training they end the program at once, since there is nothing to save. While a run is trained the first one sets a flag, upon
//! which the run saves itself; the second one ends the program at once. What serves is told by the first one, and ended by the second.

use std::io::{self, Write};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use anyhow::{Context, Result};

use crate::print::{screen, transcript};

/// SIGINT, which is what Ctrl-C sends.
const INTERRUPT: u8 = 2;

/// What has come so far.
#[derive(Debug, Clone)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    number: Arc<AtomicU8>,
    trains: Arc<AtomicBool>,
    /// What is said when the first one stops a training; of a run where there is none.
    says: Option<&'static str>,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> Result<Self> {
        Self::listening(None)
    }

    /// The same for a training that is no run; `says` is what the first signal has the user read.
    pub fn listen_for(says: &'static str) -> Result<Self> {
        Self::listening(Some(says))
    }

    fn listening(says: Option<&'static str>) -> Result<Self> {
        let signals = Self {
            stop: Arc::default(),
            number: Arc::new(AtomicU8::new(INTERRUPT)),
            trains: Arc::default(),
            says,
        };
        let heard = signals.clone();
        listen(move |number| heard.came(number)).context("cannot listen for signals")?;
        Ok(signals)
    }

    /// From now on there is something to save.
    pub fn training_begins(&self) {
        self.trains.store(true, Ordering::SeqCst);
    }

    /// Set when the run is to stop.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// What the program's exit code is after the signal that came: 128 and its number.
    pub fn exit_code(&self) -> u8 {
        128 + self.number.load(Ordering::SeqCst)
    }

    fn came(&self, number: u8) {
        self.number.store(number, Ordering::SeqCst);
        if !self.trains.load(Ordering::SeqCst) {
            say("interrupted before the run began; nothing was written");
            exit(self.exit_code().into());
        }
        if self.stop.swap(true, Ordering::SeqCst) {
            screen::leave();
            exit(self.exit_code().into());
        }
        say(match (self.says, number) {
            (Some(says), _) => says,
            (None, INTERRUPT) => {
                "\nfinishing the step and writing a checkpoint; Ctrl-C again stops at once, without one"
            }
            (None, _) => {
                "stopping: finishing this step and writing a checkpoint; a second signal stops at once, without one"
            }
        });
    }
}

/// Calls a function upon the first signal, and ends the program upon the second.
pub fn upon_first(says: &'static str, mut then: impl FnMut() + Send + 'static) -> Result<()> {
    let mut came = false;
    let heard = move |number: u8| {
        if came {
            exit((128 + number).into());
        }
        came = true;
        say(says);
        then();
    };
    listen(heard).context("cannot listen for signals")
}

fn say(text: &str) {
    transcript::add(text.trim_start());
    if !screen::keep(screen::To::Err, text) {
        // Of a terminal that is gone nobody reads it.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

#[cfg(unix)]
fn listen(mut came: impl FnMut(u8) + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut numbers = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        numbers.push(SIGHUP);
    }
    let mut signals = signal_hook::iterator::Signals::new(numbers)?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for number in signals.forever() {
                came(number as u8);
            }
        })?;
    Ok(())
}

/// Whether a signal was ignored when the program began, as `nohup` does with SIGHUP: whoever asked for that wants the run to go on.
/// Systems that do not tell are taken not to.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_else(|_| String::new());
    ignores(&status, signal)
}

#[cfg(unix)]
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(not(unix))]
fn listen(mut came: impl FnMut(u8) + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || came(INTERRUPT))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_systems_text() {
        let status = "Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t0\n";
        assert!(ignores(status, 1));
        assert!(!ignores(status, 15));
        assert!(!ignores("", 1));
    }
}
