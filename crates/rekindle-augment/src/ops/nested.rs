//! Transforms inside a transform.
//!
//! Owns: what sequences, choices and repetitions share: checking and building their transforms, and choosing by weights. It does
//! not own when they run.

use super::TransformSpec;
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The probability where none is given.
pub(super) fn certain() -> f32 {
    1.0
}

/// Checks the transforms under a key, of which there must be one at least.
pub(super) fn check_transforms(
    key: &'static str,
    transforms: &[TransformSpec],
) -> Result<(), AugmentError> {
    if transforms.is_empty() {
        return Err(AugmentError::InvalidSetting {
            key,
            value: "empty".to_owned(),
            expected: "a list of at least one transform",
        });
    }
    for (place, transform) in transforms.iter().enumerate() {
        let located = |error: AugmentError| error.inside(&format!("{key}[{place}]"));
        transform.check().map_err(located)?;
    }
    Ok(())
}

/// Builds the transforms under a key.
pub(super) fn build_transforms(
    key: &str,
    transforms: &[TransformSpec],
    preprocessing: &Preprocessing,
    registry: &TransformRegistry,
) -> Result<Vec<Box<dyn Transform>>, AugmentError> {
    let build = |(place, transform): (usize, &TransformSpec)| {
        let located = |error: AugmentError| error.inside(&format!("{key}[{place}]"));
        transform
            .build_with(preprocessing, registry)
            .map_err(located)
    };
    transforms.iter().enumerate().map(build).collect()
}

/// Checks weights of so many transforms, of which `needed` can be chosen.
pub(super) fn check_weights(
    key: &'static str,
    weights: Option<&[f32]>,
    transforms: usize,
    needed: usize,
) -> Result<(), AugmentError> {
    let Some(weights) = weights else {
        return Ok(());
    };
    // The bound keeps sums finite.
    let valid = weights.iter().all(|weight| (0.0..=1e6).contains(weight));
    let positive = weights.iter().filter(|weight| **weight > 0.0).count();
    if valid && weights.len() == transforms && positive >= needed {
        return Ok(());
    }
    Err(AugmentError::InvalidSetting {
        key,
        value: format!("{weights:?}"),
        expected: "a weight from 0 to 1000000 for each transform, and as many over 0 as are chosen",
    })
}

/// A place drawn with a probability proportional to its weight, never one whose weight is 0; the last where all are.
pub(super) fn choose(weights: &[f32], rng: &mut SampleRng) -> usize {
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
