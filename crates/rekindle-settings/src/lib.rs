//! What the settings of every rekindle crate share: one error that has the whole key, range checks, the nearest name, short lists.
//!
//! A check knows its own part of a key only, `optim.beta_1`; whoever calls it adds where that stands, with [`Within::within`]:
//!
//! ```
//! use rekindle_settings::{Within, below_one};
//!
//! let error = below_one("optim.beta_1", 1.5).within("phase2").unwrap_err();
//! assert_eq!(error.key(), "phase2.optim.beta_1");
//! assert_eq!(error.to_string(), "`phase2.optim.beta_1` is 1.5, expected a number of at least 0 and below 1");
//! ```
//!
//! No crate of the workspace is below this one, and no framework.

mod error;
mod list;
mod suggest;

pub use error::{SettingError, Within, below_one, non_negative, positive, ratio};
pub use list::{LISTED, first_ten};
pub use suggest::{did_you_mean, nearest};
