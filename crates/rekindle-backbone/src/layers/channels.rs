//! Some channels of a map, or all in another order.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;
use rekindle_kernels::ops;

use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use crate::walk::{Custom, Step, Value, Walker};

/// Which channels, in the order of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelsOf {
    /// Those of a range.
    Range(Range<usize>),
    /// All, one channel of each of so many groups after the other (the channel shuffle of Zhang et al. 2018, ShuffleNet): of two groups of
    /// `n` channels `0, n, 1, n + 1, ..`.
    Shuffled(usize),
}

/// Takes channels of a map; it has no parameters.
#[derive(Module, Debug)]
pub struct Channels {
    #[module(skip)]
    of: ChannelsOf,
}

impl Channels {
    /// Builds the layer.
    pub fn new(of: ChannelsOf) -> Self {
        Self { of }
    }

    /// Which it takes.
    pub fn of(&self) -> &ChannelsOf {
        &self.of
    }

    /// Their numbers in a map of so many channels.
    pub fn indices(&self, channels: usize) -> Vec<usize> {
        match &self.of {
            ChannelsOf::Range(range) => range.clone().collect(),
            ChannelsOf::Shuffled(groups) => {
                let each = channels / groups;
                let index = |place: usize| place % groups * each + place / groups;
                (0..channels).map(index).collect()
            }
        }
    }

    /// Computes it in the map's own order of dimensions.
    pub(super) fn take(&self, x: FeatureMap) -> FeatureMap {
        match (x.is_channels_last(), &self.of) {
            (true, ChannelsOf::Shuffled(groups)) => {
                FeatureMap::channels_last(ops::shuffle(x.into_tensor(), *groups))
            }
            (true, _) => FeatureMap::channels_last(self.of_dimension(x.into_tensor(), 3)),
            (false, _) => FeatureMap::channels_first(self.of_dimension(x.into_tensor(), 1)),
        }
    }

    /// The two maps that a map of the kernels is cut into, where `first` takes its first channels and `second` the others; else the map.
    #[allow(
        clippy::result_large_err,
        reason = "the map comes back, in which few live at a time"
    )]
    pub(super) fn halves(
        first: &Self,
        second: &Self,
        x: FeatureMap,
    ) -> Result<[FeatureMap; 2], FeatureMap> {
        match (&first.of, &second.of) {
            (ChannelsOf::Range(first), ChannelsOf::Range(second)) if x.is_channels_last() => {
                let map = x.into_map();
                let channels = map.dims()[3];
                if [0, first.end, channels] != [first.start, second.start, second.end] {
                    return Err(FeatureMap::channels_last(map));
                }
                let halves = ops::halves(map.into_tensor(), first.end);
                Ok(halves.map(FeatureMap::channels_last))
            }
            _ => Err(x),
        }
    }

    fn of_dimension(&self, x: Tensor<4>, dimension: usize) -> Tensor<4> {
        let dims = x.dims();
        match &self.of {
            ChannelsOf::Range(range) => x.narrow(dimension, range.start, range.len()),
            ChannelsOf::Shuffled(groups) => {
                let [before, behind] = [&dims[..dimension], &dims[dimension + 1..]]
                    .map(|dims| dims.iter().product::<usize>());
                let each = dims[dimension] / groups;
                let grouped = x.reshape([before, *groups, each, behind]);
                grouped.swap_dims(1, 2).reshape(dims)
            }
        }
    }
}

impl Custom for Channels {
    fn name(&self) -> &str {
        "choice of channels"
    }

    fn forward(&self, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        self.of_dimension(inputs.swap_remove(0), 1)
    }

    fn out(&self, inputs: &[[usize; 3]]) -> [usize; 3] {
        let [channels, height, width] = inputs[0];
        let channels = match &self.of {
            ChannelsOf::Range(range) => range.len(),
            ChannelsOf::Shuffled(_) => channels,
        };
        [channels, height, width]
    }
}

impl Layer for Channels {
    const KIND: &'static str = "Channels";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        walker.channels(x, self)
    }

    fn parts(&mut self, _: &mut dyn FnMut(Part<'_>)) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn the_channels_are_those_of_their_numbers() {
        let device = Device::flex();
        let x = Tensor::<4>::random(
            [2, 12, 3, 5],
            burn::tensor::Distribution::Normal(0.0, 1.0),
            &device,
        );
        for of in [
            ChannelsOf::Range(3..7),
            ChannelsOf::Shuffled(2),
            ChannelsOf::Shuffled(3),
        ] {
            let layer = Channels::new(of);
            let numbers: Vec<i32> = layer.indices(12).iter().map(|&one| one as i32).collect();
            let numbers = Tensor::from_ints(&numbers[..], &device);
            let expected = x.clone().select(1, numbers).into_data();
            assert_eq!(Layer::forward(&layer, x.clone()).into_data(), expected);
            let plain = FeatureMap::channels_first(x.clone());
            assert_eq!(layer.take(plain).into_images().into_data(), expected);
        }
        assert_eq!(
            Channels::new(ChannelsOf::Shuffled(2)).indices(4),
            [0, 2, 1, 3]
        );
    }
}
