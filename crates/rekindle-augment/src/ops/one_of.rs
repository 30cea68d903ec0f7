//! One of several transforms.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::nested::{build_transforms, certain, check_transforms, check_weights, choose};
use super::{Entry, TransformSpec, check_probability};
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// One of the transforms, drawn for each image; `transforms` has to be given.
///
/// Reference: torchvision's `RandomChoice`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneOf {
    /// The transforms; at least one.
    pub transforms: Vec<TransformSpec>,
    /// How often each is drawn in relation to the others; equally where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f32>>,
    /// Probability of drawing one at all. Default 1.
    #[serde(default = "certain")]
    pub probability: f32,
}

impl Entry for OneOf {
    fn check(&self) -> Result<(), AugmentError> {
        check_transforms(TRANSFORMS, &self.transforms)?;
        let weights = self.weights.as_deref();
        check_weights("one_of.weights", weights, self.transforms.len(), 1)?;
        check_probability("one_of.probability", self.probability)
    }

    fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        let transforms = build_transforms(TRANSFORMS, &self.transforms, preprocessing, registry)?;
        let even = || vec![1.0; transforms.len()];
        Ok(Box::new(Choice {
            weights: self.weights.clone().unwrap_or_else(even),
            transforms,
            probability: self.probability,
        }))
    }

    fn yields_final_size(&self) -> bool {
        self.probability >= 1.0 && self.transforms.iter().all(TransformSpec::yields_final_size)
    }
}

const TRANSFORMS: &str = "one_of.transforms";

#[derive(Debug)]
struct Choice {
    transforms: Vec<Box<dyn Transform>>,
    weights: Vec<f32>,
    probability: f32,
}

impl Choice {
    fn draw(&self, rng: &mut SampleRng) -> Option<&dyn Transform> {
        if !rng.chance(self.probability) {
            return None;
        }
        let chosen = self.transforms.get(choose(&self.weights, rng));
        chosen.map(AsRef::as_ref)
    }
}

impl Transform for Choice {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        match self.draw(rng) {
            Some(transform) => transform.apply(image, rng),
            None => image,
        }
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        match self.draw(rng) {
            Some(transform) => transform.apply_borrowed(image, rng),
            None => image.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{invert, posterise};
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
            assert!(message.contains("`one_of.weights`"), "{message}");
        }
        one_of(r#", "weights": [0, 1]"#).check().unwrap();
    }
}
