//! Maps put side by side.

use burn::tensor::Tensor;

/// The channels of several maps of one size, one map's behind the other's.
///
/// # Shapes
///
/// Each `[batch, height, width, channels]` with channels of its own; the result has all of them.
///
/// # Panics
///
/// When there are no maps, or they differ in more than their channels.
pub fn concat(maps: Vec<Tensor<4>>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(route) = super::flex::route(&maps) {
        return on_flex::concat(maps, route);
    }
    Tensor::cat(maps, 3)
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::Flex;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::{Autodiff, flex::FlexTensor, tensor::FloatTensor};
    use burn::tensor::Tensor;

    use super::super::flex::{
        Dense, Route, from_plain, from_tracked, plain, register, to_tensor, tracked,
    };
    use crate::buffer::Buffer;
    use crate::profile::timed;
    use crate::{Member, join, split};

    #[derive(Debug)]
    struct ConcatBackward;

    impl<const N: usize> Backward<Flex, N> for ConcatBackward {
        /// Channels of each map.
        type State = Vec<usize>;

        fn backward(
            self,
            ops: Ops<Self::State, N>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let channels = ops.state;
            let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
            let dims = gradient.dims::<4>();
            let pixels = dims[0] * dims[1] * dims[2];
            let mut parts: Vec<Option<Buffer>> = ops
                .parents
                .iter()
                .zip(&channels)
                .map(|(node, channels)| {
                    node.as_ref()
                        .map(|_| Buffer::unspecified(pixels * channels))
                })
                .collect();
            let mut maps: Vec<_> = parts.iter_mut().map(Option::as_deref_mut).collect();
            timed(
                || format!("split {}x{}x{}", dims[1], dims[2], dims[3]),
                0.0,
                || split(gradient.slice(), &channels, &mut maps),
            );
            for ((node, part), own) in ops.parents.into_iter().zip(parts).zip(channels) {
                if let Some((node, part)) = node.zip(part) {
                    let dims = [dims[0], dims[1], dims[2], own];
                    register(grads, node.id, to_tensor(part, &dims));
                }
            }
        }
    }

    fn forward(maps: &[Dense]) -> FlexTensor {
        let [batch, height, width, _] = maps[0].dims();
        let members: Vec<Member<'_>> = maps
            .iter()
            .map(|map| {
                let dims = map.dims::<4>();
                let [.., channels] = dims;
                assert_eq!(dims[..3], [batch, height, width], "maps side by side");
                Member {
                    numbers: map.slice(),
                    channels,
                }
            })
            .collect();
        let channels = members.iter().map(|map| map.channels).sum();
        let mut out = Buffer::unspecified(batch * height * width * channels);
        timed(
            || format!("join {height}x{width}x{channels}"),
            0.0,
            || join(&members, &mut out),
        );
        to_tensor(out, &[batch, height, width, channels])
    }

    pub(super) fn concat(maps: Vec<Tensor<4>>, route: Route) -> Tensor<4> {
        assert!(!maps.is_empty(), "maps to be joined");
        if route == Route::Plain {
            let maps: Vec<Dense> = maps.into_iter().map(|map| Dense::new(plain(map))).collect();
            return from_plain(forward(&maps));
        }
        let maps: Vec<_> = maps.into_iter().map(tracked).collect();
        from_tracked(recorded(maps))
    }

    /// Burn's operations have a number of parents that the compiler knows: many maps are joined in groups.
    fn recorded(mut maps: Vec<FloatTensor<Autodiff<Flex>>>) -> FloatTensor<Autodiff<Flex>> {
        const MOST: usize = 8;
        while maps.len() > MOST {
            let rest = maps.split_off(MOST);
            let first = recorded(maps);
            maps = std::iter::once(first).chain(rest).collect();
        }
        macro_rules! of_length {
            ($($n:literal)*) => {
                match maps.len() {
                    $($n => match <[_; $n]>::try_from(maps) {
                        Ok(maps) => of(maps),
                        Err(_) => unreachable!("the length was matched"),
                    },)*
                    _ => unreachable!("at least one map, and not more than fit"),
                }
            };
        }
        of_length!(1 2 3 4 5 6 7 8)
    }

    fn of<const N: usize>(maps: [FloatTensor<Autodiff<Flex>>; N]) -> FloatTensor<Autodiff<Flex>> {
        let guards = maps.each_ref().map(|map| map.node());
        let maps = maps.map(|map| Dense::new(map.into_primitive()));
        let output = forward(&maps);
        let channels = maps.iter().map(|map| map.dims::<4>()[3]).collect();
        let prep = ConcatBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        match prep {
            OpsKind::Tracked(prep) => prep.finish(channels, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
