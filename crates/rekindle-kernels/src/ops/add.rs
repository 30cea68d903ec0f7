//! The sum of two maps.

use burn::tensor::Tensor;

use crate::Activation;

/// `activation(a + b)`, both of one shape: the end of a residual block (He et al. 2016).
pub fn add_act(a: Tensor<4>, b: Tensor<4>, activation: Activation) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route([&a, &b]) {
        return on_flex::add_act(a, b, activation, route);
    }
    activation.forward(a + b)
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
    use crate::buffer::Buffer;
    use crate::{Activation, activate_backward, add_activate};

    #[derive(Debug)]
    struct AddBackward;

    impl Backward<Flex, 2> for AddBackward {
        /// The activation, and what its derivative follows from: the result or the sum.
        type State = (Activation, Option<Dense>);

        fn backward(
            self,
            ops: Ops<Self::State, 2>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let (activation, kept) = ops.state;
            let of_sum = match kept {
                None => gradient,
                Some(kept) => {
                    let mut of_sum = Buffer::unspecified(kept.slice().len());
                    activate_backward(kept.slice(), gradient.slice(), activation, &mut of_sum);
                    Dense::new(to_tensor(of_sum, &kept.dims::<4>()))
                }
            };
            for node in ops.parents.into_iter().flatten() {
                register(grads, node.id, of_sum.tensor());
            }
        }
    }

    pub(super) fn add_act(
        a: Tensor<4>,
        b: Tensor<4>,
        activation: Activation,
        route: Route,
    ) -> Tensor<4> {
        let sum = |terms: &[Dense; 2], activation| {
            let mut out = Buffer::unspecified(terms[0].slice().len());
            add_activate(terms[0].slice(), terms[1].slice(), activation, &mut out);
            Dense::new(to_tensor(out, &terms[0].dims::<4>()))
        };
        if route == Route::Plain {
            let terms = [a, b].map(|term| Dense::new(plain(term)));
            return from_plain(sum(&terms, activation).tensor());
        }
        let terms = [a, b].map(tracked);
        let guards = terms.each_ref().map(|term| term.node());
        let terms = terms.map(|term| Dense::new(term.into_primitive()));
        let prep = AddBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        from_tracked(match prep {
            OpsKind::UnTracked(prep) => prep.finish(sum(&terms, activation).tensor()),
            OpsKind::Tracked(prep) if activation == Activation::Identity => {
                prep.finish((activation, None), sum(&terms, activation).tensor())
            }
            OpsKind::Tracked(prep) if activation.derivative_from_output() => {
                let output = sum(&terms, activation);
                let result = output.tensor();
                prep.finish((activation, Some(output)), result)
            }
            OpsKind::Tracked(prep) => {
                let kept = sum(&terms, Activation::Identity);
                let mut out = Buffer::unspecified(kept.slice().len());
                crate::activate(kept.slice(), activation, &mut out);
                let output = to_tensor(out, &kept.dims::<4>());
                prep.finish((activation, Some(kept)), output)
            }
        })
    }
}
