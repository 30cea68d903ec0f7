//! Global response normalisation.

use burn::tensor::Tensor;

use crate::response_norm::TINY;

/// `x * (1 + gamma * n) + beta`, where `n` is the norm of a channel over the image's pixels, divided by `epsilon` and the mean of those of all
/// channels (Woo et al. 2023, ConvNeXt V2).
///
/// # Shapes
///
/// `x` `[batch, height, width, channels]`, `gamma` and `beta` `[channels]`; the result is that of `x`.
pub fn response_norm(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<4> {
    #[cfg(feature = "flex")]
    {
        use super::flex::{join, route};
        if let Some(route) = join(route([&x]), route([&gamma, &beta])) {
            return on_flex::response_norm(x, gamma, beta, epsilon, route);
        }
    }
    composed(x, gamma, beta, epsilon)
}

/// The same by Burn's own operations.
fn composed(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<4> {
    let squares = (x.clone() * x.clone()).sum_dims(&[1, 2]);
    let norms = squares.add_scalar(TINY).sqrt();
    let norms = norms.clone() / norms.mean_dim(3).add_scalar(epsilon);
    let factors = (norms * gamma.reshape([1, 1, 1, -1])).add_scalar(1.0);
    x * factors + beta.reshape([1, 1, 1, -1])
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::Flex;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::flex::FlexTensor;
    use burn::tensor::Tensor;

    use super::super::flex::{
        Dense, Route, from_plain, from_tracked, plain, register, small, to_tensor, tracked,
    };
    use crate::buffer::Buffer;

    /// The parents are x, gamma and beta.
    #[derive(Debug)]
    struct ResponseNormBackward;

    #[derive(Debug, Clone)]
    struct State {
        x: Dense,
        gamma: Dense,
        /// Of each image and channel.
        norms: Vec<f32>,
        epsilon: f64,
    }

    impl Backward<Flex, 3> for ResponseNormBackward {
        type State = State;

        fn backward(
            self,
            ops: Ops<State, 3>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [x_node, gamma_node, beta_node] = ops.parents;
            let State {
                x,
                gamma,
                norms,
                epsilon,
            } = ops.state;
            let dims = x.dims::<4>();
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let mut dx = Buffer::unspecified(x.slice().len());
            let [d_gamma, d_beta] = crate::response_norm_backward(
                x.slice(),
                gamma.slice(),
                &norms,
                epsilon,
                dims[0],
                gradient.slice(),
                &mut dx,
            );
            if let Some(node) = x_node {
                register(grads, node.id, to_tensor(dx, &dims));
            }
            if let Some(node) = gamma_node {
                register(grads, node.id, small(&d_gamma));
            }
            if let Some(node) = beta_node {
                register(grads, node.id, small(&d_beta));
            }
        }
    }

    fn forward(x: &Dense, gamma: &Dense, beta: &Dense, epsilon: f64) -> (FlexTensor, Vec<f32>) {
        let dims = x.dims::<4>();
        let mut out = Buffer::unspecified(x.slice().len());
        let (scale, shift) = (gamma.slice(), beta.slice());
        let norms = crate::response_norm(x.slice(), scale, shift, epsilon, dims[0], &mut out);
        (to_tensor(out, &dims), norms)
    }

    pub(super) fn response_norm(
        x: Tensor<4>,
        gamma: Tensor<1>,
        beta: Tensor<1>,
        epsilon: f64,
        route: Route,
    ) -> Tensor<4> {
        if route == Route::Plain {
            let [gamma, beta] = [gamma, beta].map(|vector| Dense::new(plain(vector)));
            return from_plain(forward(&Dense::new(plain(x)), &gamma, &beta, epsilon).0);
        }
        let (x, gamma, beta) = (tracked(x), tracked(gamma), tracked(beta));
        let guards = [x.node(), gamma.node(), beta.node()];
        let x = Dense::new(x.into_primitive());
        let [gamma, beta] = [gamma, beta].map(|vector| Dense::new(vector.into_primitive()));
        let (output, norms) = forward(&x, &gamma, &beta, epsilon);
        let prep = ResponseNormBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        from_tracked(match prep {
            OpsKind::Tracked(prep) => {
                let state = State {
                    x,
                    gamma,
                    norms,
                    epsilon,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }
}
