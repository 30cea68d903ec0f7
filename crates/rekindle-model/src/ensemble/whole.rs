//! A model seen from outside, for programs that write it down in another form: a network, or several with what becomes of their outputs.

use super::rows::MeanOf;
use super::softmax_regression::SoftmaxRegression;
use crate::model_file::ModelInfo;
use crate::network::Network;

/// A model and what its file says of it.
#[derive(Debug)]
pub struct Whole<'a> {
    /// What the file says.
    pub info: &'a ModelInfo,
    /// For each output of the combination that it is a member of, which of its own outputs it is; none for the whole itself.
    pub order: Option<&'a [usize]>,
    /// What it is made of.
    pub body: WholeBody<'a>,
}

/// What a model is made of. Its outputs, but for numbers, are divided by the temperature of `info`, whatever they come from.
#[derive(Debug)]
pub enum WholeBody<'a> {
    /// A network, its batch norms folded.
    Network(&'a Network),
    /// The weighted mean of what members say, see [`mean_of_rows`](super::mean_of_rows).
    Mean {
        /// What is averaged.
        of: MeanOf,
        /// A weight for each member; they sum to 1.
        weights: &'a [f64],
        /// The members.
        members: Vec<Whole<'a>>,
    },
    /// A logistic regression on `ln p(class) - mean over the classes` of each member, one member behind the other.
    Stack {
        /// It.
        regression: &'a SoftmaxRegression,
        /// The members.
        members: Vec<Whole<'a>>,
    },
}
