//! The errors of this crate. Messages say what was found, what was expected and where.

use std::fmt;

use rekindle_settings::{SettingError, first_ten};

/// What can be wrong with a head's settings, its stored weights, or its targets.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A setting has a value that no head or loss can be built from.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Stored weights do not fit this head: a name is absent, a name has no place, or a shape differs.
    #[error(
        "the stored weights do not fit this head: {}; the head's configuration, its input width and its number of \
         classes must be those it was saved with",
        StateMismatch { missing, unused, misshapen }
    )]
    UnmatchedState {
        /// Names that the head has and the stored weights lack.
        missing: Vec<String>,
        /// Names in the stored weights that the head has no place for.
        unused: Vec<String>,
        /// Names with another shape than the head's.
        misshapen: Vec<Misshapen>,
    },
    /// A target is not the index of a class.
    #[error("target {position} of the batch is class {found}, expected an index below {classes}")]
    TargetOutOfRange {
        /// Position in the batch.
        position: usize,
        /// The index found.
        found: usize,
        /// The number of classes.
        classes: usize,
    },
}

/// A stored tensor whose shape is not the head's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misshapen {
    /// Name of the tensor.
    pub name: String,
    /// Its shape in the stored weights.
    pub found: Vec<usize>,
    /// The shape that the head needs.
    pub expected: Vec<usize>,
}

impl fmt::Display for Misshapen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} is {:?} and must be {:?}",
            self.name, self.found, self.expected
        )
    }
}

struct StateMismatch<'a> {
    missing: &'a [String],
    unused: &'a [String],
    misshapen: &'a [Misshapen],
}

impl fmt::Display for StateMismatch<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("missing {}", listed(self.missing)));
        }
        if !self.unused.is_empty() {
            parts.push(format!("unused {}", listed(self.unused)));
        }
        if !self.misshapen.is_empty() {
            parts.push(format!("misshapen {}", listed(self.misshapen)));
        }
        formatter.write_str(&parts.join("; "))
    }
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    format!("({}): {}", items.len(), first_ten(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_names_is_cut_at_ten_with_a_count() {
        let error = HeadError::UnmatchedState {
            missing: (0..13)
                .map(|index| format!("hidden.{index}.linear.weight"))
                .collect(),
            unused: vec!["fc.weight".into()],
            misshapen: vec![Misshapen {
                name: "bias".into(),
                found: vec![3],
                expected: vec![4],
            }],
        };
        let message = error.to_string();
        assert!(
            message.contains("hidden.9.linear.weight and 3 more"),
            "{message}"
        );
        assert!(!message.contains("hidden.10"), "{message}");
        assert!(message.contains("unused (1): fc.weight"), "{message}");
        assert!(message.contains("bias is [3] and must be [4]"), "{message}");
    }
}
