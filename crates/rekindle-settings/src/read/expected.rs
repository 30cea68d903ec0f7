//! What a place accepts, in the words of TOML. Owns the wording of kinds and of the ranges of whole numbers.

use std::fmt;

use serde::de;

use crate::list::first_ten;

/// What a place accepts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expected {
    Table,
    List,
    ListOf(usize),
    Number,
    /// A whole number from the first to the second; none where the type has no such bound, or one that nobody meets.
    Whole(Option<i64>, Option<i64>),
    Bool,
    Text,
    OneOf(&'static [&'static str]),
    /// What a type says of itself.
    Words(String),
}

/// The whole numbers that a type of Rust holds.
pub(super) trait WholeNumber {
    const EXPECTED: Expected;
}

macro_rules! whole_numbers {
    ($($name:ident: $least:expr, $most:expr;)+) => {
        $(impl WholeNumber for $name {
            const EXPECTED: Expected = Expected::Whole($least, $most);
        })+

        /// As [`WholeNumber::EXPECTED`], by the name of the type.
        fn whole_number(name: &str) -> Option<Expected> {
            match name {
                $(stringify!($name) => Some($name::EXPECTED),)+
                _ => None,
            }
        }
    };
}

whole_numbers! {
    u8: Some(0), Some(u8::MAX as i64);
    u16: Some(0), Some(u16::MAX as i64);
    u32: Some(0), Some(u32::MAX as i64);
    u64: Some(0), None;
    usize: Some(0), None;
    i8: Some(i8::MIN as i64), Some(i8::MAX as i64);
    i16: Some(i16::MIN as i64), Some(i16::MAX as i64);
    i32: Some(i32::MIN as i64), Some(i32::MAX as i64);
    i64: None, None;
    isize: None, None;
}

impl Expected {
    /// What a visitor says that it accepts.
    ///
    /// Serde asks the reader for a kind where it can, and then no words are needed. Where it reads a value that it has kept aside, it
    /// says what it expected as a phrase only; those of serde's own visitors are names of Rust types.
    pub(super) fn said(expected: &dyn de::Expected) -> Self {
        let words = expected.to_string();
        if let Some(whole) = whole_number(&words) {
            return whole;
        }
        let length = words
            .strip_prefix("an array of length ")
            .or_else(|| words.strip_prefix("a tuple of size "))
            .or_else(|| words.strip_suffix(" elements in sequence"))
            .or_else(|| words.strip_suffix(" element in sequence"));
        if let Some(Ok(length)) = length.map(str::parse) {
            return Self::ListOf(length);
        }
        let is_table = ["struct ", "struct variant ", "internally tagged enum "]
            .iter()
            .any(|start| words.starts_with(start));
        match words.as_str() {
            "f32" | "f64" => Self::Number,
            "a boolean" => Self::Bool,
            "a string" | "path string" => Self::Text,
            "a sequence" => Self::List,
            "a map" => Self::Table,
            _ if is_table => Self::Table,
            _ => Self::Words(words),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => formatter.write_str("a table"),
            Self::List => formatter.write_str("a list"),
            Self::ListOf(1) => formatter.write_str("a list of 1 value"),
            Self::ListOf(length) => write!(formatter, "a list of {length} values"),
            Self::Number => formatter.write_str("a number"),
            Self::Whole(None, None) => formatter.write_str("a whole number"),
            Self::Whole(Some(least), None) => {
                write!(formatter, "a whole number of at least {least}")
            }
            Self::Whole(None, Some(most)) => write!(formatter, "a whole number of at most {most}"),
            Self::Whole(Some(least), Some(most)) => {
                write!(formatter, "a whole number from {least} to {most}")
            }
            Self::Bool => formatter.write_str("true or false"),
            Self::Text => formatter.write_str("a string"),
            Self::OneOf([only]) => write!(formatter, "`{only}`"),
            Self::OneOf(names) => {
                let quoted = names.iter().map(|name| format!("`{name}`"));
                write!(formatter, "one of {}", first_ten(quoted))
            }
            Self::Words(words) => formatter.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_types_become_words_of_toml() {
        for (said, words) in [
            ("u8", "a whole number from 0 to 255"),
            ("usize", "a whole number of at least 0"),
            ("f32", "a number"),
            ("a boolean", "true or false"),
            ("struct PhaseRecipe", "a table"),
            ("an array of length 2", "a list of 2 values"),
            ("3 elements in sequence", "a list of 3 values"),
            ("a colour of the rainbow", "a colour of the rainbow"),
        ] {
            assert_eq!(Expected::said(&said).to_string(), words);
        }
    }
}
