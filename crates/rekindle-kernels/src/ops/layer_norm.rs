//! Normalisation of each pixel over its channels.

use burn::tensor::Tensor;

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and biased variance over the channels of each pixel (Ba et al. 2016).
///
/// # Shapes
///
/// `x` `[batch, height, width, channels]`, `gamma` and `beta` `[channels]`; the result is that of `x`.
pub fn layer_norm(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<4> {
    let centred = x.clone() - x.mean_dim(3);
    let variance = (centred.clone() * centred.clone()).mean_dim(3);
    let normal = centred / variance.add_scalar(epsilon).sqrt();
    normal * gamma.reshape([1, 1, 1, -1]) + beta.reshape([1, 1, 1, -1])
}
