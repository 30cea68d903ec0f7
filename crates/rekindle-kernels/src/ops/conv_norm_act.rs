//! Convolution, batch normalisation with the batch's statistics, residual and activation as one operation, for training.

use burn::tensor::Tensor;
use burn::tensor::module::batch_norm_train;

use super::carry::Carries;
use super::conv_act::conv_act;
use super::geometry::{ConvOptions, channels_first, channels_last};
use super::map::Map;
use crate::Activation;

/// A convolution, its batch normalisation and what follows: the layer that [`conv_norm_act`] computes.
#[derive(Debug, Clone)]
pub struct ConvNorm {
    /// `[channels_out, channels_in / groups, kernel height, kernel width]`.
    pub weight: Tensor<4>,
    /// Scale, `[channels_out]`.
    pub gamma: Tensor<1>,
    /// Shift, `[channels_out]`.
    pub beta: Tensor<1>,
    /// Added to the variance before its root is taken.
    pub epsilon: f64,
    /// Geometry and precision of the convolution.
    pub options: ConvOptions,
    /// Applied last.
    pub activation: Activation,
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
/// is no residual, the normalisation is left to the next such operation if that is faster (that is for the operation to find out).
///
/// # Shapes
///
/// `x` `[batch, height, width, channels_in]`, `weight` `[channels_out, channels_in / groups, kernel height, kernel width]`, `gamma` and
/// `beta` `[channels_out]`, `residual` and the result `[batch, out height, out width, channels_out]`.
///
/// # Panics
///
/// When the shapes do not fit each other.
pub fn conv_norm_act(
    x: impl Into<Map>,
    layer: ConvNorm,
    residual: Option<Tensor<4>>,
    carries: Carries,
) -> Normalized {
    let x = x.into();
    #[cfg(feature = "flex")]
    {
        use super::flex::{join, route};
        let images = route(
            x.tensor()
                .into_iter()
                .chain([&layer.weight])
                .chain(&residual),
        );
        if join(images, route([&layer.gamma, &layer.beta])).is_some() {
            return on_flex::conv_norm_act(x, layer, residual, carries);
        }
    }
    #[cfg(not(feature = "flex"))]
    let _ = carries;
    let ConvNorm {
        weight,
        gamma,
        beta,
        epsilon,
        options,
        activation,
    } = layer;
    let y = channels_first(conv_act(
        x.into_tensor(),
        weight,
        None,
        None,
        options,
        Activation::Identity,
    ));
    let result = batch_norm_train(y, gamma, beta, epsilon);
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

#[cfg(feature = "flex")]
mod on_flex {
    use std::sync::Arc;

    use burn::backend::{Autodiff, Flex, tensor::FloatTensor};
    use burn::tensor::Tensor;

    use super::super::flex::{Dense, from_plain, small, to_tensor, tracked};
    use super::super::map::Content;
    use super::super::tracked_norm::{Norm, Unfinished};
    use super::{Carries, ConvNorm, Map, Normalized};
    use crate::buffer::Buffer;
    use crate::conv::conv_forward_moments_deferred;
    use crate::{conv_forward_moments, reads_deferred};

    pub(super) fn conv_norm_act(
        x: Map,
        layer: ConvNorm,
        residual: Option<Tensor<4>>,
        carries: Carries,
    ) -> Normalized {
        let ConvNorm {
            weight,
            gamma,
            beta,
            epsilon,
            options,
            activation,
        } = layer;
        let shape = options.shape(x.dims(), weight.dims());
        let dims = [
            shape.batch,
            shape.out_height(),
            shape.out_width(),
            shape.channels_out,
        ];
        let (x, before) = match x.0 {
            Content::Unfinished(x) if carries.takes.is_none() && reads_deferred(&shape) => {
                let (x, norm) = x.defer();
                (x, Some(norm))
            }
            content => (tracked(Map(content).into_tensor()), None),
        };
        let (weight, gamma, beta) = (tracked(weight), tracked(gamma), tracked(beta));
        let dense =
            |tensor: &FloatTensor<Autodiff<Flex>>| Dense::new(tensor.clone().into_primitive());
        let numbers = [dense(&x), dense(&weight)];
        let (x_numbers, weight_numbers) = (&numbers[0], numbers[1].slice());
        let mut y = Buffer::unspecified(shape.output_len());
        let moments = match &before {
            Some(before) => {
                let x = before.of(x_numbers);
                conv_forward_moments_deferred(&shape, &x, weight_numbers, &mut y)
            }
            None => conv_forward_moments(&shape, x_numbers.slice(), weight_numbers, &mut y),
        };
        let own = Norm::new(
            &moments,
            dense(&gamma).slice(),
            dense(&beta).slice(),
            epsilon,
            activation,
        );
        let unfinished = Unfinished {
            x,
            weight,
            gamma,
            beta,
            residual: residual.map(tracked),
            numbers,
            shape,
            carries,
            before,
            y: Dense::new(to_tensor(y, &dims)),
            norm: Arc::new(own),
        };
        let output = match unfinished.residual.is_some() {
            true => unfinished.normalize().into(),
            false => Map(Content::Unfinished(Box::new(unfinished))),
        };
        Normalized {
            output,
            mean: from_plain(small(&moments.mean)),
            variance: from_plain(small(&moments.variance)),
        }
    }
}
