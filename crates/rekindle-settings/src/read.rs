//! From TOML to settings, with errors that have the whole key and speak of TOML. Owns the way in; the steps are in files of their own.
//!
//! | file | owns |
//! |---|---|
//! | `read/fault.rs` | what serde reports, as facts |
//! | `read/expected.rs` | what a place accepts, in the words of TOML |
//! | `read/reader.rs` | serde's way through a [`Value`] |
//! | `read/trial.rs` | reading a changed copy, to learn where a fault is and what would be accepted there |
//! | `read/explain.rs` | a fault as a [`SettingError`] |

mod expected;
mod explain;
mod fault;
mod reader;
mod trial;

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use toml::Value;

use crate::error::SettingError;
use explain::explained;
use reader::Reader;
use trial::Trial;

/// Reads settings.
///
/// Whole numbers are accepted where numbers are. The first thing that is wrong is reported, in the order of the keys.
///
/// ```
/// use rekindle_settings::read;
///
/// #[derive(Debug, serde::Deserialize)]
/// #[serde(tag = "name", rename_all = "snake_case")]
/// enum Optimiser {
///     Sgd { momentum: f64 },
/// }
///
/// #[derive(Debug, serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Phase {
///     optim: Optimiser,
/// }
///
/// let phase = |text: &str| read::<Phase>(toml::from_str(text).unwrap());
/// let error = phase("optim = 'sgd'").unwrap_err();
/// assert_eq!(error.to_string(), r#"`optim` is "sgd", expected a table, such as { name = "sgd" }"#);
/// let error = phase("optim = { name = 'sgd', momentum = 'high' }").unwrap_err();
/// assert_eq!(error.to_string(), r#"`optim.momentum` is "high", expected a number"#);
/// ```
///
/// # Errors
///
/// [`SettingError::UnknownKey`], [`SettingError::UnknownChoice`], [`SettingError::MissingKey`], [`SettingError::Value`] for a value of
/// another kind or a whole number that is out of range, and [`SettingError::Refused`] where a type refuses a value in its own words.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, SettingError> {
    T::deserialize(Reader(&value)).map_err(|fault| {
        // Serde keeps tables of `tag`, `untagged` and `flatten` aside and reads them without us, so a fault in one has only the
        // table's own place. The rest is learnt by reading changed copies.
        let trial = Trial {
            root: &value,
            read: &|changed| T::deserialize(Reader(changed)).err(),
        };
        explained(&trial, fault)
    })
}
