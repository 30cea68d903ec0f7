//! Losses on a head's outputs and targets of the same shape. Owns the list that a recipe can name; each formula has a file of its own.
//! Mixing targets and averaging over an epoch are not theirs, nor which task a loss is for: that follows from its [`Targets`].

mod binary_cross_entropy;
mod binary_focal;
mod corn;
mod cross_entropy;
mod focal;
mod huber;
mod mean_absolute_error;
mod mean_squared_error;
mod one_hot;
mod rule;
mod shared;

use burn::tensor::Tensor;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use crate::targets::Targets;

pub use one_hot::one_hot;
pub use rule::Loss;

macro_rules! losses {
    ($($(#[$doc:meta])* $file:ident::$loss:ident,)+) => {
        $(pub use $file::$loss;)+

        /// The loss of a run, chosen by name.
        ///
        /// In a recipe: `loss = { name = "cross_entropy", label_smoothing = 0.1 }`. The default is plain cross-entropy.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "snake_case")]
        pub enum LossConfig {
            $($(#[$doc])* $loss($loss),)+
        }

        impl LossConfig {
            /// Every loss with its default settings, in the order of this list.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$loss($loss::default()),)+]
            }

            /// The names in recipes, in the order of [`all`](Self::all).
            pub fn names() -> &'static [&'static str] {
                &[$(stringify!($file),)+]
            }

            /// The name in recipes.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$loss(_) => stringify!($file),)+
                }
            }

            /// What the rows of targets are: a loss fits every task that has such rows.
            pub fn targets(&self) -> Targets {
                match self {
                    $(Self::$loss(_) => $loss::TARGETS,)+
                }
            }

            /// Checks the settings against a head with so many outputs, as [`Loss::check`].
            ///
            /// # Errors
            ///
            /// [`SettingError`] names the key.
            pub fn check(&self, outputs: usize) -> Result<(), SettingError> {
                match self {
                    $(Self::$loss(loss) => loss.check(outputs),)+
                }
            }

            /// By what the sum over a batch with these targets is divided to give its mean loss: the number of images, or the sum of the
            /// weights of their classes. The mean of a batch is the mean of its parts' means, weighted by it.
            pub fn divisor(&self, targets: &Tensor<2>) -> f64 {
                match self {
                    $(Self::$loss(loss) => loss.divisor(targets),)+
                }
            }

            /// The mean loss of a batch.
            ///
            /// # Shapes
            ///
            /// `outputs` and `targets` are `[batch, outputs]`, targets as [`targets`](Self::targets) says; the loss is `[1]`.
            ///
            /// # Panics
            ///
            /// If the shapes differ, or the settings did not pass [`check`](Self::check).
            pub fn forward(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
                match self {
                    $(Self::$loss(loss) => loss.forward(outputs, targets),)+
                }
            }
        }
    };
}

// The file's name is the name in recipes.
losses! {
    /// Cross-entropy, with label smoothing and class weights.
    cross_entropy::CrossEntropy,
    /// Cross-entropy that looks away from samples that are easy already.
    focal::Focal,
    /// Binary cross-entropy of each step between levels.
    corn::Corn,
    /// Binary cross-entropy of each label, with label smoothing and positive weights.
    binary_cross_entropy::BinaryCrossEntropy,
    /// Binary cross-entropy that looks away from labels that are easy already.
    binary_focal::BinaryFocal,
    /// Mean squared error of numbers.
    mean_squared_error::MeanSquaredError,
    /// Mean absolute error of numbers.
    mean_absolute_error::MeanAbsoluteError,
    /// Squared for small errors of numbers, straight for large ones.
    huber::Huber,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::CrossEntropy(CrossEntropy::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_settings::Within;

    #[test]
    fn a_weight_list_of_the_wrong_length_is_refused_with_both_lengths() {
        let loss = LossConfig::CrossEntropy(CrossEntropy {
            class_weights: Some(vec![1.0; 4]),
            ..Default::default()
        });
        assert_eq!(
            loss.check(3).within("loss").unwrap_err().to_string(),
            "`loss.class_weights` is a list of 4 for 3 classes, expected one weight per class"
        );
    }

    #[test]
    fn names_are_those_of_recipes() {
        let expected = [
            "cross_entropy",
            "focal",
            "corn",
            "binary_cross_entropy",
            "binary_focal",
            "mean_squared_error",
            "mean_absolute_error",
            "huber",
        ];
        assert_eq!(LossConfig::names(), expected);
        for (name, default) in expected.into_iter().zip(LossConfig::all()) {
            let read: LossConfig =
                serde_json::from_value(serde_json::json!({ "name": name })).unwrap();
            assert_eq!(read, default);
            assert_eq!(read.name(), name);
            assert_eq!(serde_json::to_value(&read).unwrap()["name"], name);
            assert_eq!(read.check(3), Ok(()));
        }
    }

    #[test]
    fn each_loss_says_what_its_targets_are() {
        let of = |targets: Targets| -> Vec<&str> {
            let all = LossConfig::all();
            let fitting = all.iter().filter(|loss| loss.targets() == targets);
            fitting.map(LossConfig::name).collect()
        };
        assert_eq!(
            of(Targets::Distribution),
            ["cross_entropy", "focal", "corn"]
        );
        assert_eq!(
            of(Targets::Indicators),
            ["binary_cross_entropy", "binary_focal"]
        );
        assert_eq!(
            of(Targets::Numbers),
            ["mean_squared_error", "mean_absolute_error", "huber"]
        );
    }
}
