//! Several transforms, all or none.

use serde::{Deserialize, Serialize};

use super::nested::{Steps, certain};
use super::{Entry, TransformSpec};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// The transforms one after the other, all of them or, with a probability, none; `transforms` has to be given.
///
/// It gives a probability of its own to any transform, and a place to several inside a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// The transforms, in order; at least one.
    pub transforms: Vec<TransformSpec>,
    /// Probability of applying them. Default 1.
    #[serde(default = "certain")]
    pub probability: f32,
}

impl Sequence {
    fn steps(&self) -> Steps<'_> {
        Steps {
            keys: ["sequence.transforms", "sequence.probability"],
            transforms: &self.transforms,
            times: 1,
            probability: self.probability,
        }
    }
}

impl Entry for Sequence {
    fn check(&self) -> Result<(), AugmentError> {
        self.steps().check()
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
    use crate::ops::{invert, posterise};
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
            message.contains(
                "in `sequence.transforms[1].sequence.transforms[0]`: `rotation.degrees` is 200"
            ),
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
            message.contains("`sequence.transforms` is empty"),
            "{message}"
        );
    }
}
