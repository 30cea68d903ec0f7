//! Losses on a head's outputs and targets of the same shape. Owns their formulas, and which task each is for; mixing targets and
//! averaging over an epoch are not theirs.

mod binary_cross_entropy;
mod binary_focal;
mod cross_entropy;
mod focal;
mod huber;
mod mean_absolute_error;
mod mean_squared_error;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::HeadError;
use crate::task::TaskKind;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use binary_focal::BinaryFocal;
pub use cross_entropy::CrossEntropy;
pub use focal::Focal;
pub use huber::Huber;
pub use mean_absolute_error::MeanAbsoluteError;
pub use mean_squared_error::MeanSquaredError;

/// The loss of a run, chosen by name.
///
/// In a recipe: `loss = { name = "cross_entropy", label_smoothing = 0.1 }`. The default is plain cross-entropy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum LossConfig {
    /// Cross-entropy, with label smoothing and class weights.
    CrossEntropy(CrossEntropy),
    /// Cross-entropy that looks away from samples that are easy already.
    Focal(Focal),
    /// Binary cross-entropy of each label, with label smoothing and positive weights.
    BinaryCrossEntropy(BinaryCrossEntropy),
    /// Binary cross-entropy that looks away from labels that are easy already.
    BinaryFocal(BinaryFocal),
    /// Mean squared error of numbers.
    MeanSquaredError(MeanSquaredError),
    /// Mean absolute error of numbers.
    MeanAbsoluteError(MeanAbsoluteError),
    /// Squared for small errors of numbers, straight for large ones.
    Huber(Huber),
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::CrossEntropy(CrossEntropy::default())
    }
}

impl LossConfig {
    /// The name in recipes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy(_) => "cross_entropy",
            Self::Focal(_) => "focal",
            Self::BinaryCrossEntropy(_) => "binary_cross_entropy",
            Self::BinaryFocal(_) => "binary_focal",
            Self::MeanSquaredError(_) => "mean_squared_error",
            Self::MeanAbsoluteError(_) => "mean_absolute_error",
            Self::Huber(_) => "huber",
        }
    }

    /// The task that it is for.
    pub fn task(&self) -> TaskKind {
        match self {
            Self::CrossEntropy(_) | Self::Focal(_) => TaskKind::Classification,
            Self::BinaryCrossEntropy(_) | Self::BinaryFocal(_) => TaskKind::Multilabel,
            Self::MeanSquaredError(_) | Self::MeanAbsoluteError(_) | Self::Huber(_) => {
                TaskKind::Regression
            }
        }
    }

    /// Checks the settings against a task with so many outputs.
    ///
    /// # Errors
    ///
    /// [`HeadError::Setting`] names the key; a loss of another task is told with those that fit.
    pub fn check(&self, task: TaskKind, outputs: usize) -> Result<(), HeadError> {
        if self.task() != task {
            return Err(HeadError::Setting {
                key: "loss.name",
                found: format!("\"{}\", a loss for {}", self.name(), self.task().name()),
                expected: match task {
                    TaskKind::Classification => {
                        "`cross_entropy` or `focal`, since each image has one class"
                    }
                    TaskKind::Multilabel => {
                        "`binary_cross_entropy` or `binary_focal`, since images have several labels"
                    }
                    TaskKind::Regression => {
                        "`mean_squared_error`, `mean_absolute_error` or `huber`, since images have numbers"
                    }
                },
            });
        }
        match self {
            Self::CrossEntropy(loss) => loss.check(outputs),
            Self::Focal(loss) => loss.check(outputs),
            Self::BinaryCrossEntropy(loss) => loss.check(outputs),
            Self::BinaryFocal(loss) => loss.check(),
            Self::Huber(loss) => loss.check(),
            Self::MeanSquaredError(_) | Self::MeanAbsoluteError(_) => Ok(()),
        }
    }

    /// The mean loss of a batch.
    ///
    /// # Shapes
    ///
    /// `outputs` and `targets` are `[batch, outputs]`; the loss is `[1]`. Targets are rows of non-negative values with sum 1 for
    /// classification, values from 0 to 1 for several labels, and any numbers for regression.
    ///
    /// # Panics
    ///
    /// If the shapes differ, or the settings did not pass [`check`](Self::check).
    pub fn forward(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        match self {
            Self::CrossEntropy(loss) => loss.forward(outputs, targets),
            Self::Focal(loss) => loss.forward(outputs, targets),
            Self::BinaryCrossEntropy(loss) => loss.forward(outputs, targets),
            Self::BinaryFocal(loss) => loss.forward(outputs, targets),
            Self::MeanSquaredError(loss) => loss.forward(outputs, targets),
            Self::MeanAbsoluteError(loss) => loss.forward(outputs, targets),
            Self::Huber(loss) => loss.forward(outputs, targets),
        }
    }
}

