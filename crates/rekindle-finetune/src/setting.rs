//! The error of one setting out of range, shared by the specs of optimisers, schedules, clipping and stopping.

use std::fmt::Display;

/// A setting whose value nothing can be built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is {found}, expected {expected}")]
#[non_exhaustive]
pub struct SettingError {
    /// The setting's key, as in a recipe.
    pub key: &'static str,
    /// The value found.
    pub found: String,
    /// What is accepted.
    pub expected: &'static str,
}

impl SettingError {
    /// The error for this key and value.
    pub fn new(key: &'static str, found: impl Display, expected: &'static str) -> Self {
        Self {
            key,
            found: found.to_string(),
            expected,
        }
    }
}

/// Accepts finite numbers of at least 0.
pub(crate) fn non_negative(key: &'static str, value: f64) -> Result<(), SettingError> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(()),
        false => Err(SettingError::new(
            key,
            value,
            "a finite number of at least 0",
        )),
    }
}

/// Accepts finite numbers above 0.
pub(crate) fn positive(key: &'static str, value: f64) -> Result<(), SettingError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(SettingError::new(key, value, "a finite number above 0")),
    }
}

/// Accepts numbers of at least 0 and below 1, as momenta and decay rates of averages are.
pub(crate) fn below_one(key: &'static str, value: f64) -> Result<(), SettingError> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(SettingError::new(
            key,
            value,
            "a number of at least 0 and below 1",
        )),
    }
}

/// Accepts numbers from 0 to 1, both included.
pub(crate) fn ratio(key: &'static str, value: f64) -> Result<(), SettingError> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(SettingError::new(key, value, "a number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_key_value_and_what_is_accepted() {
        let error = below_one("optim.momentum", 1.5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`optim.momentum` is 1.5, expected a number of at least 0 and below 1"
        );
    }

    #[test]
    fn nan_is_never_accepted() {
        for check in [non_negative, positive, below_one, ratio] {
            assert!(check("key", f64::NAN).is_err());
        }
    }

    #[test]
    fn bounds_are_where_their_names_say() {
        assert!(non_negative("key", 0.0).is_ok() && non_negative("key", f64::INFINITY).is_err());
        assert!(positive("key", 0.0).is_err() && positive("key", 1e-12).is_ok());
        assert!(
            below_one("key", 1.0).is_err()
                && ratio("key", 1.0).is_ok()
                && ratio("key", 1.01).is_err()
        );
    }
}
