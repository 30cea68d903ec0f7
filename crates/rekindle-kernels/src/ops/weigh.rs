//! The product of a map with one of fewer pixels.

use burn::tensor::{Int, Tensor};

/// `x * weights`, of as many channels; each pixel of the weights stands for those that it lies nearest to (Tang et al. 2022, GhostNetV2's
/// attention; PyTorch's `interpolate(mode="nearest")`).
///
/// # Shapes
///
/// `x` `[batch, height, width, channels]`, `weights` `[batch, rows, columns, channels]`; the result is that of `x`.
pub fn weigh(x: Tensor<4>, weights: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route([&x, &weights]) {
        return on_flex::weigh(x, weights, route);
    }
    let (dims, from) = (x.dims(), weights.dims());
    let enlarged = [1, 2].into_iter().fold(weights, |weights, side| {
        if from[side] == dims[side] {
            return weights;
        }
        let places: Vec<i32> = (0..dims[side])
            .map(|place| (place * from[side] / dims[side]) as i32)
            .collect();
        let places = Tensor::<1, Int>::from_ints(&places[..], &x.device());
        weights.select(side, places)
    });
    x * enlarged
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
        Dense, Route, from_plain, from_tracked, plain, register, to_tensor, tracked,
    };
    use crate::NearestShape;
    use crate::buffer::Buffer;
    use crate::profile::timed;

    #[derive(Debug)]
    struct WeighBackward;

    impl Backward<Flex, 2> for WeighBackward {
        /// The map and the weights.
        type State = [Dense; 2];

        fn backward(
            self,
            ops: Ops<Self::State, 2>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [x, weights] = ops.state;
            let shape = shape(&x, &weights);
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let mut dx = Buffer::unspecified(x.slice().len());
            let mut d_weights = Buffer::unspecified(weights.slice().len());
            timed(
                || name("backward", shape),
                0.0,
                || {
                    let (x, weights, gradient) = (x.slice(), weights.slice(), gradient.slice());
                    crate::weigh_backward(&shape, x, weights, gradient, &mut dx, &mut d_weights);
                },
            );
            let [x_node, weights_node] = ops.parents;
            if let Some(node) = x_node {
                register(grads, node.id, to_tensor(dx, &x.dims::<4>()));
            }
            if let Some(node) = weights_node {
                register(grads, node.id, to_tensor(d_weights, &weights.dims::<4>()));
            }
        }
    }

    fn shape(x: &Dense, weights: &Dense) -> NearestShape {
        let [batch, height, width, channels] = x.dims();
        let [_, rows, columns, _] = weights.dims();
        NearestShape {
            batch,
            size: [height, width],
            weights: [rows, columns],
            channels,
        }
    }

    fn name(what: &str, shape: NearestShape) -> String {
        let [height, width] = shape.size;
        format!("weigh {what} {height}x{width}x{}", shape.channels)
    }

    fn forward(x: &Dense, weights: &Dense) -> FlexTensor {
        let shape = shape(x, weights);
        let mut out = Buffer::unspecified(x.slice().len());
        timed(
            || name("forward", shape),
            0.0,
            || crate::weigh(&shape, x.slice(), weights.slice(), &mut out),
        );
        to_tensor(out, &x.dims::<4>())
    }

    pub(super) fn weigh(x: Tensor<4>, weights: Tensor<4>, route: Route) -> Tensor<4> {
        if route == Route::Plain {
            let [x, weights] = [x, weights].map(|map| Dense::new(plain(map)));
            return from_plain(forward(&x, &weights));
        }
        let maps = [x, weights].map(tracked);
        let guards = maps.each_ref().map(|map| map.node());
        let maps = maps.map(|map| Dense::new(map.into_primitive()));
        let output = forward(&maps[0], &maps[1]);
        let prep = WeighBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        from_tracked(match prep {
            OpsKind::Tracked(prep) => prep.finish(maps, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }
}
