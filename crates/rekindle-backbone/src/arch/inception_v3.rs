//! Inception v3 (Szegedy et al. 2016). Checked against timm 1.0.31.
//!
//! The classifier on the way, `AuxLogits`, is left out: files may hold it, and it is passed over. Most convolutions have no padding, so that a
//! map is somewhat smaller than its reduction says: 8x8 pixels at the end for 299.

use burn::tensor::Device;

use super::blocks::basic_conv;
use crate::layers::{AnyLayer, Concat, Conv2dConfig, Padding, Pool, PoolConfig, PoolKind};
use crate::{Backbone, Stage};

/// Shape of an Inception v3; there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InceptionV3;

/// timm's name.
pub(super) const VARIANTS: &[(&str, InceptionV3)] = &[("inception_v3", InceptionV3)];

/// Below it nothing is left for the last convolutions; torchvision says the same.
const SMALLEST: usize = 75;

impl InceptionV3 {
    /// Builds the network: stages `Conv2d_2b_3x3`, `Conv2d_4a_3x3`, `Mixed_5d`, `Mixed_6e` and `Mixed_7c`, each named after its last module, as
    /// timm names its taps, and beginning with what makes the map smaller.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let conv = |key: &str, channels, kernel: usize, stride, padding| {
            let conv = Conv2dConfig {
                stride,
                padding: Padding::Fixed(padding),
                ..Conv2dConfig::new("", channels, kernel)
            };
            basic_conv(key, conv, device)
        };
        let module = |key| Module { key, device };
        let stages = [
            (
                "Conv2d_2b_3x3",
                vec![
                    conv("Conv2d_1a_3x3", [3, 32], 3, 2, 0),
                    conv("Conv2d_2a_3x3", [32, 32], 3, 1, 0),
                    conv("Conv2d_2b_3x3", [32, 64], 3, 1, 1),
                ],
                64,
            ),
            (
                "Conv2d_4a_3x3",
                vec![
                    max_pool(),
                    conv("Conv2d_3b_1x1", [64, 80], 1, 1, 0),
                    conv("Conv2d_4a_3x3", [80, 192], 3, 1, 0),
                ],
                192,
            ),
            (
                "Mixed_5d",
                vec![
                    max_pool(),
                    module("Mixed_5b").a(192, 32),
                    module("Mixed_5c").a(256, 64),
                    module("Mixed_5d").a(288, 64),
                ],
                288,
            ),
            (
                "Mixed_6e",
                vec![
                    module("Mixed_6a").b(288),
                    module("Mixed_6b").c(768, 128),
                    module("Mixed_6c").c(768, 160),
                    module("Mixed_6d").c(768, 160),
                    module("Mixed_6e").c(768, 192),
                ],
                768,
            ),
            (
                "Mixed_7c",
                vec![
                    module("Mixed_7a").d(768),
                    module("Mixed_7b").e(1280),
                    module("Mixed_7c").e(2048),
                ],
                2048,
            ),
        ];
        let stages = stages.into_iter().enumerate();
        let stages = stages.map(|(index, (name, layers, channels))| {
            Stage::new(name, layers, channels, 2 << index).tapped()
        });
        Backbone::new(name, stages.collect(), "fc")
            .passing_over(&["AuxLogits"])
            .at_least(SMALLEST)
    }
}

/// A module of branches side by side, of the kind that timm calls `InceptionA` to `InceptionE`.
struct Module<'a> {
    key: &'a str,
    device: &'a Device,
}

