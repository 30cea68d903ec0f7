//! One of several transforms.

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::nested::{Choice, certain, check_inside};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// One of the transforms, drawn for each image; `transforms` has to be given.
///
/// Reference: torchvision's `RandomChoice`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneOf<T> {
    /// The transforms; at least one. In a recipe they are of type [`TransformSpec`](crate::TransformSpec).
    pub transforms: Vec<T>,
    /// How often each is drawn in relation to the others; equally where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f32>>,
    /// Probability of drawing one at all. Default 1.
    #[serde(default = "certain")]
    pub probability: f32,
}

impl<T> OneOf<T> {
    fn choice(&self) -> Choice<'_, T> {
        Choice {
            transforms: &self.transforms,
            weights: self.weights.as_deref(),
            count: 1,
            probability: self.probability,
        }
    }
}

impl<T: Entry> Entry for OneOf<T> {
    fn check(&self) -> Result<(), SettingError> {
        self.choice().check()
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
    use crate::ops::{TransformSpec, invert, posterise};
    use crate::rng::SampleRng;
    use crate::testing::gradient;

    fn one_of(more: &str) -> TransformSpec {
        let text = format!(
            r#"{{"op": "one_of"{more}, "transforms": [
                {{"op": "posterise", "bits": 2, "probability": 1.0}}, {{"op": "invert", "probability": 1.0}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn exactly_one_runs_as_often_as_its_weight_says() {
        let transform = one_of(r#", "weights": [3, 1]"#)
            .build(&Preprocessing::default())
            .unwrap();
        let image = gradient(5, 5);
        let results = [posterise(image.clone(), 2), invert(image.clone())];
        let mut counts = [0u32; 2];
        for sample in 0..1000 {
            let output = transform.apply(image.clone(), &mut SampleRng::new(0, 0, sample));
            let place = results.iter().position(|result| *result == output);
            counts[place.unwrap()] += 1;
        }
        // Standard deviation 14.
        assert!(counts[0].abs_diff(750) < 70, "{counts:?}");
    }

    #[test]
    fn weights_are_checked() {
        for weights in ["[1]", "[0, 0]", "[1, -1]", "[1, 2, 3]"] {
            let spec = one_of(&format!(r#", "weights": {weights}"#));
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains("`weights`"), "{message}");
        }
        one_of(r#", "weights": [0, 1]"#).check().unwrap();
    }
}
