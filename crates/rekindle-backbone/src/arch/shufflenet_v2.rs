//! ShuffleNetV2 (Ma et al. 2018), in torchvision's names. Checked against torchvision 0.29.2; timm has none.

use burn::tensor::Device;

use crate::layers::{
    Activation, AnyLayer, BatchNormConfig, Channels, ChannelsOf, Concat, Conv2dConfig,
    ConvNormActConfig, Pool, PoolConfig, PoolKind,
};
use crate::{Backbone, Stage};

/// Shape of a ShuffleNetV2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShuffleNetV2 {
    /// Channels of `stage2` to `stage4` and of `conv5`.
    pub widths: [usize; 4],
}

const fn shuffle(widths: [usize; 4]) -> ShuffleNetV2 {
    ShuffleNetV2 { widths }
}

/// torchvision's names and their shapes.
pub(super) const VARIANTS: &[(&str, ShuffleNetV2)] = &[
    ("shufflenet_v2_x0_5", shuffle([48, 96, 192, 1024])),
    ("shufflenet_v2_x1_0", shuffle([116, 232, 464, 1024])),
    ("shufflenet_v2_x1_5", shuffle([176, 352, 704, 1024])),
    ("shufflenet_v2_x2_0", shuffle([244, 488, 976, 2048])),
];

/// Channels of the first convolution.
const STEM: usize = 24;
/// Blocks of the stages between.
const DEPTHS: [usize; 3] = [4, 8, 4];

impl ShuffleNetV2 {
    /// Builds the network: stages `conv1`, `maxpool`, `stage2`, `stage3`, `stage4` and `conv5`. Those before the size changes are taps: all but
    /// `stage4`, behind which `conv5` has its size.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let stem = Conv2dConfig {
            stride: 2,
            ..Conv2dConfig::new("conv1.0", [3, STEM], 3)
        };
        let stem = vec![unit(stem, "conv1.1", Activation::Relu, device)];
        let pool = AnyLayer::new(Pool::new(PoolConfig {
            kind: PoolKind::Max,
            kernel: 3,
            stride: 2,
            padding: 1,
        }));
        let mut stages = vec![
            Stage::new("conv1", stem, STEM, 2).tapped(),
            Stage::new("maxpool", vec![pool], STEM, 4).tapped(),
        ];
        let mut channels = STEM;
        for (index, (depth, width)) in DEPTHS.into_iter().zip(self.widths).enumerate() {
            let name = format!("stage{}", index + 2);
            let blocks = (0..depth).flat_map(|block| {
                let key = format!("{name}.{block}");
                match block {
                    0 => halving(&key, [channels, width], device),
                    _ => keeping(&key, width, device),
                }
            });
            let stage = Stage::new(&name, blocks.collect(), width, 8 << index);
            channels = width;
            stages.push(if index < 2 { stage.tapped() } else { stage });
        }
        let width = self.widths[3];
        let last = Conv2dConfig::new("conv5.0", [channels, width], 1);
        let last = vec![unit(last, "conv5.1", Activation::Relu, device)];
        stages.push(Stage::new("conv5", last, width, 32).tapped());
        Backbone::new(name, stages, "fc")
    }
}

/// A block that halves the size: all channels through both branches, each giving half of the result.
fn halving(key: &str, [channels, width]: [usize; 2], device: &Device) -> [AnyLayer; 2] {
    let half = width / 2;
    let first = format!("{key}.branch1");
    let shortcut = vec![
        depthwise(&first, 0, channels, 2, device),
        pointwise(&first, 2, [channels, half], device),
    ];
    let body = branch(key, [channels, half], 2, device);
    [AnyLayer::new(Concat::new(vec![shortcut, body])), shuffled()]
}

/// A block that keeps the size: the second half of the channels goes through the branch.
fn keeping(key: &str, width: usize, device: &Device) -> [AnyLayer; 2] {
    let half = width / 2;
    let range = |range| AnyLayer::new(Channels::new(ChannelsOf::Range(range)));
    let mut body = vec![range(half..width)];
    body.extend(branch(key, [half; 2], 1, device));
    let branches = vec![vec![range(0..half)], body];
    [AnyLayer::new(Concat::new(branches)), shuffled()]
}

/// The branch of three convolutions.
fn branch(
    key: &str,
    [channels, width]: [usize; 2],
    stride: usize,
    device: &Device,
) -> Vec<AnyLayer> {
    let key = format!("{key}.branch2");
    vec![
        pointwise(&key, 0, [channels, width], device),
        depthwise(&key, 3, width, stride, device),
        pointwise(&key, 5, [width; 2], device),
    ]
}

fn shuffled() -> AnyLayer {
    AnyLayer::new(Channels::new(ChannelsOf::Shuffled(2)))
}

/// A 1x1 convolution, the `place`-th of its branch, with norm and ReLU.
fn pointwise(key: &str, place: usize, channels: [usize; 2], device: &Device) -> AnyLayer {
    let conv = Conv2dConfig::new(format!("{key}.{place}"), channels, 1);
    let norm = format!("{key}.{}", place + 1);
    unit(conv, &norm, Activation::Relu, device)
}

/// A 3x3 convolution of each channel, the `place`-th of its branch, with norm.
fn depthwise(key: &str, place: usize, channels: usize, stride: usize, device: &Device) -> AnyLayer {
    let conv = Conv2dConfig {
        stride,
        groups: channels,
        ..Conv2dConfig::new(format!("{key}.{place}"), [channels; 2], 3)
    };
    let norm = format!("{key}.{}", place + 1);
    unit(conv, &norm, Activation::Identity, device)
}

fn unit(conv: Conv2dConfig, norm: &str, activation: Activation, device: &Device) -> AnyLayer {
    let config = ConvNormActConfig {
        norm: Some(BatchNormConfig::new(norm, conv.channels[1])),
        conv,
        activation,
    };
    AnyLayer::new(config.init(device))
}
