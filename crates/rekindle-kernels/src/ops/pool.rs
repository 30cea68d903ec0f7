//! Pooling.

use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use super::carry::Carry;
use super::geometry::{channels_first, channels_last};

/// A square window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Side of the window.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Padding on each side, which belongs to no window's result unless it is counted.
    pub padding: usize,
    /// Whether a window may reach over the bottom and right border (PyTorch's `ceil_mode`).
    pub ceil: bool,
    /// Whether a mean counts the padding as zeros (PyTorch's `count_include_pad`), which is not for `ceil`.
    pub counted: bool,
}

/// The largest number of each window.
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, height', width', channels]`.
pub fn max_pool(x: Tensor<4>, options: PoolOptions) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route([&x]) {
        return on_flex::pool(x, on_flex::Kind::Max(options), route, None);
    }
    let PoolOptions {
        kernel,
        stride,
        padding,
        ceil,
        counted: _,
    } = options;
    let burn_options = MaxPoolOptions::new([kernel; 2])
        .with_stride([stride; 2])
        .with_padding([padding; 2])
        .with_ceil_mode(ceil);
    channels_last(max_pool2d(channels_first(x), burn_options))
}

/// The mean of each window's pixels that lie in the image, or of all where the padding is counted.
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, height', width', channels]`.
pub fn avg_pool(x: Tensor<4>, options: PoolOptions) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route([&x]) {
        return on_flex::pool(x, on_flex::Kind::Average(options), route, None);
    }
    let PoolOptions {
        kernel,
        stride,
        padding,
        ceil,
        counted,
    } = options;
    let burn_options = AvgPoolOptions::new([kernel; 2])
        .with_stride([stride; 2])
        .with_padding([padding; 2]);
    let burn_options = burn_options
        .with_count_include_pad(counted)
        .with_ceil_mode(ceil);
    channels_last(avg_pool2d(channels_first(x), burn_options))
}

/// The mean of each image.
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, 1, 1, channels]`. What another operation gives to the carry is added to the gradient of
/// `x`.
pub fn global_average(x: Tensor<4>, takes: Option<Carry>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route([&x]) {
        return on_flex::pool(x, on_flex::Kind::Global, route, takes);
    }
    #[cfg(not(feature = "flex"))]
    let _ = takes;
    x.mean_dim(1).mean_dim(2)
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
    use super::{Carry, PoolOptions};
    use crate::buffer::Buffer;
    use crate::pool::{
        PoolShape, average_pool, average_pool_backward, global_average_pool,
        global_average_pool_backward_adding, max_pool, max_pool_backward,
    };

    #[derive(Debug, Clone, Copy)]
    pub(super) enum Kind {
        Max(PoolOptions),
        Average(PoolOptions),
        Global,
    }

    #[derive(Debug, Clone)]
    struct State {
        kind: Kind,
        dims: [usize; 4],
        /// Of max pooling: which tap of each window won.
        taps: Vec<u8>,
        takes: Option<Carry>,
    }

    #[derive(Debug)]
    struct PoolBackward;

    fn shape(options: PoolOptions, [batch, height, width, channels]: [usize; 4]) -> PoolShape {
        let shape = PoolShape::new(
            batch,
            [height, width],
            channels,
            options.kernel,
            options.stride,
            options.padding,
        );
        match options {
            PoolOptions { counted: true, .. } => shape.with_counted_padding(),
            PoolOptions { ceil: true, .. } => shape.with_ceil(),
            _ => shape,
        }
    }

    impl Backward<Flex, 1> for PoolBackward {
        type State = State;

        fn backward(
            self,
            ops: Ops<State, 1>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [node] = ops.parents;
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let Some(node) = node else { return };
            let State {
                kind,
                dims,
                taps,
                takes,
            } = ops.state;
            let mut dx = Buffer::unspecified(dims.iter().product());
            let other = takes.and_then(|carry| carry.take());
            let other = other.as_ref().map(Dense::slice);
            match kind {
                Kind::Max(options) => {
                    max_pool_backward(&shape(options, dims), &taps, gradient.slice(), &mut dx)
                }
                Kind::Average(options) => {
                    average_pool_backward(&shape(options, dims), gradient.slice(), &mut dx)
                }
                Kind::Global => {
                    global_average_pool_backward_adding(gradient.slice(), dims[0], other, &mut dx)
                }
            }
            register(grads, node.id, to_tensor(dx, &dims));
        }
    }

    pub(super) fn pool(x: Tensor<4>, kind: Kind, route: Route, takes: Option<Carry>) -> Tensor<4> {
        let dims: [usize; 4] = x.dims();
        let out_dims = match kind {
            Kind::Max(options) | Kind::Average(options) => {
                let shape = shape(options, dims);
                [dims[0], shape.out[0], shape.out[1], dims[3]]
            }
            Kind::Global => [dims[0], 1, 1, dims[3]],
        };
        let mut out = Buffer::unspecified(out_dims.iter().product());
        let mut run = |x: &Dense, taps: Option<&mut [u8]>| match kind {
            Kind::Max(options) => max_pool(&shape(options, dims), x.slice(), &mut out, taps),
            Kind::Average(options) => average_pool(&shape(options, dims), x.slice(), &mut out),
            Kind::Global => global_average_pool(x.slice(), dims[0], &mut out),
        };
        if route == Route::Plain {
            run(&Dense::new(plain(x)), None);
            return from_plain(to_tensor(out, &out_dims));
        }
        let x = tracked(x);
        let guards = [x.node()];
        let x = Dense::new(x.into_primitive());
        let prep = PoolBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        from_tracked(match prep {
            OpsKind::Tracked(prep) => {
                let is_max = matches!(kind, Kind::Max(_));
                let mut taps = vec![0; if is_max { out_dims.iter().product() } else { 0 }];
                run(&x, is_max.then_some(&mut taps));
                if let Some(carry) = &takes {
                    carry.promise();
                }
                let state = State {
                    kind,
                    dims,
                    taps,
                    takes,
                };
                prep.finish(state, to_tensor(out, &out_dims))
            }
            OpsKind::UnTracked(prep) => {
                run(&x, None);
                prep.finish(to_tensor(out, &out_dims))
            }
        })
    }
}
