//! Several models as one, and what is fitted behind networks that are trained.
//!
//! - [`AfterTraining`]: what a model file says of it: [`Combination`], [`Temperature`], [`Threshold`], [`TestTime`].
//! - [`ModelParts`]: a file as it is, to be joined with others ([`join`]) or added to, and written again.
//! - [`soup`], [`greedy_soup`]: the mean of their weights, which is one network again.
//! - [`HeldOut`]: what models say of images that they were not trained on; weights, temperatures and meta-learners are fitted to it.
//! - [`Leaf`], [`Slopes`]: how what a combination says depends on each of its networks.
//! - [`Spread`]: how far errors of models go together, and what a mean of them can do.
//!
//! Everything here but running the networks is arithmetic on the host in f64, without random numbers. The networks are run by
//! [`Predictor`](crate::Predictor), which treats such a file like any other.

mod after;
mod calibrate;
mod folds;
mod held_out;
mod lockstep;
mod parts;
mod rows;
mod slopes;
mod softmax_regression;
mod soup;
mod spread;
mod stack;
mod test_time;
mod tree;
mod weights;
mod whole;

pub use after::{AfterTraining, Combination, Member, Rule, Temperature, Threshold};
pub use calibrate::{Answered, answered, fit_temperature, threshold_for};
pub use folds::fold_of_each;
pub use held_out::HeldOut;
pub use parts::{ModelParts, join};
pub use rows::{MeanOf, mean_of_rows};
pub use slopes::{Leaf, Slopes};
pub use softmax_regression::{SoftmaxRegression, fit_softmax_regression};
pub use soup::{greedy_soup, soup};
pub use spread::Spread;
pub use stack::{StackFit, fit_stack};
pub use test_time::TestTime;
pub use weights::fit_weights;
pub use whole::{Whole, WholeBody};

pub(crate) use lockstep::Lockstep;
pub(crate) use test_time::mirrored;
pub(crate) use tree::{Model, ViewList};
