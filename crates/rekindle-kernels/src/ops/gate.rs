//! The product of an image with one number per channel.

use burn::tensor::Tensor;

use super::carry::Carry;

/// `x * gate`, the last step of a squeeze-and-excitation block (Hu et al. 2018).
///
/// # Shapes
///
/// `x` `[batch, height, width, channels]`, `gate` `[batch, 1, 1, channels]`; the result is that of `x`. The gradient of `x` is given to
/// the carry, if any.
pub fn gate(x: Tensor<4>, gate: Tensor<4>, gives: Option<Carry>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route([&x, &gate]) {
        return on_flex::gate(x, gate, route, gives);
    }
    #[cfg(not(feature = "flex"))]
    let _ = gives;
    x * gate
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
        Dense, Route, from_plain, from_tracked, plain, register, to_tensor, tracked,
    };
    use super::Carry;
    use crate::buffer::Buffer;

    #[derive(Debug)]
    struct GateBackward;

    impl Backward<Flex, 2> for GateBackward {
        type State = (Dense, Dense, Option<Carry>);

        fn backward(
            self,
            ops: Ops<Self::State, 2>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [x_node, gate_node] = ops.parents;
            let (x, gate, gives) = ops.state;
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let batch = gate.dims::<4>()[0];
            let mut dx = Buffer::unspecified(x.slice().len());
            let d_gate =
                crate::gate_backward(x.slice(), gate.slice(), batch, gradient.slice(), &mut dx);
            if let Some(node) = x_node {
                let dx = to_tensor(dx, &x.dims::<4>());
                match gives {
                    Some(carry) => carry.give(Dense::new(dx)),
                    None => register(grads, node.id, dx),
                }
            }
            if let Some(node) = gate_node {
                let mut buffer = Buffer::unspecified(d_gate.len());
                buffer.copy_from_slice(&d_gate);
                register(grads, node.id, to_tensor(buffer, &gate.dims::<4>()));
            }
        }
    }

    fn forward(x: &Dense, gate: &Dense) -> burn::backend::flex::FlexTensor {
        let mut out = Buffer::unspecified(x.slice().len());
        crate::gate(x.slice(), gate.slice(), gate.dims::<4>()[0], &mut out);
        to_tensor(out, &x.dims::<4>())
    }

    pub(super) fn gate(
        x: Tensor<4>,
        gate: Tensor<4>,
        route: Route,
        gives: Option<Carry>,
    ) -> Tensor<4> {
        if route == Route::Plain {
            return from_plain(forward(&Dense::new(plain(x)), &Dense::new(plain(gate))));
        }
        let (x, gate) = (tracked(x), tracked(gate));
        let guards = [x.node(), gate.node()];
        let (x, gate) = (
            Dense::new(x.into_primitive()),
            Dense::new(gate.into_primitive()),
        );
        let output = forward(&x, &gate);
        from_tracked(
            match GateBackward
                .prepare::<NoCheckpointing>(guards)
                .compute_bound()
                .stateful()
            {
                OpsKind::Tracked(prep) => {
                    // Given only to one who takes it.
                    let gives = gives.filter(Carry::is_promised);
                    prep.finish((x, gate, gives), output)
                }
                OpsKind::UnTracked(prep) => prep.finish(output),
            },
        )
    }
}
