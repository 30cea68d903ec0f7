//! The ranges that settings share: one check each, by the key of the setting.

use crate::error::SettingError;

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
