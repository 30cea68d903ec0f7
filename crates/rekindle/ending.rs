//! How a command that did not fail ended, which the exit code tells.

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All is done.
    Done,
    /// A signal stopped it before its end; the exit code is 128 and the signal's number.
    Interrupted(u8),
    /// A check found something that stops or spoils training.
    FoundProblems,
}
