//! Transforms inside a transform.
//!
//! Owns: nothing itself. `list` checks and builds the transforms that sequences, choices and repetitions hold; `choice` and `steps`
//! run them.
//!
//! All of them hold entries of any type, so that the list of transforms in `spec.rs` can name them and be held by them.

mod choice;
mod list;
mod steps;

pub(super) use self::choice::Choice;
pub(super) use self::list::{certain, check_inside};
pub(super) use self::steps::Steps;
