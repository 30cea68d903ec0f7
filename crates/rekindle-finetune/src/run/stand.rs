//! Where a run stands: at its beginning, at a checkpoint, at the beginning of a phase; and what each phase begins with.

use std::path::Path;
use std::time::Duration;

use burn::tensor::Bytes;
use rekindle_backbone::Backbone;
use rekindle_model::{Network, NetworkState};

use crate::checkpoint::{Checkpoint, Progress};
use crate::phase::{Followed, RunState};
use crate::recipe::PhaseRecipe;
use crate::stopping::EarlyStopping;
use crate::{FinetuneError, Plan};

/// Where a run stands, what it was training there with what follows its weights, and the optimiser's state.
pub(super) struct Stand {
    pub state: RunState,
    pub current: Option<NetworkState>,
    pub followed: Followed,
    pub optimizer: Option<Bytes>,
}

/// Where the run stands: at its beginning, or at a checkpoint.
pub(super) fn stand(plan: &Plan, checkpoint: Option<Checkpoint>) -> Result<Stand, FinetuneError> {
    let state = |progress, best, best_report| RunState {
        progress,
        best,
        best_report,
        best_outputs: None,
        first_step: None,
        waited: Duration::ZERO,
    };
    if let Some(at) = checkpoint {
        let followed = Followed {
            average: at.average,
            averaged: at.progress.averaged,
            slow: at.slow,
        };
        return Ok(Stand {
            state: state(at.progress, at.best, at.best_report),
            current: Some(at.current),
            followed,
            optimizer: at.optimizer,
        });
    }
    let first = &plan.recipe.phase[0];
    let progress = Progress {
        phase: first.name.clone(),
        epoch: 0,
        step: 0,
        sums: [0.0; 3],
        averaged: 0,
        stopping: EarlyStopping::new(first.stopping),
        history: Vec::new(),
        timings: Vec::new(),
        best: None,
        plan: plan.to_toml()?,
    };
    Ok(Stand {
        state: state(progress, None, None),
        current: None,
        followed: Followed::default(),
        optimizer: None,
    })
}

/// Puts the run at the beginning of a phase.
pub(super) fn enter(state: &mut RunState, phase: &PhaseRecipe) {
    let progress = &mut state.progress;
    progress.phase.clone_from(&phase.name);
    (progress.epoch, progress.step) = (0, 0);
    progress.stopping = EarlyStopping::new(phase.stopping);
    // A phase has to beat those before it to be the result.
    if let Some(report) = &state.best_report {
        let monitor = phase.stopping.monitor.unwrap_or_default();
        progress.stopping.update(0, monitor.value(report));
    }
}

/// The backbone with what the phases so far have trained of it.
pub(super) fn with_trained(
    pretrained: &Backbone,
    state: &RunState,
) -> Result<Backbone, FinetuneError> {
    match &state.best {
        Some(best) if !best.backbone.is_empty() => {
            let mut weights = pretrained.state();
            weights.extend(best.backbone.clone());
            Ok(pretrained
                .clone()
                .load_state(&weights, "the best epoch so far")?)
        }
        _ => Ok(pretrained.clone()),
    }
}

/// What a phase begins with: the best head so far, and the stages as they are.
pub(super) fn start_of(state: &RunState, tail: &Network) -> Option<NetworkState> {
    let head = state.best.as_ref()?.head.clone();
    let backbone = tail.state().backbone;
    Some(NetworkState { backbone, head })
}

/// The place of the phase that a checkpoint is of.
pub(super) fn place_of(plan: &Plan, name: &str, directory: &Path) -> Result<usize, FinetuneError> {
    let mut phases = plan.recipe.phase.iter();
    let place = phases.position(|phase| phase.name == name);
    place.ok_or_else(|| FinetuneError::ResumeMismatch {
        path: directory.into(),
        reason: format!("its checkpoint is of the phase `{name}`, which the plan has not"),
    })
}
