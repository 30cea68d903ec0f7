//! The same transforms several times.

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::nested::{Steps, certain, check_inside};
use super::settings::check_range;
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// The transforms one after the other, and again, with new random numbers each time; `transforms` and `times` have to be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat<T> {
    /// The transforms, in order; at least one. In a recipe they are of type [`TransformSpec`](crate::TransformSpec).
    pub transforms: Vec<T>,
    /// How often the whole list runs, from 1 to 100.
    pub times: u32,
    /// Probability of applying them at all. Default 1.
    #[serde(default = "certain")]
    pub probability: f32,
}

impl<T> Repeat<T> {
    fn steps(&self) -> Steps<'_, T> {
        Steps {
            transforms: &self.transforms,
            times: self.times,
            probability: self.probability,
        }
    }
}

impl<T: Entry> Entry for Repeat<T> {
    fn check(&self) -> Result<(), SettingError> {
        self.steps().check()?;
        check_range(
            "times",
            self.times as f32,
            1.0,
            100.0,
            "a whole number from 1 to 100",
        )
    }

    fn check_inside(&self) -> Result<(), SettingError> {
        check_inside(&self.transforms)
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
    use crate::ops::{TransformSpec, invert};
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
            assert!(message.contains("`times`"), "{message}");
        }
    }
}
