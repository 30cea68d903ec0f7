//! ResNet and its relatives.
//!
//! He et al. 2016 (ResNet; the stride sits in the 3x3 convolution, as in torchvision and timm), Xie et al. 2017 (ResNeXt: grouped 3x3),
//! Zagoruyko & Komodakis 2016 (wide), He et al. 2019 (the -d stem of three 3x3 convolutions and the
//! pooled shortcut), Hu et al. 2018 (SE-ResNet), Bello et al. 2021 (ResNet-RS). Checked against timm 1.0.31. The older SE-ResNets are in
//! `senet`.

use burn::tensor::Device;

use super::blocks::round_to;
use super::depth;
use crate::layers::{
    Activation, AnyLayer, BatchNormConfig, Conv2dConfig, ConvNormAct, ConvNormActConfig, Padding,
    Pool, PoolConfig, PoolKind, Residual, SqueezeExciteConfig,
};
use crate::{Backbone, Stage};

/// The residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1 with four times the channels at the end.
    Bottleneck,
}

/// The layers before the residual blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResNetStem {
    /// A 7x7 convolution to 64 channels.
    Single,
    /// Three 3x3 convolutions to 32, 32 and 64 channels (-c and -d).
    Deep,
    /// The same to 24, 32 and 64 (-t).
    Tiered,
    /// The same to 64, 64 and 128 (-s).
    Wide,
}

/// Shape of a ResNet.
#[derive(Debug, Clone, PartialEq)]
pub struct ResNet {
    /// The residual block.
    pub block: Block,
    /// Blocks per stage.
    pub depths: [usize; 4],
    /// Groups of the 3x3 convolution of a bottleneck (ResNeXt's cardinality).
    pub groups: usize,
    /// Channels per group of a bottleneck in the first stage; 64 for a plain ResNet.
    pub base_width: usize,
    /// The layers before the blocks.
    pub stem: ResNetStem,
    /// Average pooling in the shortcuts, in the place of strides (-d and -t).
    pub pooled_shortcut: bool,
    /// A 3x3 convolution in the place of the maximum pooling (-RS).
    pub conv_pool: bool,
    /// Squeeze-and-excitation at the end of each block: to what share of its channels.
    pub squeeze: Option<f64>,
}

const fn resnet(block: Block, depths: [usize; 4]) -> ResNet {
    ResNet {
        block,
        depths,
        groups: 1,
        base_width: 64,
        stem: Single,
        pooled_shortcut: false,
        conv_pool: false,
        squeeze: None,
    }
}

const fn stem(stem: ResNetStem, shape: ResNet) -> ResNet {
    ResNet { stem, ..shape }
}

const fn d(shape: ResNet) -> ResNet {
    ResNet {
        stem: Deep,
        pooled_shortcut: true,
        ..shape
    }
}

const fn t(shape: ResNet) -> ResNet {
    stem(Tiered, d(shape))
}

const fn se(shape: ResNet) -> ResNet {
    ResNet {
        squeeze: Some(1.0 / 16.0),
        ..shape
    }
}

const fn rs(depths: [usize; 4]) -> ResNet {
    ResNet {
        conv_pool: true,
        squeeze: Some(0.25),
        ..d(resnet(Bottleneck, depths))
    }
}

const fn grouped(depths: [usize; 4], groups: usize, base_width: usize) -> ResNet {
    ResNet {
        groups,
        base_width,
        ..resnet(Block::Bottleneck, depths)
    }
}

use Block::{Basic, Bottleneck};
use ResNetStem::{Deep, Single, Tiered, Wide};

