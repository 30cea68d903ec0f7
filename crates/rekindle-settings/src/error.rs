//! The error of one setting, and the checks of ranges that settings share.

use std::borrow::Cow;
use std::fmt::Display;

use crate::{first_ten, nearest};

/// A setting that nothing can be built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// Its value is of the wrong kind, or out of range.
    #[error("`{key}` is {found}, expected {expected}")]
    Value {
        /// The setting's key, as in a recipe.
        key: String,
        /// The value found.
        found: String,
        /// What is accepted.
        expected: Cow<'static, str>,
    },
    /// There is no setting of this name.
    #[error("there is no setting `{key}`{}", alternatives(key, known))]
    UnknownKey {
        /// The key, as it was written.
        key: String,
        /// The settings that there are in its place, without what stands before them.
        known: Vec<String>,
    },
}

impl SettingError {
    /// The error for this key and value.
    pub fn new(
        key: impl Into<String>,
        found: impl Display,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Value {
            key: key.into(),
            found: found.to_string(),
            expected: expected.into(),
        }
    }

    /// The key, as far as it is known.
    pub fn key(&self) -> &str {
        match self {
            Self::Value { key, .. } | Self::UnknownKey { key, .. } => key,
        }
    }

    /// The same error, with what stands before its key: `optim.lr` within `phase2` is `phase2.optim.lr`, and a key that begins with `[`
    /// follows without a point.
    pub fn within(mut self, place: &str) -> Self {
        let (Self::Value { key, .. } | Self::UnknownKey { key, .. }) = &mut self;
        *key = match (place.is_empty(), key.is_empty()) {
            (true, _) => std::mem::take(key),
            (_, true) => place.to_owned(),
            _ if key.starts_with('[') => format!("{place}{key}"),
            _ => format!("{place}.{key}"),
        };
        self
    }
}

/// The nearest setting, or else all that there are.
fn alternatives(key: &str, known: &[String]) -> String {
    let (place, name) = key.rsplit_once('.').unwrap_or(("", key));
    match nearest(name, known) {
        Some(near) if place.is_empty() => format!("; did you mean `{near}`?"),
        Some(near) => format!("; did you mean `{place}.{near}`?"),
        None if known.is_empty() => String::new(),
        None => {
            let quoted = known.iter().map(|name| format!("`{name}`"));
            format!("; there are {}", first_ten(quoted))
        }
    }
}

/// Adds to an error where its setting stands.
pub trait Within {
    /// The same, with what stands before the key of the error.
    #[must_use]
    fn within(self, place: &str) -> Self;
}

impl<T> Within for Result<T, SettingError> {
    fn within(self, place: &str) -> Self {
        self.map_err(|error| error.within(place))
    }
}

/// Accepts finite numbers of at least 0.
///
/// # Errors
///
/// [`SettingError::Value`] for any other.
pub fn non_negative(key: &str, value: f64) -> Result<(), SettingError> {
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
///
/// # Errors
///
/// [`SettingError::Value`] for any other.
pub fn positive(key: &str, value: f64) -> Result<(), SettingError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(SettingError::new(key, value, "a finite number above 0")),
    }
}

/// Accepts numbers of at least 0 and below 1, as momenta and decay rates of averages are.
///
/// # Errors
///
/// [`SettingError::Value`] for any other.
pub fn below_one(key: &str, value: f64) -> Result<(), SettingError> {
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
///
/// # Errors
///
/// [`SettingError::Value`] for any other.
pub fn ratio(key: &str, value: f64) -> Result<(), SettingError> {
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
    fn the_key_grows_from_its_end() {
        let error = SettingError::new("probability", 2, "a number from 0 to 1");
        let error = error.within("[2]").within("transforms").within("augment");
        assert_eq!(error.key(), "augment.transforms[2].probability");
        let whole = SettingError::new("", "a list", "a table").within("data");
        assert_eq!(whole.key(), "data");
    }

    #[test]
    fn an_unknown_key_is_told_with_the_nearest_or_with_all() {
        let unknown = |key: &str| SettingError::UnknownKey {
            key: key.into(),
            known: ["lr", "epochs", "batch_size"].map(String::from).into(),
        };
        assert_eq!(
            unknown("epoch").within("phase1").to_string(),
            "there is no setting `phase1.epoch`; did you mean `phase1.epochs`?"
        );
        assert_eq!(
            unknown("colour").to_string(),
            "there is no setting `colour`; there are `lr`, `epochs`, `batch_size`"
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
