//! Feature maps on their way through a network.

use burn::tensor::Tensor;
use rekindle_kernels::ops;

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
#[derive(Debug, Clone)]
pub(crate) struct FeatureMap {
    tensor: Tensor<4>,
    order: Order,
}

impl FeatureMap {
    /// From `[batch, channels, height, width]`, without a copy.
    pub(crate) fn new(images: Tensor<4>) -> Self {
        if ops::accelerated(&images) {
            Self::channels_last(ops::channels_last(images))
        } else {
            Self::channels_first(images)
        }
    }

    pub(super) fn channels_first(tensor: Tensor<4>) -> Self {
        Self {
            tensor,
            order: Order::ChannelsFirst,
        }
    }

    pub(super) fn channels_last(tensor: Tensor<4>) -> Self {
        Self {
            tensor,
            order: Order::ChannelsLast,
        }
    }

    /// Whether the kernels compute on it.
    pub(super) fn is_channels_last(&self) -> bool {
        self.order == Order::ChannelsLast
    }

    /// The tensor in its own order.
    pub(super) fn into_tensor(self) -> Tensor<4> {
        self.tensor
    }

    /// The elementwise sum.
    pub(super) fn plus(self, other: Self) -> Self {
        debug_assert_eq!(self.order, other.order);
        self.map(|tensor| tensor + other.tensor)
    }

    /// An elementwise function of it.
    pub(super) fn map(self, each: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Self {
        Self {
            tensor: each(self.tensor),
            order: self.order,
        }
    }

    /// As `[batch, channels, height, width]`, without a copy.
    pub(crate) fn into_images(self) -> Tensor<4> {
        match self.order {
            Order::ChannelsFirst => self.tensor,
            Order::ChannelsLast => ops::channels_first(self.tensor),
        }
    }
}
