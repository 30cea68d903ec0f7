//! What the settings of every rekindle crate share: reading and writing TOML, one error that has the whole key, overrides, range checks,
//! the nearest name, short lists.
//!
//! | file | owns |
//! |---|---|
//! | `read.rs` | [`read`]: from TOML to any type that serde reads |
//! | `write.rs` | [`write()`] and [`to_toml_string`]: the way back, which can fail too |
//! | `overrides.rs` | [`merge`] and [`set`]: a file over the defaults, `key=value` over both |
//! | `named.rs` | [`NamedTable`]: a table that is read later |
//! | `error.rs` | [`SettingError`]: the key, what was found, what is accepted |
//! | `range.rs` | [`below_one`] and other ranges that settings share |
//! | `key.rs` | the steps of a key |
//! | `suggest.rs`, `list.rs` | [`nearest`]; [`first_ten`] |
//!
//! A recipe is a table, put together and then read:
//!
//! ```
//! #[derive(serde::Serialize, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Recipe {
//!     epochs: usize,
//!     lr: f64,
//! }
//!
//! let defaults = Recipe { epochs: 30, lr: 7e-4 };
//! let mut table = rekindle_settings::write(&defaults)?;
//! rekindle_settings::merge(&mut table, "epochs = 10".parse().expect("TOML"));
//! rekindle_settings::set(&mut table, "lr=1")?;
//! let recipe: Recipe = rekindle_settings::read(table.clone().into())?;
//! assert_eq!((recipe.epochs, recipe.lr), (10, 1.0));
//!
//! rekindle_settings::set(&mut table, "epochs=1.5")?;
//! let error = rekindle_settings::read::<Recipe>(table.into()).map(drop).unwrap_err();
//! assert_eq!(error.to_string(), "`epochs` is 1.5, expected a whole number of at least 0");
//! # Ok::<(), rekindle_settings::SettingError>(())
//! ```
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
mod key;
mod list;
mod named;
mod overrides;
mod range;
mod read;
mod suggest;
mod write;

pub use error::{SettingError, Within};
pub use list::{LISTED, first_ten};
pub use named::NamedTable;
pub use overrides::{merge, set};
pub use range::{below_one, non_negative, positive, ratio};
pub use read::read;
pub use suggest::{did_you_mean, nearest};
pub use write::{to_toml_string, write};
