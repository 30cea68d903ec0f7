//! Channels of a map in another order or in two parts.

use burn::tensor::Tensor;

/// One channel of each of so many groups after the other (Zhang et al. 2018, ShuffleNet): of two groups of `n` channels `0, n, 1, n + 1, ..`.
///
/// # Shapes
///
/// `[batch, height, width, channels]` to the same; the groups divide the channels.
pub fn shuffle(x: Tensor<4>, groups: usize) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route([&x]) {
        return on_flex::shuffle(x, groups, route);
    }
    let dims = x.dims();
    let [batch, height, width, channels] = dims;
    let grouped = x.reshape([batch * height * width, 1, groups, channels / groups]);
    grouped.swap_dims(2, 3).reshape(dims)
}

/// The first `at` channels, and the others. Both must go into what is differentiated: the gradient of `x` is there when both of theirs are.
///
/// # Shapes
///
/// `x` `[batch, height, width, channels]`; the results are of `at` and of `channels - at` channels.
pub fn halves(x: Tensor<4>, at: usize) -> [Tensor<4>; 2] {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route([&x]) {
        return on_flex::halves(x, at, route);
    }
    let channels = x.dims()[3];
    [x.clone().narrow(3, 0, at), x.narrow(3, at, channels - at)]
}

#[cfg(feature = "flex")]
mod on_flex {
    use std::sync::{Arc, Mutex, PoisonError};

    use burn::backend::Flex;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::flex::FlexTensor;
    use burn::tensor::Tensor;

    use super::super::flex::{
        Dense, Route, from_plain, from_tracked, plain, register, to_tensor, tracked,
    };
    use crate::buffer::Buffer;
    use crate::{Member, join, split};

    #[derive(Debug)]
    struct ShuffleBackward;

    impl Backward<Flex, 1> for ShuffleBackward {
        /// The groups.
        type State = usize;

        fn backward(
            self,
            ops: Ops<usize, 1>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            if let [Some(node)] = ops.parents {
                let channels = gradient.dims::<4>()[3];
                register(grads, node.id, shuffled(&gradient, channels / ops.state));
            }
        }
    }

    fn shuffled(x: &Dense, groups: usize) -> FlexTensor {
        let dims = x.dims::<4>();
        let mut out = Buffer::unspecified(x.slice().len());
        crate::shuffle(x.slice(), dims[3], groups, &mut out);
        to_tensor(out, &dims)
    }

    pub(super) fn shuffle(x: Tensor<4>, groups: usize, route: Route) -> Tensor<4> {
        if route == Route::Plain {
            return from_plain(shuffled(&Dense::new(plain(x)), groups));
        }
        let x = tracked(x);
        let guards = [x.node()];
        let output = shuffled(&Dense::new(x.into_primitive()), groups);
        let prep = ShuffleBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        from_tracked(match prep {
            OpsKind::Tracked(prep) => prep.finish(groups, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }

    #[derive(Debug)]
    struct HalfBackward;

    #[derive(Debug, Clone)]
    struct Half {
        /// Whether it is the second one.
        second: bool,
        /// The gradient of the one that came first in the backward pass.
        other: Arc<Mutex<Option<Dense>>>,
    }

    impl Backward<Flex, 1> for HalfBackward {
        type State = Half;

        fn backward(
            self,
            ops: Ops<Half, 1>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let own = Dense::new(grads.consume::<Flex>(&ops.node));
            let Half { second, other } = ops.state;
            let mut other = other.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(other) = other.take() else {
                *other = Some(own);
                return;
            };
            if let [Some(node)] = ops.parents {
                let both = match second {
                    true => [&other, &own],
                    false => [&own, &other],
                };
                let [batch, height, width, _] = own.dims();
                let members = both.map(|map| Member {
                    numbers: map.slice(),
                    channels: map.dims::<4>()[3],
                });
                let channels = members.iter().map(|map| map.channels).sum();
                let mut dx = Buffer::unspecified(batch * height * width * channels);
                join(&members, &mut dx);
                register(
                    grads,
                    node.id,
                    to_tensor(dx, &[batch, height, width, channels]),
                );
            }
        }
    }

    pub(super) fn halves(x: Tensor<4>, at: usize, route: Route) -> [Tensor<4>; 2] {
        let cut = |x: &Dense| {
            let [batch, height, width, channels] = x.dims();
            let widths = [at, channels - at];
            let mut parts =
                widths.map(|width_of| Buffer::unspecified(batch * height * width * width_of));
            let mut pieces = parts.each_mut().map(|part| Some(&mut part[..]));
            split(x.slice(), &widths, &mut pieces);
            let mut widths = widths.into_iter();
            parts.map(|part| {
                let own = widths.next().unwrap_or_default();
                to_tensor(part, &[batch, height, width, own])
            })
        };
        if route == Route::Plain {
            return cut(&Dense::new(plain(x))).map(from_plain);
        }
        let x = tracked(x);
        let parts = cut(&Dense::new(x.clone().into_primitive()));
        let other = Arc::default();
        let mut second = false;
        parts.map(|output| {
            let prep = HalfBackward
                .prepare::<NoCheckpointing>([x.node()])
                .compute_bound()
                .stateful();
            let half = Half {
                second,
                other: Arc::clone(&other),
            };
            second = true;
            from_tracked(match prep {
                OpsKind::Tracked(prep) => prep.finish(half, output),
                OpsKind::UnTracked(prep) => prep.finish(output),
            })
        })
    }
}
