//! The SE-ResNets and SE-ResNeXts of 2017 (Hu et al. 2018), timm's `legacy_se*`: ported from Caffe, with strides in the first convolution of a
//! block and a pooling that reaches over the border. Checked against timm 1.0.31. The newer ones are in `resnet`.

use burn::tensor::Device;

use crate::layers::{
    Activation, AnyLayer, BatchNormConfig, Conv2dConfig, ConvNormActConfig, Padding, Pool,
    PoolConfig, PoolKind, Residual, SqueezeExciteConfig,
};
use crate::{Backbone, Stage};

/// The residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeNetBlock {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1 (with the stride), 3x3, 1x1.
    Bottleneck,
    /// 1x1, 3x3 in 32 groups (with the stride), 1x1.
    Grouped,
    /// SENet-154: 1x1 to twice the channels, 3x3 in 64 groups to four times (with the stride), 1x1; a stem of three 3x3 convolutions and
    /// 3x3 shortcuts.
    Wide,
}

/// Shape of an older SE network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeNet {
    /// The residual block.
    pub block: SeNetBlock,
    /// Blocks per stage.
    pub depths: [usize; 4],
}

use SeNetBlock::{Basic, Bottleneck, Grouped, Wide};

const fn senet(block: SeNetBlock, depths: [usize; 4]) -> SeNet {
    SeNet { block, depths }
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, SeNet)] = &[
    ("legacy_seresnet18", senet(Basic, [2, 2, 2, 2])),
    ("legacy_seresnet34", senet(Basic, [3, 4, 6, 3])),
    ("legacy_seresnet50", senet(Bottleneck, [3, 4, 6, 3])),
    ("legacy_seresnet101", senet(Bottleneck, [3, 4, 23, 3])),
    ("legacy_seresnet152", senet(Bottleneck, [3, 8, 36, 3])),
    ("legacy_seresnext26_32x4d", senet(Grouped, [2, 2, 2, 2])),
    ("legacy_seresnext50_32x4d", senet(Grouped, [3, 4, 6, 3])),
    ("legacy_seresnext101_32x4d", senet(Grouped, [3, 4, 23, 3])),
    ("legacy_senet154", senet(Wide, [3, 8, 36, 3])),
];

impl SeNet {
    /// Builds the network: stages `layer0`, `layer1` (with the max pooling before it) to `layer4`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let mut channels = if self.block == Wide { 128 } else { 64 };
        let stem = self.stem(channels, device);
        let mut stages = vec![Stage::new("layer0", stem, channels, 2).tapped()];
        for (index, depth) in self.depths.into_iter().enumerate() {
            let mut layers = Vec::new();
            if index == 0 {
                layers.push(AnyLayer::new(Pool::new(PoolConfig {
                    kind: PoolKind::MaxCeil,
                    kernel: 3,
                    stride: 2,
                    padding: 0,
                })));
            }
            let planes = 64 << index;
            for block in 0..depth {
                let block = Block {
                    kind: self.block,
                    key: format!("layer{}.{block}", index + 1),
                    channels,
                    planes,
                    stride: if index > 0 && block == 0 { 2 } else { 1 },
                };
                channels = block.out();
                layers.push(AnyLayer::new(block.init(device)));
            }
            let name = format!("layer{}", index + 1);
            stages.push(Stage::new(name, layers, channels, 4 << index).tapped());
        }
        Backbone::new(name, stages, "last_linear")
    }

    fn stem(&self, channels: usize, device: &Device) -> Vec<AnyLayer> {
        let convs = match self.block {
            Wide => vec![([3, 64], 3, 2), ([64, 64], 3, 1), ([64, channels], 3, 1)],
            _ => vec![([3, channels], 7, 2)],
        };
        let each = convs.into_iter().enumerate();
        let each = each.map(|(index, (channels, kernel, stride))| {
            let key = |name: &str| format!("layer0.{name}{}", index + 1);
            let conv = Conv2dConfig {
                stride,
                ..Conv2dConfig::new(key("conv"), channels, kernel)
            };
            unit(conv, &key("bn"), Activation::Relu, device)
        });
        each.collect()
    }
}

struct Block {
    kind: SeNetBlock,
    key: String,
    channels: usize,
    planes: usize,
    stride: usize,
}

impl Block {
    fn out(&self) -> usize {
        match self.kind {
            Basic => self.planes,
            _ => 4 * self.planes,
        }
    }

    /// The convolutions: channels, kernel, stride and groups.
    fn convs(&self) -> Vec<([usize; 2], usize, usize, usize)> {
        let (channels, planes, stride, out) = (self.channels, self.planes, self.stride, self.out());
        match self.kind {
            Basic => vec![([channels, planes], 3, stride, 1), ([planes; 2], 3, 1, 1)],
            Bottleneck => vec![
                ([channels, planes], 1, stride, 1),
                ([planes; 2], 3, 1, 1),
                ([planes, out], 1, 1, 1),
            ],
            Grouped => {
                let width = planes / 16 * 32;
                vec![
                    ([channels, width], 1, 1, 1),
                    ([width; 2], 3, stride, 32),
                    ([width, out], 1, 1, 1),
                ]
            }
            Wide => vec![
                ([channels, 2 * planes], 1, 1, 1),
                ([2 * planes, out], 3, stride, 64),
                ([out; 2], 1, 1, 1),
            ],
        }
    }

    fn init(&self, device: &Device) -> Residual {
        let key = &self.key;
        let convs = self.convs();
        let last = convs.len();
        let each = convs.into_iter().zip(1..);
        let each = each.map(|((channels, kernel, stride, groups), number)| {
            // In the block of two convolutions an activation follows the second one too.
            let activation = match number == last && self.kind != Basic {
                true => Activation::Identity,
                false => Activation::Relu,
            };
            let conv = Conv2dConfig {
                stride,
                groups,
                ..Conv2dConfig::new(format!("{key}.conv{number}"), channels, kernel)
            };
            unit(conv, &format!("{key}.bn{number}"), activation, device)
        });
        let mut body: Vec<AnyLayer> = each.collect();
        let out = self.out();
        let squeeze = SqueezeExciteConfig {
            gate: Activation::Sigmoid,
            names: ["fc1", "fc2"],
            ..SqueezeExciteConfig::new(format!("{key}.se_module"), out, out / 16)
        };
        body.push(AnyLayer::new(squeeze.init(device)));
        let shortcut = match self.stride != 1 || self.channels != out {
            true => vec![self.downsample(device)],
            false => Vec::new(),
        };
        Residual::new(body, shortcut, Activation::Relu)
    }

    fn downsample(&self, device: &Device) -> AnyLayer {
        let kernel = if self.kind == Wide && self.planes > 64 {
            3
        } else {
            1
        };
        let key = |place| format!("{}.downsample.{place}", self.key);
        let conv = Conv2dConfig {
            stride: self.stride,
            padding: Padding::Fixed(kernel / 2),
            ..Conv2dConfig::new(key(0), [self.channels, self.out()], kernel)
        };
        unit(conv, &key(1), Activation::Identity, device)
    }
}

fn unit(conv: Conv2dConfig, norm: &str, activation: Activation, device: &Device) -> AnyLayer {
    let config = ConvNormActConfig {
        norm: Some(BatchNormConfig::new(norm, conv.channels[1])),
        conv,
        activation,
    };
    AnyLayer::new(config.init(device))
}
