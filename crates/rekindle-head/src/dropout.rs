//! Dropout with masks from a seed. Owns the draw; where it stands in a head is in [`crate::head`].

use std::sync::atomic::{AtomicU64, Ordering};

use burn::module::{Flag, Module, Param};
use burn::tensor::{Tensor, TensorData};

use crate::random::HostRng;

/// Sets every feature to 0 with a probability in training, and scales the others by `1 / (1 - probability)`.
///
/// Active on an autodiff device while the layer's training flag is on; otherwise features pass unchanged. The mask
/// depends on the seed and the number of calls since it was set, and on nothing else: Burn's own layer draws from the
/// device's generator, which every thread of the process shares.
///
/// Source: [Srivastava et al. 2014](https://jmlr.org/papers/v15/srivastava14a.html).
#[derive(Module, Debug)]
pub struct SeededDropout {
    /// Probability of a feature to be dropped, at least 0 and below 1.
    pub probability: f64,
    /// Whether the layer may drop features; freezing turns it off.
    pub training: Param<Flag>,
    #[module(skip)]
    masks: MaskCount,
}

/// The seed and the number of masks drawn from it. A clone counts on its own.
#[derive(Debug)]
struct MaskCount {
    seed: AtomicU64,
    drawn: AtomicU64,
}

impl Clone for MaskCount {
    fn clone(&self) -> Self {
        Self {
            seed: AtomicU64::new(self.seed.load(Ordering::Relaxed)),
            drawn: AtomicU64::new(self.drawn.load(Ordering::Relaxed)),
        }
    }
}

impl SeededDropout {
    /// A layer whose masks come from `seed`.
    ///
    /// # Panics
    ///
    /// If the probability is not at least 0 and below 1.
    pub fn new(probability: f64, seed: u64) -> Self {
        assert!(
            (0.0..1.0).contains(&probability),
            "dropout must be at least 0 and below 1, not {probability}"
        );
        let masks = MaskCount {
            seed: AtomicU64::new(seed),
            drawn: AtomicU64::new(0),
        };
        Self {
            probability,
            training: Param::from_bool(true),
            masks,
        }
    }

    /// Starts the masks again from this seed.
    pub fn seed(&self, seed: u64) {
        self.masks.seed.store(seed, Ordering::Relaxed);
        self.masks.drawn.store(0, Ordering::Relaxed);
    }

    /// Drops features in training.
    ///
    /// # Shapes
    ///
    /// `[batch, features]` to `[batch, features]`.
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        let device = features.device();
        if self.probability == 0.0 || !self.training.is_enabled() || !device.is_autodiff() {
            return features;
        }
        let [batch, width] = features.dims();
        let drawn = self.masks.drawn.fetch_add(1, Ordering::Relaxed);
        let mut rng = HostRng::new(self.masks.seed.load(Ordering::Relaxed), drawn);
        let kept = (1.0 / (1.0 - self.probability)) as f32;
        let mask = (0..batch * width)
            .map(|_| {
                if rng.unit() < self.probability {
                    0.0
                } else {
                    kept
                }
            })
            .collect();
        features.mul(Tensor::from_data(
            TensorData::new::<f32, _>(mask, [batch, width]),
            &device,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn forward(dropout: &SeededDropout) -> Vec<f32> {
        let device = Device::flex().autodiff();
        dropout
            .forward(Tensor::ones([40, 50], &device))
            .try_into_vec_as::<f32>()
            .unwrap()
    }

    #[test]
    fn the_asked_share_is_dropped_and_the_rest_scaled() {
        let values = forward(&SeededDropout::new(0.2, 5));
        assert!(values.iter().all(|&value| value == 0.0 || value == 1.25));
        let share = values.iter().filter(|&&value| value == 0.0).count() as f64 / 2_000.0;
        assert!((share - 0.2).abs() < 0.03, "{share} dropped at p = 0.2");
    }

    #[test]
    fn masks_change_from_call_to_call_and_repeat_after_seeding() {
        let dropout = SeededDropout::new(0.5, 5);
        let (first, second) = (forward(&dropout), forward(&dropout));
        assert_ne!(first, second);
        dropout.seed(5);
        assert_eq!(forward(&dropout), first);
        dropout.seed(6);
        assert_ne!(forward(&dropout), first);
    }

    #[test]
    fn a_clone_does_not_move_the_masks_of_its_origin() {
        let dropout = SeededDropout::new(0.5, 5);
        let expected = [forward(&dropout), forward(&dropout)];
        dropout.seed(5);
        let first = forward(&dropout);
        forward(&dropout.clone());
        assert_eq!([first, forward(&dropout)], expected);
    }

    #[test]
    fn frozen_validating_and_plain_layers_drop_nothing() {
        let dropout = SeededDropout::new(0.5, 5);
        assert!(
            forward(&dropout.clone().freeze())
                .iter()
                .all(|&value| value == 1.0)
        );
        assert!(forward(&dropout.valid()).iter().all(|&value| value == 1.0));
        let plain = dropout.forward(Tensor::ones([4, 5], &Device::flex()));
        assert!(
            plain
                .try_into_vec_as::<f32>()
                .unwrap()
                .iter()
                .all(|&value| value == 1.0)
        );
        assert!(forward(&dropout.valid().train()).contains(&0.0));
    }
}
