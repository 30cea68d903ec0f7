//! Fine-tuning of pretrained CNN backbones on labelled images.
//!
//! A [`Recipe`] is what the user wrote; [`Plan::new`] checks it against a folder; [`run`](run()) trains and writes the result, one
//! `model.safetensors` that [`Predictor`](rekindle_model::Predictor) loads by itself.
//!
//! ```no_run
//! use std::time::Instant;
//! use rekindle_finetune::{Plan, Recipe, RunOptions, RunOutcome, Silent, run};
//!
//! # fn main() -> Result<(), rekindle_finetune::FinetuneError> {
//! let recipe = Recipe::load(None, &["seed=1".into()])?;
//! let plan = Plan::new(recipe, "photos".as_ref())?;
//! let options = RunOptions {
//!     directory: "runs/photos".into(),
//!     resume: false,
//!     started: Instant::now(),
//!     interrupt: Default::default(),
//! };
//! if let RunOutcome::Finished(report) = run(&plan, &options, &mut Silent)? {
//!     println!("loss {:.3}: {}", report.validation.loss(), report.model.display());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A recipe has a list of phases. By default the first trains the head on features of the frozen backbone, computed once, and the second
//! unfreezes the last stages. Where the frozen part of a phase ends its output is kept, so no phase repeats frozen work.

pub mod average;
mod bag;
mod checkpoint;
pub mod clip;
pub mod distill;
mod error;
mod events;
pub mod features;
mod keep_best;
pub mod lookahead;
pub mod lr_find;
pub mod memory;
mod observer;
pub mod optim;
mod phase;
mod plan;
mod recipe;
mod run;
pub mod schedule;
pub mod step;
pub mod stopping;
mod tail;
mod views;

pub use bag::{bag_list, bag_recipe, bag_sample};
pub use error::{Existing, FinetuneError};
pub use keep_best::KeepBest;
pub use observer::{EpochRecord, EpochTiming, Observer, Silent, StepProgress};
pub use phase::epoch_id;
pub use plan::{BatchLimit, ChosenBatch, Facts, Plan};
pub use recipe::{
    AugmentRecipe, FeaturesRecipe, LogRecipe, LossRecipe, PhaseRecipe, Recipe, Unfreeze,
    phase_title,
};
pub use run::{
    DiskCacheUse, Latest, RunDirectory, RunOptions, RunOutcome, RunReport, RunStatus, run, run_in,
    utc,
};
pub use tail::{ParameterGroup, ParameterState};
pub use views::{TrainingView, training_views};
