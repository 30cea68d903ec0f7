//! Convolution, bias, residual and activation as one operation.

use burn::tensor::Tensor;
use burn::tensor::module::conv2d;

use super::geometry::{ConvOptions, channels_first, channels_last};
use crate::Activation;

/// `activation(convolution(x, weight) + bias + residual)`.
///
/// Gradients flow to `x`, `weight`, `bias` and `residual`.
///
/// # Shapes
///
/// `x` `[batch, height, width, channels_in]`, `weight` `[channels_out, channels_in / groups, kernel height, kernel width]`, `bias`
/// `[channels_out]`, `residual` and the result `[batch, out height, out width, channels_out]`.
///
/// # Panics
///
/// When the shapes do not fit each other.
pub fn conv_act(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<4>>,
    options: ConvOptions,
    activation: Activation,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    {
        use super::flex::{Route, join, route};
        let images = route([&x, &weight].into_iter().chain(&residual));
        match join(images, route(bias.as_ref())) {
            Some(Route::Plain) => {
                return plain::conv_act(x, weight, bias, residual, options, activation);
            }
            Some(Route::Tracked) => {
                return tracked::conv_act(x, weight, bias, residual, options, activation);
            }
            None => {}
        }
    }
    let [[top, bottom], [left, right]] = options.padding;
    let burn_options = burn::tensor::ops::ConvOptions::new_with_padding(
        options.stride,
        [(top, bottom), (left, right)],
        options.dilation,
        options.groups,
    );
    let out = channels_last(conv2d(channels_first(x), weight, bias, burn_options));
    let out = match residual {
        Some(residual) => out + residual,
        None => out,
    };
    activation.forward(out)
}

#[cfg(feature = "flex")]
mod plain {
    use burn::tensor::Tensor;

    use super::super::flex::{Dense, from_plain, plain, to_tensor};
    use super::ConvOptions;
    use crate::buffer::Buffer;
    use crate::{Activation, Epilogue, conv_forward};

    pub(super) fn conv_act(
        x: Tensor<4>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        residual: Option<Tensor<4>>,
        options: ConvOptions,
        activation: Activation,
    ) -> Tensor<4> {
        let shape = options.shape(x.dims(), weight.dims());
        let x = Dense::new(plain(x));
        let weight = Dense::new(plain(weight));
        let bias = bias.map(|bias| Dense::new(plain(bias)));
        let residual = residual.map(|residual| Dense::new(plain(residual)));
        let epilogue = Epilogue {
            bias: bias.as_ref().map(Dense::slice),
            residual: residual.as_ref().map(Dense::slice),
            accumulate: false,
            activation,
        };
        let mut out = Buffer::unspecified(shape.output_len());
        conv_forward(&shape, x.slice(), weight.slice(), epilogue, &mut out);
        from_plain(to_tensor(
            out,
            &[
                shape.batch,
                shape.out_height(),
                shape.out_width(),
                shape.channels_out,
            ],
        ))
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

    use super::super::flex::{Dense, from_tracked, register, small, to_tensor, tracked};
    use super::ConvOptions;
    use crate::buffer::Buffer;
    use crate::{
        Activation, ConvShape, Derivative, Epilogue, act_backward, activate, conv_backward_input,
        conv_backward_weight, conv_forward,
    };

    /// The parents are x, weight, bias, residual; where there is no bias or residual, x stands in its place.
    #[derive(Debug)]
    struct ConvActBackward;

    #[derive(Debug, Clone)]
    struct State {
        shape: ConvShape,
        activation: Activation,
        x: Dense,
        weight: Dense,
        /// The result, or the activation's input where its derivative does not follow from the result.
        kept: Option<Dense>,
        has_bias: bool,
        has_residual: bool,
    }

    impl Backward<Flex, 4> for ConvActBackward {
        type State = State;

        fn backward(
            self,
            ops: Ops<State, 4>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [x_node, weight_node, bias_node, residual_node] = ops.parents;
            let state = ops.state;
            let shape = &state.shape;
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let bias_node = bias_node.filter(|_| state.has_bias);
            let residual_node = residual_node.filter(|_| state.has_residual);
            let masked = match &state.kept {
                None if bias_node.is_none() => gradient,
                kept => {
                    let mut out = Buffer::unspecified(shape.output_len());
                    let derivative = match kept {
                        Some(kept) if state.activation.derivative_from_output() => {
                            Derivative::Output(kept.slice())
                        }
                        Some(kept) => Derivative::Input(kept.slice()),
                        None => Derivative::Output(gradient.slice()),
                    };
                    let sums = act_backward(
                        derivative,
                        state.activation,
                        gradient.slice(),
                        shape.channels_out,
                        None,
                        &mut out,
                    );
                    if let Some(node) = bias_node {
                        register(grads, node.id, small(&sums));
                    }
                    Dense::new(to_tensor(out, &gradient.dims::<4>()))
                }
            };
            drop(state.kept);
            if let Some(node) = weight_node {
                let mut dw = Buffer::unspecified(shape.weight_len());
                conv_backward_weight(shape, state.x.slice(), masked.slice(), &mut dw);
                register(grads, node.id, to_tensor(dw, &state.weight.dims::<4>()));
            }
            if let Some(node) = x_node {
                let mut dx = Buffer::unspecified(shape.input_len());
                conv_backward_input(shape, masked.slice(), state.weight.slice(), &mut dx);
                register(grads, node.id, to_tensor(dx, &state.x.dims::<4>()));
            }
            if let Some(node) = residual_node {
                register(grads, node.id, masked.tensor());
            }
        }
    }

    pub(super) fn conv_act(
        x: Tensor<4>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        residual: Option<Tensor<4>>,
        options: ConvOptions,
        activation: Activation,
    ) -> Tensor<4> {
        let shape = options.shape(x.dims(), weight.dims());
        let dims = [
            shape.batch,
            shape.out_height(),
            shape.out_width(),
            shape.channels_out,
        ];
        let (x, weight) = (tracked(x), tracked(weight));
        let bias = bias.map(tracked);
        let residual = residual.map(tracked);
        let guards = [
            x.node(),
            weight.node(),
            bias.as_ref().unwrap_or(&x).node(),
            residual.as_ref().unwrap_or(&x).node(),
        ];
        let (has_bias, has_residual) = (bias.is_some(), residual.is_some());
        let x = Dense::new(x.into_primitive());
        let weight = Dense::new(weight.into_primitive());
        let bias = bias.map(|bias| Dense::new(bias.into_primitive()));
        let residual = residual.map(|residual| Dense::new(residual.into_primitive()));
        let from_output = activation.derivative_from_output();
        let mut out = Buffer::unspecified(shape.output_len());
        let epilogue = Epilogue {
            bias: bias.as_ref().map(Dense::slice),
            residual: residual.as_ref().map(Dense::slice),
            accumulate: false,
            activation: if from_output {
                activation
            } else {
                Activation::Identity
            },
        };
        conv_forward(&shape, x.slice(), weight.slice(), epilogue, &mut out);
        let mut kept = Dense::new(to_tensor(out, &dims));
        let output = if from_output {
            kept.tensor()
        } else {
            let mut out = Buffer::unspecified(shape.output_len());
            activate(kept.slice(), activation, &mut out);
            to_tensor(out, &dims)
        };
        let prep = ConvActBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        let output = match prep {
            OpsKind::Tracked(prep) => {
                let kept = (activation != Activation::Identity)
                    .then(|| std::mem::replace(&mut kept, x.clone()));
                let state = State {
                    shape,
                    activation,
                    x,
                    weight,
                    kept,
                    has_bias,
                    has_residual,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked(output)
    }
}
