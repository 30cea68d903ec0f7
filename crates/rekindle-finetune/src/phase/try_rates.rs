//! Steps of a phase at given learning rates, without figures, records or checkpoints: for range tests.

use std::sync::atomic::Ordering;

use rekindle_model::Network;

use rekindle_settings::Within;

use super::feed::Inputs;
use super::state::Phase;
use crate::FinetuneError;
use crate::observer::{Observer, StepProgress};
use crate::step::StepFailure;

impl Phase<'_> {
    /// Makes at most `steps` steps, each at the rate that `rate` gives for its number, and shows rate and loss to `see`, whose `false` ends
    /// them. Tells whether they were all made; a loss or gradient that is not finite ends them too, but in the first step.
    pub(crate) fn try_rates(
        &self,
        mut tail: Network,
        train: &mut Inputs,
        steps: usize,
        rate: impl Fn(usize) -> f64,
        observer: &mut dyn Observer,
        see: &mut dyn FnMut(f64, f64) -> bool,
    ) -> Result<bool, FinetuneError> {
        let step_of = self.step();
        let optimizer = self.recipe.optim.build_for(&tail, &self.plan.device);
        let mut optimizer = optimizer.within(&self.recipe.name)?;
        let outputs = self.plan.outputs();
        let mut done = 0;
        for epoch in 0.. {
            let batches = self.batches(epoch);
            let mut feed = self.feed(train, epoch, &batches, 0)?;
            for (step, batch) in batches.iter().enumerate() {
                if done == steps {
                    return Ok(true);
                }
                let inputs = self.step_inputs(&mut feed, &outputs, epoch, step, batch, observer)?;
                let Some(inputs) = inputs.filter(|_| !self.interrupt.load(Ordering::Relaxed))
                else {
                    return Ok(false);
                };
                let rate = rate(done);
                match step_of.take(tail, &mut optimizer, inputs, rate) {
                    Ok((next, output)) => {
                        tail = next;
                        observer.step(StepProgress {
                            phase: &self.recipe.name,
                            epoch: 1,
                            epochs: 1,
                            images: done + 1,
                            of: steps,
                            loss: output.loss,
                        });
                        if !see(rate, output.loss) {
                            return Ok(false);
                        }
                    }
                    Err(failure) if done == 0 => {
                        return Err(self.failed(failure, epoch, step, batch));
                    }
                    Err(StepFailure::Loss(_) | StepFailure::Gradients(_)) => {
                        see(rate, f64::INFINITY);
                        return Ok(false);
                    }
                }
                done += 1;
            }
        }
        Ok(true)
    }
}
