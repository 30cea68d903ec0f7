//! What follows the weights of a phase: their average, and the slow weights of Lookahead. Owns when each of them moves.

use burn::module::Module;
use rekindle_model::{Network, NetworkState};

use crate::FinetuneError;
use crate::average::{Averaging, WeightAverage};
use crate::lookahead::Lookahead;
use crate::recipe::PhaseRecipe;

/// What a checkpoint keeps of them.
#[derive(Debug, Default)]
pub struct Followed {
    /// The average of the weights, where the phase has one.
    pub average: Option<NetworkState>,
    /// How many times it has moved.
    pub averaged: u64,
    /// The slow weights, where it has some.
    pub slow: Option<NetworkState>,
}

/// The average and the slow weights, each where the phase wants it.
#[derive(Debug)]
pub struct Followers {
    average: Option<WeightAverage<Network>>,
    lookahead: Option<Lookahead<Network>>,
    /// Epochs of the phase, and how many of the last are averaged; 0 where steps are.
    epochs: usize,
    swa_epochs: usize,
}

impl Followers {
    /// Those of a phase, from its beginning or from a checkpoint.
    ///
    /// # Errors
    ///
    /// The checkpoint is of another network.
    pub fn new(
        recipe: &PhaseRecipe,
        tail: &Network,
        from: Followed,
    ) -> Result<Self, FinetuneError> {
        let restored = |state: &NetworkState| tail.valid().load_state(state, "the checkpoint");
        let how = match recipe.swa_epochs {
            0 => Averaging::Exponential { decay: recipe.ema },
            _ => Averaging::Equal,
        };
        let average = match (recipe.averages(), &from.average) {
            (false, _) => None,
            (true, None) => Some(WeightAverage::new(tail, how)),
            (true, Some(state)) => Some(WeightAverage::restored(
                restored(state)?,
                how,
                from.averaged,
            )),
        };
        let (every, alpha) = (recipe.lookahead, recipe.lookahead_alpha);
        let lookahead = match (every, &from.slow) {
            (0, _) => None,
            (_, None) => Some(Lookahead::new(tail, every, alpha)),
            (_, Some(state)) => Some(Lookahead::new(&restored(state)?, every, alpha)),
        };
        Ok(Self {
            average,
            lookahead,
            epochs: recipe.epochs,
            swa_epochs: recipe.swa_epochs,
        })
    }

    /// The network to go on with after so many steps of the phase, from 1.
    pub fn after_step(&mut self, tail: Network, steps: usize) -> Network {
        let tail = match &mut self.lookahead {
            Some(lookahead) => lookahead.after_step(tail, steps),
            None => tail,
        };
        if let (Some(average), 0) = (&mut self.average, self.swa_epochs) {
            average.update(&tail);
        }
        tail
    }

    /// Takes the end of so many epochs, from 1, before they are measured. Told twice of the same epoch, as where a run was stopped while it
    /// was measured, it moves once.
    pub fn after_epoch(&mut self, tail: &Network, epochs: usize) {
        let wanted = (epochs + self.swa_epochs).saturating_sub(self.epochs) as u64;
        if let Some(average) = &mut self.average
            && self.swa_epochs > 0
            && average.steps() < wanted
        {
            average.update(tail);
        }
    }

    /// What is measured and kept: the average of the weights, where there is one that has followed anything.
    pub fn measured<'a>(&'a self, tail: &'a Network) -> &'a Network {
        let average = self.average.as_ref();
        average
            .filter(|average| average.steps() > 0)
            .map_or(tail, WeightAverage::module)
    }

    /// For a checkpoint.
    pub fn state(&self) -> Followed {
        let average = self.average.as_ref();
        Followed {
            average: average.map(|average| average.module().state()),
            averaged: average.map_or(0, WeightAverage::steps),
            slow: self.lookahead.as_ref().map(|of| of.slow().state()),
        }
    }
}
