//! EfficientNet and the networks of its kind: a stem, stages of mobile blocks, and a 1x1 convolution. Checked against timm 1.0.31.
//!
//! Tan & Le 2019 (EfficientNet: squeeze-and-excitation and SiLU), Gupta & Akin 2020 (EdgeTPU: `es`, `em`, `el`), Tan & Le 2021
//! (EfficientNetV2), Sandler et al. 2018 (MobileNetV2), Tan et al. 2019 (MNASNet), Stamoulis et al. 2019 (Single-Path NAS), Wu et al. 2019
//! (FBNet-C). Names with `tf_` have TensorFlow's padding and epsilon. EfficientNet-Lite has a file of its own.

use burn::tensor::Device;

use super::blocks::{Block, Blocks, Kind, round_to, scaled_counts};
use super::depth;
use super::inverted_residual::Convention;
use crate::layers::{Activation, AnyLayer, Conv2dConfig};
use crate::{Backbone, Stage};

/// Shape of a network of this kind.
#[derive(Debug, Clone, PartialEq)]
pub struct EfficientNet {
    /// Each stage's blocks, in timm's notation.
    pub stages: &'static [&'static [&'static str]],
    /// Factor on the channels, rounded to multiples of 8.
    pub width: f64,
    /// Factor on the number of blocks per stage, rounded up: of the first four stages, and of those behind them.
    pub depth: [f64; 2],
    /// Whether the first and the last stage keep their number of blocks, and stem and head their channels.
    pub fixed_ends: bool,
    /// Channels of the stem, before the factor.
    pub stem: usize,
    /// Channels of the last convolution, before the factor.
    pub features: Features,
    /// How far below a number of channels its rounding may go, as a share of it.
    pub round_limit: f64,
    /// The function behind convolutions.
    pub activation: Activation,
    /// TensorFlow's "same" padding.
    pub same_padding: bool,
    /// Added to the variance in batch norms.
    pub epsilon: f64,
}

/// How the channels of the last convolution follow from the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Features {
    /// Times the factor.
    Scaled(usize),
    /// Times the factor where that is above 1.
    AtLeast(usize),
    /// As they are.
    Fixed(usize),
}

