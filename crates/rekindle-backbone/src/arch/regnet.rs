//! RegNetX and RegNetY (Radosavovic et al. 2020): residual bottlenecks whose widths follow from a line, rounded to steps. Checked against
//! timm 1.0.31.

use burn::tensor::Device;

use super::blocks::{conv_norm_act, round_to};
use super::depth;
use crate::layers::{Activation, AnyLayer, Conv2dConfig, Residual, SqueezeExciteConfig};
use crate::{Backbone, Stage};

/// Shape of a RegNet.
#[derive(Debug, Clone, PartialEq)]
pub struct RegNet {
    /// Number of blocks.
    pub depth: usize,
    /// Width of the first block, before rounding.
    pub initial: f32,
    /// Growth of the width from block to block.
    pub slope: f32,
    /// Ratio of the widths of neighbouring stages.
    pub ratio: f64,
    /// Channels per group of the 3x3 convolutions.
    pub group: usize,
    /// Squeeze-and-excitation behind the 3x3 convolution, to a quarter of the block's input channels (RegNetY).
    pub squeeze_excite: bool,
    /// torchvision's rounding of widths to groups, which never goes down by more than a tenth.
    pub torchvision: bool,
}

const fn x(initial: f32, slope: f32, ratio: f64, group: usize, depth: usize) -> RegNet {
    RegNet {
        depth,
        initial,
        slope,
        ratio,
        group,
        squeeze_excite: false,
        torchvision: false,
    }
}

const fn y(initial: f32, slope: f32, ratio: f64, group: usize, depth: usize) -> RegNet {
    RegNet {
        squeeze_excite: true,
        ..x(initial, slope, ratio, group, depth)
    }
}

const fn torchvision(shape: RegNet) -> RegNet {
    RegNet {
        torchvision: true,
        ..shape
    }
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, RegNet)] = &[
    ("regnetx_002", x(24.0, 36.44, 2.49, 8, 13)),
    ("regnetx_004", x(24.0, 24.48, 2.54, 16, 22)),
    ("regnetx_004_tv", torchvision(x(24.0, 24.48, 2.54, 16, 22))),
    ("regnetx_006", x(48.0, 36.97, 2.24, 24, 16)),
    ("regnetx_008", x(56.0, 35.73, 2.28, 16, 16)),
    ("regnetx_016", x(80.0, 34.01, 2.25, 24, 18)),
    ("regnetx_032", x(88.0, 26.31, 2.25, 48, 25)),
    ("regnetx_040", x(96.0, 38.65, 2.43, 40, 23)),
    ("regnetx_064", x(184.0, 60.83, 2.07, 56, 17)),
    ("regnetx_080", x(80.0, 49.56, 2.88, 120, 23)),
    ("regnetx_120", x(168.0, 73.36, 2.37, 112, 19)),
    ("regnetx_160", x(216.0, 55.59, 2.1, 128, 22)),
    ("regnetx_320", x(320.0, 69.86, 2.0, 168, 23)),
    ("regnety_002", y(24.0, 36.44, 2.49, 8, 13)),
    ("regnety_004", y(48.0, 27.89, 2.09, 8, 16)),
    ("regnety_006", y(48.0, 32.54, 2.32, 16, 15)),
    ("regnety_008", y(56.0, 38.84, 2.4, 16, 14)),
    ("regnety_008_tv", torchvision(y(56.0, 38.84, 2.4, 16, 14))),
    ("regnety_016", y(48.0, 20.71, 2.65, 24, 27)),
    ("regnety_032", y(80.0, 42.63, 2.66, 24, 21)),
    ("regnety_040", y(96.0, 31.41, 2.24, 64, 22)),
    ("regnety_064", y(112.0, 33.22, 2.27, 72, 25)),
    ("regnety_080", y(192.0, 76.82, 2.19, 56, 17)),
    ("regnety_080_tv", torchvision(y(192.0, 76.82, 2.19, 56, 17))),
    ("regnety_120", y(168.0, 73.36, 2.37, 112, 19)),
    ("regnety_160", y(200.0, 106.23, 2.48, 112, 18)),
    ("regnety_320", y(232.0, 115.89, 2.53, 232, 20)),
    ("regnety_640", y(352.0, 147.48, 2.4, 328, 20)),
    ("regnety_1280", y(456.0, 160.83, 2.52, 264, 27)),
    ("regnety_2560", y(640.0, 230.83, 2.53, 373, 27)),
];

