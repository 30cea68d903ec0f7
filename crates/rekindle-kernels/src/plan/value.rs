//! The numbers that the steps of a plan pass on.

/// The input of a plan or the result of one of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(pub(super) usize);
