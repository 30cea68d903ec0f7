//! Spatial pooling inside a network.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use rekindle_kernels::ops::{self, PoolOptions};
use rekindle_kernels::plan::{PlanBuilder, PlannedPool, Value};

use super::FeatureMap;

/// Which pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// Maximum of the window.
    Max,
    /// Mean of the window's pixels that lie in the image; the window may reach over the border (PyTorch's `ceil_mode=True`,
    /// `count_include_pad=False`).
    AverageCeil,
    /// Mean of the whole map, to one pixel; kernel, stride and padding count for nothing.
    GlobalAverage,
}

/// Shape of a [`Pool`].
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
}

/// Max or average pooling; it has no parameters.
#[derive(Module, Debug)]
pub struct Pool {
    #[module(skip)]
    config: PoolConfig,
}

impl Pool {
    /// Builds the layer.
    pub fn new(config: PoolConfig) -> Self {
        Self { config }
    }

    /// Pools `x`.
    ///
    /// # Shapes
    ///
    /// `[batch, channels, height, width]` to `[batch, channels, height', width']`, 1 by 1 for [`PoolKind::GlobalAverage`].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x)).into_images()
    }

    pub(super) fn apply(&self, x: FeatureMap) -> FeatureMap {
        match x.is_channels_last() {
            true => FeatureMap::channels_last(self.channels_last(x.into_tensor())),
            false => FeatureMap::channels_first(self.channels_first(x.into_tensor())),
        }
    }

    /// Adds the layer to a plan for inference.
    pub(super) fn plan(&self, plan: &mut PlanBuilder, x: Value) -> Value {
        let PoolConfig {
            kind,
            kernel,
            stride,
            padding,
        } = self.config;
        let ceil = kind == PoolKind::AverageCeil;
        let pool = PlannedPool {
            kernel,
            stride,
            padding,
            ceil,
        };
        match kind {
            PoolKind::Max => plan.max_pool(x, pool),
            PoolKind::AverageCeil => plan.average_pool(x, pool),
            PoolKind::GlobalAverage => plan.global_average(x),
        }
    }

    fn channels_last(&self, x: Tensor<4>) -> Tensor<4> {
        let PoolConfig {
            kind,
            kernel,
            stride,
            padding,
        } = self.config;
        let options = PoolOptions {
            kernel,
            stride,
            padding,
            ceil: kind == PoolKind::AverageCeil,
        };
        match kind {
            PoolKind::Max => ops::max_pool(x, options),
            PoolKind::AverageCeil => ops::avg_pool(x, options),
            PoolKind::GlobalAverage => ops::global_average(x, None),
        }
    }

    fn channels_first(&self, x: Tensor<4>) -> Tensor<4> {
        let PoolConfig {
            kind,
            kernel,
            stride,
            padding,
        } = self.config;
        match kind {
            PoolKind::Max => {
                let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]);
                max_pool2d(x, options.with_padding([padding; 2]))
            }
            PoolKind::AverageCeil => {
                let options = AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]);
                let options = options
                    .with_padding([padding; 2])
                    .with_count_include_pad(false);
                avg_pool2d(x, options.with_ceil_mode(true))
            }
            PoolKind::GlobalAverage => x.mean_dims(&[2, 3]),
        }
    }
}