const R10: [usize; 4] = [1, 1, 1, 1];
const R18: [usize; 4] = [2, 2, 2, 2];
const R34: [usize; 4] = [3, 4, 6, 3];
const R101: [usize; 4] = [3, 4, 23, 3];
const R152: [usize; 4] = [3, 8, 36, 3];
const R200: [usize; 4] = [3, 24, 36, 3];
const R269: [usize; 4] = [3, 30, 48, 8];

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, ResNet)] = &[
    ("resnet18", resnet(Basic, R18)),
    ("resnet34", resnet(Basic, R34)),
    ("resnet26", resnet(Bottleneck, R18)),
    ("resnet50", resnet(Bottleneck, R34)),
    ("resnet101", resnet(Bottleneck, R101)),
    ("resnet152", resnet(Bottleneck, R152)),
    ("resnet18d", d(resnet(Basic, R18))),
    ("resnet34d", d(resnet(Basic, R34))),
    ("resnet26d", d(resnet(Bottleneck, R18))),
    ("resnet50d", d(resnet(Bottleneck, R34))),
    ("resnet101d", d(resnet(Bottleneck, R101))),
    ("resnet152d", d(resnet(Bottleneck, R152))),
    ("resnext50_32x4d", grouped(R34, 32, 4)),
    ("resnext50d_32x4d", d(grouped(R34, 32, 4))),
    ("resnext101_32x4d", grouped(R101, 32, 4)),
    ("resnext101_32x8d", grouped(R101, 32, 8)),
    ("resnext101_64x4d", grouped(R101, 64, 4)),
    ("wide_resnet50_2", grouped(R34, 1, 128)),
    ("wide_resnet101_2", grouped(R101, 1, 128)),
    ("resnet200", resnet(Bottleneck, R200)),
    ("resnet200d", d(resnet(Bottleneck, R200))),
    ("resnext101_32x16d", grouped(R101, 32, 16)),
    ("resnext101_32x32d", grouped(R101, 32, 32)),
    ("resnet10t", t(resnet(Basic, R10))),
    ("resnet14t", t(resnet(Bottleneck, R10))),
    ("resnet26t", t(resnet(Bottleneck, R18))),
    ("resnet50t", t(resnet(Bottleneck, R34))),
    ("resnet50c", stem(Deep, resnet(Bottleneck, R34))),
    ("resnet101c", stem(Deep, resnet(Bottleneck, R101))),
    ("resnet152c", stem(Deep, resnet(Bottleneck, R152))),
    ("resnet50s", stem(Wide, resnet(Bottleneck, R34))),
    ("resnet101s", stem(Wide, resnet(Bottleneck, R101))),
    ("resnet152s", stem(Wide, resnet(Bottleneck, R152))),
    ("seresnet18", se(resnet(Basic, R18))),
    ("seresnet34", se(resnet(Basic, R34))),
    ("seresnet50", se(resnet(Bottleneck, R34))),
    ("seresnet50t", se(t(resnet(Bottleneck, R34)))),
    ("seresnet101", se(resnet(Bottleneck, R101))),
    ("seresnet152", se(resnet(Bottleneck, R152))),
    ("seresnet152d", se(d(resnet(Bottleneck, R152)))),
    ("seresnet200d", se(d(resnet(Bottleneck, R200)))),
    ("seresnet269d", se(d(resnet(Bottleneck, R269)))),
    ("seresnext26d_32x4d", se(d(grouped(R18, 32, 4)))),
    ("seresnext26t_32x4d", se(t(grouped(R18, 32, 4)))),
    ("seresnext50_32x4d", se(grouped(R34, 32, 4))),
    ("seresnext101_32x4d", se(grouped(R101, 32, 4))),
    ("seresnext101_32x8d", se(grouped(R101, 32, 8))),
    ("seresnext101d_32x8d", se(d(grouped(R101, 32, 8)))),
    ("seresnext101_64x4d", se(grouped(R101, 64, 4))),
    ("resnetrs50", rs(R34)),
    ("resnetrs101", rs(R101)),
    ("resnetrs152", rs(R152)),
    ("resnetrs200", rs(R200)),
    ("resnetrs270", rs([4, 29, 53, 4])),
    ("resnetrs350", rs([4, 36, 72, 4])),
    ("resnetrs420", rs([4, 44, 87, 4])),
];

