//! Early stopping and the best epoch for a training loop of one's own, whatever the module. A run of this crate keeps its best epoch in files
//! (`checkpoint.rs`).

use burn::module::Module;

use crate::stopping::{BestEpoch, Decision, EarlyStopping, StoppingSpec};

/// Watches the epochs of a loop and keeps the module of the best one.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Device;
/// use rekindle_finetune::KeepBest;
/// use rekindle_finetune::stopping::{Decision, StoppingSpec};
///
/// let mut keep = KeepBest::new(StoppingSpec { patience: 2, ..StoppingSpec::default() });
/// let module = LinearConfig::new(2, 2).init(&Device::flex()).train();
/// let mut epochs = 0;
/// // Lower is better where no monitor says otherwise; these stand for validation losses.
/// for (epoch, loss) in (1..).zip([0.9, 0.5, 0.7, 0.6, 0.4]) {
///     epochs = epoch;
///     // Here the epoch's steps.
///     if keep.update(epoch, loss, &module) == Decision::Stop {
///         break;
///     }
/// }
/// assert_eq!(epochs, 4);
/// assert_eq!(keep.epoch().unwrap().epoch, 2);
/// let best: Option<Linear> = keep.into_best();
/// assert!(best.is_some());
/// ```
#[derive(Debug)]
pub struct KeepBest<M> {
    stopping: EarlyStopping,
    best: Option<M>,
}

impl<M: Module> KeepBest<M> {
    /// That has seen no epoch. Which way is better follows from the settings' monitor; without one, lower values are.
    pub fn new(spec: StoppingSpec) -> Self {
        Self {
            stopping: EarlyStopping::new(spec),
            best: None,
        }
    }

    /// Takes the value by which epochs are compared, and the module as it is behind the epoch; says whether to go on.
    ///
    /// Of the best one the module is copied as it is for inference, the running statistics of its batch norms too: later training does not
    /// change the copy.
    pub fn update(&mut self, epoch: usize, value: f64, module: &M) -> Decision {
        let decision = self.stopping.update(epoch, value);
        if decision == Decision::Improved {
            self.best = Some(module.valid());
        }
        decision
    }

    /// The best epoch and its value; none before a finite value.
    pub fn epoch(&self) -> Option<BestEpoch> {
        self.stopping.best()
    }

    /// The module of the best epoch, for inference.
    pub fn best(&self) -> Option<&M> {
        self.best.as_ref()
    }

    /// The same, given away.
    pub fn into_best(self) -> Option<M> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::BatchNormConfig;
    use burn::tensor::{Device, Tensor};

    use super::*;

    #[test]
    fn the_best_module_stays_as_it_was_its_statistics_too() {
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(2).init(&device);
        let mut keep = KeepBest::new(StoppingSpec::default());
        let mean = |norm: &burn::nn::BatchNorm| -> Vec<f32> {
            let mean = norm.running_mean.value_sync().into_data();
            mean.iter::<f32>().collect()
        };
        let step = |norm: &burn::nn::BatchNorm, value: f32| {
            let batch = Tensor::<2>::from_data([[value, 0.0], [value, 1.0]], &device);
            norm.forward::<2>(batch);
        };
        step(&norm, 4.0);
        assert_eq!(keep.update(1, 0.5, &norm), Decision::Improved);
        let then = mean(&norm);
        step(&norm, -9.0);
        assert_eq!(keep.update(2, f64::NAN, &norm), Decision::Continue);
        assert_ne!(mean(&norm), then);
        assert_eq!(mean(keep.best().unwrap()), then);
        assert_eq!(keep.epoch().map(|best| best.epoch), Some(1));
    }
}
