//! Losses on logits and soft targets. Owns their formulas; mixing targets and averaging over an epoch are not theirs.

mod cross_entropy;
mod focal;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::HeadError;

pub use cross_entropy::CrossEntropy;
pub use focal::Focal;

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
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::CrossEntropy(CrossEntropy::default())
    }
}

impl LossConfig {
    /// Checks the settings against the number of classes.
    ///
    /// # Errors
    ///
    /// [`HeadError::Setting`] names the key.
    pub fn check(&self, classes: usize) -> Result<(), HeadError> {
        match self {
            Self::CrossEntropy(loss) => loss.check(classes),
            Self::Focal(loss) => loss.check(classes),
        }
    }

    /// The mean loss of a batch.
    ///
    /// # Shapes
    ///
    /// `logits` and `targets` are `[batch, classes]`, every row of `targets` non-negative with sum 1; the loss is
    /// `[1]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ, or the settings did not pass [`check`](Self::check).
    pub fn forward(&self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        match self {
            Self::CrossEntropy(loss) => loss.forward(logits, targets),
            Self::Focal(loss) => loss.forward(logits, targets),
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

/// Checks that there is one finite, positive weight per class.
fn check_class_weights(weights: Option<&[f32]>, classes: usize) -> Result<(), HeadError> {
    match weights {
        Some(weights) if weights.len() != classes => Err(HeadError::Setting {
            key: "loss.class_weights",
            found: format!("a list of {} for {classes} classes", weights.len()),
            expected: "one weight per class",
        }),
        Some(weights)
            if weights
                .iter()
                .any(|weight| !weight.is_finite() || *weight <= 0.0) =>
        {
            Err(HeadError::Setting {
                key: "loss.class_weights",
                found: format!("{weights:?}"),
                expected: "finite weights above 0",
            })
        }
        _ => Ok(()),
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
        let message = loss.check(3).unwrap_err().to_string();
        assert!(message.contains("4 for 3 classes"), "{message}");
    }
}
