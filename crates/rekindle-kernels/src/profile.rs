//! Where the time goes: each operation's calls, seconds and arithmetic, counted while [`start`] is in force.
//!
//! Counting costs one atomic load per operation when it is off.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What one kind of operation took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entry {
    /// How often it ran.
    pub calls: usize,
    /// Wall-clock seconds of all calls.
    pub seconds: f64,
    /// Floating-point operations of all calls, by the operation's definition (a fast algorithm does fewer).
    pub flop: f64,
}

static ON: AtomicBool = AtomicBool::new(false);
static ENTRIES: Mutex<BTreeMap<String, Entry>> = Mutex::new(BTreeMap::new());

/// Starts to count, from nothing.
pub fn start() {
    entries().clear();
    ON.store(true, Ordering::Relaxed);
}

/// Stops counting and gives what was counted, by name.
pub fn stop() -> Vec<(String, Entry)> {
    ON.store(false, Ordering::Relaxed);
    std::mem::take(&mut *entries()).into_iter().collect()
}

fn entries() -> std::sync::MutexGuard<'static, BTreeMap<String, Entry>> {
    ENTRIES
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Runs `work`, counted under `name` where counting is on.
pub(crate) fn timed<R>(name: impl FnOnce() -> String, flop: f64, work: impl FnOnce() -> R) -> R {
    if !ON.load(Ordering::Relaxed) {
        return work();
    }
    let start = Instant::now();
    let result = work();
    let seconds = start.elapsed().as_secs_f64();
    let mut entries = entries();
    let entry = entries.entry(name()).or_default();
    entry.calls += 1;
    entry.seconds += seconds;
    entry.flop += flop;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_between_start_and_stop_only() {
        let name = || "test operation".to_string();
        timed(name, 1.0, || ());
        start();
        assert_eq!(timed(name, 2.0, || 7), 7);
        timed(name, 3.0, || ());
        let counted = stop();
        let entry = &counted
            .iter()
            .find(|(name, _)| name == "test operation")
            .unwrap()
            .1;
        assert_eq!((entry.calls, entry.flop), (2, 5.0));
        timed(name, 4.0, || ());
        assert!(stop().iter().all(|(name, _)| name != "test operation"));
    }
}
