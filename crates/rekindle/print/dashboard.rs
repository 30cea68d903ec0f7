//! `train --tui`: the curves of a run while it goes on, over the whole terminal, redrawn as it grows and shrinks. Owns what is shown and how
//! often; the drawing is `dashboard/draw.rs`'s, the change of screens `screen`'s.
//!
//! Lines are those of [`Progress`]: they are printed once the run has ended, so that nothing is lost with the screen.

mod draw;

use std::io::{self, Stderr};
use std::path::Path;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rekindle_data::{Figure, TaskKind};
use rekindle_finetune::{EpochRecord, EpochTiming, Observer, PhaseRecipe, Plan, StepProgress};

use super::progress::Progress;
use super::{note, screen};

/// Between two pictures.
const PAUSE: Duration = Duration::from_millis(200);

/// What is drawn.
#[derive(Debug, Default)]
struct Picture {
    /// The run's directory.
    directory: String,
    /// What is trained on what.
    about: String,
    /// The phase as people read it.
    phase: String,
    epoch: usize,
    epochs: usize,
    images: usize,
    of: usize,
    /// Images of frozen features done, of how many, while they are computed.
    features: Option<(usize, usize)>,
    /// Images trained on in this phase by this process, and in how long.
    trained: usize,
    time: Duration,
    figure: Option<&'static Figure>,
    history: Vec<EpochRecord>,
}

/// Hears a run and shows it: on a screen of its own, or as lines and bars.
#[derive(Debug)]
pub struct Dashboard {
    progress: Progress,
    terminal: Option<Terminal<CrosstermBackend<Stderr>>>,
    picture: Picture,
    drawn: Option<Instant>,
    phase_since: Instant,
    trained_before: Option<usize>,
    task: TaskKind,
}

impl Dashboard {
    /// On a screen of its own if `wanted` and there is a terminal; else as [`Progress`] shows it.
    pub fn new(wanted: bool, quiet: bool, json: bool) -> Self {
        let shown = wanted && screen::enter();
        let terminal = match shown {
            true => Terminal::new(CrosstermBackend::new(io::stderr())).ok(),
            false => None,
        };
        if shown && terminal.is_none() {
            screen::leave();
        }
        if wanted && terminal.is_none() {
            note(
                "standard error is no terminal that curves can be drawn on, so --tui prints lines",
            );
        }
        let progress = Progress::new(quiet, json);
        Self {
            progress: match terminal {
                Some(_) => progress.without_bar(),
                None => progress,
            },
            terminal,
            picture: Picture::default(),
            drawn: None,
            phase_since: Instant::now(),
            trained_before: None,
            task: TaskKind::default(),
        }
    }

    /// Says where the run's files are, and takes the epochs that it has already.
    pub fn run_directory(&mut self, directory: &Path, resumed: bool) {
        self.progress.run_directory(directory, resumed);
        self.picture.directory = directory.display().to_string();
        if resumed && let Ok(record) = rekindle_insight::plots::RunRecord::load(directory) {
            self.picture.history = record.history;
        }
    }

    /// Gives the terminal back, with all lines.
    pub fn finish(&mut self) {
        self.progress.finish();
        if self.terminal.take().is_some() {
            screen::leave();
        }
    }

    /// Draws, unless it did just now.
    fn show(&mut self, now: bool) {
        let Some(terminal) = &mut self.terminal else {
            return;
        };
        if !now && self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
            return;
        }
        // A panic elsewhere, or a second Ctrl-C, has taken the screen away.
        let Some(lines) = screen::tail(draw::MOST_LINES) else {
            self.terminal = None;
            return;
        };
        let picture = &self.picture;
        // What cannot be drawn is no reason for a run to end.
        let _ = terminal.draw(|frame| draw::draw(frame, picture, &lines));
        self.drawn = Some(Instant::now());
    }
}

/// The figure that chooses a phase's best epoch; where that is the loss, which is drawn anyway, the task's first one.
fn watched(phase: &PhaseRecipe, task: TaskKind) -> Option<&'static Figure> {
    let name = phase.stopping.monitor.map(|monitor| monitor.name());
    let name = name
        .as_deref()
        .and_then(|name| name.strip_prefix("validation_"));
    let chosen = name.and_then(|name| task.figure(name));
    chosen
        .filter(|figure| figure.name != "loss")
        .or(task.figures().get(1))
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Observer for Dashboard {
    fn started(&mut self, plan: &Plan) {
        let facts = &plan.facts;
        self.picture.about = format!(
            "{} on {}, {} training and {} validation images",
            facts.backbone, plan.recipe.device, facts.train_images, facts.validation_images
        );
        self.task = facts.task;
        self.progress.started(plan);
        self.show(true);
    }

    fn phase_started(&mut self, phase: &PhaseRecipe, trainable: usize, all: usize) {
        let picture = &mut self.picture;
        picture.phase = phase.title();
        picture.figure = watched(phase, self.task);
        (picture.epoch, picture.epochs) = (0, phase.epochs);
        (picture.images, picture.of, picture.trained) = (0, 0, 0);
        self.trained_before = None;
        self.progress.phase_started(phase, trainable, all);
        self.show(true);
    }

    fn features(&mut self, done: usize, of: usize) {
        self.picture.features = (done < of).then_some((done, of));
        self.progress.features(done, of);
        self.show(false);
    }

    fn step(&mut self, at: StepProgress) {
        let done = (at.epoch - 1) * at.of + at.images;
        let before = *self.trained_before.get_or_insert_with(|| {
            self.phase_since = Instant::now();
            done
        });
        let picture = &mut self.picture;
        (picture.epoch, picture.epochs) = (at.epoch, at.epochs);
        (picture.images, picture.of) = (at.images, at.of);
        (picture.trained, picture.time) = (done - before, self.phase_since.elapsed());
        picture.features = None;
        self.progress.step(at);
        self.show(false);
    }

    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming) {
        let history = &mut self.picture.history;
        // A run that was killed has told of epochs that are trained again.
        let again =
            |known: &EpochRecord| known.phase == record.phase && known.epoch == record.epoch;
        if let Some(place) = history.iter().position(again) {
            history.truncate(place);
        }
        history.push(record.clone());
        self.progress.epoch(record, timing);
        self.show(true);
    }

    fn note(&mut self, text: &str) {
        self.progress.note(text);
        self.show(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_finetune::Recipe;

    #[test]
    fn the_figure_that_is_drawn_is_the_one_that_chooses_the_best_epoch() {
        let figure = |monitor: &str| {
            let setting = format!("phase1.stopping.monitor='{monitor}'");
            let recipe = Recipe::load(None, &[setting]).unwrap();
            watched(&recipe.phase[0], TaskKind::Classification)
                .unwrap()
                .name
        };
        assert_eq!(figure("validation_macro_f1"), "macro_f1");
        assert_eq!(figure("validation_loss"), "accuracy");
    }
}
