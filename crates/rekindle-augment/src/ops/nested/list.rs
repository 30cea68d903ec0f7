//! The list of transforms that a transform holds.
//!
//! Owns: the checks and the building that sequences, choices and repetitions share. It does not own what is run when.

use rekindle_settings::{SettingError, Within};

use crate::error::AugmentError;
use crate::ops::entry::Entry;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// The probability where none is given.
pub(in crate::ops) fn certain() -> f32 {
    1.0
}

/// Checks that `transforms` has one at least.
pub(super) fn check_number<T>(transforms: &[T]) -> Result<(), SettingError> {
    match transforms {
        [] => Err(SettingError::new(
            "transforms",
            "empty",
            "a list of at least one transform",
        )),
        _ => Ok(()),
    }
}

/// Checks each transform, with all that it holds.
pub(in crate::ops) fn check_inside<T: Entry>(transforms: &[T]) -> Result<(), SettingError> {
    for (index, transform) in transforms.iter().enumerate() {
        let checked = transform.check().and_then(|()| transform.check_inside());
        checked.within(&place(index))?;
    }
    Ok(())
}

/// Builds the transforms.
pub(super) fn build<T: Entry>(
    transforms: &[T],
    preprocessing: &Preprocessing,
    registry: &TransformRegistry,
) -> Result<Vec<Box<dyn Transform>>, AugmentError> {
    let build = |(index, transform): (usize, &T)| {
        let built = transform.build(preprocessing, registry);
        built.map_err(|error| error.within(&place(index)))
    };
    transforms.iter().enumerate().map(build).collect()
}

fn place(index: usize) -> String {
    format!("transforms[{index}]")
}
