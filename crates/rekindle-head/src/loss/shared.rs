//! What several losses share: checks of settings, and the mean over a batch.

use burn::tensor::{Tensor, TensorData};
use rekindle_settings::SettingError;

/// Checks that there is one finite, positive weight per class or label.
pub(super) fn check_weights(
    key: &str,
    weights: Option<&[f32]>,
    classes: usize,
) -> Result<(), SettingError> {
    match weights {
        Some(weights) if weights.len() != classes => Err(SettingError::new(
            key,
            format!("a list of {} for {classes} classes", weights.len()),
            "one weight per class",
        )),
        Some(weights)
            if weights
                .iter()
                .any(|weight| !weight.is_finite() || *weight <= 0.0) =>
        {
            let found = format!("{weights:?}");
            Err(SettingError::new(key, found, "finite weights above 0"))
        }
        _ => Ok(()),
    }
}

/// Checks a `label_smoothing`.
pub(super) fn check_smoothing(share: f64) -> Result<(), SettingError> {
    match (0.0..1.0).contains(&share) {
        true => Ok(()),
        false => Err(SettingError::new(
            "label_smoothing",
            share,
            "a share of at least 0 and below 1",
        )),
    }
}

/// Checks the `gamma` of a focal loss.
pub(super) fn check_gamma(gamma: f64) -> Result<(), SettingError> {
    match gamma.is_finite() && gamma >= 0.0 {
        true => Ok(()),
        false => Err(SettingError::new(
            "gamma",
            gamma,
            "a finite number of at least 0 (the paper's best is 2)",
        )),
    }
}

/// By what [`batch_mean`] divides: the number of images, or the weights of the targets.
pub(super) fn batch_divisor(targets: &Tensor<2>, weights: Option<&[f32]>) -> f64 {
    let [batch, classes] = targets.dims();
    match weights {
        None => batch as f64,
        Some(weights) => {
            let weights = TensorData::new(weights.to_vec(), [1, classes]);
            let weights = Tensor::<2>::from_data(weights, &targets.device());
            f64::from(targets.clone().mul(weights).sum().into_scalar::<f32>())
        }
    }
}

/// The mean over the batch of `sum_c weight_c * losses_c`: without weights divided by the batch size, with weights by
/// the weights of the targets.
pub(super) fn batch_mean(
    losses: Tensor<2>,
    targets: Tensor<2>,
    weights: Option<&[f32]>,
) -> Tensor<1> {
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
