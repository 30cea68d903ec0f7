//! The range test of learning rates: a few steps of a phase at rates that grow from far too low to far too high, and what the losses suggest.
//!
//! Owns the test. A step is `step.rs`'s, as in training, and images come as they do there; nothing that is trained is kept.

mod suggest;

use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rekindle_model::{ModelFile, Network, NetworkState, head_for, load_backbone};
use rekindle_settings::SettingError;
use serde::Serialize;

pub use suggest::{steepest, valley};

use crate::distill::Teacher;
use crate::features::FrozenNetwork;
use crate::observer::Observer;
use crate::phase::Phase;
use crate::run::{Sources, block_order};
use crate::tail::{rates_of, tail_of};
use crate::{FinetuneError, Plan};

/// How a range test is made.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeTest {
    /// The place of the phase in the plan's list, from 0.
    pub phase: usize,
    /// The head's rate in the first step, above 0.
    pub from: f64,
    /// In the last, above the first.
    pub to: f64,
    /// Steps, at least 20. A test ends earlier where the loss has diverged.
    pub steps: usize,
}

impl RangeTest {
    /// The usual one of a phase: 100 steps from 1e-7 to 10, as fastai's.
    pub fn of(phase: usize) -> Self {
        Self {
            phase,
            from: 1e-7,
            to: 10.0,
            steps: 100,
        }
    }

    fn check(&self) -> Result<(), SettingError> {
        rekindle_settings::positive("from", self.from)?;
        if !self.to.is_finite() || self.to <= self.from {
            let expected = format!("a rate above the first, {}", self.from);
            return Err(SettingError::new("to", self.to, expected));
        }
        match self.steps {
            20.. => Ok(()),
            steps => Err(SettingError::new("steps", steps, "at least 20")),
        }
    }

    /// The head's rate in a step.
    fn rate(&self, step: usize) -> f64 {
        let done = step as f64 / (self.steps - 1) as f64;
        self.from * (self.to / self.from).powf(done)
    }
}

/// What a range test found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RangeTestReport {
    /// The phase.
    pub phase: String,
    /// The head's rate in each step.
    pub rates: Vec<f64>,
    /// The mean loss of each step's batch, before the step.
    pub losses: Vec<f64>,
    /// The same as a moving average.
    pub smoothed: Vec<f64>,
    /// Whether the loss diverged before the last step.
    pub diverged: bool,
    /// Where the loss falls the most.
    pub steepest: Option<f64>,
    /// In the middle of the longest stretch in which it falls.
    pub valley: Option<f64>,
}

impl RangeTestReport {
    fn of(
        phase: &str,
        rates: Vec<f64>,
        losses: Vec<f64>,
        smoothed: Vec<f64>,
        diverged: bool,
        steps: usize,
    ) -> Self {
        // As fastai: the first tenth knows too few losses, and the last five are the fall off the cliff.
        let range = (steps / 10).min(rates.len())
            ..rates
                .len()
                .saturating_sub(5)
                .max((steps / 10).min(rates.len()));
        let finite = smoothed[range.clone()]
            .iter()
            .position(|loss| !loss.is_finite());
        let range = range.start..finite.map_or(range.end, |at| range.start + at);
        let (over, of) = (&rates[range.clone()], &smoothed[range]);
        Self {
            phase: phase.to_owned(),
            steepest: steepest(over, of),
            valley: valley(over, of),
            rates,
            losses,
            smoothed,
            diverged,
        }
    }

    /// As CSV: `step,lr,loss,smoothed_loss`.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("step,lr,loss,smoothed_loss\n");
        let rows = self.rates.iter().zip(&self.losses).zip(&self.smoothed);
        for (step, ((rate, loss), smoothed)) in rows.enumerate() {
            text.push_str(&format!("{},{rate:e},{loss},{smoothed}\n", step + 1));
        }
        text
    }
}

/// Makes a range test of a phase. It begins with the pretrained backbone and a new head, or with those of a model file of the same
/// backbone, head and classes; none where the user interrupted.
///
/// # Errors
///
/// A setting of the test is out of range (`from`, `to`, `steps`), an image or the weights cannot be read, the model file is of another
/// network, or the very first loss is not finite.
pub fn lr_find(
    plan: &Plan,
    test: &RangeTest,
    start: Option<&Path>,
    interrupt: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Option<RangeTestReport>, FinetuneError> {
    test.check()?;
    let recipe = &plan.recipe;
    let of_phase = &recipe.phase[test.phase];
    if of_phase.optim.whole_set().is_some() {
        let expected =
            "an optimiser with a rate to be found: this one chooses the length of each step itself";
        let error = SettingError::new("optim.name", "\"lbfgs\"", expected);
        return Err(error.within(&of_phase.name).into());
    }
    let loaded = load_backbone(&plan.card, &recipe.backbone, recipe.seed, &plan.device)?;
    let mut backbone = loaded
        .backbone
        .with_input_channels(plan.preprocessing.channels())
        .with_precision(recipe.precision);
    let joint = plan.joint();
    let outputs = plan.facts.classes.len();
    let mut head = head_for(
        &recipe.head,
        &backbone,
        &joint.taps,
        outputs,
        recipe.seed,
        &plan.device,
    );
    if let Some(path) = start {
        let NetworkState {
            backbone: stages,
            head: of_head,
        } = ModelFile::load(path, &plan.device)?.network.state();
        let origin = path.display().to_string();
        backbone = backbone.load_state(&stages, &origin)?;
        head = head
            .load_state(&of_head)
            .map_err(rekindle_model::ModelError::from)?;
    }
    let network = FrozenNetwork::new(
        &backbone,
        plan.cuts(),
        &joint,
        &head,
        &plan.preprocessing,
        &plan.device,
    );
    let samples = block_order(plan);
    let mut sources = Sources::new(plan, &backbone, &head, &samples, &loaded.sha256)?;
    let cut = plan.cut(test.phase)?;
    let tail: Network = tail_of(plan, &backbone, &head, test.phase)?;
    let settings = &recipe.phase[test.phase];
    let Continue(teacher) = Teacher::of(plan, &plan.device, interrupt)? else {
        return Ok(None);
    };
    let phase = Phase {
        number: test.phase as u64 + 1,
        recipe: settings,
        plan,
        network: &network,
        cut,
        samples: &samples,
        rates: rates_of(&tail, settings),
        teacher: teacher.as_ref(),
        directory: Path::new(""),
        interrupt,
    };
    let (mut train, _) = sources.inputs(cut);
    let (mut rates, mut losses, mut smoothed) = (Vec::new(), Vec::new(), Vec::new());
    let mut average = suggest::Smoothed::default();
    let mut diverged = false;
    let whole = phase.try_rates(
        tail,
        &mut train,
        test.steps,
        |step| test.rate(step),
        observer,
        &mut |rate, loss| {
            if !loss.is_finite() {
                diverged = true;
                return false;
            }
            let now = average.add(loss);
            rates.push(rate);
            losses.push(loss);
            smoothed.push(now);
            diverged = average.has_diverged(now);
            !diverged
        },
    )?;
    if !whole && !diverged {
        return Ok(None);
    }
    Ok(Some(RangeTestReport::of(
        &settings.name,
        rates,
        losses,
        smoothed,
        diverged,
        test.steps,
    )))
}
