//! Normalisation of each pixel over its channels.

use burn::tensor::Tensor;

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and biased variance over the channels of each pixel (Ba et al. 2016).
///
/// # Shapes
///
/// `x` `[batch, height, width, channels]`, `gamma` and `beta` `[channels]`; the result is that of `x`.
pub fn layer_norm(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<4> {
    #[cfg(feature = "flex")]
    {
        use super::flex::{join, route};
        if let Some(route) = join(route([&x]), route([&gamma, &beta])) {
            return on_flex::layer_norm(x, gamma, beta, epsilon, route);
        }
    }
    composed(x, gamma, beta, epsilon)
}

/// The same by Burn's own operations.
fn composed(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<4> {
    let centred = x.clone() - x.mean_dim(3);
    let variance = (centred.clone() * centred.clone()).mean_dim(3);
    let normal = centred / variance.add_scalar(epsilon).sqrt();
    normal * gamma.reshape([1, 1, 1, -1]) + beta.reshape([1, 1, 1, -1])
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::Flex;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::tensor::Tensor;

    use super::super::flex::{
        Dense, Route, from_plain, from_tracked, plain, register, small, to_tensor, tracked,
    };
    use crate::buffer::Buffer;

    /// The parents are x, gamma and beta.
    #[derive(Debug)]
    struct LayerNormBackward;

    #[derive(Debug, Clone)]
    struct State {
        x: Dense,
        gamma: Dense,
        /// Mean and inverse deviation of each pixel.
        found: Vec<f32>,
    }

    impl Backward<Flex, 3> for LayerNormBackward {
        type State = State;

        fn backward(
            self,
            ops: Ops<State, 3>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [x_node, gamma_node, beta_node] = ops.parents;
            let State { x, gamma, found } = ops.state;
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let mut dx = Buffer::unspecified(x.slice().len());
            let [d_gamma, d_beta] = crate::layer_norm_backward(
                x.slice(),
                gamma.slice(),
                &found,
                gradient.slice(),
                &mut dx,
            );
            if let Some(node) = x_node {
                register(grads, node.id, to_tensor(dx, &x.dims::<4>()));
            }
            if let Some(node) = gamma_node {
                register(grads, node.id, small(&d_gamma));
            }
            if let Some(node) = beta_node {
                register(grads, node.id, small(&d_beta));
            }
        }
    }

    pub(super) fn layer_norm(
        x: Tensor<4>,
        gamma: Tensor<1>,
        beta: Tensor<1>,
        epsilon: f64,
        route: Route,
    ) -> Tensor<4> {
        let forward = |x: &Dense, gamma: &Dense, beta: &Dense, found: Option<&mut [f32]>| {
            let mut out = Buffer::unspecified(x.slice().len());
            let (scale, shift) = (gamma.slice(), beta.slice());
            crate::layer_norm(x.slice(), scale, shift, epsilon as f32, found, &mut out);
            to_tensor(out, &x.dims::<4>())
        };
        if route == Route::Plain {
            let [gamma, beta] = [gamma, beta].map(|vector| Dense::new(plain(vector)));
            return from_plain(forward(&Dense::new(plain(x)), &gamma, &beta, None));
        }
        let (x, gamma, beta) = (tracked(x), tracked(gamma), tracked(beta));
        let guards = [x.node(), gamma.node(), beta.node()];
        let x = Dense::new(x.into_primitive());
        let [gamma, beta] = [gamma, beta].map(|vector| Dense::new(vector.into_primitive()));
        let channels = gamma.slice().len();
        let mut found = vec![0.0; 2 * x.slice().len() / channels.max(1)];
        let output = forward(&x, &gamma, &beta, Some(&mut found));
        let prep = LayerNormBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        from_tracked(match prep {
            OpsKind::Tracked(prep) => prep.finish(State { x, gamma, found }, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }
}
