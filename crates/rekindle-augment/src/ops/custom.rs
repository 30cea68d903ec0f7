//! A transform of the user's own.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::entry::Entry;
use super::settings::check_probability;
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// A transform that the program has registered under a name in its [`TransformRegistry`].
///
/// Only [`Pipeline::training_with`](crate::Pipeline::training_with) can build it; `name` has to be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// The name.
    pub name: String,
    /// The settings, as the transform defines them. Default none.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Probability of applying it. Default 1.
    #[serde(default = "super::nested::certain")]
    pub probability: f32,
}

impl Entry for Custom {
    fn check(&self) -> Result<(), SettingError> {
        if self.name.is_empty() {
            return Err(SettingError::new(
                "name",
                "empty",
                "the name of a registered transform",
            ));
        }
        // TOML, in which plans are saved, has none.
        if self.settings.values().any(holds_null) {
            return Err(SettingError::new(
                "settings",
                "holding a null",
                "settings without null; leave the key out",
            ));
        }
        check_probability(self.probability)
    }

    fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        Ok(Box::new(Sometimes {
            transform: registry.make(&self.name, &self.settings, preprocessing)?,
            probability: self.probability,
        }))
    }

    fn yields_final_size(&self) -> bool {
        false
    }
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(holds_null),
        Value::Object(values) => values.values().any(holds_null),
        _ => false,
    }
}

#[derive(Debug)]
struct Sometimes {
    transform: Box<dyn Transform>,
    probability: f32,
}

impl Transform for Sometimes {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        self.transform.apply(image, rng)
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image.clone();
        }
        self.transform.apply_borrowed(image, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::TransformSpec;
    use crate::testing::gradient;

    /// Every value less `by`.
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Darken {
        by: u8,
    }

    impl Transform for Darken {
        fn apply(&self, mut image: RgbImage, _: &mut SampleRng) -> RgbImage {
            for value in image.iter_mut() {
                *value = value.saturating_sub(self.by);
            }
            image
        }
    }

    fn registry() -> TransformRegistry {
        let mut registry = TransformRegistry::default();
        registry.register::<Darken>("darken");
        registry.register_with("gentle", |darken: Darken, _| match darken.by {
            0..=20 => Ok(darken),
            by => Err(format!("`by` is {by}; expected at most 20").into()),
        });
        registry
    }

    fn build(text: &str) -> Result<Box<dyn Transform>, AugmentError> {
        let spec: TransformSpec = serde_json::from_str(text).unwrap();
        spec.build_with(&Preprocessing::default(), &registry())
    }

    #[test]
    fn a_registered_transform_runs_with_its_settings() {
        let text = r#"{"op": "custom", "name": "darken", "settings": {"by": 40}}"#;
        let image = gradient(9, 7);
        let output = build(text)
            .unwrap()
            .apply(image.clone(), &mut SampleRng::new(0, 0, 0));
        let mut pairs = output.iter().zip(image.iter());
        assert!(pairs.all(|(new, old)| *new == old.saturating_sub(40)));
    }

    #[test]
    fn an_unknown_name_lists_the_registered_ones() {
        let error = build(r#"{"op": "custom", "name": "darker"}"#).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(
                "`name`: no custom transform is named `darker`; registered are `darken`, `gentle` (did you mean `darken`?)"
            ),
            "{message}"
        );
        let spec: TransformSpec =
            serde_json::from_str(r#"{"op": "custom", "name": "darken"}"#).unwrap();
        let message = spec
            .build(&Preprocessing::default())
            .unwrap_err()
            .to_string();
        assert!(message.contains("none is registered"), "{message}");
    }

    #[test]
    fn wrong_settings_are_named_with_their_transform() {
        for (settings, expected) in [
            (r#"{"buy": 3}"#, "buy"),
            (r#"{"by": 300}"#, "300"),
            (r#"{"by": 30}"#, "`by` is 30; expected at most 20"),
        ] {
            let text = format!(
                r#"{{"op": "sequence", "transforms": [{{"op": "custom", "name": "gentle", "settings": {settings}}}]}}"#
            );
            let message = build(&text).unwrap_err().to_string();
            for part in ["`transforms[0].settings` of `gentle`: ", expected] {
                assert!(message.contains(part), "{message}");
            }
        }
    }

    #[test]
    fn a_null_and_an_empty_name_are_refused() {
        for (text, key) in [
            (
                r#"{"op": "custom", "name": "a", "settings": {"b": [{"c": null}]}}"#,
                "`settings` is holding a null for `custom`",
            ),
            (
                r#"{"op": "custom", "name": ""}"#,
                "`name` is empty for `custom`",
            ),
        ] {
            let message = build(text).unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
