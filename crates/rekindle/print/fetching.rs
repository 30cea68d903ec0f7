//! The bar of a file that is being fetched; on standard error, and only where that is a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rekindle_model::Fetching;

const TEMPLATE: &str =
    "{msg:<22} {wide_bar:.cyan} {bytes}/{total_bytes} {bytes_per_sec:>13} {eta} left";

/// Shows how far a file has come. Nothing is shown of one that is in the cache.
#[derive(Debug)]
pub struct FetchBar {
    live: bool,
    bar: Option<ProgressBar>,
    file: String,
}

impl FetchBar {
    /// A bar that waits for the first bytes; none at all if `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self {
            live: !quiet && io::stderr().is_terminal(),
            bar: None,
            file: String::new(),
        }
    }

    /// What has come.
    pub fn show(&mut self, at: Fetching<'_>) {
        if !self.live {
            return;
        }
        if self.file != at.file {
            self.finish();
            at.file.clone_into(&mut self.file);
        }
        let bar = self.bar.get_or_insert_with(|| {
            let target = ProgressDrawTarget::stderr_with_hz(8);
            let bar = ProgressBar::with_draw_target(at.total, target);
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        match at.waiting {
            Some(reason) => bar.set_message(format!("waiting: {reason}")),
            None => bar.set_message(at.file.to_owned()),
        }
        if let Some(total) = at.total {
            bar.set_length(total);
        }
        bar.set_position(at.done);
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for FetchBar {
    fn drop(&mut self) {
        self.finish();
    }
}
