//! Several transforms, all or none.

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::nested::{Steps, certain, check_inside};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// The transforms one after the other, all of them or, with a probability, none; `transforms` has to be given.
///
/// It gives a probability of its own to any transform, and a place to several inside a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence<T> {
    /// The transforms, in order; at least one. In a recipe they are of type [`TransformSpec`](crate::TransformSpec).
    pub transforms: Vec<T>,
    /// Probability of applying them. Default 1.
    #[serde(default = "certain")]
    pub probability: f32,
}

impl<T> Sequence<T> {
    fn steps(&self) -> Steps<'_, T> {
        Steps {
            transforms: &self.transforms,
            times: 1,
            probability: self.probability,
        }
    }
}

impl<T: Entry> Entry for Sequence<T> {
    fn check(&self) -> Result<(), SettingError> {
        self.steps().check()
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
    use crate::ops::{TransformSpec, invert, posterise};
    use crate::rng::SampleRng;
    use crate::testing::gradient;

    #[test]
    fn all_transforms_run_in_their_order_or_none_does() {
        let spec: TransformSpec = serde_json::from_str(
            r#"{"op": "sequence", "probability": 0.5, "transforms": [
                {"op": "posterise", "bits": 2, "probability": 1.0}, {"op": "invert", "probability": 1.0}]}"#,
        )
        .unwrap();
        let transform = spec.build(&Preprocessing::default()).unwrap();
        let image = gradient(9, 9);
        let both = invert(posterise(image.clone(), 2));
        let outputs = (0..200).map(|sample| {
            let output = transform.apply(image.clone(), &mut SampleRng::new(0, 0, sample));
            assert!(output == both || output == image, "sample {sample}");
            output == both
        });
        let changed = outputs.filter(|changed| *changed).count();
        assert!((70..130).contains(&changed), "{changed}");
    }

    #[test]
    fn it_yields_the_final_size_where_one_of_its_transforms_surely_does() {
        let yields = |probability: f32| {
            let text = format!(
                r#"{{"op": "sequence", "probability": {probability:?}, "transforms": [{{"op": "random_resized_crop"}}, {{"op": "invert"}}]}}"#
            );
            serde_json::from_str::<TransformSpec>(&text)
                .unwrap()
                .yields_final_size()
        };
        assert!(yields(1.0) && !yields(0.9));
    }

    #[test]
    fn a_wrong_key_deep_inside_is_found_by_its_path() {
        let text = r#"{"op": "sequence", "transforms": [{"op": "invert"},
            {"op": "sequence", "transforms": [{"op": "rotation", "degrees": 200.0}]}]}"#;
        let spec: TransformSpec = serde_json::from_str(text).unwrap();
        let message = spec.check().unwrap_err().to_string();
        assert!(
            message
                .contains("`transforms[1].transforms[0].degrees` is 200 for `rotation`, expected"),
            "{message}"
        );
        let unknown = text.replace("degrees", "degreez");
        let message = serde_json::from_str::<TransformSpec>(&unknown)
            .unwrap_err()
            .to_string();
        assert!(message.contains("unknown field `degreez`"), "{message}");
        let empty: TransformSpec =
            serde_json::from_str(r#"{"op": "sequence", "transforms": []}"#).unwrap();
        let message = empty.check().unwrap_err().to_string();
        assert!(
            message.contains("`transforms` is empty for `sequence`"),
            "{message}"
        );
    }
}
