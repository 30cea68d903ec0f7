//! Several transforms, all or none.

use std::borrow::Cow;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::nested::{build_transforms, certain, check_transforms};
use super::{Entry, TransformSpec, check_probability};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::rng::SampleRng;
use crate::transform::{Transform, apply_in_order};

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

impl Entry for Sequence {
    fn check(&self) -> Result<(), AugmentError> {
        check_transforms(TRANSFORMS, &self.transforms)?;
        check_probability("sequence.probability", self.probability)
    }

    fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        Ok(Box::new(Steps {
            steps: build_transforms(TRANSFORMS, &self.transforms, preprocessing, registry)?,
            probability: self.probability,
            times: 1,
        }))
    }

    fn yields_final_size(&self) -> bool {
        self.probability >= 1.0 && self.transforms.iter().any(TransformSpec::yields_final_size)
    }
}

const TRANSFORMS: &str = "sequence.transforms";

/// Steps in order, so many times, or not at all.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) steps: Vec<Box<dyn Transform>>,
    pub(super) probability: f32,
    pub(super) times: u32,
}

impl Steps {
    fn run<'a>(&self, mut image: Cow<'a, RgbImage>, rng: &mut SampleRng) -> Cow<'a, RgbImage> {
        if rng.chance(self.probability) {
            for _ in 0..self.times {
                image = apply_in_order(&self.steps, image, rng);
            }
        }
        image
    }
}

impl Transform for Steps {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.run(Cow::Owned(image), rng).into_owned()
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.run(Cow::Borrowed(image), rng).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{invert, posterise};
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
