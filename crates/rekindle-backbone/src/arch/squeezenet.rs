//! SqueezeNet 1.0 and 1.1 (Iandola et al. 2016), in torchvision's names. Checked against torchvision 0.29.2; timm has none.
//!
//! torchvision's classifier, `classifier.1`, is a 1x1 convolution to the classes with ReLU behind it, then the mean over the map. The one
//! that a head of here puts in its place is a linear layer behind the mean.

use burn::tensor::Device;

use crate::layers::{
    Activation, AnyLayer, Concat, Conv2dConfig, ConvNormActConfig, Padding, Pool, PoolConfig,
    PoolKind,
};
use crate::{Backbone, Stage};

/// Shape of a SqueezeNet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqueezeNet {
    /// Channels and side of the kernel of the first convolution.
    pub stem: [usize; 2],
    /// Of each stage behind a pooling, its fire modules: channels that are squeezed to; the two expansions have as many each as the
    /// second number.
    pub fires: &'static [&'static [[usize; 2]]],
    /// Side of the smallest image for which a pixel is left; torchvision says the same.
    pub smallest: usize,
}

/// torchvision's names and their shapes.
pub(super) const VARIANTS: &[(&str, SqueezeNet)] = &[
    (
        "squeezenet1_0",
        SqueezeNet {
            stem: [96, 7],
            fires: &[
                &[[16, 64], [16, 64], [32, 128]],
                &[[32, 128], [48, 192], [48, 192], [64, 256]],
                &[[64, 256]],
            ],
            smallest: 21,
        },
    ),
    (
        "squeezenet1_1",
        SqueezeNet {
            stem: [64, 3],
            fires: &[
                &[[16, 64], [16, 64]],
                &[[32, 128], [32, 128]],
                &[[48, 192], [48, 192], [64, 256], [64, 256]],
            ],
            smallest: 17,
        },
    ),
];

impl SqueezeNet {
    /// Builds the network: stages `block1` (the first convolution) to `block4`, of which each but the first begins with a pooling, where the
    /// size changes; all are taps.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let [mut channels, kernel] = self.stem;
        let stem = Conv2dConfig {
            stride: 2,
            padding: Padding::Fixed(0),
            ..Conv2dConfig::new("features.0", [3, channels], kernel)
        };
        let stem = vec![unit(stem, device)];
        let mut stages = vec![Stage::new("block1", stem, channels, 2).tapped()];
        // torchvision counts convolution and activation of the stem, poolings and fire modules.
        let mut place = 2;
        for (index, fires) in self.fires.iter().enumerate() {
            let mut layers = vec![pool()];
            place += 1;
            for &[squeezed, expanded] in *fires {
                let key = format!("features.{place}");
                layers.extend(fire(&key, channels, squeezed, expanded, device));
                channels = 2 * expanded;
                place += 1;
            }
            let name = format!("block{}", index + 2);
            stages.push(Stage::new(name, layers, channels, 4 << index).tapped());
        }
        Backbone::new(name, stages, "classifier.1").at_least(self.smallest)
    }
}

/// A 1x1 convolution to few channels, and a 1x1 and a 3x3 one of these side by side.
fn fire(
    key: &str,
    channels: usize,
    squeezed: usize,
    expanded: usize,
    device: &Device,
) -> [AnyLayer; 2] {
    let conv = |name: &str, channels, kernel| {
        let key = format!("{key}.{name}");
        unit(Conv2dConfig::new(key, channels, kernel), device)
    };
    let widths = [squeezed, expanded];
    let branches = vec![
        vec![conv("expand1x1", widths, 1)],
        vec![conv("expand3x3", widths, 3)],
    ];
    [
        conv("squeeze", [channels, squeezed], 1),
        AnyLayer::new(Concat::new(branches)),
    ]
}

fn pool() -> AnyLayer {
    AnyLayer::new(Pool::new(PoolConfig {
        kind: PoolKind::MaxCeil,
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
