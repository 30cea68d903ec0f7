//! Batch norm on feature vectors. Owns the running statistics' rule; Burn's module holds the values.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::module;

/// Batch norm with PyTorch's statistics: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.
///
/// # Shapes
///
/// `[batch, features]` to `[batch, features]`.
///
/// In training (input on an autodiff device and the layer's training flag on) mean and variance are the batch's, and
/// the running values move towards them by the momentum. The normalisation divides by `batch`, the running variance
/// takes the unbiased estimate, which divides by `batch - 1`; Burn's own layer stores the biased one.
/// Otherwise, and for a training batch of one sample, whose variance is undefined, the running values are used and
/// left as they are.
///
/// Source: [Ioffe and Szegedy 2015](https://arxiv.org/abs/1502.03167); numbers checked against `torch.nn.BatchNorm1d`.
pub fn batch_norm(norm: &BatchNorm, features: Tensor<2>) -> Tensor<2> {
    let [batch, _] = features.dims();
    let training = features.device().is_autodiff() && norm.training.is_enabled();
    let device = features.device();
    if !training || batch < 2 {
        return module::batch_norm(
            features,
            norm.gamma.val(),
            norm.beta.val(),
            norm.running_mean.value_sync().to_device(&device),
            norm.running_var.value_sync().to_device(&device),
            norm.epsilon,
        );
    }
    let result =
        module::batch_norm_train(features, norm.gamma.val(), norm.beta.val(), norm.epsilon);
    let unbiased = batch as f64 / (batch - 1) as f64;
    let keep = 1.0 - norm.momentum;
    let mean = norm.running_mean.value_sync().to_device(&device);
    let variance = norm.running_var.value_sync().to_device(&device);
    let mean = mean
        .mul_scalar(keep)
        .add(result.mean.detach().mul_scalar(norm.momentum));
    let variance = variance.mul_scalar(keep).add(
        result
            .variance
            .detach()
            .mul_scalar(norm.momentum * unbiased),
    );
    norm.running_mean.update(mean.detach());
    norm.running_var.update(variance.detach());
    result.output
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use burn::nn::BatchNormConfig;
    use burn::tensor::{Device, Tolerance};

    #[test]
    fn two_training_batches_leave_the_running_values_of_pytorch() {
        // From `batch_norm_case` of tests/data/parity.py.
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(2).init(&device);
        batch_norm(
            &norm,
            Tensor::from_floats([[1.0, 2.0], [3.0, -4.0], [5.0, 9.0]], &device),
        );
        let out = batch_norm(
            &norm,
            Tensor::from_floats([[0.5, 1.0], [1.5, 7.0]], &device),
        );
        let close = |tensor: Tensor<1>, expected: [f32; 2]| {
            tensor
                .into_data()
                .assert_approx_eq::<f32>(&expected.into(), Tolerance::absolute(1e-5));
        };
        close(norm.running_mean.value_sync(), [0.37, 0.61]);
        close(norm.running_var.value_sync(), [1.22, 6.42]);
        out.into_data().assert_approx_eq::<f32>(
            &[[-0.99998, -1.0], [0.99998, 1.0]].into(),
            Tolerance::absolute(1e-4),
        );
    }

    #[test]
    fn a_training_batch_of_one_uses_the_running_values_and_keeps_them() {
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(2).init(&device);
        batch_norm(
            &norm,
            Tensor::from_floats([[1.0, 2.0], [3.0, -4.0]], &device),
        );
        let before = norm.running_var.value_sync().into_data();
        let one = Tensor::<2>::from_floats([[0.25, -1.0]], &device);
        let trained = batch_norm(&norm, one.clone());
        assert_eq!(norm.running_var.value_sync().into_data(), before);
        let evaluated = batch_norm(&norm.valid(), one.inner());
        trained
            .into_data()
            .assert_approx_eq::<f32>(&evaluated.into_data(), Tolerance::absolute(1e-6));
    }

    #[test]
    fn a_frozen_layer_on_a_training_device_keeps_its_running_values() {
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(2).init(&device).freeze();
        batch_norm(
            &norm,
            Tensor::from_floats([[1.0, 2.0], [3.0, -4.0]], &device),
        );
        assert_eq!(
            norm.running_mean.value_sync().into_data(),
            [0.0f32, 0.0].into()
        );
    }
}
