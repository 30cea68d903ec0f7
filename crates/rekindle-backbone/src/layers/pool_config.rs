//! Kinds and sizes of pooling, and computing it.

use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use rekindle_kernels::PoolShape;
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
    /// Mean of the window, in which pixels of the padding count as zeros (PyTorch's `AvgPool2d` by default).
    AverageCounted,
    /// Mean of the whole map, to one pixel; kernel, stride and padding count for nothing.
    GlobalAverage,
}

impl PoolKind {
    /// Whether a window may reach over the bottom and right border.
    pub(crate) fn ceil(self) -> bool {
        matches!(self, Self::MaxCeil | Self::AverageCeil)
    }

    /// Whether the padding counts.
    pub(crate) fn counted(self) -> bool {
        self == Self::AverageCounted
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
    /// Padding on each side, counted by [`PoolKind::AverageCounted`] alone.
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

    /// Height and width of the result for a map of this height and width.
    ///
    /// # Panics
    ///
    /// When the window is larger than the padded map.
    pub fn out(&self, height: usize, width: usize) -> [usize; 2] {
        let shape = || {
            let size = [height, width];
            PoolShape::new(1, size, 1, self.kernel, self.stride, self.padding)
        };
        match self.kind {
            PoolKind::Max | PoolKind::Average | PoolKind::AverageCounted => shape().out,
            PoolKind::MaxCeil | PoolKind::AverageCeil => shape().with_ceil().out,
            PoolKind::GlobalAverage => [1; 2],
        }
    }

    /// Padding above and below, and to the left and right, of a map of this height and width, with which windows that stay inside give
    /// the same: where windows may reach over the border, it is wider at the bottom and right.
    ///
    /// # Panics
    ///
    /// As [`out`](Self::out).
    pub fn pads(&self, height: usize, width: usize) -> [[usize; 2]; 2] {
        let out = self.out(height, width);
        std::array::from_fn(|axis| {
            let covered = (out[axis] - 1) * self.stride + self.kernel;
            let behind = covered.saturating_sub([height, width][axis] + self.padding);
            [self.padding, behind]
        })
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
            counted: kind.counted(),
        };
        match kind {
            PoolKind::Max | PoolKind::MaxCeil => ops::max_pool(x, options),
            PoolKind::Average | PoolKind::AverageCeil | PoolKind::AverageCounted => {
                ops::avg_pool(x, options)
            }
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
            PoolKind::Average | PoolKind::AverageCeil | PoolKind::AverageCounted => {
                let options = AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]);
                let options = options
                    .with_padding([padding; 2])
                    .with_count_include_pad(kind.counted());
                avg_pool2d(x, options.with_ceil_mode(kind.ceil()))
            }
            PoolKind::GlobalAverage => x.mean_dims(&[2, 3]),
        }
    }
}
