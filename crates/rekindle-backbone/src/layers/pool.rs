//! Spatial pooling inside a network.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

/// Which pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// Maximum of the window.
    Max,
    /// Mean of the window's pixels that lie in the image; the window may reach over the border (PyTorch's `ceil_mode=True`,
    /// `count_include_pad=False`).
    AverageCeil,
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

    /// Pools `x`, `[batch, channels, height, width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
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
        }
    }
}
