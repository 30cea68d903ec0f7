//! Drop path (stochastic depth): in training, some images skip the body of a residual block. Owns the draw and the factors; how often which
//! block of a network is skipped is said where the network is built (`arch/depth.rs`).

use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{Tensor, TensorData};
use rekindle_kernels::ops;

use super::feature_map::FeatureMap;

/// Multiplies what a residual block adds by 0 for some images, drawn one by one, and by `1 / (1 - rate)` for the others. Off unless a
/// network is [given a rate](crate::Backbone::with_drop_path), and where no gradients are recorded.
///
/// Which images those are depends on the seed, the block and the place of the image among those since the seed was set, and on nothing
/// else: neither on threads nor on how a batch is taken in parts.
///
/// Equal to timm's `DropPath`, but for where its random numbers come from.
///
/// Source: [Huang et al. 2016](https://arxiv.org/abs/1603.09382).
#[derive(Debug, Default)]
pub struct DropPath {
    /// Of the network's rate; none in a block that is never skipped.
    share: Option<f64>,
    /// Which block of the network it is.
    number: u64,
    rate: f64,
    seed: AtomicU64,
    drawn: AtomicU64,
}

impl Clone for DropPath {
    fn clone(&self) -> Self {
        let copy = |number: &AtomicU64| AtomicU64::new(number.load(Ordering::Relaxed));
        Self {
            seed: copy(&self.seed),
            drawn: copy(&self.drawn),
            ..*self
        }
    }
}

impl DropPath {
    /// Says where the block is in its network: its number, and how much of the network's rate it gets, from 0 to 1.
    pub fn place(&mut self, number: u64, share: f64) {
        (self.number, self.share) = (number, Some(share));
    }

    /// Whether the network's rate means anything to the block.
    pub fn is_placed(&self) -> bool {
        self.share.is_some()
    }

    /// Sets the block's rate from that of the network.
    pub(crate) fn set_rate(&mut self, of_network: f64) {
        self.rate = self.share.map_or(0.0, |share| share * of_network);
    }

    /// The share of images that skip the block.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Starts the draws again from this seed.
    pub(crate) fn seed(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
        self.drawn.store(0, Ordering::Relaxed);
    }

    /// Whether it does anything to what follows from this map.
    pub(super) fn applies_to(&self, x: &FeatureMap) -> bool {
        self.rate > 0.0 && x.is_autodiff()
    }

    /// The body's result with each image's factor.
    pub(super) fn apply(&self, body: FeatureMap) -> FeatureMap {
        let last = body.is_channels_last();
        let x = body.into_tensor();
        let [batch, .., channels] = x.dims();
        let factors = self.factors(batch);
        if last {
            // One number for each channel, all the same: the kernels have this product and its gradient.
            let each = factors.iter().flat_map(|factor| vec![*factor; channels]);
            let data = TensorData::new(each.collect::<Vec<f32>>(), [batch, 1, 1, channels]);
            let factors = Tensor::from_data(data, &x.device());
            return FeatureMap::channels_last(ops::gate(x, factors, None));
        }
        let factors = Tensor::from_data(TensorData::new(factors, [batch, 1, 1, 1]), &x.device());
        FeatureMap::channels_first(x * factors)
    }

    fn factors(&self, images: usize) -> Vec<f32> {
        let seed = mixed(self.seed.load(Ordering::Relaxed) ^ mixed(self.number));
        let first = self.drawn.fetch_add(images as u64, Ordering::Relaxed);
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let factor = |place: u64| {
            let unit = (mixed(seed ^ place) >> 11) as f64 / (1u64 << 53) as f64;
            if unit < self.rate { 0.0 } else { kept }
        };
        (first..first + images as u64).map(factor).collect()
    }
}

/// The output function of SplitMix64 on the next state.
fn mixed(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drop_path(number: u64) -> DropPath {
        let mut drop_path = DropPath::default();
        drop_path.place(number, 0.5);
        drop_path.set_rate(0.4);
        drop_path.seed(7);
        drop_path
    }

    #[test]
    fn the_asked_share_of_images_is_dropped_and_the_rest_scaled() {
        let factors = drop_path(3).factors(20_000);
        assert!(
            factors
                .iter()
                .all(|&factor| factor == 0.0 || factor == 1.25)
        );
        let share = factors.iter().filter(|&&factor| factor == 0.0).count() as f64 / 20_000.0;
        assert!((share - 0.2).abs() < 0.01, "{share}");
    }

    #[test]
    fn a_batch_in_parts_draws_what_the_whole_draws_and_blocks_differ() {
        let whole = drop_path(3).factors(100);
        let parts = drop_path(3);
        let parts = [parts.factors(30), parts.factors(70)].concat();
        assert_eq!(parts, whole);
        assert_ne!(drop_path(4).factors(100), whole);
        let again = drop_path(3);
        again.factors(5);
        again.seed(7);
        assert_eq!(again.factors(100), whole);
        again.seed(8);
        assert_ne!(again.factors(100), whole);
    }

    #[test]
    fn a_block_without_a_place_has_no_rate() {
        let mut drop_path = DropPath::default();
        drop_path.set_rate(0.5);
        assert_eq!((drop_path.rate(), drop_path.is_placed()), (0.0, false));
    }
}
