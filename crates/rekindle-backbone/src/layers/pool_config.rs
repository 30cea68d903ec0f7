//! Kinds and sizes of pooling, and computing it.

use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use rekindle_kernels::ops::{self, PoolOptions};

use super::feature_map::FeatureMap;

/// Which pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// Maximum of the window.
    Max,
    /// The same where the window may reach over the bottom and right border (PyTorch's `ceil_mode=True`).
    MaxCeil,
    /// Mean of the window's pixels that lie in the image (PyTorch's `AvgPool2d` without padding).
    Average,
    /// Mean of the window's pixels that lie in the image; the window may reach over the border (PyTorch's `ceil_mode=True`,
    /// `count_include_pad=False`).
    AverageCeil,
    /// Mean of the whole map, to one pixel; kernel, stride and padding count for nothing.
    GlobalAverage,
}

impl PoolKind {
    /// Whether a window may reach over the bottom and right border.
    pub(crate) fn ceil(self) -> bool {
        matches!(self, Self::MaxCeil | Self::AverageCeil)
    }
}

/// Shape of a [`Pool`](super::Pool).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// Which pooling.
    pub kind: PoolKind,
    /// Side of the window.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Padding on each side, never counted.
    pub padding: usize,
}

impl PoolConfig {
    /// The mean over height and width.
    pub fn global_average() -> Self {
        Self {
            kind: PoolKind::GlobalAverage,
            kernel: 1,
            stride: 1,
            padding: 0,
        }
    }

    /// Pools a map.
    pub(super) fn apply(&self, x: FeatureMap) -> FeatureMap {
        match x.is_channels_last() {
            true => FeatureMap::channels_last(self.channels_last(x.into_tensor())),
            false => FeatureMap::channels_first(self.channels_first(x.into_tensor())),
        }
    }

    fn channels_last(&self, x: Tensor<4>) -> Tensor<4> {
        let PoolConfig {
            kind,
            kernel,
            stride,
            padding,
        } = *self;
        let options = PoolOptions {
            kernel,
            stride,
            padding,
            ceil: kind.ceil(),
        };
        match kind {
            PoolKind::Max | PoolKind::MaxCeil => ops::max_pool(x, options),
            PoolKind::Average | PoolKind::AverageCeil => ops::avg_pool(x, options),
            PoolKind::GlobalAverage => ops::global_average(x, None),
        }
    }

    fn channels_first(&self, x: Tensor<4>) -> Tensor<4> {
        let PoolConfig {
            kind,
            kernel,
            stride,
            padding,
        } = *self;
        match kind {
            PoolKind::Max | PoolKind::MaxCeil => {
                let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]);
                let options = options.with_padding([padding; 2]);
                max_pool2d(x, options.with_ceil_mode(kind.ceil()))
            }
            PoolKind::Average | PoolKind::AverageCeil => {
                let options = AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]);
                let options = options
                    .with_padding([padding; 2])
                    .with_count_include_pad(false);
                avg_pool2d(x, options.with_ceil_mode(kind.ceil()))
            }
            PoolKind::GlobalAverage => x.mean_dims(&[2, 3]),
        }
    }
}
