//! Convolution, batch normalisation with the batch's statistics, residual and activation as one operation, for training.

use burn::tensor::Tensor;
use burn::tensor::module::batch_norm_train;

use super::{Carries, ConvOptions, channels_first, channels_last, conv_act};
use crate::Activation;

/// The normalisation of [`conv_norm_act`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormOptions {
    /// Added to the variance before its root is taken.
    pub epsilon: f64,
}

/// What [`conv_norm_act`] gives.
pub struct Normalized {
    /// `[batch, out height, out width, channels_out]`.
    pub output: Tensor<4>,
    /// The batch's mean per channel, without gradients.
    pub mean: Tensor<1>,
    /// The batch's biased variance per channel, without gradients.
    pub variance: Tensor<1>,
}

/// `activation((y - mean) / sqrt(variance + epsilon) * gamma + beta + residual)` with `y = convolution(x, weight)` and the mean and
/// biased variance of `y` over batch, height and width (Ioffe & Szegedy 2015).
///
/// Gradients flow to `x`, `weight`, `gamma`, `beta` and `residual`; `carries` says which of them another operation shares.
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
    x: Tensor<4>,
    weight: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    options: ConvOptions,
    norm: NormOptions,
    activation: Activation,
    carries: Carries,
) -> Normalized {
    #[cfg(feature = "flex")]
    {
        use super::flex::{join, route};
        let images = route([&x, &weight].into_iter().chain(&residual));
        if join(images, route([&gamma, &beta])).is_some() {
            return tracked::conv_norm_act(
                x, weight, gamma, beta, residual, options, norm, activation, carries,
            );
        }
    }
    #[cfg(not(feature = "flex"))]
    let _ = carries;
    let y = channels_first(conv_act(
        x,
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
        output: activation.forward(out),
        mean: result.mean.detach(),
        variance: result.variance.detach(),
    }
}

#[cfg(feature = "flex")]
mod tracked {
    use burn::backend::Flex;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::tensor::Tensor;

    use super::super::flex::{
        Dense, from_plain, from_tracked, register, small, to_tensor, tracked,
    };
    use super::super::{Carries, ConvOptions};
    use super::{NormOptions, Normalized};
    use crate::buffer::Buffer;
    use crate::profile::timed;
    use crate::{
        Activation, ConvShape, NormActBackward, conv_backward_from_parts,
        conv_backward_input_adding, conv_backward_weight, conv_forward_moments, normalize_act,
        takes_gradient_in_parts,
    };

    /// The parents are x, weight, gamma, beta, residual; where there is no residual, x stands in its place.
    #[derive(Debug)]
    struct ConvNormActBackward;

    #[derive(Debug, Clone)]
    struct State {
        shape: ConvShape,
        activation: Activation,
        x: Dense,
        weight: Dense,
        /// The convolution's result.
        y: Dense,
        /// The whole result, where the activation's derivative follows from it.
        output: Option<Dense>,
        /// Where the derivative needs the sum before the activation.
        residual: Option<Dense>,
        has_residual: bool,
        carries: Carries,
        mean: Vec<f32>,
        inv_std: Vec<f32>,
        scale: Vec<f32>,
        shift: Vec<f32>,
    }

    impl Backward<Flex, 5> for ConvNormActBackward {
        type State = State;

        fn backward(
            self,
            ops: Ops<State, 5>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [x_node, weight_node, gamma_node, beta_node, residual_node] = ops.parents;
            let state = ops.state;
            let shape = state.shape;
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let dims = gradient.dims::<4>();
            let norm = NormActBackward {
                y: state.y.slice(),
                scale: &state.scale,
                shift: &state.shift,
                mean: &state.mean,
                inv_std: &state.inv_std,
                residual: state.residual.as_ref().map(Dense::slice),
                output: state.output.as_ref().map(Dense::slice),
                activation: state.activation,
                gradient: gradient.slice(),
            };
            let count = shape.batch * shape.out_height() * shape.out_width();
            let name = |what: &str| format!("norm {what} {}x{}x{}", dims[1], dims[2], dims[3]);
            // Behind an activation that changes nothing, the residual's gradient is the result's own.
            let masks = state.has_residual && state.activation != Activation::Identity;
            let mut masked = masks.then(|| Buffer::unspecified(shape.output_len()));
            let (d_beta, d_gamma) =
                timed(|| name("sums"), 0.0, || norm.sums(masked.as_deref_mut()));
            let masked = masked.map(|masked| Dense::new(to_tensor(masked, &dims)));
            if let Some(node) = residual_node.filter(|_| state.has_residual) {
                let of_residual = masked.as_ref().unwrap_or(&gradient);
                match &state.carries.gives {
                    Some(carry) => carry.give(of_residual.clone()),
                    None => register(grads, node.id, of_residual.tensor()),
                }
            }
            if let Some(node) = gamma_node {
                register(grads, node.id, small(&d_gamma));
            }
            if let Some(node) = beta_node {
                register(grads, node.id, small(&d_beta));
            }
            let (x, weight) = (state.x, state.weight);
            let (x_dims, weight_dims) = (x.dims::<4>(), weight.dims::<4>());
            let carry = state.carries.takes.as_ref().filter(|_| x_node.is_some());
            let other = carry.and_then(|carry| carry.take());
            let other = other.as_ref().map(Dense::slice);
            let mut dw = Buffer::unspecified(shape.weight_len());
            if weight_node.is_some() && takes_gradient_in_parts(&shape) {
                let of_masked = masked.as_ref().map(Dense::slice);
                let parts = norm.input_gradient_in_parts(&d_beta, &d_gamma, count, of_masked);
                let mut dx = x_node
                    .as_ref()
                    .map(|_| Buffer::unspecified(shape.input_len()));
                conv_backward_from_parts(
                    &shape,
                    x.slice(),
                    weight.slice(),
                    &parts,
                    other,
                    &mut dw,
                    dx.as_deref_mut(),
                );
                if let Some(node) = weight_node {
                    register(grads, node.id, to_tensor(dw, &weight_dims));
                }
                if let Some((node, dx)) = x_node.zip(dx) {
                    register(grads, node.id, to_tensor(dx, &x_dims));
                }
                return;
            }
            let mut dy = Buffer::unspecified(shape.output_len());
            timed(
                || name("gradient"),
                0.0,
                || {
                    let masked = masked.as_ref().map(Dense::slice);
                    norm.input_gradient(&d_beta, &d_gamma, count, masked, &mut dy)
                },
            );
            // Memory that the steps before this one in the network can have.
            drop((state.y, state.output, state.residual, gradient, masked));
            if let Some(node) = weight_node {
                conv_backward_weight(&shape, x.slice(), &dy, &mut dw);
                register(grads, node.id, to_tensor(dw, &weight_dims));
            }
            if let Some(node) = x_node {
                drop(x);
                let mut dx = Buffer::unspecified(shape.input_len());
                conv_backward_input_adding(&shape, &dy, weight.slice(), other, &mut dx);
                register(grads, node.id, to_tensor(dx, &x_dims));
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the layer's parameters, each named"
    )]
    pub(super) fn conv_norm_act(
        x: Tensor<4>,
        weight: Tensor<4>,
        gamma: Tensor<1>,
        beta: Tensor<1>,
        residual: Option<Tensor<4>>,
        options: ConvOptions,
        norm: NormOptions,
        activation: Activation,
        mut carries: Carries,
    ) -> Normalized {
        let shape = options.shape(x.dims(), weight.dims());
        let dims = [
            shape.batch,
            shape.out_height(),
            shape.out_width(),
            shape.channels_out,
        ];
        let (x, weight, gamma, beta) = (tracked(x), tracked(weight), tracked(gamma), tracked(beta));
        let residual = residual.map(tracked);
        let guards = [
            x.node(),
            weight.node(),
            gamma.node(),
            beta.node(),
            residual.as_ref().unwrap_or(&x).node(),
        ];
        let x_is_tracked = x.is_tracked();
        let x = Dense::new(x.into_primitive());
        let weight = Dense::new(weight.into_primitive());
        let gamma = Dense::new(gamma.into_primitive());
        let beta = Dense::new(beta.into_primitive());
        let residual = residual.map(|residual| Dense::new(residual.into_primitive()));

        let mut y = Buffer::unspecified(shape.output_len());
        let statistics = conv_forward_moments(&shape, x.slice(), weight.slice(), &mut y);
        let norm_name = |what: &str| format!("norm {what} {}x{}x{}", dims[1], dims[2], dims[3]);
        let inv_std: Vec<f32> = statistics
            .variance
            .iter()
            .map(|v| (1.0 / (f64::from(*v) + norm.epsilon).sqrt()) as f32)
            .collect();
        let scale: Vec<f32> = gamma
            .slice()
            .iter()
            .zip(&inv_std)
            .map(|(gamma, inv)| gamma * inv)
            .collect();
        let shift = beta.slice().iter().zip(&statistics.mean).zip(&scale);
        let shift: Vec<f32> = shift
            .map(|((beta, mean), scale)| beta - mean * scale)
            .collect();
        let mut out = Buffer::unspecified(shape.output_len());
        timed(
            || norm_name("normalize"),
            0.0,
            || {
                normalize_act(
                    &y,
                    &scale,
                    &shift,
                    residual.as_ref().map(Dense::slice),
                    activation,
                    &mut out,
                )
            },
        );

        let mean = from_plain(small(&statistics.mean));
        let variance = from_plain(small(&statistics.variance));
        let output = Dense::new(to_tensor(out, &dims));
        let result = output.tensor();
        let prep = ConvNormActBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        let output = match prep {
            OpsKind::Tracked(prep) => {
                let from_output = activation.derivative_from_output();
                let has_residual = residual.is_some();
                // Given only to one who takes it, else it is registered as any gradient.
                carries.gives = carries.gives.filter(|carry| carry.is_promised());
                if let Some(carry) = carries.takes.as_ref().filter(|_| x_is_tracked) {
                    carry.promise();
                }
                let state = State {
                    shape,
                    activation,
                    x,
                    weight,
                    y: Dense::new(to_tensor(y, &dims)),
                    // Without a residual the sum before the activation follows from y, which is read anyway.
                    output: (from_output && has_residual && activation != Activation::Identity)
                        .then_some(output),
                    residual: residual.filter(|_| !from_output),
                    has_residual,
                    carries,
                    mean: statistics.mean,
                    inv_std,
                    scale,
                    shift,
                };
                prep.finish(state, result)
            }
            OpsKind::UnTracked(prep) => prep.finish(result),
        };
        Normalized {
            output: from_tracked(output),
            mean,
            variance,
        }
    }
}
