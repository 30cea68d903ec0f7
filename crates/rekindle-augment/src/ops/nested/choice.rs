//! A choice among transforms.
//!
//! Owns: what `one_of` and `some_of` share: their settings' checks, the drawing, and the run. It does not own their settings.

use std::borrow::Cow;

use image::RgbImage;
use rekindle_settings::SettingError;

use super::list;
use crate::error::AugmentError;
use crate::ops::entry::Entry;
use crate::ops::settings::check_probability;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::rng::SampleRng;
use crate::transform::{Transform, apply_in_order};

/// The settings of a choice.
pub(in crate::ops) struct Choice<'a, T> {
    pub(in crate::ops) transforms: &'a [T],
    pub(in crate::ops) weights: Option<&'a [f32]>,
    /// How many different ones are chosen.
    pub(in crate::ops) count: usize,
    pub(in crate::ops) probability: f32,
}

impl<T: Entry> Choice<'_, T> {
    /// Checks all but the count and the transforms themselves.
    pub(in crate::ops) fn check(&self) -> Result<(), SettingError> {
        list::check_number(self.transforms)?;
        check_weights(self.weights, self.transforms.len(), self.count)?;
        check_probability(self.probability)
    }

    pub(in crate::ops) fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        let transforms = list::build(self.transforms, preprocessing, registry)?;
        let even = || vec![1.0; transforms.len()];
        Ok(Box::new(Built {
            weights: self.weights.map_or_else(even, <[f32]>::to_vec),
            transforms,
            count: self.count,
            probability: self.probability,
        }))
    }

    pub(in crate::ops) fn yields_final_size(&self) -> bool {
        self.probability >= 1.0 && self.transforms.iter().all(T::yields_final_size)
    }
}

#[derive(Debug)]
struct Built {
    transforms: Vec<Box<dyn Transform>>,
    weights: Vec<f32>,
    count: usize,
    probability: f32,
}

impl Built {
    fn run<'a>(&self, mut image: Cow<'a, RgbImage>, rng: &mut SampleRng) -> Cow<'a, RgbImage> {
        if !rng.chance(self.probability) {
            return image;
        }
        let mut weights = self.weights.clone();
        let mut chosen = vec![false; weights.len()];
        for _ in 0..self.count {
            let place = choose(&weights, rng);
            weights[place] = 0.0;
            chosen[place] = true;
        }
        for (transform, chosen) in self.transforms.iter().zip(chosen) {
            if chosen {
                image = apply_in_order(std::slice::from_ref(transform), image, rng);
            }
        }
        image
    }
}

impl Transform for Built {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.run(Cow::Owned(image), rng).into_owned()
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.run(Cow::Borrowed(image), rng).into_owned()
    }
}

/// Checks weights of so many transforms, of which `needed` can be chosen.
fn check_weights(
    weights: Option<&[f32]>,
    transforms: usize,
    needed: usize,
) -> Result<(), SettingError> {
    let Some(weights) = weights else {
        return Ok(());
    };
    // The bound keeps sums finite.
    let valid = weights.iter().all(|weight| (0.0..=1e6).contains(weight));
    let positive = weights.iter().filter(|weight| **weight > 0.0).count();
    if valid && weights.len() == transforms && positive >= needed {
        return Ok(());
    }
    Err(SettingError::new(
        "weights",
        format!("{weights:?}"),
        "a weight from 0 to 1000000 for each transform, and as many over 0 as are chosen",
    ))
}

/// A place drawn with a probability proportional to its weight, never one whose weight is 0; the last where all are.
fn choose(weights: &[f32], rng: &mut SampleRng) -> usize {
    let mut left = rng.uniform(0.0, weights.iter().sum());
    let mut chosen = weights.len().saturating_sub(1);
    for (place, weight) in weights.iter().enumerate() {
        if *weight <= 0.0 {
            continue;
        }
        chosen = place;
        if left < *weight {
            break;
        }
        left -= weight;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn choices_are_as_frequent_as_their_weights() {
        let mut counts = [0u32; 4];
        let mut rng = SampleRng::new(0, 0, 0);
        for _ in 0..8000 {
            counts[choose(&[1.0, 0.0, 2.0, 5.0], &mut rng)] += 1;
        }
        assert_eq!(counts[1], 0);
        for (count, expected) in [(counts[0], 1000u32), (counts[2], 2000), (counts[3], 5000)] {
            assert!(count.abs_diff(expected) < 180, "{counts:?}");
        }
    }

    proptest! {
        #[test]
        fn a_weight_of_zero_is_never_chosen(
            weights in prop::collection::vec(prop_oneof![Just(0f32), 0f32..1e6], 1..6), seed in any::<u64>(),
        ) {
            let chosen = choose(&weights, &mut SampleRng::new(seed, 0, 0));
            prop_assert!(weights[chosen] > 0.0 || weights.iter().all(|weight| *weight == 0.0));
        }
    }
}
