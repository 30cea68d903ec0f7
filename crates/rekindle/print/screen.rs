//! The terminal's second screen, on which `train --tui` draws. While it is shown, what the program says is kept, and printed once the first
//! screen is back: also after an error, a panic and a second Ctrl-C.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};

/// Where a kept line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Out,
    Err,
}

/// What was said while the second screen is shown; none while it is not.
static KEPT: Mutex<Option<Vec<(To, String)>>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<Vec<(To, String)>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the second screen, if there is a terminal to show it on.
pub fn enter() -> bool {
    if !io::stderr().is_terminal() {
        return false;
    }
    let mut kept = kept();
    // What is drawn is drawn upon nothing, also where a terminal shows the second screen as it was left.
    let blank = || {
        execute!(
            io::stderr(),
            EnterAlternateScreen,
            Clear(ClearType::All),
            Hide
        )
    };
    if kept.is_none() && blank().is_ok() {
        *kept = Some(Vec::new());
    }
    kept.is_some()
}

/// Shows the first screen again, and prints what was kept; does nothing where it is shown.
pub fn leave() {
    let Some(lines) = kept().take() else {
        return;
    };
    // A terminal that is gone needs neither.
    let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
    for (to, text) in lines {
        let _ = match to {
            To::Out => writeln!(io::stdout(), "{text}"),
            To::Err => writeln!(io::stderr(), "{text}"),
        };
    }
}

/// Keeps a text while the second screen is shown; whether it did.
pub fn keep(to: To, text: &str) -> bool {
    match &mut *kept() {
        Some(lines) => {
            lines.push((to, text.to_owned()));
            true
        }
        None => false,
    }
}

/// The last lines of what was kept, at most so many; none where the first screen is shown.
pub fn tail(most: usize) -> Option<Vec<String>> {
    let kept = kept();
    let texts = kept.as_ref()?;
    let lines: Vec<&str> = texts.iter().flat_map(|(_, text)| text.lines()).collect();
    let from = lines.len().saturating_sub(most);
    Some(lines[from..].iter().map(|line| plain(line)).collect())
}

/// A line without the colours of `warning:` and the like.
fn plain(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out_of_lines() {
        assert_eq!(
            plain("\x1b[1;33mwarning\x1b[0m: few images"),
            "warning: few images"
        );
        assert_eq!(plain("    1      0.5"), "    1      0.5");
    }
}
