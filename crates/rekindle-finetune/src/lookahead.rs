//! Lookahead: slow weights that follow the optimiser's, which begins anew from them.
//!
//! Owns the slow weights. When a step is one of synchronisation is asked of the number of steps; optimisers know nothing of it.

use burn::module::Module;

use crate::average::{blend, with_values_of};

/// Slow weights: every so many steps they go part of the way to the trained ones, which then begin from there. The optimiser's moments stay.
///
/// Source: [Zhang et al. 2019](https://arxiv.org/abs/1907.08610); the numbers in `tests/data/lookahead.json` are pytorch_optimizer's. The
/// slow weights begin as those before the first step; in timm 1.0 they begin at the first synchronisation, which so changes nothing.
#[derive(Debug)]
pub struct Lookahead<M> {
    slow: M,
    every: usize,
    alpha: f64,
}

impl<M: Module> Lookahead<M> {
    /// Slow weights that are those of the module, or of a copy that an earlier process kept. `every` is from 1, `alpha` from above 0 to 1.
    pub fn new(module: &M, every: usize, alpha: f64) -> Self {
        Self {
            slow: module.valid(),
            every,
            alpha,
        }
    }

    /// The module after so many steps, from 1: itself, or at a synchronisation one with the slow weights. Only trained parameters are set.
    pub fn after_step(&mut self, module: M, steps: usize) -> M {
        if !steps.is_multiple_of(self.every) {
            return module;
        }
        self.slow = blend(self.slow.clone(), &module.valid(), 1.0 - self.alpha);
        with_values_of(module, &self.slow)
    }

    /// The slow weights.
    pub fn slow(&self) -> &M {
        &self.slow
    }
}
