//! Targets for class indices. Owns their check.

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::HeadError;

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
}