impl Module<'_> {
    /// 1x1; 5x5; two 3x3; a mean and 1x1 to `pooled` channels.
    fn a(&self, channels: usize, pooled: usize) -> AnyLayer {
        joined([
            vec![self.conv("branch1x1", [channels, 64], [1, 1])],
            vec![
                self.conv("branch5x5_1", [channels, 48], [1, 1]),
                self.conv("branch5x5_2", [48, 64], [5, 5]),
            ],
            vec![
                self.conv("branch3x3dbl_1", [channels, 64], [1, 1]),
                self.conv("branch3x3dbl_2", [64, 96], [3, 3]),
                self.conv("branch3x3dbl_3", [96, 96], [3, 3]),
            ],
            self.averaged(channels, pooled),
        ])
    }

    /// To half the size: 3x3; two 3x3; the largest.
    fn b(&self, channels: usize) -> AnyLayer {
        joined([
            vec![self.halving("branch3x3", [channels, 384])],
            vec![
                self.conv("branch3x3dbl_1", [channels, 64], [1, 1]),
                self.conv("branch3x3dbl_2", [64, 96], [3, 3]),
                self.halving("branch3x3dbl_3", [96, 96]),
            ],
            vec![max_pool()],
        ])
    }

    /// 1x1; 7x7 in two parts, of `width` channels; twice that; a mean and 1x1.
    fn c(&self, channels: usize, width: usize) -> AnyLayer {
        joined([
            vec![self.conv("branch1x1", [channels, 192], [1, 1])],
            vec![
                self.conv("branch7x7_1", [channels, width], [1, 1]),
                self.conv("branch7x7_2", [width, width], [1, 7]),
                self.conv("branch7x7_3", [width, 192], [7, 1]),
            ],
            vec![
                self.conv("branch7x7dbl_1", [channels, width], [1, 1]),
                self.conv("branch7x7dbl_2", [width, width], [7, 1]),
                self.conv("branch7x7dbl_3", [width, width], [1, 7]),
                self.conv("branch7x7dbl_4", [width, width], [7, 1]),
                self.conv("branch7x7dbl_5", [width, 192], [1, 7]),
            ],
            self.averaged(channels, 192),
        ])
    }

    /// To half the size: 3x3; 7x7 in two parts and 3x3; the largest.
    fn d(&self, channels: usize) -> AnyLayer {
        joined([
            vec![
                self.conv("branch3x3_1", [channels, 192], [1, 1]),
                self.halving("branch3x3_2", [192, 320]),
            ],
            vec![
                self.conv("branch7x7x3_1", [channels, 192], [1, 1]),
                self.conv("branch7x7x3_2", [192, 192], [1, 7]),
                self.conv("branch7x7x3_3", [192, 192], [7, 1]),
                self.halving("branch7x7x3_4", [192, 192]),
            ],
            vec![max_pool()],
        ])
    }

    /// 1x1; 1x3 and 3x1 side by side; the same behind a 3x3; a mean and 1x1.
    fn e(&self, channels: usize) -> AnyLayer {
        let both = |names: [&str; 2]| {
            joined([
                vec![self.conv(names[0], [384, 384], [1, 3])],
                vec![self.conv(names[1], [384, 384], [3, 1])],
            ])
        };
        joined([
            vec![self.conv("branch1x1", [channels, 320], [1, 1])],
            vec![
                self.conv("branch3x3_1", [channels, 384], [1, 1]),
                both(["branch3x3_2a", "branch3x3_2b"]),
            ],
            vec![
                self.conv("branch3x3dbl_1", [channels, 448], [1, 1]),
                self.conv("branch3x3dbl_2", [448, 384], [3, 3]),
                both(["branch3x3dbl_3a", "branch3x3dbl_3b"]),
            ],
            self.averaged(channels, 192),
        ])
    }

    /// A convolution that keeps the size, with a kernel of this height and width.
    fn conv(&self, name: &str, channels: [usize; 2], kernel: [usize; 2]) -> AnyLayer {
        let [height, width] = kernel;
        let conv = Conv2dConfig {
            kernel_width: width,
            padding: Padding::Sides([height / 2, width / 2]),
            ..Conv2dConfig::new("", channels, height)
        };
        basic_conv(&format!("{}.{name}", self.key), conv, self.device)
    }

    /// A 3x3 convolution to half the size, without padding.
    fn halving(&self, name: &str, channels: [usize; 2]) -> AnyLayer {
        let conv = Conv2dConfig {
            stride: 2,
            padding: Padding::Fixed(0),
            ..Conv2dConfig::new("", channels, 3)
        };
        basic_conv(&format!("{}.{name}", self.key), conv, self.device)
    }

    /// The mean of 3x3 pixels, zeros of the padding counted, and a 1x1 convolution.
    fn averaged(&self, channels: usize, pooled: usize) -> Vec<AnyLayer> {
        let mean = AnyLayer::new(Pool::new(PoolConfig {
            kind: PoolKind::AverageCounted,
            kernel: 3,
            stride: 1,
            padding: 1,
        }));
        vec![mean, self.conv("branch_pool", [channels, pooled], [1, 1])]
    }
}

fn joined<const N: usize>(branches: [Vec<AnyLayer>; N]) -> AnyLayer {
    AnyLayer::new(Concat::new(branches.into()))
}

fn max_pool() -> AnyLayer {
    AnyLayer::new(Pool::new(PoolConfig {
        kind: PoolKind::Max,
        kernel: 3,
        stride: 2,
        padding: 0,
    }))
}
