//! Transforms inside a transform.
//!
//! Owns: what sequences, choices and repetitions share: checking and building their transforms; below it `choice`, and `steps`,
//! which run.

mod choice;
mod steps;

pub(super) use self::choice::Choice;
pub(super) use self::steps::Steps;
use super::TransformSpec;
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// The probability where none is given.
pub(super) fn certain() -> f32 {
    1.0
}

/// Checks the transforms under a key, of which there must be one at least.
fn check_transforms(key: &'static str, transforms: &[TransformSpec]) -> Result<(), AugmentError> {
    if transforms.is_empty() {
        return Err(AugmentError::InvalidSetting {
            key,
            value: "empty".to_owned(),
            expected: "a list of at least one transform",
        });
    }
    for (place, transform) in transforms.iter().enumerate() {
        let located = |error: AugmentError| error.inside(&format!("{key}[{place}]"));
        transform.check().map_err(located)?;
    }
    Ok(())
}

/// Builds the transforms under a key.
fn build_transforms(
    key: &str,
    transforms: &[TransformSpec],
    preprocessing: &Preprocessing,
    registry: &TransformRegistry,
) -> Result<Vec<Box<dyn Transform>>, AugmentError> {
    let build = |(place, transform): (usize, &TransformSpec)| {
        let located = |error: AugmentError| error.inside(&format!("{key}[{place}]"));
        transform
            .build_with(preprocessing, registry)
            .map_err(located)
    };
    transforms.iter().enumerate().map(build).collect()
}