impl ResNet {
    /// Builds the network: stages `stem`, `layer1` (with the max pooling before it) to `layer4`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let mut channels = if self.stem == Wide { 128 } else { 64 };
        let stem = Stage::new("stem", self.stem(channels, device), channels, 2);
        let mut stages = vec![stem.tapped()];
        let expansion = if self.block == Basic { 1 } else { 4 };
        for (index, depth) in self.depths.into_iter().enumerate() {
            let planes = 64 << index;
            let mut layers = Vec::new();
            if index == 0 {
                layers.push(self.pool(channels, device));
            }
            for block in 0..depth {
                let stride = if index > 0 && block == 0 { 2 } else { 1 };
                let key = format!("layer{}.{block}", index + 1);
                layers.push(AnyLayer::new(
                    self.residual(&key, channels, planes, expansion, stride, device),
                ));
                channels = planes * expansion;
            }
            stages.push(
                Stage::new(format!("layer{}", index + 1), layers, channels, 4 << index).tapped(),
            );
        }
        Backbone::new(name, depth::to_the_last(stages), "fc")
    }

    /// What halves the stem's map.
    fn pool(&self, channels: usize, device: &Device) -> AnyLayer {
        if self.conv_pool {
            let conv = Conv2dConfig {
                stride: 2,
                ..Conv2dConfig::new("maxpool.0", [channels; 2], 3)
            };
            return AnyLayer::new(conv_norm(conv, "maxpool.1", Activation::Relu, device));
        }
        AnyLayer::new(Pool::new(PoolConfig {
            kind: PoolKind::Max,
            kernel: 3,
            stride: 2,
            padding: 1,
        }))
    }

    fn stem(&self, channels: usize, device: &Device) -> Vec<AnyLayer> {
        let [first, second] = match self.stem {
            Single => [channels; 2],
            Deep => [32, 32],
            Tiered => [24, 32],
            Wide => [64, 64],
        };
        let convs: &[(&str, &str, [usize; 2], usize, usize)] = match self.stem {
            Single => &[("conv1", "bn1", [3, channels], 7, 2)],
            _ => &[
                ("conv1.0", "conv1.1", [3, first], 3, 2),
                ("conv1.3", "conv1.4", [first, second], 3, 1),
                ("conv1.6", "bn1", [second, channels], 3, 1),
            ],
        };
        let each =
            |&(conv, norm, channels, kernel, stride): &(&str, &str, [usize; 2], usize, usize)| {
                let conv = Conv2dConfig {
                    stride,
                    ..Conv2dConfig::new(conv, channels, kernel)
                };
                AnyLayer::new(conv_norm(conv, norm, Activation::Relu, device))
            };
        convs.iter().map(each).collect()
    }

    fn residual(
        &self,
        key: &str,
        channels_in: usize,
        planes: usize,
        expansion: usize,
        stride: usize,
        device: &Device,
    ) -> Residual {
        let channels_out = planes * expansion;
        let block = |index: usize, conv: Conv2dConfig, activation| {
            let conv = Conv2dConfig {
                key: format!("{key}.conv{index}"),
                ..conv
            };
            AnyLayer::new(conv_norm(
                conv,
                &format!("{key}.bn{index}"),
                activation,
                device,
            ))
        };
        let mut body = match self.block {
            Basic => {
                let first = Conv2dConfig {
                    stride,
                    ..Conv2dConfig::new("", [channels_in, planes], 3)
                };
                let second = Conv2dConfig::new("", [planes, planes], 3);
                vec![
                    block(1, first, Activation::Relu),
                    block(2, second, Activation::Identity),
                ]
            }
            Bottleneck => {
                let width = planes * self.base_width / 64 * self.groups;
                let reduce = Conv2dConfig::new("", [channels_in, width], 1);
                let spatial = Conv2dConfig {
                    stride,
                    groups: self.groups,
                    ..Conv2dConfig::new("", [width, width], 3)
                };
                let expand = Conv2dConfig::new("", [width, channels_out], 1);
                vec![
                    block(1, reduce, Activation::Relu),
                    block(2, spatial, Activation::Relu),
                    block(3, expand, Activation::Identity),
                ]
            }
        };
        body.extend(self.squeeze_excite(key, channels_out, device));
        let shortcut = match stride != 1 || channels_in != channels_out {
            true => self.downsample(key, channels_in, channels_out, stride, device),
            false => Vec::new(),
        };
        Residual::new(body, shortcut, Activation::Relu)
    }

    fn squeeze_excite(&self, key: &str, channels: usize, device: &Device) -> Option<AnyLayer> {
        let reduced = round_to(channels as f64 * self.squeeze?, 8, 0.0);
        let config = SqueezeExciteConfig {
            gate: Activation::Sigmoid,
            names: ["fc1", "fc2"],
            ..SqueezeExciteConfig::new(format!("{key}.se"), channels, reduced)
        };
        Some(AnyLayer::new(config.init(device)))
    }

    fn downsample(
        &self,
        key: &str,
        channels_in: usize,
        channels_out: usize,
        stride: usize,
        device: &Device,
    ) -> Vec<AnyLayer> {
        // With pooling, position 0 of the shortcut is the pooling (or nothing), so that its convolution is number 1.
        let first = usize::from(self.pooled_shortcut);
        let conv = Conv2dConfig {
            stride: if self.pooled_shortcut { 1 } else { stride },
            padding: Padding::Fixed(0),
            ..Conv2dConfig::new(
                format!("{key}.downsample.{first}"),
                [channels_in, channels_out],
                1,
            )
        };
        let conv = conv_norm(
            conv,
            &format!("{key}.downsample.{}", first + 1),
            Activation::Identity,
            device,
        );
        let pool = PoolConfig {
            kind: PoolKind::AverageCeil,
            kernel: 2,
            stride,
            padding: 0,
        };
        match self.pooled_shortcut && stride > 1 {
            true => vec![AnyLayer::new(Pool::new(pool)), AnyLayer::new(conv)],
            false => vec![AnyLayer::new(conv)],
        }
    }
}

fn conv_norm(
    conv: Conv2dConfig,
    norm: &str,
    activation: Activation,
    device: &Device,
) -> ConvNormAct {
    let norm = BatchNormConfig::new(norm, conv.channels[1]);
    ConvNormActConfig {
        conv,
        norm: Some(norm),
        activation,
    }
    .init(device)
}
