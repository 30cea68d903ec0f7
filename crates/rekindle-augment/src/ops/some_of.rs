//! Some of several transforms.

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::nested::{Choice, certain, check_inside};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// `count` different ones of the transforms, drawn for each image; `transforms` and `count` have to be given.
///
/// The drawn ones run in the order of the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SomeOf<T> {
    /// The transforms; at least one. In a recipe they are of type [`TransformSpec`](crate::TransformSpec).
    pub transforms: Vec<T>,
    /// How many run, from 1 to the number of transforms.
    pub count: usize,
    /// How often each is drawn in relation to those that are left; equally where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f32>>,
    /// Probability of drawing any at all. Default 1.
    #[serde(default = "certain")]
    pub probability: f32,
}

impl<T> SomeOf<T> {
    fn choice(&self) -> Choice<'_, T> {
        Choice {
            transforms: &self.transforms,
            weights: self.weights.as_deref(),
            count: self.count,
            probability: self.probability,
        }
    }
}

impl<T: Entry> Entry for SomeOf<T> {
    fn check(&self) -> Result<(), SettingError> {
        self.choice().check()?;
        if (1..=self.transforms.len()).contains(&self.count) {
            return Ok(());
        }
        Err(SettingError::new(
            "count",
            self.count,
            "a whole number from 1 to the number of transforms",
        ))
    }

    fn check_inside(&self) -> Result<(), SettingError> {
        check_inside(&self.transforms)
    }

    fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        self.choice().build(preprocessing, registry)
    }

    fn yields_final_size(&self) -> bool {
        self.choice().yields_final_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{TransformSpec, greyscale, invert, posterise};
    use crate::rng::SampleRng;
    use crate::testing::gradient;

    fn some_of(more: &str) -> TransformSpec {
        let text = format!(
            r#"{{"op": "some_of", {more}, "transforms": [
                {{"op": "posterise", "bits": 2, "probability": 1.0}},
                {{"op": "invert", "probability": 1.0}},
                {{"op": "greyscale", "probability": 1.0}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn two_different_ones_run_in_the_order_of_the_list() {
        let transform = some_of(r#""count": 2"#)
            .build(&Preprocessing::default())
            .unwrap();
        let image = gradient(5, 5);
        let poster = posterise(image.clone(), 2);
        let results = [
            invert(poster.clone()),
            greyscale(poster),
            greyscale(invert(image.clone())),
        ];
        let mut counts = [0u32; 3];
        for sample in 0..900 {
            let output = transform.apply(image.clone(), &mut SampleRng::new(0, 0, sample));
            let place = results.iter().position(|result| *result == output);
            counts[place.unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|count| count.abs_diff(300) < 75),
            "{counts:?}"
        );
    }

    #[test]
    fn all_of_them_are_the_sequence() {
        let transform = some_of(r#""count": 3, "weights": [1, 2, 3]"#)
            .build(&Preprocessing::default())
            .unwrap();
        let image = gradient(5, 5);
        assert_eq!(
            transform.apply(image.clone(), &mut SampleRng::new(0, 0, 0)),
            greyscale(invert(posterise(image, 2)))
        );
    }

    #[test]
    fn settings_are_checked_by_name() {
        for (more, key) in [
            (r#""count": 0"#, "`count` is 0"),
            (r#""count": 4"#, "`count` is 4"),
            (r#""count": 2, "weights": [1, 0, 0]"#, "`weights`"),
        ] {
            let message = some_of(more).check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
