//! What a model file says of what was added after training. Owns the layout and its checks; what is done with it is `tree.rs`'s.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::rows::MeanOf;
use super::test_time::TestTime;
use crate::model_file::ModelInfo;
use crate::{Familiarity, ModelError};

/// What was added to a model once it was trained. A file with any of it has layout 3, so that a program that would leave it out refuses
/// the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AfterTraining {
    /// Other views of each image whose predictions are averaged.
    #[serde(default, skip_serializing_if = "TestTime::is_empty")]
    pub test_time: TestTime,
    /// The models that it consists of; none for a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combination: Option<Combination>,
    /// What logits are divided by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Temperature>,
    /// From which probability on a class is an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// What it knows of the pictures that its network was trained on; of networks alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub familiarity: Option<Familiarity>,
}

/// Several models that answer together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Combination {
    /// The models. Tensors of the first have the prefix `member.0.`, and so on.
    pub members: Vec<Member>,
    /// What becomes of their outputs.
    pub rule: Rule,
}

/// One model of a combination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The file that it was read from.
    pub source: String,
    /// For each output of the combination, which output of this model it is.
    pub order: Vec<usize>,
    /// What the model says of itself.
    pub info: ModelInfo,
}

/// What becomes of the outputs of several models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Their mean.
    Mean {
        /// What is averaged.
        of: MeanOf,
        /// A weight for each, 0 or more; they sum to 1.
        weights: Vec<f64>,
    },
    /// A logistic regression on their centred log probabilities, whose weights are the tensors `stack.weight`, `[classes, members *
    /// classes]`, and `stack.bias`.
    Stack {
        /// The strength of L2 that was chosen, as `l2 / 2 * ||weights - mean of the members||^2` beside the sum of the log losses.
        l2: f64,
        /// Images that it was fitted to.
        images: usize,
    },
}

/// What logits are divided by, so that probabilities mean what they say; above 1 they become less sure.
///
/// Source: C. Guo and others, "On calibration of modern neural networks", 2017.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// Above 0.
    pub value: f64,
    /// Images that it was fitted to.
    pub images: usize,
    /// Mean log loss of these before and with it.
    pub log_loss: [f64; 2],
}

/// From which probability on a class is an answer; below it the answer is `unknown`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The least probability of an answer.
    pub probability: f64,
    /// The share of right answers that was asked for.
    pub wished: f64,
    /// That which the images have.
    pub precision: f64,
    /// The share of these images that get an answer.
    pub answered: f64,
    /// Images that it was chosen by.
    pub images: usize,
}

impl AfterTraining {
    /// The word in place of a class below the threshold.
    pub const UNKNOWN: &str = "unknown";

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The temperature, 1 where none was fitted.
    pub fn temperature(&self) -> f64 {
        self.temperature.as_ref().map_or(1.0, |fitted| fitted.value)
    }

    /// Whether the likeliest class with this probability is no answer.
    pub fn is_unknown(&self, probability: f32) -> bool {
        let least = self.threshold.as_ref();
        least.is_some_and(|threshold| f64::from(probability) < threshold.probability)
    }

    /// Checks what is not a combination's.
    pub(crate) fn check(&self, path: &Path) -> Result<(), ModelError> {
        let refuse = |reason: &str| ModelError::NotAModel {
            path: path.into(),
            reason: reason.into(),
        };
        let fits = |value: f64| value.is_finite() && value > 0.0;
        if !fits(self.temperature()) {
            return Err(refuse("its temperature is no number above 0"));
        }
        if let Some(threshold) = &self.threshold
            && !(0.0..=1.0).contains(&threshold.probability)
        {
            return Err(refuse("its threshold is no probability"));
        }
        if let Some(familiarity) = &self.familiarity {
            familiarity.bank().map_err(refuse)?;
        }
        self.test_time.check().map_err(|reason| refuse(&reason))
    }
}

impl Combination {
    /// Where its members came from, the first ten.
    pub fn sources(&self) -> String {
        rekindle_settings::first_ten(self.members.iter().map(|member| &member.source))
    }

    /// How many networks answer, in members of members too.
    pub fn networks(&self) -> usize {
        let of = |member: &Member| {
            let inner = member.info.after.combination.as_ref();
            inner.map_or(1, Self::networks)
        };
        self.members.iter().map(of).sum()
    }

    /// Checks that members and rule fit the outputs of the whole.
    pub(crate) fn check(&self, whole: &ModelInfo, path: &Path) -> Result<(), ModelError> {
        let refuse = |reason: String| {
            Err(ModelError::NotAModel {
                path: path.into(),
                reason,
            })
        };
        if self.members.is_empty() {
            return refuse("it combines no models".into());
        }
        for (place, member) in self.members.iter().enumerate() {
            let mut seen = vec![false; whole.classes.len()];
            let known = |at: &usize| {
                let first = seen
                    .get_mut(*at)
                    .is_some_and(|seen| !std::mem::replace(seen, true));
                first && member.info.classes.len() == whole.classes.len()
            };
            let fits = member.order.len() == whole.classes.len();
            if !fits || !member.order.iter().all(known) || member.info.task != whole.task {
                return refuse(format!("the outputs of its member {place} are not its own"));
            }
        }
        match &self.rule {
            Rule::Mean { weights, .. } => {
                let sum: f64 = weights.iter().sum();
                let good = weights.iter().all(|weight| (0.0..=1.0).contains(weight));
                match weights.len() == self.members.len() && good && (sum - 1.0).abs() < 1e-6 {
                    true => Ok(()),
                    false => refuse("the weights of its members do not sum to 1".into()),
                }
            }
            Rule::Stack { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_added_is_nothing_written() {
        let after = AfterTraining::default();
        assert!(after.is_empty());
        assert_eq!(serde_json::to_string(&after).unwrap(), "{}");
        assert_eq!(after.temperature(), 1.0);
        assert!(!after.is_unknown(0.0));
    }

    #[test]
    fn an_answer_needs_the_threshold() {
        let threshold = Threshold {
            probability: 0.5,
            wished: 0.9,
            precision: 0.95,
            answered: 0.7,
            images: 20,
        };
        let after = AfterTraining {
            threshold: Some(threshold),
            ..AfterTraining::default()
        };
        assert!(after.is_unknown(0.49) && !after.is_unknown(0.5));
        let text = serde_json::to_string(&after).unwrap();
        assert_eq!(serde_json::from_str::<AfterTraining>(&text).unwrap(), after);
    }

    #[test]
    fn what_is_no_number_or_no_probability_is_refused() {
        let with = |value: f64| AfterTraining {
            temperature: Some(Temperature {
                value,
                images: 1,
                log_loss: [0.0; 2],
            }),
            ..AfterTraining::default()
        };
        assert!(with(1.5).check("m".as_ref()).is_ok());
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = with(value).check("m".as_ref()).unwrap_err().to_string();
            assert!(error.contains("temperature"), "{error}");
        }
    }
}
