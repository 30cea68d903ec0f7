//! Transforms of a user's own that a recipe can name.
//!
//! Owns: the names and how each becomes a transform. The entry of a recipe that uses them is in `ops/custom.rs`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::transform::Transform;

/// What makes a transform from its settings.
type Maker = dyn Fn(Value, &Preprocessing) -> Made + Send + Sync;

/// A transform, or why there is none.
type Made = Result<Box<dyn Transform>, Box<dyn Error>>;

/// Transforms by the names that recipes give them: `{ op = "custom", name = "film_grain", settings = { strength = 0.1 } }`.
///
/// ```
/// use rekindle_augment::{Pipeline, Preprocessing, RgbImage, SampleRng, Transform, TransformRegistry, TransformSpec};
/// use serde::Deserialize;
///
/// #[derive(Debug, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Darken {
///     by: u8,
/// }
///
/// impl Transform for Darken {
///     fn apply(&self, mut image: RgbImage, _: &mut SampleRng) -> RgbImage {
///         image.iter_mut().for_each(|value| *value = value.saturating_sub(self.by));
///         image
///     }
/// }
///
/// let mut registry = TransformRegistry::default();
/// registry.register::<Darken>("darken");
/// let specs: Vec<TransformSpec> =
///     serde_json::from_str(r#"[{"op": "custom", "name": "darken", "settings": {"by": 9}}]"#)?;
/// let pipeline = Pipeline::training_with(&Preprocessing::default(), &specs, &registry)?;
///
/// let white = RgbImage::from_pixel(224, 224, [255; 3].into());
/// let view = pipeline.apply(&white, &mut SampleRng::new(0, 0, 0));
/// assert_eq!(view.get_pixel(5, 5).0, [246; 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct TransformRegistry {
    makers: BTreeMap<String, Arc<Maker>>,
}

impl Debug for TransformRegistry {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.makers.keys()).finish()
    }
}

impl TransformRegistry {
    /// Lets recipes name a type that is read from its settings as it is.
    ///
    /// With serde's `deny_unknown_fields` a misspelt setting is an error, with `try_from` a value out of range is. A name that
    /// is registered already gets the new meaning.
    pub fn register<T: Transform + DeserializeOwned + 'static>(&mut self, name: impl Into<String>) {
        self.register_with(name, |settings: T, _| Ok(settings));
    }

    /// Lets recipes name a transform that `make` builds from its settings and the preprocessing of the backbone.
    ///
    /// What `make` returns as an error is shown with the transform's name.
    pub fn register_with<S, T, F>(&mut self, name: impl Into<String>, make: F)
    where
        S: DeserializeOwned + 'static,
        T: Transform + 'static,
        F: Fn(S, &Preprocessing) -> Result<T, Box<dyn Error>> + Send + Sync + 'static,
    {
        let maker = move |settings: Value, preprocessing: &Preprocessing| -> Made {
            let transform = make(serde_json::from_value(settings)?, preprocessing)?;
            Ok(Box::new(transform))
        };
        self.makers.insert(name.into(), Arc::new(maker));
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.makers.keys().map(String::as_str)
    }

    /// The transform of this name with these settings.
    pub(crate) fn make(
        &self,
        name: &str,
        settings: &Map<String, Value>,
        preprocessing: &Preprocessing,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        let Some(maker) = self.makers.get(name) else {
            return Err(AugmentError::UnknownCustomTransform {
                key: "name".to_owned(),
                name: name.to_owned(),
                registered: self.names().map(str::to_owned).collect(),
            });
        };
        maker(Value::Object(settings.clone()), preprocessing).map_err(|error| {
            AugmentError::CustomTransform {
                key: "settings".to_owned(),
                name: name.to_owned(),
                reason: error.to_string(),
            }
        })
    }
}
