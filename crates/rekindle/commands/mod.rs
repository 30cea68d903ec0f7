//! One file per command, each with a `run` that returns how it ended.

pub mod backbones;
pub mod bench;
pub mod cache;
pub mod check;
mod data_settings;
pub mod evaluate;
mod images;
pub mod inspect;
mod model;
mod naming;
pub mod predict;
pub mod preview;
pub mod train;
pub mod weights;
