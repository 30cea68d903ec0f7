//! The error of one setting. Owns its wording; which settings there are, and their ranges, is the callers'.

use std::borrow::Cow;
use std::fmt::Display;

use crate::list::first_ten;
use crate::suggest::nearest;

/// A setting that nothing can be built from, or that cannot be written down.
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
    /// There is no setting of this name, but the same is set otherwise, such as under the name that other tools have not.
    #[error("there is no setting `{key}`; did you mean {}?", either(meant))]
    Elsewhere {
        /// The key, as it was written.
        key: String,
        /// The whole keys of the settings that may be meant; at least one.
        meant: Vec<String>,
    },
    /// Its value is a name, and none of those that there are.
    #[error("`{key}` is {found:?}, expected {}", choices(found, known))]
    UnknownChoice {
        /// The setting's key.
        key: String,
        /// The name found.
        found: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A setting without a default is not there.
    #[error("the setting `{key}` is missing")]
    MissingKey {
        /// Its key.
        key: String,
    },
    /// Its value was refused, in the words of its own type.
    #[error("`{key}` is {found}: {reason}")]
    Refused {
        /// The setting's key.
        key: String,
        /// The value found.
        found: String,
        /// Why.
        reason: String,
    },
    /// An override, `key=value`, that says no key or leads to none.
    #[error("`{written}`: {reason}")]
    Override {
        /// The override, as it was written.
        written: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that TOML has no form for.
    #[error("{} cannot be written in a recipe: {reason}", whole(key))]
    Unwritable {
        /// The setting's key; empty for all settings together.
        key: String,
        /// Why, and what to do.
        reason: String,
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

    /// The key, as far as it is known; of an [`Override`](Self::Override) all that was written.
    pub fn key(&self) -> &str {
        match self {
            Self::Value { key, .. }
            | Self::UnknownKey { key, .. }
            | Self::Elsewhere { key, .. }
            | Self::UnknownChoice { key, .. }
            | Self::MissingKey { key }
            | Self::Refused { key, .. }
            | Self::Override { written: key, .. }
            | Self::Unwritable { key, .. } => key,
        }
    }

    /// The same error, with what stands before its key: `optim.lr` within `phase2` is `phase2.optim.lr`, and a key that begins with `[`
    /// follows without a point. An [`Override`](Self::Override) has its whole key already.
    pub fn within(self, place: &str) -> Self {
        let key = self.key();
        let key = match (place.is_empty(), key.is_empty()) {
            (true, _) => return self,
            (_, true) => place.to_owned(),
            _ if key.starts_with('[') => format!("{place}{key}"),
            _ => format!("{place}.{key}"),
        };
        self.with_key(key)
    }

    /// The same error about another key, such as the one that the user wrote. An [`Override`](Self::Override) keeps its own.
    pub fn with_key(mut self, new: String) -> Self {
        match &mut self {
            Self::Value { key, .. }
            | Self::UnknownKey { key, .. }
            | Self::Elsewhere { key, .. }
            | Self::UnknownChoice { key, .. }
            | Self::MissingKey { key }
            | Self::Refused { key, .. }
            | Self::Unwritable { key, .. } => *key = new,
            Self::Override { .. } => {}
        }
        self
    }
}

/// The nearest setting, or else all that there are.
fn alternatives(key: &str, known: &[String]) -> String {
    let (place, name) = split_last(key);
    match nearest(name, known) {
        Some(near) if place.is_empty() => format!("; did you mean `{near}`?"),
        Some(near) => format!("; did you mean `{place}.{near}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; there are {}", quoted(known)),
    }
}

/// All names that there are, and the nearest.
fn choices(found: &str, known: &[String]) -> String {
    let all = match known {
        [] => "nothing, since there are no names".to_owned(),
        [only] => format!("`{only}`"),
        _ => format!("one of {}", quoted(known)),
    };
    match nearest(found, known) {
        Some(near) => format!("{all}; did you mean `{near}`?"),
        None => all,
    }
}

fn either(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}

fn quoted(names: &[String]) -> String {
    first_ten(names.iter().map(|name| format!("`{name}`")))
}

fn whole(key: &str) -> String {
    match key.is_empty() {
        true => "this".to_owned(),
        false => format!("`{key}`"),
    }
}

/// A key and what stands before it; a quoted key may hold points.
fn split_last(key: &str) -> (&str, &str) {
    let end = match key.strip_suffix('"').and_then(|rest| rest.rfind('"')) {
        Some(quote) => key[..quote].strip_suffix('.').map(str::len),
        None => key.rfind('.'),
    };
    match end {
        Some(end) => (&key[..end], key[end + 1..].trim_matches('"')),
        None => ("", key.trim_matches('"')),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
        names.map(String::from).into()
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
            known: names(["lr", "epochs", "batch_size"]),
        };
        assert_eq!(
            unknown("epoch").within("phase1").to_string(),
            "there is no setting `phase1.epoch`; did you mean `phase1.epochs`?"
        );
        assert_eq!(
            unknown("colour").to_string(),
            "there is no setting `colour`; there are `lr`, `epochs`, `batch_size`"
        );
        assert_eq!(
            unknown("\"a.epoch\"").within("phase1").to_string(),
            "there is no setting `phase1.\"a.epoch\"`; there are `lr`, `epochs`, `batch_size`"
        );
    }

    #[test]
    fn an_unknown_choice_is_told_with_all_and_the_nearest() {
        let unknown = |found: &str, known| SettingError::UnknownChoice {
            key: "op".into(),
            found: found.into(),
            known,
        };
        assert_eq!(
            unknown("flp", names(["flip", "hue"])).to_string(),
            "`op` is \"flp\", expected one of `flip`, `hue`; did you mean `flip`?"
        );
        assert_eq!(
            unknown("colour", names(["flip"])).to_string(),
            "`op` is \"colour\", expected `flip`"
        );
    }

    #[test]
    fn an_override_has_its_whole_key_already() {
        let error = SettingError::Override {
            written: "=3".into(),
            reason: "the key is empty".into(),
        };
        assert_eq!(error.within("phase1").to_string(), "`=3`: the key is empty");
    }
}
