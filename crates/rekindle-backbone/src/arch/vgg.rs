//! VGG (Simonyan & Zisserman 2015), with and without batch norms. Checked against timm 1.0.31.
//!
//! The two layers behind the convolutions, timm's `pre_logits`, are the last stage: a 7x7 convolution (the linear layer over 7x7 pixels) and
//! a 1x1 one, both trained on ImageNet, and the mean over the pixels that larger images leave.

use burn::tensor::Device;

use crate::layers::{
    Activation, AnyLayer, BatchNormConfig, Conv2dConfig, ConvNormActConfig, Enlarge, Padding, Pool,
    PoolConfig, PoolKind,
};
use crate::{Backbone, Stage};

/// Shape of a VGG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vgg {
    /// Convolutions before each of the five poolings.
    pub depths: [usize; 5],
    /// Batch norms behind the convolutions.
    pub norms: bool,
}

const fn plain(depths: [usize; 5]) -> Vgg {
    Vgg {
        depths,
        norms: false,
    }
}

const fn bn(depths: [usize; 5]) -> Vgg {
    Vgg {
        depths,
        norms: true,
    }
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, Vgg)] = &[
    ("vgg11", plain([1, 1, 2, 2, 2])),
    ("vgg13", plain([2, 2, 2, 2, 2])),
    ("vgg16", plain([2, 2, 3, 3, 3])),
    ("vgg19", plain([2, 2, 4, 4, 4])),
    ("vgg11_bn", bn([1, 1, 2, 2, 2])),
    ("vgg13_bn", bn([2, 2, 2, 2, 2])),
    ("vgg16_bn", bn([2, 2, 3, 3, 3])),
    ("vgg19_bn", bn([2, 2, 4, 4, 4])),
];

const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];
const FEATURES: usize = 4096;

impl Vgg {
    /// Builds the network: stages `block1` to `block5`, of which each but the first begins with a pooling, `pool` and `pre_logits`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let mut stages = Vec::new();
        let mut channels = 3;
        // timm counts all layers of its `features`: convolutions, norms, activations and poolings.
        let mut place = 0;
        for (index, (width, depth)) in WIDTHS.into_iter().zip(self.depths).enumerate() {
            let mut layers = Vec::new();
            if index > 0 {
                layers.push(pool());
                place += 1;
            }
            for _ in 0..depth {
                let conv = Conv2dConfig {
                    bias: true,
                    ..Conv2dConfig::new(format!("features.{place}"), [channels, width], 3)
                };
                let norm = BatchNormConfig::new(format!("features.{}", place + 1), width);
                let norm = self.norms.then_some(norm);
                layers.push(unit(conv, norm, device));
                place += if self.norms { 3 } else { 2 };
                channels = width;
            }
            let name = format!("block{}", index + 1);
            stages.push(Stage::new(name, layers, width, 1 << index).tapped());
        }
        stages.push(Stage::new("pool", vec![pool()], channels, 32).tapped());
        let conv = |name, channels, kernel| Conv2dConfig {
            bias: true,
            padding: Padding::Fixed(0),
            ..Conv2dConfig::new(format!("pre_logits.{name}"), channels, kernel)
        };
        let layers = vec![
            AnyLayer::new(Enlarge::new(7)),
            unit(conv("fc1", [channels, FEATURES], 7), None, device),
            unit(conv("fc2", [FEATURES, FEATURES], 1), None, device),
            AnyLayer::new(Pool::new(PoolConfig::global_average())),
        ];
        stages.push(Stage::new("pre_logits", layers, FEATURES, 32).pooled());
        Backbone::new(name, stages, "head.fc")
    }
}

fn pool() -> AnyLayer {
    AnyLayer::new(Pool::new(PoolConfig {
        kind: PoolKind::Max,
        kernel: 2,
        stride: 2,
        padding: 0,
    }))
}

fn unit(conv: Conv2dConfig, norm: Option<BatchNormConfig>, device: &Device) -> AnyLayer {
    let unit = ConvNormActConfig {
        conv,
        norm,
        activation: Activation::Relu,
    };
    AnyLayer::new(unit.init(device))
}
