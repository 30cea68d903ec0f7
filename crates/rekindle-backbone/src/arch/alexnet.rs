//! AlexNet (Krizhevsky 2014, "One weird trick"), in torchvision's names. Checked against torchvision 0.29.2; timm has none.
//!
//! The two linear layers behind the convolutions, torchvision's `classifier.1` and `classifier.4`, are the last stage: a 6x6 convolution and a
//! 1x1 one, both trained on ImageNet. Before them maps of any size are pooled to 6x6 pixels, so that it gives one pixel.

use burn::tensor::Device;

use crate::layers::{
    Activation, AdaptivePool, AnyLayer, Conv2dConfig, ConvNormActConfig, Padding, Pool, PoolConfig,
    PoolKind,
};
use crate::{Backbone, Stage};

/// Shape of an AlexNet; there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlexNet;

/// torchvision's name.
pub(super) const VARIANTS: &[(&str, AlexNet)] = &[("alexnet", AlexNet)];

const FEATURES: usize = 4096;
/// Pixels of a side before the linear layers.
const SIDE: usize = 6;
/// Below it nothing is left for the last pooling; torchvision says the same.
const SMALLEST: usize = 63;

impl AlexNet {
    /// Builds the network: stages `block1` (the first convolution), `block2` and `block3` (each with the pooling before it), `pool` and
    /// `pre_logits`. Taps are where the size changes next.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let conv = |place: usize, channels, kernel, stride, padding| {
            let conv = Conv2dConfig {
                stride,
                padding: Padding::Fixed(padding),
                ..Conv2dConfig::new(format!("features.{place}"), channels, kernel)
            };
            unit(conv, device)
        };
        let stages = vec![
            Stage::new("block1", vec![conv(0, [3, 64], 11, 4, 2)], 64, 4).tapped(),
            Stage::new("block2", vec![pool(), conv(3, [64, 192], 5, 1, 2)], 192, 8).tapped(),
            Stage::new(
                "block3",
                vec![
                    pool(),
                    conv(6, [192, 384], 3, 1, 1),
                    conv(8, [384, 256], 3, 1, 1),
                    conv(10, [256, 256], 3, 1, 1),
                ],
                256,
                16,
            )
            .tapped(),
            Stage::new("pool", vec![pool()], 256, 32).tapped(),
            pre_logits(device),
        ];
        Backbone::new(name, stages, "classifier.6").at_least(SMALLEST)
    }
}

fn pre_logits(device: &Device) -> Stage {
    let linear = |place: usize, channels, kernel| {
        let conv = Conv2dConfig {
            padding: Padding::Fixed(0),
            matrix: true,
            ..Conv2dConfig::new(format!("classifier.{place}"), channels, kernel)
        };
        unit(conv, device)
    };
    let layers = vec![
        AnyLayer::new(AdaptivePool::new(SIDE)),
        linear(1, [256, FEATURES], SIDE),
        linear(4, [FEATURES, FEATURES], 1),
    ];
    Stage::new("pre_logits", layers, FEATURES, 32).pooled()
}

fn pool() -> AnyLayer {
    AnyLayer::new(Pool::new(PoolConfig {
        kind: PoolKind::Max,
        kernel: 3,
        stride: 2,
        padding: 0,
    }))
}

/// A convolution with a bias and ReLU.
fn unit(conv: Conv2dConfig, device: &Device) -> AnyLayer {
    let unit = ConvNormActConfig {
        conv: Conv2dConfig { bias: true, ..conv },
        norm: None,
        activation: Activation::Relu,
    };
    AnyLayer::new(unit.init(device))
}
