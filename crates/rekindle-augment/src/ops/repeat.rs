//! The same transforms several times.

use serde::{Deserialize, Serialize};

use super::nested::{Steps, certain};
use super::{Entry, TransformSpec, check_range};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// The transforms one after the other, and again, with new random numbers each time; `transforms` and `times` have to be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The transforms, in order; at least one.
    pub transforms: Vec<TransformSpec>,
    /// How often the whole list runs, from 1 to 100.
    pub times: u32,
    /// Probability of applying them at all. Default 1.
    #[serde(default = "certain")]
    pub probability: f32,
}

impl Repeat {
    fn steps(&self) -> Steps<'_> {
        Steps {
            keys: ["repeat.transforms", "repeat.probability"],
            transforms: &self.transforms,
            times: self.times,
            probability: self.probability,
        }
    }
}

impl Entry for Repeat {
    fn check(&self) -> Result<(), AugmentError> {
        self.steps().check()?;
        check_range(
            "repeat.times",
            self.times as f32,
            1.0,
            100.0,
            "a whole number from 1 to 100",
        )
    }

    fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        self.steps().build(preprocessing, registry)
    }

    fn yields_final_size(&self) -> bool {
        self.steps().yields_final_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::invert;
    use crate::rng::SampleRng;
    use crate::testing::gradient;

    fn repeat(times: u32) -> TransformSpec {
        let text = format!(
            r#"{{"op": "repeat", "times": {times}, "transforms": [{{"op": "invert", "probability": 1.0}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn an_even_number_of_inversions_is_none() {
        let image = gradient(9, 9);
        for (times, expected) in [
            (1, invert(image.clone())),
            (2, image.clone()),
            (3, invert(image.clone())),
        ] {
            let transform = repeat(times).build(&Preprocessing::default()).unwrap();
            assert_eq!(
                transform.apply(image.clone(), &mut SampleRng::new(0, 0, 0)),
                expected
            );
        }
    }

    #[test]
    fn the_number_of_times_is_checked() {
        for times in [0, 101] {
            let message = repeat(times).check().unwrap_err().to_string();
            assert!(message.contains("`repeat.times`"), "{message}");
        }
    }
}