const MNASNET_A1: &[&[&str]] = &[
    &["ds_r1_k3_s1_e1_c16_noskip"],
    &["ir_r2_k3_s2_e6_c24"],
    &["ir_r3_k5_s2_e3_c40_se0.25"],
    &["ir_r4_k3_s2_e6_c80"],
    &["ir_r2_k3_s1_e6_c112_se0.25"],
    &["ir_r3_k5_s2_e6_c160_se0.25"],
    &["ir_r1_k3_s1_e6_c320"],
];
const MNASNET_B1: &[&[&str]] = &[
    &["ds_r1_k3_s1_c16_noskip"],
    &["ir_r3_k3_s2_e3_c24"],
    &["ir_r3_k5_s2_e3_c40"],
    &["ir_r3_k5_s2_e6_c80"],
    &["ir_r2_k3_s1_e6_c96"],
    &["ir_r4_k5_s2_e6_c192"],
    &["ir_r1_k3_s1_e6_c320_noskip"],
];
const MNASNET_SMALL: &[&[&str]] = &[
    &["ds_r1_k3_s1_c8"],
    &["ir_r1_k3_s2_e3_c16"],
    &["ir_r2_k3_s2_e6_c16"],
    &["ir_r4_k5_s2_e6_c32_se0.25"],
    &["ir_r3_k3_s1_e6_c32_se0.25"],
    &["ir_r3_k5_s2_e6_c88_se0.25"],
    &["ir_r1_k3_s1_e6_c144"],
];
const SPNASNET: &[&[&str]] = &[
    &["ds_r1_k3_s1_c16_noskip"],
    &["ir_r3_k3_s2_e3_c24"],
    &["ir_r1_k5_s2_e6_c40", "ir_r3_k3_s1_e3_c40"],
    &["ir_r1_k5_s2_e6_c80", "ir_r3_k3_s1_e3_c80"],
    &["ir_r1_k5_s1_e6_c96", "ir_r3_k5_s1_e3_c96"],
    &["ir_r4_k5_s2_e6_c192"],
    &["ir_r1_k3_s1_e6_c320_noskip"],
];
const FBNETC: &[&[&str]] = &[
    &["ir_r1_k3_s1_e1_c16"],
    &["ir_r1_k3_s2_e6_c24", "ir_r2_k3_s1_e1_c24"],
    &[
        "ir_r1_k5_s2_e6_c32",
        "ir_r1_k5_s1_e3_c32",
        "ir_r1_k5_s1_e6_c32",
        "ir_r1_k3_s1_e6_c32",
    ],
    &[
        "ir_r1_k5_s2_e6_c64",
        "ir_r1_k5_s1_e3_c64",
        "ir_r2_k5_s1_e6_c64",
    ],
    &["ir_r3_k5_s1_e6_c112", "ir_r1_k5_s1_e3_c112"],
    &["ir_r4_k5_s2_e6_c184"],
    &["ir_r1_k3_s1_e6_c352"],
];
const MOBILENET_V1: &[&[&str]] = &[
    &["dsa_r1_k3_s1_c64"],
    &["dsa_r2_k3_s2_c128"],
    &["dsa_r2_k3_s2_c256"],
    &["dsa_r6_k3_s2_c512"],
    &["dsa_r2_k3_s2_c1024"],
];
const MOBILENET_V2: &[&[&str]] = &[
    &["ds_r1_k3_s1_c16"],
    &["ir_r2_k3_s2_e6_c24"],
    &["ir_r3_k3_s2_e6_c32"],
    &["ir_r4_k3_s2_e6_c64"],
    &["ir_r3_k3_s1_e6_c96"],
    &["ir_r3_k3_s2_e6_c160"],
    &["ir_r1_k3_s1_e6_c320"],
];
const B: &[&[&str]] = &[
    &["ds_r1_k3_s1_e1_c16_se0.25"],
    &["ir_r2_k3_s2_e6_c24_se0.25"],
    &["ir_r2_k5_s2_e6_c40_se0.25"],
    &["ir_r3_k3_s2_e6_c80_se0.25"],
    &["ir_r3_k5_s1_e6_c112_se0.25"],
    &["ir_r4_k5_s2_e6_c192_se0.25"],
    &["ir_r1_k3_s1_e6_c320_se0.25"],
];
const EDGE: &[&[&str]] = &[
    &["er_r1_k3_s1_e4_c24_fc24_noskip"],
    &["er_r2_k3_s2_e8_c32"],
    &["er_r4_k3_s2_e8_c48"],
    &["ir_r5_k5_s2_e8_c96"],
    &["ir_r4_k5_s1_e8_c144"],
    &["ir_r2_k5_s2_e8_c192"],
];
const V2_BASE: &[&[&str]] = &[
    &["cn_r1_k3_s1_e1_c16_skip"],
    &["er_r2_k3_s2_e4_c32"],
    &["er_r2_k3_s2_e4_c48"],
    &["ir_r3_k3_s2_e4_c96_se0.25"],
    &["ir_r5_k3_s1_e6_c112_se0.25"],
    &["ir_r8_k3_s2_e6_c192_se0.25"],
];
const V2_S: &[&[&str]] = &[
    &["cn_r2_k3_s1_e1_c24_skip"],
    &["er_r4_k3_s2_e4_c48"],
    &["er_r4_k3_s2_e4_c64"],
    &["ir_r6_k3_s2_e4_c128_se0.25"],
    &["ir_r9_k3_s1_e6_c160_se0.25"],
    &["ir_r15_k3_s2_e6_c256_se0.25"],
];
const V2_S_RW: &[&[&str]] = &[
    &["er_r2_k3_s1_e1_c24"],
    &["er_r4_k3_s2_e4_c48"],
    &["er_r4_k3_s2_e4_c64"],
    &["ir_r6_k3_s2_e4_c128_se0.25"],
    &["ir_r9_k3_s1_e6_c160_se0.25"],
    &["ir_r15_k3_s2_e6_c272_se0.25"],
];
const V2_M: &[&[&str]] = &[
    &["cn_r3_k3_s1_e1_c24_skip"],
    &["er_r5_k3_s2_e4_c48"],
    &["er_r5_k3_s2_e4_c80"],
    &["ir_r7_k3_s2_e4_c160_se0.25"],
    &["ir_r14_k3_s1_e6_c176_se0.25"],
    &["ir_r18_k3_s2_e6_c304_se0.25"],
    &["ir_r5_k3_s1_e6_c512_se0.25"],
];
const V2_L: &[&[&str]] = &[
    &["cn_r4_k3_s1_e1_c32_skip"],
    &["er_r7_k3_s2_e4_c64"],
    &["er_r7_k3_s2_e4_c96"],
    &["ir_r10_k3_s2_e4_c192_se0.25"],
    &["ir_r19_k3_s1_e6_c224_se0.25"],
    &["ir_r25_k3_s2_e6_c384_se0.25"],
    &["ir_r7_k3_s1_e6_c640_se0.25"],
];
const V2_XL: &[&[&str]] = &[
    &["cn_r4_k3_s1_e1_c32_skip"],
    &["er_r8_k3_s2_e4_c64"],
    &["er_r8_k3_s2_e4_c96"],
    &["ir_r16_k3_s2_e4_c192_se0.25"],
    &["ir_r24_k3_s1_e6_c256_se0.25"],
    &["ir_r32_k3_s2_e6_c512_se0.25"],
    &["ir_r8_k3_s1_e6_c640_se0.25"],
];

