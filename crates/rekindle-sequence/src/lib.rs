//! Classes of sequences of pictures: what a frozen pretrained network makes of each frame, through a recurrent head that knows their order.
//!
//! | module | owns |
//! |---|---|
//! | [`recipe`] | [`Recipe`]: every setting of a training, readable from TOML |
//! | [`cell`] | [`Cell`]: LSTM, GRU, plain RNN or the mean, and what a step of each computes |
//! | [`recurrent`] | layers of cells over padded sequences, in one or both directions |
//! | [`head`] | [`SequenceHead`]: the Burn module, from features of frames to a logit for each class |
//! | [`state`] | its weights by name: PyTorch's, so that `torch.nn.LSTM` loads them |
//! | [`batch`] | [`FeatureBatch`]: sequences of several lengths as one padded tensor |
//! | [`features`] | [`FrameFeatures`]: features of frames from a frozen backbone, kept on disk |
//! | [`plan`], [`train`](mod@train) | what will be trained; the training |
//! | [`model`], [`predict`] | the result in one file; what it says of sequences |
//!
//! What a sequence is, in folders and lists, is `rekindle-data`'s ([`Sequences`](rekindle_data::Sequences)). Optimisers, schedules,
//! clipping and early stopping are `rekindle-finetune`'s.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//! use rekindle_sequence::{Outcome, Plan, Recipe, Silent, train};
//!
//! # fn main() -> Result<(), rekindle_sequence::SequenceError> {
//! let recipe = Recipe::load(None, &["head.cell=gru".into()])?;
//! let plan = Plan::new(recipe, "clips".as_ref())?;
//! if let Outcome::Finished(trained) = train(&plan, &AtomicBool::new(false), &mut Silent)? {
//!     trained.model.save("clips.safetensors".as_ref())?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The head alone, in a training loop of one's own, needs none of that: see [`SequenceHead`].

pub mod batch;
pub mod cell;
mod error;
pub mod features;
pub mod head;
pub mod model;
pub mod plan;
pub mod predict;
pub mod recipe;
pub mod recurrent;
pub mod state;
pub mod train;

pub use batch::FeatureBatch;
pub use cell::Cell;
pub use error::SequenceError;
pub use features::{FrameFeatures, SequenceFeatures, evenly};
pub use head::{Readout, SequenceHead, SequenceHeadConfig};
pub use model::{EpochFigures, SequenceInfo, SequenceModel};
pub use plan::Plan;
pub use predict::{Measured, SequencePredictor};
pub use recipe::Recipe;
pub use train::{Observer, Outcome, Silent, Trained, train};
