//! Fine-tuning of pretrained CNN backbones on labelled images.
//!
//! A [`Recipe`] is what the user wrote; [`Plan::new`] checks it against a folder; [`run`](run()) trains and writes the result, one
//! `model.safetensors` that [`Predictor`] loads by itself.
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
//! Phase 1 trains the head on features of the frozen backbone, computed once; phase 2 unfreezes the last stages. Where the frozen
//! part ends its output is kept too, so phase 2 repeats no frozen work either.

mod bench;
pub mod check;
mod checkpoint;
pub mod classifier;
pub mod clip;
pub mod data;
mod device;
mod error;
pub mod features;
mod files;
mod fit;
mod machine;
pub mod metrics;
mod model_file;
mod observer;
pub mod optim;
pub mod outputs;
mod phase;
mod plan;
mod precision;
mod predict;
mod preview;
mod recipe;
mod run;
pub mod schedule;
pub mod sheet;
pub mod stopping;
pub mod task;
mod weights;

pub use bench::{BenchReport, BenchSettings, Speed, bench};
pub use device::{available_devices, device_from_name};
pub use error::FinetuneError;
pub use machine::Machine;
pub use model_file::{ModelFile, ModelInfo, load_info};
pub use observer::{EpochRecord, EpochTiming, Observer, Silent, StepProgress};
pub use plan::{Facts, Plan};
pub use precision::Precision;
pub use predict::Predictor;
pub use preview::{Preview, PreviewOptions, preview};
pub use recipe::{
    AugmentRecipe, BackboneRecipe, DataRecipe, FeaturesRecipe, InputRecipe, LossRecipe,
    PhaseRecipe, Recipe, UnfreezeFrom, UnfreezeRecipe,
};
pub use rekindle_head::TaskKind;
pub use run::{DiskCacheUse, RunOptions, RunOutcome, RunReport, run};
pub use weights::{architecture_from_name, card_from_name, cards, download_url, load_backbone};
