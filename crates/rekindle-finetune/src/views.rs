//! Which augmented views of its images a run trains on, in order.

use crate::{PhaseRecipe, Plan, epoch_id};

/// An augmented view of every training image, as a run makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingView {
    /// The phase and epoch, from 1, that see it new; none of the views whose features are kept.
    pub seen: Option<(String, usize)>,
    /// The number of a kept view, or of the epoch, in [`SampleRng::new`](rekindle_augment::SampleRng::new), which decides what is drawn.
    pub epoch: u64,
}

/// The augmented views that a plan trains on: first those of the feature cache (`augment.views`, of which the evaluation view is number
/// 0), then those of the epochs of phases that train stages, which are new each time where their features are not kept.
pub fn training_views(plan: &Plan) -> impl Iterator<Item = TrainingView> {
    let recipe = &plan.recipe;
    let kept = (1..recipe.augment.views).map(|view| TrainingView {
        seen: None,
        epoch: view as u64,
    });
    let phases = recipe.phase.iter().enumerate();
    let unfreezing = phases.filter(|(_, phase)| !phase.unfreeze.is_head());
    let view = |place: usize, phase: &PhaseRecipe, epoch: usize| TrainingView {
        seen: Some((phase.title(), epoch + 1)),
        epoch: epoch_id(place as u64 + 1, epoch),
    };
    let fresh = unfreezing.flat_map(move |(place, phase)| {
        (0..phase.epochs).map(move |epoch| view(place, phase, epoch))
    });
    kept.chain(fresh)
}