const STEM: usize = 32;

impl RegNet {
    /// Builds the network: stages `stem`, `s1` to `s4`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let conv = Conv2dConfig {
            stride: 2,
            ..Conv2dConfig::new("", [3, STEM], 3)
        };
        let stem = AnyLayer::new(conv_norm_act("stem", conv, Activation::Relu, device));
        let mut stages = vec![Stage::new("stem", vec![stem], STEM, 2).tapped()];
        let mut channels = STEM;
        for (index, (width, depth)) in self.stages().into_iter().enumerate() {
            let name = format!("s{}", index + 1);
            let (width, group) = self.fitted(width);
            let layers = (1..=depth).map(|block| {
                let block = Block {
                    key: format!("{name}.b{block}"),
                    channels: [channels, width],
                    stride: if block == 1 { 2 } else { 1 },
                    groups: width / group,
                    squeeze_excite: self.squeeze_excite,
                };
                channels = width;
                AnyLayer::new(block.init(device))
            });
            let layers = layers.collect();
            stages.push(Stage::new(name, layers, width, 4 << index).tapped());
        }
        Backbone::new(name, depth::to_the_last(stages), "head.fc")
    }

    /// Width and number of blocks of each stage: each block's place on the line is rounded to a power of the ratio, and to eights.
    fn stages(&self) -> Vec<(usize, usize)> {
        let mut stages: Vec<(usize, usize)> = Vec::new();
        for block in 0..self.depth {
            // In f32, as timm computes it.
            let place = block as f32 * self.slope + self.initial;
            let power = ((place / self.initial).ln() / self.ratio.ln() as f32).round_ties_even();
            let width = self.initial * (self.ratio as f32).powf(power);
            let width = (width / 8.0).round_ties_even() as usize * 8;
            match stages.iter_mut().find(|(same, _)| *same == width) {
                Some((_, count)) => *count += 1,
                None => stages.push((width, 1)),
            }
        }
        stages.sort_unstable();
        stages
    }

    /// A width that its groups divide, and the channels of a group.
    fn fitted(&self, width: usize) -> (usize, usize) {
        let group = self.group.min(width);
        let width = match self.torchvision {
            true => round_to(width as f64, group, 0.9),
            false => (width as f64 / group as f64).round_ties_even() as usize * group,
        };
        (width, group)
    }
}

/// 1x1, grouped 3x3, squeeze-and-excitation, 1x1, and a shortcut.
struct Block {
    key: String,
    channels: [usize; 2],
    stride: usize,
    groups: usize,
    squeeze_excite: bool,
}

impl Block {
    fn init(&self, device: &Device) -> Residual {
        let [channels_in, width] = self.channels;
        let unit = |name: &str, conv: Conv2dConfig, activation| {
            let key = format!("{}.{name}", self.key);
            AnyLayer::new(conv_norm_act(&key, conv, activation, device))
        };
        let spatial = Conv2dConfig {
            stride: self.stride,
            groups: self.groups,
            ..Conv2dConfig::new("", [width, width], 3)
        };
        let mut body = vec![
            unit(
                "conv1",
                Conv2dConfig::new("", self.channels, 1),
                Activation::Relu,
            ),
            unit("conv2", spatial, Activation::Relu),
        ];
        if self.squeeze_excite {
            let reduced = (channels_in as f64 * 0.25).round_ties_even() as usize;
            let config = SqueezeExciteConfig {
                gate: Activation::Sigmoid,
                names: ["fc1", "fc2"],
                ..SqueezeExciteConfig::new(format!("{}.se", self.key), width, reduced)
            };
            body.push(AnyLayer::new(config.init(device)));
        }
        let last = Conv2dConfig::new("", [width, width], 1);
        body.push(unit("conv3", last, Activation::Identity));
        let shortcut = match channels_in != width || self.stride > 1 {
            true => {
                let conv = Conv2dConfig {
                    stride: self.stride,
                    ..Conv2dConfig::new("", self.channels, 1)
                };
                vec![unit("downsample", conv, Activation::Identity)]
            }
            false => Vec::new(),
        };
        Residual::new(body, shortcut, Activation::Relu)
    }
}
