//! One file per command, each with a `run` that returns how it ended.

pub mod backbones;
pub mod bench;
pub mod cache;
pub mod check;
pub mod command_line;
mod data_settings;
pub mod evaluate;
mod images;
pub mod inspect;
mod model;
mod naming;
pub mod predict;
pub mod preview;
pub mod settings;
pub mod signals;
mod sorted;
pub mod summary;
pub mod train;
mod train_flags;
mod trained_on;
pub mod weights;
