//! Convolution, batch normalisation with the batch's statistics, residual and activation as one operation, for training.

use burn::tensor::Tensor;
use burn::tensor::module::batch_norm_train;

use super::{Carries, ConvOptions, Map, channels_first, channels_last, conv_act};
use crate::Activation;

/// The normalisation of [`conv_norm_act`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormOptions {
    /// Added to the variance before its root is taken.
    pub epsilon: f64,
}

/// What [`conv_norm_act`] gives.
pub struct Normalized {
    /// `[batch, out height, out width, channels_out]`, normalised when it is read.
    pub output: Map,
    /// The batch's mean per channel, without gradients.
    pub mean: Tensor<1>,
    /// The batch's biased variance per channel, without gradients.
    pub variance: Tensor<1>,
}

/// `activation((y - mean) / sqrt(variance + epsilon) * gamma + beta + residual)` with `y = convolution(x, weight)` and the mean and
/// biased variance of `y` over batch, height and width (Ioffe & Szegedy 2015).
///
/// Gradients flow to `x`, `weight`, `gamma`, `beta` and `residual`; `carries` says which of them another operation shares. Where there
/// is no residual, the normalisation is left to the next such operation if that is faster ([`reads_deferred`](crate::reads_deferred)).
///
/// # Shapes
///
/// `x` `[batch, height, width, channels_in]`, `weight` `[channels_out, channels_in / groups, kernel height, kernel width]`, `gamma` and
/// `beta` `[channels_out]`, `residual` and the result `[batch, out height, out width, channels_out]`.
///
/// # Panics
///
/// When the shapes do not fit each other.
#[expect(
    clippy::too_many_arguments,
    reason = "the layer's parameters, each named"
)]
pub fn conv_norm_act(
    x: impl Into<Map>,
    weight: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    options: ConvOptions,
    norm: NormOptions,
    activation: Activation,
    carries: Carries,
) -> Normalized {
    let x = x.into();
    #[cfg(feature = "flex")]
    {
        use super::flex::{join, route};
        let images = route(x.tensor().into_iter().chain([&weight]).chain(&residual));
        if join(images, route([&gamma, &beta])).is_some() {
            return super::tracked_norm::conv_norm_act(
                x, weight, gamma, beta, residual, options, norm, activation, carries,
            );
        }
    }
    #[cfg(not(feature = "flex"))]
    let _ = carries;
    let y = channels_first(conv_act(
        x.into_tensor(),
        weight,
        None,
        None,
        options,
        Activation::Identity,
    ));
    let result = batch_norm_train(y, gamma, beta, norm.epsilon);
    let out = channels_last(result.output);
    let out = match residual {
        Some(residual) => out + residual,
        None => out,
    };
    Normalized {
        output: activation.forward(out).into(),
        mean: result.mean.detach(),
        variance: result.variance.detach(),
    }
}