/// Targets for class indices: 1 at each index, 0 elsewhere, `[batch, classes]`.
///
/// # Errors
///
/// [`HeadError::TargetOutOfRange`] for an index that is not below `classes`.
pub fn one_hot(targets: &[usize], classes: usize, device: &Device) -> Result<Tensor<2>, HeadError> {
    let mut rows = vec![0.0f32; targets.len() * classes];
    for (position, &found) in targets.iter().enumerate() {
        if found >= classes {
            return Err(HeadError::TargetOutOfRange {
                position,
                found,
                classes,
            });
        }
        rows[position * classes + found] = 1.0;
    }
    Ok(Tensor::from_data(
        TensorData::new(rows, [targets.len(), classes]),
        device,
    ))
}

/// Checks that there is one finite, positive weight per class or label.
fn check_weights(
    key: &'static str,
    weights: Option<&[f32]>,
    classes: usize,
) -> Result<(), HeadError> {
    match weights {
        Some(weights) if weights.len() != classes => Err(HeadError::Setting {
            key,
            found: format!("a list of {} for {classes} classes", weights.len()),
            expected: "one weight per class",
        }),
        Some(weights)
            if weights
                .iter()
                .any(|weight| !weight.is_finite() || *weight <= 0.0) =>
        {
            Err(HeadError::Setting {
                key,
                found: format!("{weights:?}"),
                expected: "finite weights above 0",
            })
        }
        _ => Ok(()),
    }
}

fn check_smoothing(share: f64) -> Result<(), HeadError> {
    match (0.0..1.0).contains(&share) {
        true => Ok(()),
        false => Err(HeadError::Setting {
            key: "loss.label_smoothing",
            found: share.to_string(),
            expected: "a share of at least 0 and below 1",
        }),
    }
}

fn check_gamma(gamma: f64) -> Result<(), HeadError> {
    match gamma.is_finite() && gamma >= 0.0 {
        true => Ok(()),
        false => Err(HeadError::Setting {
            key: "loss.gamma",
            found: gamma.to_string(),
            expected: "a finite number of at least 0 (the paper's best is 2)",
        }),
    }
}

/// The mean over the batch of `sum_c weight_c * losses_c`: without weights divided by the batch size, with weights by
/// the weights of the targets.
fn batch_mean(losses: Tensor<2>, targets: Tensor<2>, weights: Option<&[f32]>) -> Tensor<1> {
    let [batch, classes] = losses.dims();
    match weights {
        None => losses.sum().div_scalar(batch as f64),
        Some(weights) => {
            let weights = TensorData::new(weights.to_vec(), [1, classes]);
            let weights = Tensor::<2>::from_data(weights, &losses.device());
            losses
                .mul(weights.clone())
                .sum()
                .div(targets.mul(weights).sum())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_beyond_the_classes_is_an_error_that_names_its_position() {
        let error = one_hot(&[0, 3, 1], 3, &Device::flex()).unwrap_err();
        assert_eq!(
            error,
            HeadError::TargetOutOfRange {
                position: 1,
                found: 3,
                classes: 3
            }
        );
    }

    #[test]
    fn one_hot_rows_have_a_single_one() {
        let rows = one_hot(&[2, 0], 3, &Device::flex()).unwrap().into_data();
        assert_eq!(rows, [[0.0f32, 0.0, 1.0], [1.0, 0.0, 0.0]].into());
    }

    #[test]
    fn a_weight_list_of_the_wrong_length_is_refused_with_both_lengths() {
        let loss = LossConfig::CrossEntropy(CrossEntropy {
            class_weights: Some(vec![1.0; 4]),
            ..Default::default()
        });
        let message = loss
            .check(TaskKind::Classification, 3)
            .unwrap_err()
            .to_string();
        assert!(message.contains("4 for 3 classes"), "{message}");
    }

    #[test]
    fn a_loss_of_another_task_is_refused_with_those_that_fit() {
        let parse = |name: &str| -> LossConfig {
            serde_json::from_value(serde_json::json!({ "name": name })).unwrap()
        };
        let names = [
            "cross_entropy",
            "focal",
            "binary_cross_entropy",
            "binary_focal",
            "mean_squared_error",
            "mean_absolute_error",
            "huber",
        ];
        for name in names {
            let loss = parse(name);
            assert_eq!(loss.name(), name);
            for task in [
                TaskKind::Classification,
                TaskKind::Multilabel,
                TaskKind::Regression,
            ] {
                let Err(error) = loss.check(task, 3) else {
                    assert_eq!(loss.task(), task, "{name}");
                    continue;
                };
                assert_ne!(loss.task(), task, "{name}");
                let message = error.to_string();
                assert!(
                    message.contains(&format!("`loss.name` is \"{name}\"")),
                    "{message}"
                );
                let fits = |other: &&&str| parse(other).task() == task;
                for other in names.iter().filter(fits) {
                    assert!(message.contains(&format!("`{other}`")), "{message}");
                }
            }
        }
    }
}