const fn network(
    stages: &'static [&'static [&'static str]],
    features: Features,
    activation: Activation,
    [width, depth]: [f64; 2],
) -> EfficientNet {
    EfficientNet {
        stages,
        width,
        depth: [depth; 2],
        fixed_ends: false,
        stem: 32,
        features,
        round_limit: 0.9,
        activation,
        same_padding: false,
        epsilon: 1e-5,
    }
}

/// The same with TensorFlow's padding and epsilon.
const fn tf(network: EfficientNet) -> EfficientNet {
    EfficientNet {
        same_padding: true,
        epsilon: 1e-3,
        ..network
    }
}

const fn stem(stem: usize, network: EfficientNet) -> EfficientNet {
    EfficientNet { stem, ..network }
}

const fn fixed_ends(network: EfficientNet) -> EfficientNet {
    EfficientNet {
        fixed_ends: true,
        ..network
    }
}

use Activation::{Relu, Relu6, Silu};
use Features::{AtLeast, Fixed, Scaled};

const fn mnas(stages: &'static [&'static [&'static str]], width: f64) -> EfficientNet {
    network(stages, Fixed(1280), Relu, [width, 1.0])
}

const fn v1(width: f64) -> EfficientNet {
    network(MOBILENET_V1, Fixed(0), Relu6, [width, 1.0])
}

const fn v2(width: f64, depth: f64) -> EfficientNet {
    network(MOBILENET_V2, AtLeast(1280), Relu6, [width, depth])
}

const fn b(width: f64, depth: f64) -> EfficientNet {
    network(B, Scaled(1280), Silu, [width, depth])
}

const fn edge(width: f64, depth: f64) -> EfficientNet {
    network(EDGE, Scaled(1280), Relu, [width, depth])
}

const fn v2_base(width: f64, depth: f64) -> EfficientNet {
    EfficientNet {
        round_limit: 0.0,
        ..network(V2_BASE, Scaled(1280), Silu, [width, depth])
    }
}

const fn v2_s(width: f64, depth: f64) -> EfficientNet {
    stem(24, network(V2_S, Scaled(1280), Silu, [width, depth]))
}

const fn v2_rw(width: f64, depth: f64) -> EfficientNet {
    stem(24, network(V2_S_RW, Scaled(1792), Silu, [width, depth]))
}

const fn v2_large(stages: &'static [&'static [&'static str]]) -> EfficientNet {
    network(stages, Fixed(1280), Silu, [1.0, 1.0])
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, EfficientNet)] = &[
    ("mobilenetv2_035", v2(0.35, 1.0)),
    ("mobilenetv2_050", v2(0.5, 1.0)),
    ("mobilenetv2_075", v2(0.75, 1.0)),
    ("mobilenetv2_100", v2(1.0, 1.0)),
    ("mobilenetv2_140", v2(1.4, 1.0)),
    ("mobilenetv2_110d", fixed_ends(v2(1.1, 1.2))),
    ("mobilenetv2_120d", fixed_ends(v2(1.2, 1.4))),
    ("efficientnet_b0", b(1.0, 1.0)),
    ("efficientnet_b1", b(1.0, 1.1)),
    ("efficientnet_b2", b(1.1, 1.2)),
    ("efficientnet_b3", b(1.2, 1.4)),
    ("efficientnet_b4", b(1.4, 1.8)),
    ("efficientnet_b5", b(1.6, 2.2)),
    ("efficientnet_b6", b(1.8, 2.6)),
    ("efficientnet_b7", b(2.0, 3.1)),
    ("efficientnet_b8", b(2.2, 3.6)),
    ("tf_efficientnet_b0", tf(b(1.0, 1.0))),
    ("tf_efficientnet_b1", tf(b(1.0, 1.1))),
    ("tf_efficientnet_b2", tf(b(1.1, 1.2))),
    ("tf_efficientnet_b3", tf(b(1.2, 1.4))),
    ("tf_efficientnet_b4", tf(b(1.4, 1.8))),
    ("tf_efficientnet_b5", tf(b(1.6, 2.2))),
    ("tf_efficientnet_b6", tf(b(1.8, 2.6))),
    ("tf_efficientnet_b7", tf(b(2.0, 3.1))),
    ("tf_efficientnet_b8", tf(b(2.2, 3.6))),
    ("tf_efficientnet_l2", tf(b(4.3, 5.3))),
    ("efficientnet_es", edge(1.0, 1.0)),
    ("efficientnet_em", edge(1.0, 1.1)),
    ("efficientnet_el", edge(1.2, 1.4)),
    // The pruned networks have the shape of the others; their weights are sparse.
    ("efficientnet_es_pruned", edge(1.0, 1.0)),
    ("efficientnet_el_pruned", edge(1.2, 1.4)),
    ("tf_efficientnet_es", tf(edge(1.0, 1.0))),
    ("tf_efficientnet_em", tf(edge(1.0, 1.1))),
    ("tf_efficientnet_el", tf(edge(1.2, 1.4))),
    ("tf_efficientnetv2_s", tf(v2_s(1.0, 1.0))),
    ("tf_efficientnetv2_m", tf(stem(24, v2_large(V2_M)))),
    ("tf_efficientnetv2_l", tf(v2_large(V2_L))),
    ("tf_efficientnetv2_xl", tf(v2_large(V2_XL))),
    ("tf_efficientnetv2_b0", tf(v2_base(1.0, 1.0))),
    ("tf_efficientnetv2_b1", tf(v2_base(1.0, 1.1))),
    ("tf_efficientnetv2_b2", tf(v2_base(1.1, 1.2))),
    ("tf_efficientnetv2_b3", tf(v2_base(1.2, 1.4))),
    ("efficientnetv2_rw_t", v2_s(0.8, 0.9)),
    ("efficientnetv2_rw_s", v2_rw(1.0, 1.0)),
    (
        "efficientnetv2_rw_m",
        EfficientNet {
            depth: [1.2, 1.6],
            ..v2_rw(1.2, 1.0)
        },
    ),
    ("efficientnetv2_s", v2_s(1.0, 1.0)),
    ("efficientnetv2_m", stem(24, v2_large(V2_M))),
    ("efficientnetv2_l", v2_large(V2_L)),
    ("efficientnetv2_xl", v2_large(V2_XL)),
    ("mnasnet_050", mnas(MNASNET_B1, 0.5)),
    ("mnasnet_075", mnas(MNASNET_B1, 0.75)),
    ("mnasnet_100", mnas(MNASNET_B1, 1.0)),
    ("mnasnet_140", mnas(MNASNET_B1, 1.4)),
    ("semnasnet_050", mnas(MNASNET_A1, 0.5)),
    ("semnasnet_075", mnas(MNASNET_A1, 0.75)),
    ("semnasnet_100", mnas(MNASNET_A1, 1.0)),
    ("semnasnet_140", mnas(MNASNET_A1, 1.4)),
    ("mnasnet_small", stem(8, mnas(MNASNET_SMALL, 1.0))),
    ("spnasnet_100", mnas(SPNASNET, 1.0)),
    (
        "fbnetc_100",
        EfficientNet {
            epsilon: 1e-3,
            ..stem(16, network(FBNETC, Fixed(1984), Relu, [1.0, 1.0]))
        },
    ),
    ("mobilenetv1_100", v1(1.0)),
    ("mobilenetv1_125", v1(1.25)),
    (
        "mobilenetv1_100h",
        network(MOBILENET_V1, AtLeast(1024), Relu6, [1.0, 1.0]),
    ),
];

impl EfficientNet {
    /// Builds the network: stages `stem`, `blocks.0` onwards, and `conv_head` where it has one.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let mut trunk = Trunk::new(self.convention(), self.activation, device);
        let stem = match self.fixed_ends {
            true => self.stem,
            false => self.round(self.stem),
        };
        trunk.stem(stem);
        let last = self.stages.len() - 1;
        for (index, row) in self.stages.iter().enumerate() {
            let depth = match self.fixed_ends && (index == 0 || index == last) {
                true => 1.0,
                false => self.depth[index / 4],
            };
            trunk.row(row, depth, |channels| self.round(channels));
        }
        let [channels, reduction] = [trunk.channels, trunk.reduction];
        let mut stages = trunk.finish();
        let features = match self.features {
            Scaled(features) => self.round(features),
            AtLeast(features) if self.fixed_ends => features,
            AtLeast(features) => features.max(self.round(features)),
            Fixed(features) => features,
        };
        if features > 0 {
            let head = Conv2dConfig::new("conv_head", [channels, features], 1);
            let head = self
                .convention()
                .block(head, "bn2", self.activation, device);
            let layers = vec![AnyLayer::new(head)];
            stages.push(Stage::new("conv_head", layers, features, reduction));
        }
        Backbone::new(name, depth::by_key(stages), "classifier")
    }

    fn round(&self, channels: usize) -> usize {
        round_to(channels as f64 * self.width, 8, self.round_limit)
    }

    fn convention(&self) -> Convention {
        Convention {
            same_padding: self.same_padding,
            epsilon: self.epsilon,
        }
    }
}

/// A stem and stages of blocks, as they are built.
pub(super) struct Trunk<'a> {
    stages: Vec<Stage>,
    /// Channels of the last stage.
    pub channels: usize,
    /// Its reduction.
    pub reduction: usize,
    convention: Convention,
    activation: Activation,
    device: &'a Device,
}

