//! What the program says: warnings and errors, and how wide and in which colours.
//!
//! Results go to standard output; progress, warnings and errors to standard error. Nothing that is not a terminal gets control
//! characters, and `NO_COLOR` is respected.

pub mod bench;
pub mod calibrated;
pub mod check;
pub mod closing;
pub mod combined;
pub mod comparison;
pub mod dashboard;
pub mod drift;
pub mod explanations;
pub mod export;
pub mod familiarity;
pub mod fetching;
pub mod figures;
pub mod plan;
pub mod predictions;
pub mod progress;
pub mod screen;
pub mod summary;
pub mod table;
pub mod transcript;
pub mod values;
pub mod words;

use std::io::{self, IsTerminal, Write};

use rekindle_data::{BadImage, Fingerprints, ImageFolder};
use rekindle_finetune::Plan;

/// Most images whose contents are compared before training: to open so many takes a second or two.
const MOST_COMPARED: usize = 20_000;
/// Most lines of a list of warnings.
const MOST_LISTED: usize = 3;

/// Columns of the terminal behind standard output, or of `COLUMNS`; none where the output goes elsewhere and may be of any width.
pub fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    let asked = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.or_else(asked).or(Some(80))
}

/// Columns to lay tables out for: the terminal's, or 80.
pub fn width() -> usize {
    terminal_width().unwrap_or(80)
}

/// Says on standard error that something is odd.
pub fn warning(text: &str) {
    say("warning", "33", text);
}

/// Says on standard error what was decided for the user.
pub fn note(text: &str) {
    say("note", "36", text);
}

/// Says on standard error why the program ends.
pub fn error(text: &str) {
    say("error", "31", text);
}

fn say(what: &str, colour: &str, text: &str) {
    transcript::add(&format!("{what}: {text}"));
    let coloured = io::stderr().is_terminal() && wants_colour(|name| std::env::var_os(name));
    let line = match coloured {
        true => format!("\x1b[1;{colour}m{what}\x1b[0m: {text}"),
        false => format!("{what}: {text}"),
    };
    if !screen::keep(screen::To::Err, &line) {
        // There is no place left to tell that standard error cannot be written.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

fn wants_colour(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty())
        && variable("TERM").is_none_or(|value| value != "dumb")
}

/// An error with its causes, joined by `: `; a cause that the text before it ends with already is not repeated.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause = cause.trim_end();
        if text.contains(cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(cause);
    }
    text
}

/// Warns of what is odd about a folder and tells what was left out of it.
pub fn scan_notes(folder: &ImageFolder) {
    for text in &folder.warnings {
        warning(&text.to_string());
    }
    if folder.skipped.total() > 0 {
        warning(&format!("files left out: {}", folder.skipped));
    }
}

/// Warns where a plan is for fewer images than there are, or has looked at fewer.
pub fn plan_notes(plan: &Plan) {
    limit_note(plan);
    cache_note(plan);
    copies_note(plan);
    let (checked, images) = (plan.facts.images_checked, plan.dataset.len());
    if checked < images {
        warning(&format!(
            "the headers of {checked} of {images} images were checked; what is wrong with another one stops the run when it is needed \
             (--set data.checked_headers={images} checks all)"
        ));
    }
}

/// Warns of validation images that are copies of training images, byte by byte, where the data is small enough to look at once.
fn copies_note(plan: &Plan) {
    if plan.dataset.len() > MOST_COMPARED {
        return;
    }
    let (folder, split) = (plan.dataset.folder(), &plan.split);
    let held = Fingerprints::of(folder, &split.train).hold(folder, &split.validation);
    let copies = held.iter().filter(|held| **held).count();
    if copies > 0 {
        warning(&format!(
            "{copies} of {} validation images are copies of training images, so the figures are too good; `rekindle check {}` lists them",
            split.validation.len(),
            words::shell_word(&folder.source)
        ));
    }
}

/// Warns that a run cannot keep decoded images on disk, though it is to.
pub fn cache_note(plan: &Plan) {
    if plan.recipe.data.disk_cache_mb > 0 && plan.dataset.disk_cache().is_none() {
        warning(
            "decoded images are not kept on disk, since the system's cache directory is not known or lies among the images; choose a place \
             with --set data.cache_directory=DIR, or set data.disk_cache_mb=0",
        );
    }
}

/// Warns that the result of a run with a limit says little.
pub fn limit_note(plan: &Plan) {
    if let Some(found) = plan.facts.images_before_limit {
        let so = "the result shows that the run works, and no more";
        limit_warning(plan.dataset.len(), found, so);
    }
}

/// Warns that a limit leaves out images, if it does, and what follows.
pub fn limit_warning(used: usize, found: usize, so: &str) {
    if used == found {
        return;
    }
    warning(&format!(
        "only {used} of {found} images are used, since a limit is set: {so}"
    ));
}

/// Lists images that are left out since they cannot be decoded, ten at most.
pub fn bad_images(images: &[BadImage]) {
    if images.is_empty() {
        return;
    }
    let mut text = match images.len() {
        1 => "1 image cannot be decoded and is left out:".to_owned(),
        count => format!("{count} images cannot be decoded and are left out:"),
    };
    for image in images.iter().take(MOST_LISTED) {
        text.push_str(&format!("\n  {image}"));
    }
    if images.len() > MOST_LISTED {
        text.push_str(&format!("\n  and {} more", images.len() - MOST_LISTED));
    }
    warning(&text);
}

/// Makes a panic, which is a mistake in the program, say so in one line; with `RUST_BACKTRACE` it shows where, as usual.
pub fn explain_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Else it would go with the screen.
        screen::leave();
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            return usual(panic);
        }
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let reason = panic.payload_as_str().unwrap_or("no reason given");
        error(&format!(
            "a mistake in rekindle, or in a driver it uses: {reason} ({place}); run it with RUST_BACKTRACE=1 and report it"
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn a_cause_is_not_said_twice() {
        let error = anyhow!("permission denied")
            .context("cannot read a.png: permission denied")
            .context("prediction");
        assert_eq!(
            chain(&error),
            "prediction: cannot read a.png: permission denied"
        );
    }

    #[test]
    fn no_color_and_dumb_terminals_are_respected() {
        let with = |name: &'static str, value: &'static str| {
            wants_colour(move |asked| (asked == name).then(|| value.into()))
        };
        assert!(!with("NO_COLOR", "1"));
        assert!(with("NO_COLOR", ""));
        assert!(!with("TERM", "dumb"));
        assert!(with("TERM", "xterm"));
    }
}
