//! What serde reports while it reads, as facts and with the steps that lead there.

use std::fmt;

use serde::de::{self, Unexpected};
use toml::Value;

use super::expected::Expected;
use crate::key::Step;

/// Something that is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    /// The last step first: steps are added while the reader leaves tables and lists.
    path: Vec<Step>,
    pub(super) what: What,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    UnknownField {
        found: String,
        known: &'static [&'static str],
    },
    UnknownVariant {
        found: String,
        known: &'static [&'static str],
    },
    /// A value of another kind, or one of this kind that is out of range.
    Kind {
        found: Found,
        expected: Expected,
    },
    Length {
        found: usize,
        expected: Expected,
    },
    Missing(&'static str),
    /// A setting under two of its names.
    Twice(&'static str),
    /// Any other, in the words of the type.
    Said(String),
}

/// The value that a fault speaks of, as far as serde tells it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List,
    Table,
    Other,
}

impl Found {
    /// What serde would call this value.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Boolean(value) => Self::Bool(*value),
            Value::Integer(value) => Self::Whole(*value),
            Value::Float(value) => Self::Number(*value),
            Value::String(value) => Self::Text(value.clone()),
            Value::Datetime(value) => Self::Text(value.to_string()),
            Value::Array(_) => Self::List,
            Value::Table(_) => Self::Table,
        }
    }
}

impl From<Unexpected<'_>> for Found {
    fn from(found: Unexpected<'_>) -> Self {
        match found {
            Unexpected::Bool(value) => Self::Bool(value),
            Unexpected::Signed(value) => Self::Whole(value),
            Unexpected::Unsigned(value) => i64::try_from(value).map_or(Self::Other, Self::Whole),
            Unexpected::Float(value) => Self::Number(value),
            Unexpected::Char(value) => Self::Text(value.into()),
            Unexpected::Str(value) => Self::Text(value.into()),
            Unexpected::Seq => Self::List,
            Unexpected::Map => Self::Table,
            _ => Self::Other,
        }
    }
}

impl Fault {
    pub(super) fn new(what: What) -> Self {
        Self {
            path: Vec::new(),
            what,
        }
    }

    /// This value is not what is accepted here.
    pub(super) fn kind(value: &Value, expected: Expected) -> Self {
        Self::new(What::Kind {
            found: Found::of(value),
            expected,
        })
    }

    /// The same, after this step.
    pub(super) fn after(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    /// The steps to it, the first one first.
    pub(super) fn place(&self) -> Vec<Step> {
        self.path.iter().rev().cloned().collect()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.what)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Said(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(What::Kind {
            found: found.into(),
            expected: Expected::said(expected),
        })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(found: usize, expected: &dyn de::Expected) -> Self {
        Self::new(What::Length {
            found,
            expected: Expected::said(expected),
        })
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownVariant {
            found: found.to_owned(),
            known,
        })
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownField {
            found: found.to_owned(),
            known,
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Twice(field))
    }
}