impl<'a> Trunk<'a> {
    pub fn new(convention: Convention, activation: Activation, device: &'a Device) -> Self {
        Self {
            stages: Vec::new(),
            channels: 3,
            reduction: 1,
            convention,
            activation,
            device,
        }
    }

    /// The 3x3 convolution of stride 2.
    pub fn stem(&mut self, channels: usize) {
        let conv = Conv2dConfig {
            stride: 2,
            ..Conv2dConfig::new("conv_stem", [self.channels, channels], 3)
        };
        let conv = self
            .convention
            .block(conv, "bn1", self.activation, self.device);
        (self.channels, self.reduction) = (channels, 2);
        let layers = vec![AnyLayer::new(conv)];
        self.stages.push(Stage::new("stem", layers, channels, 2));
    }

    /// The stages, of which the last is a tap.
    pub fn finish(mut self) -> Vec<Stage> {
        self.tap();
        self.stages
    }

    fn tap(&mut self) {
        if let Some(last) = self.stages.pop() {
            self.stages.push(last.tapped());
        }
    }

    /// A stage of blocks; `round` makes channels of those that the notation says.
    pub fn row(&mut self, row: &[&str], depth: f64, round: impl Fn(usize) -> usize) {
        let index = self.stages.len() - 1;
        let row: Vec<Blocks> = row.iter().map(|text| Blocks::new(text)).collect();
        let counts: Vec<usize> = row.iter().map(|blocks| blocks.count).collect();
        let counts = scaled_counts(&counts, depth);
        let each = row.iter().zip(counts);
        let each = each.flat_map(|(blocks, count)| (0..count).map(move |_| blocks));
        let stride = row[0].stride;
        // A stage is a tap if the next one is smaller.
        if stride > 1 {
            self.tap();
        }
        let mut layers = Vec::new();
        for (number, blocks) in each.enumerate() {
            let channels = [self.channels, round(blocks.channels)];
            let from = blocks.expanded_from.map_or(channels[0], &round);
            let block = Block {
                blocks,
                key: format!("blocks.{index}.{number}"),
                channels,
                width: round_to(from as f64 * blocks.expansion, 8, 0.9),
                stride: if number == 0 { stride } else { 1 },
                activation: self.activation,
                convention: self.convention,
            };
            // The notation of a separable block has no expansion.
            debug_assert!(blocks.kind != Kind::DepthwiseSeparable || blocks.expansion == 1.0);
            layers.extend(block.layers(self.device));
            self.channels = channels[1];
        }
        self.reduction *= stride;
        let name = format!("blocks.{index}");
        let stage = Stage::new(name, layers, self.channels, self.reduction);
        self.stages.push(stage);
    }
}
