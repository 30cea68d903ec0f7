//! Feature maps on their way through a network.

use burn::tensor::Tensor;
use rekindle_kernels::Activation;
use rekindle_kernels::ops::{self, Map};

/// The order of a feature map's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `[batch, channels, height, width]`, for Burn's own operations.
    ChannelsFirst,
    /// `[batch, height, width, channels]`, for the kernels.
    ChannelsLast,
}

/// Images or features in the order of dimensions that their backend computes in.
///
/// The order is chosen once, where images enter a network: channels last where rekindle's kernels take over, channels first elsewhere.
pub struct FeatureMap {
    map: Map,
    order: Order,
}

impl FeatureMap {
    /// From `[batch, channels, height, width]`, without a copy.
    pub fn new(images: Tensor<4>) -> Self {
        if ops::accelerated(&images) {
            Self::channels_last(ops::channels_last(images))
        } else {
            Self::channels_first(images)
        }
    }

    pub(super) fn channels_first(tensor: Tensor<4>) -> Self {
        Self {
            map: tensor.into(),
            order: Order::ChannelsFirst,
        }
    }

    pub(crate) fn channels_last(map: impl Into<Map>) -> Self {
        Self {
            map: map.into(),
            order: Order::ChannelsLast,
        }
    }

    /// Whether the kernels compute on it.
    pub(super) fn is_channels_last(&self) -> bool {
        self.order == Order::ChannelsLast
    }

    /// Whether operations on it are recorded for gradients.
    pub(super) fn is_autodiff(&self) -> bool {
        self.map.is_autodiff()
    }

    /// The tensor in its own order.
    pub(crate) fn into_tensor(self) -> Tensor<4> {
        self.map.into_tensor()
    }

    /// The kernels' map, whose normalisation may be left to its reader.
    pub(super) fn into_map(self) -> Map {
        self.map
    }

    /// Two readers of the same numbers.
    pub(crate) fn twice(self) -> [Self; 2] {
        let order = self.order;
        let tensor = self.into_tensor();
        [tensor.clone(), tensor].map(|tensor| Self {
            map: tensor.into(),
            order,
        })
    }

    /// `activation(self + other)`, element by element.
    pub(super) fn plus(self, other: Self, activation: Activation) -> Self {
        debug_assert_eq!(self.order, other.order);
        let other = other.into_tensor();
        match self.order {
            Order::ChannelsFirst => self.map(|tensor| activation.forward(tensor + other)),
            Order::ChannelsLast => self.map(|tensor| ops::add_act(tensor, other, activation)),
        }
    }

    /// An elementwise function of it.
    pub(super) fn map(self, each: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Self {
        Self {
            order: self.order,
            map: each(self.into_tensor()).into(),
        }
    }

    /// As `[batch, channels, height, width]`, without a copy.
    pub fn into_images(self) -> Tensor<4> {
        match self.order {
            Order::ChannelsFirst => self.into_tensor(),
            Order::ChannelsLast => ops::channels_first(self.into_tensor()),
        }
    }
}
