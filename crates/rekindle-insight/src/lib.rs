//! A look at data and at training: what would spoil it, what it sees, how fast it is.
//!
//! - [`check`](check::check): a data set before training, as a report and as a contact sheet.
//! - [`preview`](preview()): the views that training makes of its images.
//! - [`write_report`]: a run as one HTML page, and its model card.
//! - [`explain`]: what in a picture decided what a model says of it.
//! - [`write_combination`]: several models that answer together, as one HTML page.
//! - [`runs_in`], [`differences`]: runs side by side.
//! - [`labels`]: labels that are likely wrong, by what models say of pictures that they have not seen.
//! - [`drift`]: whether new pictures are like those that a model was measured on.
//! - [`compare`]: recipes side by side over seeds or folds, and whether they differ by more than chance.
//! - [`plots`]: a run in pictures.
//! - [`bench`](bench()): images per second of a backbone, and the machine that they hold for.

mod bench;
mod chart;
pub mod check;
pub mod compare;
pub mod drift;
mod error;
pub mod explain;
mod html;
pub mod labels;
mod machine;
pub mod plots;
mod preview;
mod report;
mod runs;
pub mod sheet;
mod source;

pub use bench::{BenchReport, BenchSettings, Speed, bench};
pub use error::InsightError;
pub use machine::Machine;
pub use preview::{Preview, PreviewOptions, preview};
pub use report::{CARD, CombinationPage, REPORT, write_combination, write_report};
pub use runs::{Difference, RunSummary, best_of, differences, runs_in, summary_of};
