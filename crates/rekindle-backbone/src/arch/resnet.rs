//! ResNet and its relatives.
//!
//! He et al. 2016 (ResNet; the stride sits in the 3x3 convolution, as in torchvision and timm), Xie et al. 2017 (ResNeXt: grouped 3x3),
//! Zagoruyko & Komodakis 2016 (wide), He et al. 2019 (the -d stem of three 3x3 convolutions and the pooled shortcut).

use burn::tensor::Device;

use crate::layers::{
    Activation, AnyLayer, BatchNormConfig, Conv2dConfig, ConvNormAct, ConvNormActConfig, Padding,
    Pool, PoolConfig, PoolKind, Residual,
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

/// Shape of a ResNet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResNet {
    /// The residual block.
    pub block: Block,
    /// Blocks per stage.
    pub depths: [usize; 4],
    /// Groups of the 3x3 convolution of a bottleneck (ResNeXt's cardinality).
    pub groups: usize,
    /// Channels per group of a bottleneck in the first stage; 64 for a plain ResNet.
    pub base_width: usize,
    /// The -d variant: stem of three 3x3 convolutions, average pooling in the shortcuts.
    pub deep_stem: bool,
}

const fn resnet(block: Block, depths: [usize; 4]) -> ResNet {
    ResNet {
        block,
        depths,
        groups: 1,
        base_width: 64,
        deep_stem: false,
    }
}

const fn deep(shape: ResNet) -> ResNet {
    ResNet {
        deep_stem: true,
        ..shape
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

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, ResNet)] = &[
    ("resnet18", resnet(Basic, [2, 2, 2, 2])),
    ("resnet34", resnet(Basic, [3, 4, 6, 3])),
    ("resnet26", resnet(Bottleneck, [2, 2, 2, 2])),
    ("resnet50", resnet(Bottleneck, [3, 4, 6, 3])),
    ("resnet101", resnet(Bottleneck, [3, 4, 23, 3])),
    ("resnet152", resnet(Bottleneck, [3, 8, 36, 3])),
    ("resnet18d", deep(resnet(Basic, [2, 2, 2, 2]))),
    ("resnet34d", deep(resnet(Basic, [3, 4, 6, 3]))),
    ("resnet26d", deep(resnet(Bottleneck, [2, 2, 2, 2]))),
    ("resnet50d", deep(resnet(Bottleneck, [3, 4, 6, 3]))),
    ("resnet101d", deep(resnet(Bottleneck, [3, 4, 23, 3]))),
    ("resnet152d", deep(resnet(Bottleneck, [3, 8, 36, 3]))),
    ("resnext50_32x4d", grouped([3, 4, 6, 3], 32, 4)),
    ("resnext50d_32x4d", deep(grouped([3, 4, 6, 3], 32, 4))),
    ("resnext101_32x4d", grouped([3, 4, 23, 3], 32, 4)),
    ("resnext101_32x8d", grouped([3, 4, 23, 3], 32, 8)),
    ("resnext101_64x4d", grouped([3, 4, 23, 3], 64, 4)),
    ("wide_resnet50_2", grouped([3, 4, 6, 3], 1, 128)),
    ("wide_resnet101_2", grouped([3, 4, 23, 3], 1, 128)),
];

impl ResNet {
    /// Builds the network: stages `stem`, `layer1` (with the max pooling before it) to `layer4`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let mut stages = vec![Stage::new("stem", self.stem(device), 64, 2).tapped()];
        let expansion = if self.block == Basic { 1 } else { 4 };
        let mut channels = 64;
        for (index, depth) in self.depths.into_iter().enumerate() {
            let planes = 64 << index;
            let mut layers = Vec::new();
            if index == 0 {
                let pool = PoolConfig {
                    kind: PoolKind::Max,
                    kernel: 3,
                    stride: 2,
                    padding: 1,
                };
                layers.push(AnyLayer::new(Pool::new(pool)));
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
        Backbone::new(name, stages, "fc")
    }

    fn stem(&self, device: &Device) -> Vec<AnyLayer> {
        let convs: &[(&str, &str, [usize; 2], usize, usize)] = match self.deep_stem {
            true => &[
                ("conv1.0", "conv1.1", [3, 32], 3, 2),
                ("conv1.3", "conv1.4", [32, 32], 3, 1),
                ("conv1.6", "bn1", [32, 64], 3, 1),
            ],
            false => &[("conv1", "bn1", [3, 64], 7, 2)],
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
        let body = match self.block {
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
        let shortcut = match stride != 1 || channels_in != channels_out {
            true => self.downsample(key, channels_in, channels_out, stride, device),
            false => Vec::new(),
        };
        Residual::new(body, shortcut, Activation::Relu)
    }

    fn downsample(
        &self,
        key: &str,
        channels_in: usize,
        channels_out: usize,
        stride: usize,
        device: &Device,
    ) -> Vec<AnyLayer> {
        // With the -d stem, position 0 of the shortcut is the pooling (or nothing), so that its convolution is number 1.
        let first = usize::from(self.deep_stem);
        let conv = Conv2dConfig {
            stride: if self.deep_stem { 1 } else { stride },
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
        match self.deep_stem && stride > 1 {
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
