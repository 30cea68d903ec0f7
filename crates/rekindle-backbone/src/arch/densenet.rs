//! DenseNet (Huang et al. 2017): each layer reads the channels of all before it. Checked against timm 1.0.31.

use burn::tensor::Device;

use crate::layers::{
    Activation, AnyLayer, BatchNormConfig, Concat, Conv2dConfig, ConvNormActConfig, NormAct, Pool,
    PoolConfig, PoolKind,
};
use crate::{Backbone, Stage};

/// Shape of a DenseNet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenseNet {
    /// Channels that each layer adds.
    pub growth: usize,
    /// Layers of each stage.
    pub depths: [usize; 4],
    /// A stem of three 3x3 convolutions in the place of the 7x7 one.
    pub deep_stem: bool,
}

const fn dense(growth: usize, depths: [usize; 4]) -> DenseNet {
    DenseNet {
        growth,
        depths,
        deep_stem: false,
    }
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, DenseNet)] = &[
    ("densenet121", dense(32, [6, 12, 24, 16])),
    ("densenet169", dense(32, [6, 12, 32, 32])),
    ("densenet201", dense(32, [6, 12, 48, 32])),
    ("densenet161", dense(48, [6, 12, 36, 24])),
    (
        "densenet264d",
        DenseNet {
            deep_stem: true,
            ..dense(48, [6, 12, 64, 48])
        },
    ),
];

impl DenseNet {
    /// Builds the network: stages `stem`, `denseblock1` to `denseblock4`, of which each begins with the pooling or the transition before
    /// it; the last norm belongs to the last stage.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let mut channels = 2 * self.growth;
        let stem = self.stem(channels, device);
        let mut stages = vec![Stage::new("stem", stem, channels, 2).tapped()];
        for (index, depth) in self.depths.into_iter().enumerate() {
            let mut layers = match index {
                0 => vec![pool(PoolKind::Max, 3, 1)],
                _ => {
                    let key = format!("features.transition{index}");
                    let next = channels / 2;
                    let conv = Conv2dConfig::new(format!("{key}.conv"), [channels, next], 1);
                    let before = norm(&format!("{key}.norm"), channels, device);
                    channels = next;
                    let conv = linear(conv, device);
                    // timm pools last. A 1x1 convolution without a bias and a mean give the same in either order, and this one is of a
                    // quarter of the pixels.
                    vec![before, pool(PoolKind::Average, 2, 0), conv]
                }
            };
            let block = format!("denseblock{}", index + 1);
            for layer in 1..=depth {
                let key = format!("features.{block}.denselayer{layer}");
                let added = self.layer(&key, channels, device);
                layers.push(AnyLayer::new(Concat::new(vec![Vec::new(), added])));
                channels += self.growth;
            }
            if index == self.depths.len() - 1 {
                layers.push(norm("features.norm5", channels, device));
            }
            stages.push(Stage::new(block, layers, channels, 4 << index).tapped());
        }
        Backbone::new(name, stages, "classifier")
    }

    fn stem(&self, channels: usize, device: &Device) -> Vec<AnyLayer> {
        let convs = match self.deep_stem {
            true => vec![
                ([3, self.growth], 3, 2),
                ([self.growth; 2], 3, 1),
                ([self.growth, channels], 3, 1),
            ],
            false => vec![([3, channels], 7, 2)],
        };
        let each = convs.into_iter().enumerate();
        let each = each.map(|(index, (channels, kernel, stride))| {
            let conv = Conv2dConfig {
                stride,
                ..Conv2dConfig::new(format!("features.conv{index}"), channels, kernel)
            };
            normed(conv, &format!("features.norm{index}"), device)
        });
        each.collect()
    }

    /// What a layer makes of the channels before it: a 1x1 convolution to four times the growth and a 3x3 one, each behind a norm.
    fn layer(&self, key: &str, channels: usize, device: &Device) -> Vec<AnyLayer> {
        let width = 4 * self.growth;
        let reduce = Conv2dConfig::new(format!("{key}.conv1"), [channels, width], 1);
        let grow = Conv2dConfig::new(format!("{key}.conv2"), [width, self.growth], 3);
        vec![
            norm(&format!("{key}.norm1"), channels, device),
            normed(reduce, &format!("{key}.norm2"), device),
            linear(grow, device),
        ]
    }
}

fn norm(key: &str, channels: usize, device: &Device) -> AnyLayer {
    let norm = BatchNormConfig::new(key, channels);
    AnyLayer::new(NormAct::new(&norm, Activation::Relu, device))
}

fn normed(conv: Conv2dConfig, norm: &str, device: &Device) -> AnyLayer {
    let config = ConvNormActConfig {
        norm: Some(BatchNormConfig::new(norm, conv.channels[1])),
        conv,
        activation: Activation::Relu,
    };
    AnyLayer::new(config.init(device))
}

fn linear(conv: Conv2dConfig, device: &Device) -> AnyLayer {
    let config = ConvNormActConfig {
        conv,
        norm: None,
        activation: Activation::Identity,
    };
    AnyLayer::new(config.init(device))
}

fn pool(kind: PoolKind, kernel: usize, padding: usize) -> AnyLayer {
    AnyLayer::new(Pool::new(PoolConfig {
        kind,
        kernel,
        stride: 2,
        padding,
    }))
}
