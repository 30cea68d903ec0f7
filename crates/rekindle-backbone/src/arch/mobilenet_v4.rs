//! MobileNetV4's convolutional networks (Qin et al. 2024): universal inverted bottlenecks, and a head that pools before its last
//! convolution. Checked against timm 1.0.31.
//!
//! The convolution behind the pooling is the last stage, as in MobileNetV3.

use burn::tensor::Device;

use super::blocks::round_to;
use super::depth;
use super::efficientnet::Trunk;
use super::inverted_residual::Convention;
use crate::layers::{Activation, AnyLayer, Conv2dConfig, Pool, PoolConfig};
use crate::{Backbone, Stage};

/// Shape of a convolutional MobileNetV4.
#[derive(Debug, Clone, PartialEq)]
pub struct MobileNetV4 {
    /// Each stage's blocks, in timm's notation.
    pub stages: &'static [&'static [&'static str]],
    /// Factor on the channels, rounded to multiples of 8.
    pub width: f64,
    /// Channels of the stem; a factor below 1 does not change them.
    pub stem: usize,
}

const SMALL: &[&[&str]] = &[
    &["cn_r1_k3_s2_e1_c32", "cn_r1_k1_s1_e1_c32"],
    &["cn_r1_k3_s2_e1_c96", "cn_r1_k1_s1_e1_c64"],
    &[
        "uir_r1_a5_k5_s2_e3_c96",
        "uir_r4_a0_k3_s1_e2_c96",
        "uir_r1_a3_k0_s1_e4_c96",
    ],
    &[
        "uir_r1_a3_k3_s2_e6_c128",
        "uir_r1_a5_k5_s1_e4_c128",
        "uir_r1_a0_k5_s1_e4_c128",
        "uir_r1_a0_k5_s1_e3_c128",
        "uir_r2_a0_k3_s1_e4_c128",
    ],
    &["cn_r1_k1_s1_c960"],
];
const MEDIUM: &[&[&str]] = &[
    &["er_r1_k3_s2_e4_c48"],
    &["uir_r1_a3_k5_s2_e4_c80", "uir_r1_a3_k3_s1_e2_c80"],
    &[
        "uir_r1_a3_k5_s2_e6_c160",
        "uir_r2_a3_k3_s1_e4_c160",
        "uir_r1_a3_k5_s1_e4_c160",
        "uir_r1_a3_k3_s1_e4_c160",
        "uir_r1_a3_k0_s1_e4_c160",
        "uir_r1_a0_k0_s1_e2_c160",
        "uir_r1_a3_k0_s1_e4_c160",
    ],
    &[
        "uir_r1_a5_k5_s2_e6_c256",
        "uir_r1_a5_k5_s1_e4_c256",
        "uir_r2_a3_k5_s1_e4_c256",
        "uir_r1_a0_k0_s1_e4_c256",
        "uir_r1_a3_k0_s1_e4_c256",
        "uir_r1_a3_k5_s1_e2_c256",
        "uir_r1_a5_k5_s1_e4_c256",
        "uir_r2_a0_k0_s1_e4_c256",
        "uir_r1_a5_k0_s1_e2_c256",
    ],
    &["cn_r1_k1_s1_c960"],
];
const LARGE: &[&[&str]] = &[
    &["er_r1_k3_s2_e4_c48"],
    &["uir_r1_a3_k5_s2_e4_c96", "uir_r1_a3_k3_s1_e4_c96"],
    &[
        "uir_r1_a3_k5_s2_e4_c192",
        "uir_r3_a3_k3_s1_e4_c192",
        "uir_r1_a3_k5_s1_e4_c192",
        "uir_r5_a5_k3_s1_e4_c192",
        "uir_r1_a3_k0_s1_e4_c192",
    ],
    &[
        "uir_r4_a5_k5_s2_e4_c512",
        "uir_r1_a5_k0_s1_e4_c512",
        "uir_r1_a5_k3_s1_e4_c512",
        "uir_r2_a5_k0_s1_e4_c512",
        "uir_r1_a5_k3_s1_e4_c512",
        "uir_r1_a5_k5_s1_e4_c512",
        "uir_r3_a5_k0_s1_e4_c512",
    ],
    &["cn_r1_k1_s1_c960"],
];

const fn network(
    stages: &'static [&'static [&'static str]],
    stem: usize,
    width: f64,
) -> MobileNetV4 {
    MobileNetV4 {
        stages,
        width,
        stem,
    }
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, MobileNetV4)] = &[
    ("mobilenetv4_conv_small_035", network(SMALL, 32, 0.35)),
    ("mobilenetv4_conv_small_050", network(SMALL, 32, 0.5)),
    ("mobilenetv4_conv_small", network(SMALL, 32, 1.0)),
    ("mobilenetv4_conv_medium", network(MEDIUM, 32, 1.0)),
    ("mobilenetv4_conv_large", network(LARGE, 24, 1.0)),
];

/// Channels of `conv_head`.
const FEATURES: usize = 1280;

impl MobileNetV4 {
    /// Builds the network: stages `stem`, `blocks.0` to `blocks.4`, `conv_head`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let convention = Convention::PYTORCH;
        let mut trunk = Trunk::new(convention, Activation::Relu, device);
        trunk.stem(self.stem);
        for row in self.stages {
            trunk.row(row, 1.0, |channels| {
                round_to(channels as f64 * self.width, 8, 0.9)
            });
        }
        let (channels, reduction) = (trunk.channels, trunk.reduction);
        let mut stages = trunk.finish();
        let head = Conv2dConfig::new("conv_head", [channels, FEATURES], 1);
        let head = convention.block(head, "norm_head", Activation::Relu, device);
        let pool = AnyLayer::new(Pool::new(PoolConfig::global_average()));
        let layers = vec![pool, AnyLayer::new(head)];
        stages.push(Stage::new("conv_head", layers, FEATURES, reduction).pooled());
        Backbone::new(name, depth::by_key(stages), "classifier")
    }
}
