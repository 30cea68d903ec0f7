//! What is told of a step that could not be made: which picture, which weights, and what to do.

use rekindle_data::Draw;
use rekindle_settings::first_ten;

use super::state::Phase;
use crate::FinetuneError;
use crate::step::{Blame, StepFailure};

impl Phase<'_> {
    /// The error of a step on these images; epoch and step are counted from 0.
    pub(super) fn failed(
        &self,
        failure: StepFailure,
        epoch: usize,
        step: usize,
        batch: &[Draw],
    ) -> FinetuneError {
        let name = &self.recipe.name;
        let slower = match self.recipe.optim.whole_set() {
            // It has no rate.
            Some(_) => format!("raise `{name}.optim.weight_decay`"),
            None => format!("lower `{name}.lr`, or clip gradients with `{name}.clip`"),
        };
        let (what, detail, remedy) = match failure {
            StepFailure::Loss(Blame::Images(places)) => {
                let samples = &self.plan.dataset.folder().samples;
                let path = |place: &usize| batch.get(*place).map(|draw| samples[draw.sample].key());
                let paths: Vec<String> = places.iter().filter_map(path).collect();
                let detail = format!(
                    ": what the network is given of {} is not finite",
                    first_ten(&paths)
                );
                (
                    "the loss",
                    detail,
                    "look at the picture, or leave it out".to_owned(),
                )
            }
            StepFailure::Loss(Blame::Weights(names)) => {
                let detail = format!(
                    ": pictures are finite, but the step before has made weights that are not, {}",
                    first_ten(&names)
                );
                ("the loss", detail, slower)
            }
            StepFailure::Loss(Blame::Outputs { largest_weight }) => {
                let detail = format!(
                    ": pictures and weights are finite, but outputs have grown too large, with weights up to {largest_weight:.1e}"
                );
                ("the loss", detail, slower)
            }
            StepFailure::Gradients(error) => ("the gradient", format!(" ({error})"), slower),
        };
        FinetuneError::NonFinite {
            what,
            detail,
            remedy,
            phase: name.clone(),
            epoch: epoch + 1,
            step: step + 1,
        }
    }
}
